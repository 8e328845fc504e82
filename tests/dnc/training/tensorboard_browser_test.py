"""Checks a run's summaries with a real TensorBoard in a real browser."""

import dataclasses
import os
import tempfile
from unittest import mock

from selenium.common import exceptions
from selenium.webdriver.support import wait
from tensorboard.backend.event_processing import event_accumulator
import tensorflow as tf

from dnc import config as config_lib
from dnc import unroll
from dnc.next_sprite import rollouts
from dnc.next_sprite import scoring
from dnc.next_sprite import trainer as trainer_lib
from dnc.next_sprite import training
from dnc.training import summaries
from tests.support import browser
from tests.support import tensorboard_process
from tests.support import testing_data

_CONFIG = config_lib.TrainingConfig(
  memory_size=8,
  word_size=4,
  num_read_heads=2,
  hidden_size=16,
  min_length=40,
  max_length=40,
  batch_size=2,
  tbptt_length=20,
)
_SEEDS = (3, 4)
_TRAINING_SCORES = ('loss', 'grad_norm')
_TIMEOUT = 30
# TensorBoard's pages are trees of shadow roots.
_WALK = """
const found = [];
const walk = node => {
  if (node.nodeType === 1 && node.matches(arguments[0])) found.push(node);
  if (node.shadowRoot) walk(node.shadowRoot);
  node.childNodes.forEach(walk);
};
walk(document.body);
"""


class _Trained:
  """A model in training. Two runs show it: its graphs take seconds to make."""

  def __init__(self):
    self._table = testing_data.rendered_table()
    self._trainer = trainer_lib.SpriteTrainer(_CONFIG, self._table)
    self._scorer = scoring.PredictionScorer(
      self._trainer.predictor,
      self._table,
      rollouts.training_spec(_CONFIG, 'validation'),
      1,
    )

  def write_run(self, model_dir, config):
    """Trains for two updates and writes their summaries; returns scores."""
    spec = rollouts.training_spec(config)
    writer = summaries.Summaries(
      model_dir, config.identity(), training.SpriteSession.SCORES
    )
    for index in range(2):
      batch = rollouts.make_batch(self._table, spec, [2 * index, 2 * index + 1])
      metrics = self._trainer.update(batch)
      writer.training(
        index + 1, {name: float(metrics[name]) for name in _TRAINING_SCORES}
      )
      scores = self._scorer.score()
      writer.validation(index + 1, scores)
    # Drawing takes a second.
    writer.pictures(2, self._scorer.picture(), *self._scorer.trace_memory())
    writer.close()
    return scores


def _written_pictures(model_dir):
  """Width and height of each written picture, by tag."""
  events = event_accumulator.EventAccumulator(
    os.path.join(model_dir, summaries.SUMMARY_DIR)
  ).Reload()
  sizes = {
    tag: events.Tensors(tag)[-1].tensor_proto.string_val[:2]
    for tag in events.Tags()['tensors']
    if tag in summaries.PICTURES
  }
  return {tag: tuple(map(int, size)) for tag, size in sizes.items()}


class TensorBoardTest(tf.test.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    # First, because the test is skipped where there is no browser.
    cls._browser = cls.enterClassContext(browser.browser(1600, 2400))
    folder = cls.enterClassContext(tempfile.TemporaryDirectory())
    logdir = os.path.join(folder, 'runs')
    # Compiling takes seconds and computes the same.
    with mock.patch.object(unroll, 'can_compile', return_value=False):
      model = _Trained()
      cls._scores = {
        f'seed{seed}': model.write_run(
          os.path.join(logdir, f'seed{seed}'),
          dataclasses.replace(_CONFIG, seed=seed),
        )
        for seed in _SEEDS
      }
    cls._pictures = _written_pictures(os.path.join(logdir, 'seed3'))
    cls._address = cls.enterClassContext(
      tensorboard_process.tensorboard(logdir)
    )
    tensorboard_process.wait_for_scalar(
      cls._address, 'validation/iou', len(_SEEDS)
    )

  def _open(self, tab):
    # Changing only the tab would keep the elements of the previous tab.
    self._browser.get('about:blank')
    self._browser.get(f'{self._address}#{tab}')

  def _elements(self, selector):
    """Visible elements in any shadow root."""
    return self._browser.execute_script(
      _WALK + 'return found.filter(x => x.getClientRects().length);', selector
    )

  def _texts(self, selector, *, hidden=False):
    """The texts of visible elements, or of all."""
    seen = 'true' if hidden else 'x.getClientRects().length'
    return self._browser.execute_script(
      _WALK
      + f'return found.filter(x => {seen}).map(x => x.textContent.trim());',
      selector,
    )

  def _wait(self, ready):
    return wait.WebDriverWait(self._browser, _TIMEOUT).until(lambda _: ready())

  def _wait_for_texts(self, expected, selector, *, hidden=False):
    """Waits until elements show all the `expected` texts."""

    def missing():
      return set(expected) - set(self._texts(selector, hidden=hidden))

    try:
      self._wait(lambda: not missing())
    except exceptions.TimeoutException:
      self.assertEmpty(missing())

  def _assert_described(self, descriptions):
    """Asserts that the page has all, and a click on (i) shows the first."""
    # Paragraphs of rendered Markdown, hidden at first.
    self._wait_for_texts(descriptions, 'p', hidden=True)
    self.assertNotIn(descriptions[0], self._texts('p'))
    self._elements('paper-icon-button[icon="info"]')[0].click()
    self._wait_for_texts(descriptions[:1], 'p')

  def _loaded(self, selector):
    """Sizes of images; empty while one is still loading."""
    sizes = self._browser.execute_script(
      _WALK + 'return found.map(x => [x.naturalWidth, x.naturalHeight]);',
      selector,
    )
    return [tuple(size) for size in sizes] if all(map(all, sizes)) else []

  def test_scalars(self):
    self._open('scalars')
    tags = [f'training/{name}' for name in ('grad_norm', 'loss')]
    tags += [f'validation/{name}' for name in self._scores['seed3']]
    self._wait_for_texts(tags, '.heading-label span')
    descriptions = [summaries.TRAINING[x.split('/')[1]] for x in tags[:2]]
    descriptions += [
      training.SpriteSession.SCORES[x.split('/')[1]] for x in tags[2:]
    ]
    self._assert_described(descriptions)
    browser.screenshot(self._browser, 'scalars')

  def test_pictures(self):
    self._open('images')
    self._wait_for_texts(self._pictures, '.heading-label span')
    expected = sorted([*self._pictures.values()] * len(_SEEDS))

    def shown():
      return sorted(self._loaded('#main-image-container img'))

    try:
      self._wait(lambda: shown() == expected)
    except exceptions.TimeoutException:
      self.assertEqual(shown(), expected)
    browser.screenshot(self._browser, 'images')
    self._assert_described(
      [summaries.PICTURES[tag] for tag in sorted(self._pictures)]
    )

  def test_first_page(self):
    self._open('timeseries')
    shown = self._wait(lambda: self._loaded('image-card img'))
    browser.screenshot(self._browser, 'timeseries')
    self.assertContainsSubset(shown, self._pictures.values())

  def test_hyper_parameters(self):
    self._open('hparams')
    losses = [f'{scores["loss"]:#.5g}' for scores in self._scores.values()]
    self._wait_for_texts(
      ['seed', 'validation/loss', *(f'{s}.0000' for s in _SEEDS), *losses],
      '.table-cell, .table-header',
    )
    browser.screenshot(self._browser, 'hparams')


if __name__ == '__main__':
  tf.test.main()

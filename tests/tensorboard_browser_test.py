"""Looks at a run's summaries with a real TensorBoard in a real browser.

Needs Chromium and its driver. Where they are missing it is skipped, unless the
environment variable REQUIRE_BROWSER is set: then it fails. SCREENSHOT_DIR, if
set, is a folder for screenshots.
"""

import dataclasses
import os
import shutil
import tempfile
import unittest
import warnings

from selenium import webdriver
from selenium.common import exceptions
from selenium.webdriver.chrome import service
from selenium.webdriver.support import wait
from tensorboard.backend.event_processing import event_accumulator
import tensorflow as tf

from dnc import config as config_lib
from dnc import evaluation
from dnc import rollouts
from dnc import summaries
from dnc import trainer as trainer_lib
from dnc import training
from tests import tensorboard_process
from tests import testing_data

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
_BROWSER = ('chromium', 'chromium-browser', 'google-chrome')
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


def _find_program(*names):
  return next(filter(None, map(shutil.which, names)), None)


def _write_run(model_dir, config):
  """A few updates of a real training, and what it shows of them."""
  table = testing_data.rendered_table()
  trainer = trainer_lib.Trainer(config, table)
  spec = training.rollout_spec(config, 'train')
  validator = evaluation.Scorer(
    trainer.predictor, table, training.rollout_spec(config, 'validation'), 1
  )
  writer = summaries.Summaries(model_dir, config.identity())
  for index in range(2):
    batch = rollouts.make_batch(table, spec, [2 * index, 2 * index + 1])
    metrics = trainer.update(batch)
    step = int(trainer.tally.num_updates)
    writer.training(
      step, {name: float(metrics[name]) for name in ('loss', 'grad_norm')}
    )
    scores = validator.score()
    writer.validation(step, scores)
    writer.pictures(step, validator.picture(), *validator.trace_memory())
  writer.close()
  return scores


def _written_pictures(model_dir):
  """Width and height of each picture that was written, by tag."""
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
    browser = _find_program(*_BROWSER)
    driver = _find_program('chromedriver')
    if not (browser and driver):
      missing = (
        'no TensorBoard test: it needs Chromium and chromedriver on the PATH '
        '(Debian: apt-get install chromium chromium-driver)'
      )
      if os.environ.get('REQUIRE_BROWSER'):
        raise AssertionError(missing)
      warnings.warn(missing, stacklevel=1)  # Told by pytest -q, too.
      raise unittest.SkipTest(missing)
    folder = cls.enterClassContext(tempfile.TemporaryDirectory())
    logdir = os.path.join(folder, 'runs')
    cls._scores = {
      f'seed{seed}': _write_run(
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
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for argument in (
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-proxy-server',
      '--window-size=1600,2400',
      f'--user-data-dir={folder}/profile',
    ):
      options.add_argument(argument)
    cls._browser = webdriver.Chrome(options, service.Service(driver))
    cls.addClassCleanup(cls._browser.quit)

  def _open(self, tab):
    # Another tab's elements would stay in a page that is only turned over.
    self._browser.get('about:blank')
    self._browser.get(f'{self._address}#{tab}')

  def _elements(self, selector):
    """Elements that can be seen, whatever shadow root they are in."""
    return self._browser.execute_script(
      _WALK + 'return found.filter(x => x.getClientRects().length);', selector
    )

  def _texts(self, selector, *, hidden=False):
    """The texts of elements that can be seen, or of all."""
    seen = 'true' if hidden else 'x.getClientRects().length'
    return self._browser.execute_script(
      _WALK
      + f'return found.filter(x => {seen}).map(x => x.textContent.trim());',
      selector,
    )

  def _wait(self, ready):
    return wait.WebDriverWait(self._browser, _TIMEOUT).until(lambda _: ready())

  def _wait_for_texts(self, expected, selector, *, hidden=False):
    """Waits until there are elements with all the texts `expected`."""

    def missing():
      return set(expected) - set(self._texts(selector, hidden=hidden))

    try:
      self._wait(lambda: not missing())
    except exceptions.TimeoutException:
      self.assertEmpty(missing())

  def _assert_described(self, descriptions):
    """They are in the page, and a click on an (i) shows the first."""
    # Texts of Markdown's paragraphs; hidden until asked for.
    self._wait_for_texts(descriptions, 'p', hidden=True)
    self.assertNotIn(descriptions[0], self._texts('p'))
    self._elements('paper-icon-button[icon="info"]')[0].click()
    self._wait_for_texts(descriptions[:1], 'p')

  def _loaded(self, selector):
    """Sizes of images once there are some and none is still loading."""
    sizes = self._browser.execute_script(
      _WALK + 'return found.map(x => [x.naturalWidth, x.naturalHeight]);',
      selector,
    )
    return [tuple(size) for size in sizes] if all(map(all, sizes)) else []

  def _screenshot(self, name):
    if folder := os.environ.get('SCREENSHOT_DIR'):
      self._browser.save_screenshot(os.path.join(folder, f'{name}.png'))

  def test_scalars(self):
    self._open('scalars')
    tags = [f'training/{name}' for name in ('grad_norm', 'loss')]
    tags += [f'validation/{name}' for name in self._scores['seed3']]
    self._wait_for_texts(tags, '.heading-label span')
    descriptions = [summaries.TRAINING[x.split('/')[1]] for x in tags[:2]]
    descriptions += [summaries.VALIDATION[x.split('/')[1]] for x in tags[2:]]
    self._assert_described(descriptions)
    self._screenshot('scalars')

  def test_pictures(self):
    self._open('images')
    self._wait_for_texts(self._pictures, '.heading-label span')
    shown = self._wait(lambda: self._loaded('#main-image-container img'))
    self.assertCountEqual(shown, [*self._pictures.values()] * len(_SEEDS))
    self._screenshot('images')
    self._assert_described(
      [summaries.PICTURES[tag] for tag in sorted(self._pictures)]
    )

  def test_first_page(self):
    self._open('timeseries')
    shown = self._wait(lambda: self._loaded('image-card img'))
    self._screenshot('timeseries')
    self.assertContainsSubset(shown, self._pictures.values())

  def test_hyper_parameters(self):
    self._open('hparams')
    losses = [f'{scores["loss"]:.5g}' for scores in self._scores.values()]
    self._wait_for_texts(
      ['seed', 'validation/loss', *(f'{s}.0000' for s in _SEEDS), *losses],
      '.table-cell, .table-header',
    )
    self._screenshot('hparams')


if __name__ == '__main__':
  tf.test.main()

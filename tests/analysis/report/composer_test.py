"""Tests of the report of a real evaluation, also in a real browser."""

import base64
import json
import os
import re
import tempfile
from unittest import mock

from tensorboard.backend.event_processing import event_accumulator
import tensorflow as tf

from analysis import experiment
from analysis import lesion
from analysis import mutual_information
from dnc import config as config_lib
from dnc import unroll
from dnc.next_sprite import training
from tests.support import browser as testing_browser
from tests.support import data as testing_data

_TRAINING = config_lib.TrainingConfig(
  memory_size=5,
  word_size=4,
  num_read_heads=2,
  hidden_size=8,
  num_epochs=1,
  rollouts_per_epoch=4,
  min_length=20,
  max_length=30,
  batch_size=2,
  tbptt_length=10,
)
_EVALUATION = config_lib.EvaluationConfig(
  num_rollouts=12,
  num_sequences=3,
  rollout_length=15,
  num_lesioned=5,
  num_isolated=0,
  num_seeds=1,
  offsets=(5, 0, -1),
  lags=(1, 0),
)
_COMMAND = 'python evaluate.py --model_dir=<some> "& other"'
_PHONE = 360


class ReportTest(tf.test.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    # Most of a minute, and what is computed is the same.
    cls.enterClassContext(
      mock.patch.object(unroll, 'can_compile', return_value=False)
    )
    folder = cls.enterClassContext(tempfile.TemporaryDirectory())
    model_dir = os.path.join(folder, 'run')
    data_dir = testing_data.data_dir()
    training.train(_TRAINING, model_dir, data_dir, log=lambda line: None)
    cls._lines = []

    def evaluate():
      return experiment.evaluate(
        model_dir,
        _EVALUATION,
        data_dir,
        log=cls._lines.append,
        command=_COMMAND,
      )

    cls._found = evaluate()
    cls._folder = os.path.join(model_dir, experiment.EVALUATION_DIR)
    cls._text, cls._html = cls._read('report.md'), cls._read('report.html')
    evaluate()

  @classmethod
  def _read(cls, name):
    with open(os.path.join(cls._folder, name), encoding='utf-8') as file:
      return file.read()

  def test_a_second_evaluation_leaves_the_same(self):
    self.assertEqual(self._read('report.md'), self._text)
    self.assertEqual(self._read('report.html'), self._html)

  def test_says_what_was_found_and_of_what(self):
    for verdict in (
      mutual_information.verdict.text(self._found['mi']),
      lesion.verdict.text(self._found['lesion']),
    ):
      self.assertIn(f'** {verdict}'.replace('R^2', 'R²'), self._text)
    data = json.loads(self._read('report.json'))
    self.assertEqual(list(data['verdicts']), ['probe', 'mi', 'lesion'])
    for verdict in data['verdicts'].values():
      self.assertRegex(verdict, '^(Yes|No|Cannot tell)')
    self.assertEqual(data['prediction'], self._found['prediction'])
    score = self._found['probe'].scores['test']['memory'][0]['x_position']
    self.assertEqual(
      data['probe']['memory']['0']['x_position']['r2'], score['r2']
    )
    change = self._found['lesion'].comparisons['no_link']['loss']
    self.assertEqual(
      data['lesion']['no_link']['loss']['difference'], change.difference
    )
    self.assertEqual(
      data['mi']['memory']['num_locations'],
      _TRAINING.memory_size * _TRAINING.word_size,
    )
    about = data['about']
    self.assertEqual(about['command'], _COMMAND)
    self.assertEqual(about['training']['memory_size'], 5)
    self.assertEqual(about['evaluation']['num_lesioned'], 5)
    for fingerprint in ('model_fingerprint', 'data_fingerprint'):
      self.assertIn(about[fingerprint], self._text)
    self.assertEqual(about['versions']['tensorflow'], tf.__version__)
    # The post's table, beside ours.
    self.assertIn(
      'post, training rollouts: Model B, full memory (256)', self._text
    )
    self.assertIn("### The post's table, beside ours", self._text)

  def test_every_figure_is_there_and_described(self):
    files = re.findall(r'!\[.+\]\(figures/(.+)\)\n\*(.{60,})\*', self._text)
    names = {name for name, _ in files}
    self.assertEqual(
      names, set(os.listdir(os.path.join(self._folder, 'figures')))
    )
    self.assertContainsSubset(
      {f'probe_{x}.svg' for x in ('shape', 'scale', 'x_position')}
      | {'mutual_information_memory.svg', 'lesion_loss.svg', 'lesion_iou.svg'}
      | {'predictions.png', 'memory_words.png', 'memory_read_weights.png'}
      | {'memory_write_weights.png', 'memory_usage.png'},
      names,
    )
    embedded = re.findall(r'src="data:image/[^;]*;base64,([^"]*)"', self._html)
    self.assertLen(embedded, len(files))
    captions = dict(files)
    self.assertStartsWith(
      captions['probe_scale.svg'],
      'How much of the scale of the sprite 5 steps before a linear probe reads',
    )
    for name in ('memory', 'spread_memory'):
      self.assertIn(
        'of the sprite 1 step before',
        captions[f'mutual_information_{name}.svg'],
      )
    for content, (name, _) in zip(embedded, files):
      with open(os.path.join(self._folder, 'figures', name), 'rb') as file:
        self.assertEqual(base64.b64decode(content), file.read())
    self.assertNotRegex(self._html, r'https?://|<script')
    self.assertIn('&lt;some&gt; "&amp; other"', self._html)

  def test_tensorboard_has_the_same_figures(self):
    events = event_accumulator.EventAccumulator(
      os.path.join(self._folder, 'summaries')
    ).Reload()
    shown = {tag.split('/')[1] for tag in events.Tags()['tensors']}
    figures = os.listdir(os.path.join(self._folder, 'figures'))
    self.assertEqual(shown, {os.path.splitext(x)[0] for x in figures})
    content = events.Tensors('evaluation/lesion_loss')[0].tensor_proto
    picture = tf.io.decode_png(content.string_val[2])
    self.assertGreater(min(picture.shape[:2]), 150)

  def test_in_a_browser(self):
    with testing_browser.browser(_PHONE, 800) as browser:
      for width, name in ((1200, 'desk'), (_PHONE, 'phone')):
        # Windows have a least width; what the page sees has not.
        browser.execute_cdp_cmd(
          'Emulation.setDeviceMetricsOverride',
          dict(width=width, height=800, deviceScaleFactor=1, mobile=False),
        )
        browser.get(f'file://{self._folder}/report.html')
        seen, whole, sizes = browser.execute_script(
          'const page = document.documentElement;'
          'return [page.clientWidth, page.scrollWidth,'
          '[...document.images].map(x => [x.naturalWidth, x.width])];'
        )
        self.assertLessEqual(seen, width)
        # Nothing sticks out but what scrolls by itself.
        self.assertLessEqual(whole, seen)
        self.assertNotEmpty(sizes)
        for natural, shown in sizes:
          self.assertGreater(natural, 0)
          self.assertBetween(shown, min(natural, width // 2), width)
        testing_browser.screenshot(browser, f'report_{name}')
      printed = browser.execute_cdp_cmd('Page.printToPDF', {})['data']
      printed = base64.b64decode(printed)
      self.assertStartsWith(printed, b'%PDF')
      self.assertGreater(len(re.findall(rb'/Type\s*/Page\b', printed)), 3)


if __name__ == '__main__':
  tf.test.main()

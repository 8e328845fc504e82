"""Tests of the report of a real evaluation, also in a real browser."""

import base64
import dataclasses
import json
import os
import re

from tensorboard.backend.event_processing import event_accumulator
import tensorflow as tf

from analysis.report import composer
from dnc import config as config_lib
from dnc import tasks
from tests.analysis.intervention import examples as intervention_examples
from tests.analysis.lesion import examples as lesion_examples
from tests.support import browser as browser_lib
from tests.support import evaluated_run

# Widths in pixels.
_LAPTOP, _PHONE = 1280, 360


class ComposerTest(tf.test.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls._folder = evaluated_run.get().folder

  def _read(self, name):
    with open(os.path.join(self._folder, name), encoding='utf-8') as file:
      return file.read()

  def _json(self, name):
    return json.loads(self._read(f'{name}.json'))

  def test_says_what_was_found_and_of_what(self):
    text, data = self._read('report.md'), self._json('report')
    self.assertStartsWith(text, composer.TITLE)
    self.assertIn('It was trained on\nsequences ("rollouts") of', text)
    self.assertEqual(
      list(data['verdicts']), ['probe', 'mi', 'lesion', 'intervention']
    )
    for name, verdict in data['verdicts'].items():
      self.assertRegex(verdict, '^(Yes|No|Cannot tell)')
      self.assertIn(f'** {verdict}'.replace('R^2', 'R²'), text)
      name = {'mi': 'mutual_information'}.get(name, name)
      self.assertEqual(self._json(name)['verdict'], verdict)
    self.assertEqual(data['prediction'], self._json('prediction')['means'])
    score = self._json('probe')['scores']['test']['memory']['0']['x_position']
    self.assertEqual(
      data['probe']['memory']['0']['x_position']['r2'], score['r2']
    )
    change = self._json('lesion')['comparisons']['no_link']['loss']
    self.assertEqual(
      data['lesion']['no_link']['loss']['difference'], change['difference']
    )
    course = self._json('lesion')['courses']['frozen_memory']
    self.assertNotEmpty(course['changes'])
    self.assertEqual(data['lesion']['frozen_memory']['course'], course)
    # Below the answers, before the first figure.
    self.assertRegex(text.split('![')[0], r'(?s)\| +current \|.*\| +used \|')
    self.assertIn(' jolt |', text)
    self.assertRegex(text, r'\| +earlier \| +random x')
    self.assertEqual(data['mi']['memory']['num_locations'], 5 * 4)
    # The post's table, beside ours.
    self.assertIn('post, training rollouts: Model B, full memory (256)', text)
    self.assertIn("### The post's table, beside ours", text)

  def test_defines_its_terms_before_it_uses_them(self):
    before, after = self._read('report.md').split('## The answers')
    self.assertIn('t+1 |', after)
    for term in ('t+1', 'Label', 'M_t', 'r_t', 'h_t', 'c_t', 'Jolt'):
      self.assertIn(term, before)

  def test_says_what_was_run(self):
    text, about = self._read('report.md'), self._json('report')['about']
    self.assertStartsWith(about['command'], 'python evaluate.py --data_dir=')
    self.assertIn(f'`{about["command"]}`', text)
    self.assertEqual(about['training']['memory_size'], 5)
    self.assertEqual(about['evaluation']['num_lesioned'], 5)
    for fingerprint in ('model_fingerprint', 'data_fingerprint'):
      self.assertIn(about[fingerprint], text)
    self.assertEqual(about['versions']['tensorflow'], tf.__version__)

  def test_the_page_holds_everything(self):
    text = self._read('report.html')
    embedded = re.findall(r'src="data:image/[^;]*;base64,([^"]*)"', text)
    names = re.findall(r'\(figures/(.+)\)', self._read('report.md'))
    self.assertLen(embedded, len(names))
    for content, name in zip(embedded, names):
      with open(os.path.join(self._folder, 'figures', name), 'rb') as file:
        self.assertEqual(base64.b64decode(content), file.read())
    self.assertNotRegex(text, r'https?://|<script')

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
    with browser_lib.browser(_PHONE, 800) as browser:
      for width, name in ((_LAPTOP, 'desk'), (_PHONE, 'phone')):
        # Windows have a minimum width; the emulated screen does not.
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
        # Nothing is wider than the page, except what scrolls by itself.
        self.assertLessEqual(whole, seen)
        self.assertNotEmpty(sizes)
        for natural, shown in sizes:
          self.assertGreater(natural, 0)
          self.assertBetween(shown, min(natural, width // 2), width)
        if width == _LAPTOP:
          self.assertGreater(
            max(map(len, self._read('report.md').split('\n|'))), 200
          )
          self.assertEqual(browser_lib.cut_tables(browser), [])
        browser_lib.screenshot(browser, f'report_{name}')
      printed = browser.execute_cdp_cmd('Page.printToPDF', {})['data']
      printed = base64.b64decode(printed)
      self.assertStartsWith(printed, b'%PDF')
      self.assertGreater(len(re.findall(rb'/Type\s*/Page\b', printed)), 3)


class ComposeTest(tf.test.TestCase):
  def _compose(self, config, found):
    about = dict(
      command='',
      model_dir='',
      num_updates=1,
      model_fingerprint='',
      training=dataclasses.asdict(config),
      evaluation={},
    )
    return composer.compose(
      tasks.get(tasks.NEXT_SPRITE), about, found, has_memory=True
    )

  def test_a_core_that_was_never_trained(self):
    found = dict(
      lesion=lesion_examples.result(lesion_examples.USED),
      intervention=intervention_examples.result(),
    )
    config = config_lib.TrainingConfig(freeze_core=True)
    report = self._compose(config, found)
    trained = self._compose(config_lib.TrainingConfig(), found)
    for name in found:
      verdict = trained.data['verdicts'][name]
      said = f'{verdict} This core was never trained.'
      self.assertEqual(report.data['verdicts'][name], said)
      self.assertIn(f'** {said}', report.text)
      self.assertIn(verdict, trained.text)
    self.assertNotIn('never trained', trained.text)
    # Only what this report has is defined.
    self.assertIn('- **Jolt**', trained.text)
    self.assertNotIn('M_t', trained.text)


if __name__ == '__main__':
  tf.test.main()

"""Tests for analysis.lesion_tables."""

import dataclasses
import json

from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from analysis.lesion import comparison as lesion
from analysis.lesion import tables as lesion_tables
from dnc import lesions
from tests.support import markdown_tables as testing_tables

_NUM = 20


def _spread(mean, width):
  """Scores of sequences with a mean and a 95 % interval of about a width."""
  values = np.random.default_rng(0).normal(size=_NUM)
  values = (values - values.mean()) / values.std()
  return mean + values * width * _NUM**0.5 / 4


def _result(changes=(), task='dsprites', baseline=568.0):
  """A result; `changes` are (mean, width of the interval) of losses."""
  metrics = dict(dsprites=('loss', 'iou'))
  metrics = metrics.get(task, ('loss', 'bit_accuracy', 'sequence_accuracy'))
  changes = dict(changes)
  intact = _spread(130.0, 5.0)
  scores = {
    lesions.INTACT: dict.fromkeys(metrics, np.full(_NUM, 0.75)),
    lesion.BASELINE: dict.fromkeys(metrics, np.zeros(_NUM)),
  }
  scores[lesions.INTACT]['loss'] = intact
  scores[lesion.BASELINE]['loss'] = np.full(_NUM, baseline)
  for name in lesions.NAMES:
    mean, width = changes.get(name, (0.0, 0.0))
    scores[name] = dict.fromkeys(metrics, np.full(_NUM, 0.5))
    scores[name]['loss'] = intact + _spread(mean, width)
  late = {name: scores[name] for name in (lesions.INTACT, lesion.BASELINE)}
  comparisons = {
    name: {
      metric: lesion.compare(
        scores[lesions.INTACT][metric],
        scores[name][metric],
        scores[lesion.BASELINE][metric],
        metric == 'loss',
      )
      for metric in metrics
    }
    for name in lesions.NAMES
  }
  return lesion.LesionResult(
    task=task,
    unit='rollout' if task == 'dsprites' else 'sequence',
    loss_unit='nats an image',
    num_sequences=_NUM,
    num_steps=500,
    lesion_step=250,
    reset_interval=10,
    num_resamples=lesion.NUM_RESAMPLES,
    metrics=metrics,
    mean_words=np.zeros([2, 3]),
    scores=scores,
    late_scores=late,
    comparisons=comparisons,
  )


_USED = dict(
  read_words_zero=(90.0, 4.0),
  read_words_mean=(60.0, 4.0),
  read_words_other=(43.8, 2.0),
  frozen_memory=(8.76, 1.0),
  exchanged_memory=(6.57, 1.0),
  reset_memory=(50.0, 1.0),
)


class LesionTablesTest(tf.test.TestCase, parameterized.TestCase):
  def test_table(self):
    text = lesion_tables.lesion_text(_result(_USED))
    (table,) = testing_tables.rows(text)
    self.assertEqual(table['intact'], ['130.0', '', '', '0.75', ''])
    self.assertEqual(
      table['predicting the mean image'], ['568.0', '', '', '0', '']
    )
    self.assertIn('intact, from step 250 on', table)
    row = table['read words: of another rollout']
    self.assertRegex(row[1], r'^\+43\.8 \(\+4[23]\.\d to \+4[45]\.\d\)$')
    self.assertEqual(
      [row[0], *row[2:4]], ['173.8', '10.00% (9.72% to 10.27%)', '0.5']
    )
    self.assertEqual(row[4], '-0.2500 (-0.2500 to -0.2500)')
    self.assertEqual(
      table['no links'][1:3], ['+0 (+0 to +0)', '0.00% (0.00% to 0.00%)']
    )
    self.assertContainsSubset(
      [
        'read words: zeros',
        'read words: their mean',
        'memory frozen from step 250 on',
        'memory of another rollout every 10 steps',
        'memory reset every 10 steps',
        'no usage',
      ],
      table,
    )
    self.assertIn('20 unseen rollouts of 500 steps', text)
    self.assertIn('of another rollout are words as they were in', text)
    self.assertIn(lesion_tables.verdict(_result(_USED)), text)
    self.assertNotIn('Repeat-copy', text)

  def test_late_steps_without_anything_to_lose(self):
    result = _result(_USED)
    frozen = result.comparisons['frozen_memory']
    frozen['loss'] = dataclasses.replace(
      frozen['loss'], share=None, share_interval=None
    )
    self.assertStartsWith(
      lesion_tables.verdict(result), 'Yes: the model uses what it reads and'
    )

  def test_too_few_to_tell(self):
    result = dataclasses.replace(_result(_USED), num_sequences=9)
    self.assertStartsWith(
      lesion_tables.verdict(result), 'Cannot tell: fewer than 10 rollouts'
    )

  def test_table_of_repeat_copy(self):
    result = _result(_USED, task='repeat_copy')
    text = lesion_tables.lesion_text(result)
    (table,) = testing_tables.rows(text)
    self.assertIn('read words: of another sequence', table)
    self.assertIn('predicting the mean target', table)
    self.assertLen(table['intact'], 7)
    self.assertIn('sequences of up to 500 steps', text)
    self.assertIn('Repeat-copy cannot be done without', text)
    self.assertNotIn('rollout', text)

  @parameterized.named_parameters(
    (
      'used',
      {**_USED, 'frozen_memory': (50.0, 1.0)},
      'Yes: the model uses what it reads and what it stores:',
    ),
    (
      'small_part',
      {**_USED, 'frozen_memory': (44.0, 1.0)},
      'Yes, but hardly to remember: .* for a small part what it stores:',
    ),
    (
      'nothing_new',
      {**_USED, 'frozen_memory': (2.0, 0.5)},
      'Yes, but nothing new: .* hardly anything that it writes from step 250 '
      'on:',
    ),
    (
      'a_layer',
      {**_USED, 'frozen_memory': (0.1, 1.0), 'exchanged_memory': (4.0, 1.0)},
      'Yes, but not to remember: .* any memory serves as well as its own, and '
      'hardly anything that it writes from step 250 on matters:',
    ),
    (
      'hardly',
      dict(
        read_words_zero=(40.0, 1.0),
        read_words_mean=(3.0, 1.0),
        read_words_other=(2.0, 1.0),
      ),
      'Yes, but hardly',
    ),
    (
      'misled',
      dict(read_words_mean=(0.1, 1.0), read_words_other=(2.0, 1.0)),
      'Cannot tell: the words that another rollout reads mislead',
    ),
    (
      'used_to_them',
      dict(read_words_zero=(40.0, 1.0), read_words_other=(0.1, 1.0)),
      'No: the model is used to reading something',
    ),
    (
      'nothing',
      dict(
        read_words_zero=(0.2, 1.0),
        read_words_mean=(-0.1, 1.0),
        read_words_other=(-0.2, 1.0),
      ),
      'No: the model does as well without',
    ),
    ('none_at_all', {}, 'No: the model does as well without'),
  )
  def test_verdict(self, changes, pattern):
    verdict = lesion_tables.verdict(_result(changes))
    self.assertRegex(verdict, f'^{pattern}')
    self.assertNotIn('\n', verdict)
    self.assertEndsWith(verdict, '; 20 rollouts, intervals of 95 %).')

  def test_verdict_has_its_numbers(self):
    verdict = lesion_tables.verdict(_result(_USED))
    self.assertRegex(
      verdict,
      r'with nothing written from step 250 on its loss changes by \+8\.76 '
      r'\([^)]*\), 2\.0% of what the model gains over predicting the mean '
      r'image, with the memory of another rollout every 10 steps by \+6\.57 '
      r'\([^)]*\), 1\.5%, with the words that another rollout reads by \+43\.8 '
      r'\(\+4[23]\.\d to \+4[45]\.\d\), 10\.0% \(IoU from 0\.75 to 0\.5\), '
      r'with the mean words by \+60\.0 \([^)]*\), 13\.7%, with zeros by '
      r'\+90\.0 \([^)]*\), 20\.5% \(nats an image; 20 rollouts',
    )

  def test_no_verdict_on_a_model_without_any_idea(self):
    verdict = lesion_tables.verdict(_result(_USED, baseline=129.0))
    self.assertEqual(
      verdict,
      'Cannot tell: intact, the model is not better than predicting the mean '
      'image (loss 130.0 against 129.0 nats an image), so that there is '
      'nothing to lose.',
    )
    text = lesion_tables.lesion_text(_result(_USED, baseline=129.0))
    (table,) = testing_tables.rows(text)
    self.assertEqual(table['read words: zeros'][2], '')

  def test_json_has_everything(self):
    result = _result(_USED)
    result.scores['frozen_memory']['loss'][3] = np.nan
    data = lesion_tables.lesion_data(result, {'seed': 0})
    read = json.loads(json.dumps(data, allow_nan=False))
    self.assertEqual(read['config'], {'seed': 0})
    self.assertEqual(read['verdict'], lesion_tables.verdict(result))
    found = read['comparisons']['read_words_zero']['loss']
    self.assertAllClose(found['difference'], 90.0)
    self.assertLen(found['interval'], 2)
    self.assertIsNone(read['scores']['frozen_memory']['loss'][3])
    self.assertLen(read['scores'][lesions.INTACT]['iou'], _NUM)
    self.assertEqual(read['lesion_step'], 250)


if __name__ == '__main__':
  tf.test.main()

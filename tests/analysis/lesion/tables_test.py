"""Tests of the tables and the JSON of Test 3."""

import json

import numpy as np
import tensorflow as tf

from analysis.lesion import naming
from analysis.lesion import tables
from analysis.lesion import verdict
from dnc import lesions
from tests.analysis.lesion import examples
from tests.support import markdown_tables


class TablesTest(tf.test.TestCase):
  def test_table(self):
    text = tables.text(examples.result(examples.USED))
    summary, table = markdown_tables.rows(text)
    self.assertEqual(
      summary['memory frozen from step 250 on'][1:],
      [table['memory frozen from step 250 on'][2], '12.5%'],
    )
    self.assertEqual(
      summary['memory reset every 10 steps'][0], '22.83% (22.47% to 23.17%)'
    )
    # This lesion has no cut.
    self.assertEqual(
      summary['read words: of another rollout'],
      ['', '10.00% (9.72% to 10.27%)', '12.5%'],
    )
    self.assertIn('Lesions without a cut have no jolt.', text)
    self.assertContainsSubset(
      [naming.label(name, examples.result()) for name in lesions.NAMES], summary
    )
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
        'contents of another rollout every 10 steps',
        'memory of 50 steps ago every 10 steps',
        'memory reset every 10 steps',
        'reads by content alone',
        'no usage',
      ],
      table,
    )
    self.assertIn('20 unseen rollouts of up to 500 steps', text)
    self.assertIn('The words of another rollout look as in training', text)
    self.assertIn(verdict.text(examples.result(examples.USED)), text)
    self.assertNotIn('Repeat-copy', text)

  def test_losses_of_shown_and_hidden_images(self):
    more = ('loss_shown', 'loss_hidden')
    _, table = markdown_tables.rows(
      tables.text(examples.result(examples.USED, more_metrics=more))
    )
    header = table['']
    self.assertLen(header, 3 + 2 + 2 * 3)
    self.assertEqual(
      header[5:],
      [
        'loss, image shown (nats an image)',
        'change',
        'lost',
        'loss, image hidden (nats an image)',
        'change',
        'lost',
      ],
    )
    # In this example both losses are 0.75, or 0.5 with any lesion.
    self.assertEqual(table['intact'][8:], ['0.75', '', ''])
    self.assertEqual(table['no links'][8], '0.5')
    self.assertStartsWith(table['no links'][9], '-0.2500')

  def test_table_of_repeat_copy(self):
    result = examples.result(examples.USED, task='repeat_copy')
    text = tables.text(result)
    summary, table = markdown_tables.rows(text)
    self.assertIn('read words: of another sequence', summary)
    self.assertIn('read words: of another sequence', table)
    self.assertIn('predicting the mean target', table)
    self.assertLen(table['intact'], 7)
    self.assertIn('sequences of up to 500 steps', text)
    self.assertIn('Repeat-copy needs a memory', text)
    self.assertNotIn('rollout', text)

  def test_no_share_where_there_is_nothing_to_lose(self):
    text = tables.text(examples.result(examples.USED, baseline=129.0))
    summary, table = markdown_tables.rows(text)
    self.assertEqual(table['read words: zeros'][2], '')
    self.assertEqual(summary['read words: zeros'], ['', '', ''])

  def test_json_has_everything(self):
    result = examples.result(examples.USED)
    result.scores['frozen_memory']['loss'][3] = np.nan
    data = tables.data(result, {'seed': 0})
    read = json.loads(json.dumps(data, allow_nan=False))
    self.assertEqual(read['config'], {'seed': 0})
    self.assertEqual(read['verdict'], verdict.text(result))
    found = read['comparisons']['read_words_zero']['loss']
    self.assertAllClose(found['difference'], 90.0)
    self.assertLen(found['interval'], 2)
    self.assertIsNone(read['scores']['frozen_memory']['loss'][3])
    self.assertLen(
      read['scores'][lesions.INTACT]['iou'], examples.NUM_SEQUENCES
    )
    self.assertEqual(read['lesion_step'], 250)
    found = read['courses']['frozen_memory']
    self.assertEqual(found['first_steps'], [1, 2, 4])
    self.assertAllClose(found['changes'][2], found['lasting']['difference'])


if __name__ == '__main__':
  tf.test.main()

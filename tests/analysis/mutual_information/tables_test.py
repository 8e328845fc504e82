"""Tests of the tables and the JSON of Test 2."""

import dataclasses
import json

import numpy as np
import tensorflow as tf

from analysis.mutual_information import tables
from tests.analysis.mutual_information import examples
from tests.support import markdown_tables


class TextTest(tf.test.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls._text = tables.text(
      dict(memory=examples.result(), controller_hidden=examples.controller())
    )
    cls._rows = markdown_tables.rows(cls._text)

  def test_table_beside_the_post(self):
    table = self._rows[1]
    self.assertEqual(
      table["true x sequence, lag 0, the post's"], ['0.5', '0.2', '1 of 4', '']
    )
    self.assertEqual(
      table['true x sequence, lag 5'], ['0.9', '0.275', '1 of 4', '']
    )
    self.assertEqual(
      table['random x sequence (control)'], ['0.125', '0.0813', '1 of 4', '']
    )
    self.assertEqual(
      table['adjusted score of the raw numbers, true'][2:],
      ['4 of 4', '97.5%'],
    )
    self.assertEqual(
      table['plain score of the raw numbers, random'],
      ['3.4', '3.4', '0 of 4', '0.0%'],
    )
    self.assertEqual(
      table['post: random x sequence'], ['< 1e-08', '< 1e-08', 'all', '']
    )

  def test_says_which_plain_score_is_consistent_with_the_post(self):
    self.assertIn(
      'for both sequences. Consistent with this is: the adjusted score of the '
      'raw numbers (it subtracts',
      self._text,
    )
    self.assertIn('are below 1e-8; negative ones are.', self._text)
    for other in ('plain score of the raw numbers', 'score of integer parts'):
      self.assertNotIn(f'{other} (', self._text)
    text = tables.text(
      dict(
        memory=examples.result(
          plain_negligible=dict.fromkeys(examples.PLAIN, np.eye(2, 4))
        )
      )
    )
    self.assertIn("none is consistent with the post's numbers", text)

  def test_the_action_is_the_control(self):
    memory = examples.result()
    self.assertNotIn('untrained', tables.summary(dict(memory=memory)))
    # The memory has 0.4 nats about the current sprite, 0.7 about earlier ones.
    for scores, more in (
      ([0.55, 0.85], 'the current and earlier'),
      ([0.55, 0.75], 'the current'),
      ([0.45, 0.75], None),
    ):
      action = examples.result(
        layout=(1,),
        locations=np.arange(1),
        scores=np.array(scores)[:, np.newaxis],
        null=np.array([0.1]),
        p_values=np.full([2, 1], 1e-9),
        control=np.array([0.1]),
        control_q_values=np.ones(1),
      )
      text = tables.summary(dict(memory=memory, action=action))
      self.assertIn('| action (1)', text)
      self.assertIn('No untrained core is compared.', text)
      told = 'The action alone tells more than any number of the memory'
      if more is None:
        self.assertNotIn(told, text)
      else:
        self.assertIn(f'{told} about x of these sprites: {more}.', text)
    # Nothing that may be chance.
    action = dataclasses.replace(
      action, scores=np.ones([2, 1]), p_values=np.ones([2, 1])
    )
    text = tables.summary(dict(memory=memory, action=action))
    self.assertNotIn(told, text)

  def test_has_every_representation_at_every_lag(self):
    table = self._rows[2]
    self.assertEqual(
      table['memory, lag 0'],
      ['4', '1', '+0.4000 ± 0.0150', '+0.1000', '0.0813', '0.1000'],
    )
    self.assertEqual(table['memory, lag 5'][2], '+0.7000 ± 0.0150')
    self.assertIn('controller hidden, lag 0', table)

  def test_lists_the_most_significant_by_slot_and_word(self):
    lines = [
      [cell.strip() for cell in line.strip('|').split('|')]
      for line in self._text.split('## Memory: the most')[1].splitlines()
      if line.startswith('|')
    ]
    self.assertEqual(lines[0][:3], ['slot', 'word', 'lag'])
    self.assertEqual(
      lines[2],
      ['1', '1', '5', '0.9000', '+0.7000 ± 0.0150', '< 1e-99', '0.01', '8e-20'],
    )
    self.assertEqual(lines[3][:3], ['0', '0', '0'])

  def test_names_the_estimator_and_what_is_fixed(self):
    self.assertIn('(binned, 10 bins)', self._text)
    self.assertIn('50 sequences in which only x moves. P-values', self._text)
    self.assertIn('from 99 shifts of each. At most 2.30 nats', self._text)
    # p = 0.05 / 8 is at 2.50 standard deviations of 0.01.
    self.assertIn('In a typical number, 0.025 nats above chance', self._text)
    few = examples.result(num_different_shifts=19)
    self.assertIn('of each (19 different). At', tables.text(dict(memory=few)))
    text = tables.text(dict(memory=examples.result()), (('shape', 2),))
    self.assertIn('only x moves; fixed: shape:2.', text)


class DataTest(tf.test.TestCase):
  def test_has_the_summary_and_every_location(self):
    result = examples.result()
    data = tables.data(dict(memory=result), {'seed': 0})
    read = json.loads(json.dumps(data))
    self.assertEqual(read['config'], {'seed': 0})
    self.assertStartsWith(read['verdict'], 'Yes')
    memory = read['results']['memory']
    self.assertEqual(memory['scores'][0], [0.5, 0.0, 0.1, 0.2])
    self.assertEqual(memory['constant'], [False, True, False, False])
    self.assertEqual(memory['plain']['raw'][0], [3.4] * 4)
    self.assertEqual(memory['summary'], result.summary())
    self.assertEqual(memory['summary']['num_significant_by_lag'], [1, 1])
    self.assertEqual(memory['summary']['num_significant'], 2)


if __name__ == '__main__':
  tf.test.main()

"""Tests for analysis.mutual_information_tables."""

import dataclasses
import json

import numpy as np
import tensorflow as tf

from analysis.mutual_information import scoring as mutual_information
from analysis.mutual_information import tables as mutual_information_tables
from tests.support import markdown_tables as testing_tables

_PLAIN = dict(
  raw=np.full([2, 4], 3.4),
  adjusted=np.array([[0, 0, -1e-16, 0], [0.0, 0, 0, 0]]),
  integers=np.array([[0, 0, 0, 0.2], [0.0, 0, 0, 0.2]]),
)


def _result(**changes):
  """Of two slots of two words; word 1 of slot 0 never changes."""
  result = mutual_information.MutualInformationResult(
    estimator='binned',
    num_bins=10,
    num_sequences=50,
    num_shifts=99,
    num_different_shifts=99,
    lags=(0, 5),
    layout=(2, 2),
    locations=np.arange(4),
    scores=np.array([[0.5, 0.0, 0.1, 0.2], [0.1, 0.0, 0.1, 0.9]]),
    standard_error=np.full([2, 4], 0.015),
    control=np.array([0.125, 0.0, 0.1, 0.1]),
    null=np.array([0.1, 0.0, 0.1, 0.2]),
    shifted=np.array([0.11, 0.0, 0.1, 0.19]),
    null_deviation=np.array([0.01, 0, 0.01, 0.01]),
    p_values=np.array([[1e-9, 1, 0.5, 0.6], [0.4, 1, 0.3, 1e-120]]),
    empirical_p_values=np.array([[0.01, 1, 0.5, 0.6], [0.4, 1, 0.3, 0.01]]),
    q_values=np.array([[4e-9, 1, 0.8, 0.8], [0.8, 1, 0.8, 8e-20]]),
    control_q_values=np.array([0.2, 1, 0.9, 0.9]),
    constant=np.array([False, True, False, False]),
    plain=_PLAIN,
    plain_negligible=dict(
      raw=np.zeros([2, 4]),
      adjusted=np.array([[1, 1, 1, 0.9], [1, 1, 1, 1]]),
      integers=np.array([[1, 1, 1, 0], [1, 1, 1, 0]]),
    ),
    entropy=3.4,
  )
  return dataclasses.replace(result, **changes)


def _nothing(**changes):
  return _result(q_values=np.ones([2, 4]), **changes)


def _controller():
  return _result(layout=(4,), lags=(0, 5))


class TextTest(tf.test.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls._text = mutual_information_tables.mutual_information_text(
      dict(memory=_result(), controller_hidden=_controller())
    )
    cls._tables = testing_tables.rows(cls._text)

  def test_stands_beside_the_post(self):
    table = self._tables[0]
    self.assertEqual(
      table['true x sequence, lag 0'], ['0.5', '0.2', '1 of 4', '']
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

  def test_says_which_plain_score_explains_the_post(self):
    self.assertEqual(
      mutual_information_tables.explanations(_result()), ['adjusted']
    )
    self.assertIn(
      'the adjusted score of the raw numbers, in 98.8% of all', self._text
    )
    self.assertNotIn('the plain score of integer parts, in', self._text)
    text = mutual_information_tables.mutual_information_text(
      dict(memory=_result(plain_negligible=dict.fromkeys(_PLAIN, np.eye(2, 4))))
    )
    self.assertIn("none explains the post's numbers", text)

  def test_has_every_representation_at_every_lag(self):
    table = self._tables[1]
    self.assertEqual(
      table['memory, lag 0'],
      [
        '4',
        '1',
        '0.5000',
        '+0.4000 ± 0.0150',
        '0.2000',
        '+0.1000',
        '0.0813',
        '0.1000',
        '0',
      ],
    )
    self.assertEqual(table['memory, lag 5'][3], '+0.7000 ± 0.0150')
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

  def test_says_what_is_fixed_and_how_it_was_done(self):
    self.assertIn('(binned, 10 bins)', self._text)
    self.assertIn('50 sequences in which only x moves. P-values', self._text)
    text = mutual_information_tables.mutual_information_text(
      dict(memory=_result()), (('shape', 2),)
    )
    self.assertIn('only x moves; fixed: shape:2.', text)


class VerdictTest(tf.test.TestCase):
  def _verdict(self, result):
    return mutual_information_tables.verdict(dict(memory=result))

  def test_yes(self):
    said = self._verdict(_result())
    self.assertStartsWith(said, 'Yes: 2 of the 4 numbers of the memory follow')
    self.assertIn(
      'slot 1, word 1, by 0.700 nats above chance (95 %: 0.671 to 0.729; the',
      said,
    )
    self.assertIn('at lag 5, where 2.30 are possible', said)
    self.assertNotIn('Elsewhere', said)
    said = mutual_information_tables.verdict(
      dict(memory=_result(), controller_hidden=_controller())
    )
    self.assertIn('Elsewhere: at most 0.700 in the controller hidden.', said)
    # What is not significant may be high by chance alone.
    said = mutual_information_tables.verdict(
      dict(memory=_result(), controller_hidden=_nothing(layout=(4,)))
    )
    self.assertIn('Elsewhere: nothing in the controller hidden.', said)

  def test_no_says_what_would_have_been_seen(self):
    said = self._verdict(_nothing())
    self.assertStartsWith(said, 'No: none of the 4 numbers of the memory')
    # A chance of 0.05 / 8: 2.50 standard deviations of 0.01.
    self.assertIn('0.025 nats above chance at a typical one', said)

  def test_no_where_nothing_changes(self):
    said = self._verdict(_nothing(constant=np.ones(4, bool)))
    self.assertStartsWith(said, 'No: none')
    self.assertIn('ever changes', said)

  def test_cannot_tell_if_the_control_misbehaves(self):
    said = self._verdict(_result(control_q_values=np.array([1, 1, 0.001, 1])))
    self.assertStartsWith(said, 'Cannot tell: the control misbehaves, 1 of')

  def test_cannot_tell_from_few_shifts(self):
    said = self._verdict(_result(num_different_shifts=19))
    self.assertStartsWith(said, 'Cannot tell: chance is known from shifts')
    self.assertIn('there are 19. Sequences must be longer', said)
    said = self._verdict(_result(num_shifts=9, num_different_shifts=9))
    self.assertIn('there are 9. More must be asked for.', said)

  def test_without_memory_it_says_so(self):
    said = mutual_information_tables.verdict(
      dict(controller_hidden=_controller())
    )
    self.assertStartsWith(
      said, 'Yes: 2 of the 4 numbers of the controller hidden (this core has no'
    )
    self.assertIn('number 3, by 0.700', said)


class DataTest(tf.test.TestCase):
  def test_has_the_summary_and_every_location(self):
    result = _result()
    data = mutual_information_tables.mutual_information_data(
      dict(memory=result), {'seed': 0}
    )
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

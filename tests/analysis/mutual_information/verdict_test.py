"""Tests of the verdict of Test 2."""

from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from analysis import mutual_information
from analysis.mutual_information import verdict
from tests.analysis.mutual_information import examples
from tests.support import markdown_tables

_MORE = np.array([0.3, 0.4, 0.5])
_LESS = np.array([0.1, 0.2, 0.2])


class TextTest(parameterized.TestCase, tf.test.TestCase):
  def _verdict(self, result):
    said = verdict.text(dict(memory=result))
    # One short sentence, without numbers.
    self.assertRegex(said, r'^[^.\d]+\.$')
    self.assertLessEqual(len(said.split()), 30)
    return said

  def test_yes_names_the_sprites(self):
    self.assertEqual(
      self._verdict(examples.result()),
      'Yes: some numbers of the memory follow the x position of the current '
      'and earlier sprites.',
    )
    p_values = np.ones([2, 4])
    p_values[0, 1:] = 0.01
    self.assertEqual(
      self._verdict(examples.result(p_values=p_values)),
      'Yes: most numbers of the memory follow the x position of the current '
      'sprite.',
    )

  def test_counts_numbers_for_the_sprites_that_they_follow(self):
    # Three follow the current sprite, one an earlier one: no number in common.
    p_values = np.full([2, 4], 1e-9)
    p_values[0, 0] = p_values[1, 1:] = 1
    self.assertEqual(
      self._verdict(examples.result(p_values=p_values)),
      'Yes: numbers of the memory follow the x position of the current (most) '
      'and earlier (some) sprites.',
    )

  def test_names_no_sprite_that_nothing_follows(self):
    # All numbers follow the current sprite. At other lags, p-values are those
    # of chance: other sprites may be named in 5 % of the cases, 10 of 200.
    wrong = 0
    for seed in range(200):
      p_values = np.random.default_rng(seed).uniform(size=[4, 64])
      p_values[1] = 1e-9
      said = self._verdict(
        examples.result(lags=(-1, 0, 5, 10), p_values=p_values)
      )
      self.assertStartsWith(said, 'Yes: ')
      self.assertIn('the current', said)
      wrong += 'earlier' in said or 'the next' in said
    self.assertLessEqual(wrong, 20)

  def test_numbers_that_hold_the_current_x_alone(self):
    for seed in range(4):
      rng = np.random.default_rng(seed)
      x = rng.integers(8, size=[4, 200])
      noise = rng.standard_normal([4, 200, 16])
      found = mutual_information.score(x[..., np.newaxis] + noise, x)
      self.assertEqual(
        self._verdict(found),
        'Yes: all numbers of the memory follow the x position of the current '
        'sprite, the current more than the next.',
      )

  @parameterized.parameters(
    (_MORE, _LESS, ' sprites, the next more than the current.'),
    (_LESS, _MORE, ' sprites, the current more than the next.'),
    (_MORE, _MORE[::-1], 'the next and the current sprites.'),
  )
  def test_compares_next_and_current(self, of_next, of_current, said):
    result = examples.next_and_current(of_next, of_current)
    self.assertEndsWith(self._verdict(result), said)

  def test_the_longest_verdict_is_short_enough(self):
    p_values = np.zeros([4, 4])
    p_values[1:3, 0] = 1
    result = examples.result(
      lags=(-2, -1, 0, 5),
      scores=np.ones([4, 4]),
      p_values=p_values,
      excess_by_sequence=np.tile([0.0, 2, 1, 0], [3, 1]),
      num_sequences=3,
    )
    said = verdict.text(dict(controller_hidden=result))
    self.assertEqual(
      said,
      'Yes: numbers of the controller hidden follow the x position of later '
      '(all), the next (most), the current (most) and earlier (all) sprites, '
      'the next more than the current.',
    )
    self.assertLessEqual(len(said.split()), 30)

  def test_no(self):
    self.assertStartsWith(
      self._verdict(examples.nothing()), 'No: no number of the memory follows'
    )
    self.assertIn(
      'ever changes',
      self._verdict(examples.nothing(constant=np.ones(4, bool))),
    )

  def test_cannot_tell_if_the_control_fails(self):
    said = self._verdict(
      examples.result(control_q_values=np.array([1, 1, 0.001, 1]))
    )
    self.assertStartsWith(said, 'Cannot tell: the control fails')

  def test_cannot_tell_from_few_shifts(self):
    said = self._verdict(examples.result(num_different_shifts=19))
    self.assertStartsWith(said, 'Cannot tell: each sequence has too few')
    self.assertIn('use longer sequences', said)
    said = self._verdict(examples.result(num_shifts=9, num_different_shifts=9))
    self.assertIn('ask for more shifts', said)


class TableTest(tf.test.TestCase):
  def test_has_a_row_for_every_representation(self):
    (table,) = markdown_tables.rows(
      verdict.table(
        dict(memory=examples.result(), action=examples.nothing(layout=(4,)))
      )
    )
    # Without a lag of -1 there is no column about the next sprite.
    self.assertEqual(table[''], ['current', 'earlier', 'random x'])
    self.assertEqual(
      table['memory (4)'], ['0.400 (25%)', '0.700 (25%)', '0.025 (0%)']
    )
    self.assertEqual(
      table['action (4)'], ['0.400 (0%)', '0.700 (0%)', '0.025 (0%)']
    )

  def test_compares_next_and_current(self):
    result = examples.next_and_current(_MORE, _LESS)
    (table,) = markdown_tables.rows(verdict.table(dict(memory=result)))
    # The differences are 0.2, 0.2 and 0.3; Student's t is 4.30.
    self.assertEqual(
      table['memory (4)'],
      [
        '0.400 (25%)',
        '0.700 (25%)',
        '0.025 (0%)',
        '+0.2333 (+0.0899 to +0.3768)',
      ],
    )


if __name__ == '__main__':
  tf.test.main()

"""Tests for analysis.controls."""

import numpy as np
import tensorflow as tf

from analysis.common import controls


class ControlsTest(tf.test.TestCase):
  def test_random_inputs_are_standard_normal_and_depend_on_every_argument(self):
    def draw(seed, index, width=50, copy=0):
      return controls.random_inputs(seed, index, 400, width, copy)

    first = draw(0, 3)
    self.assertEqual((first.shape, first.dtype), ((400, 50), np.float32))
    # 20,000 numbers: the mean is within 0.02, the deviation within 0.015.
    self.assertNear(first.mean(), 0, 0.02)
    self.assertNear(first.std(), 1, 0.015)
    self.assertAllEqual(first, draw(0, 3))
    for other in (
      draw(1, 3),
      draw(0, 4),
      draw(0, 3, 51)[:, :50],
      draw(0, 3, copy=1),
    ):
      self.assertLess(
        abs(np.corrcoef(first.ravel(), other.ravel())[0, 1]), 0.03
      )

  def test_random_sequence_is_the_true_one_in_another_order(self):
    true = np.random.default_rng(0).integers(32, size=2000)
    before = true.copy()
    sequence = controls.random_sequence(0, 3, true)
    self.assertAllEqual(true, before)
    self.assertAllEqual(np.sort(sequence), np.sort(true))
    self.assertAllEqual(sequence, controls.random_sequence(0, 3, true))
    for other in (
      controls.random_sequence(1, 3, true),
      controls.random_sequence(0, 4, true),
      true,
    ):
      # One in 32 is the same by chance.
      self.assertLess(np.mean(sequence == other), 0.06)

  def test_circular_shifts_differ_and_are_reproducible(self):
    shifts = controls.circular_shifts(0, 3, 500, 479)
    self.assertAllEqual(np.sort(shifts), np.arange(11, 490))
    shifts = controls.circular_shifts(0, 3, 500, 50)
    self.assertLen(np.unique(shifts), 50)
    self.assertAllEqual(shifts, controls.circular_shifts(0, 3, 500, 50))
    self.assertNotAllEqual(shifts, controls.circular_shifts(0, 4, 500, 50))
    self.assertNotAllEqual(shifts, controls.circular_shifts(1, 3, 500, 50))

  def test_circular_shifts_go_beyond_every_lag(self):
    shifts = controls.circular_shifts(0, 0, 15, 200, furthest_lag=10)
    # All that there are, each again and again.
    self.assertAllEqual(np.unique(shifts), [11, 12, 13])
    self.assertLen(shifts, 200)
    with self.assertRaisesRegex(ValueError, '12 steps .* lags of 10'):
      controls.circular_shifts(0, 0, 12, 5, furthest_lag=10)


if __name__ == '__main__':
  tf.test.main()

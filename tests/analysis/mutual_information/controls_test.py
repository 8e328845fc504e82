"""Tests of random sequences and shifts."""

import numpy as np
import tensorflow as tf

from analysis.mutual_information import controls


class ControlsTest(tf.test.TestCase):
  def test_random_sequence_is_a_permutation_of_the_true_one(self):
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
      # One step in 32 has the same class by chance.
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
    shifts = controls.circular_shifts(0, 0, 15, 200, lags=(0, 10))
    # Only three shifts are left, so each is drawn many times.
    self.assertAllEqual(np.unique(shifts), [11, 12, 13])
    self.assertLen(shifts, 200)
    # A shift by 8 of 9 steps is a lag of -1.
    shifts = controls.circular_shifts(0, 0, 9, 200, lags=(-1, 5))
    self.assertAllEqual(np.unique(shifts), [6, 7])
    # No further than the usual distance: the shifts are those without it.
    for seed in range(3):
      self.assertAllEqual(
        controls.circular_shifts(seed, 0, 500, 99, lags=(-1, 0, 5, 10)),
        controls.circular_shifts(seed, 0, 500, 99, lags=(0, 1, 5, 10)),
      )
    with self.assertRaisesRegex(ValueError, '12 steps: .* lags of 0, 10'):
      controls.circular_shifts(0, 0, 12, 5, lags=(0, 10))


if __name__ == '__main__':
  tf.test.main()

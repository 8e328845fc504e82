"""Tests for analysis.controls."""

import numpy as np
import tensorflow as tf

from analysis import controls


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

  def test_random_sequence_covers_its_classes_and_is_reproducible(self):
    sequence = controls.random_sequence(0, 3, 2000, 32)
    self.assertAllEqual(np.unique(sequence), np.arange(32))
    self.assertAllEqual(sequence, controls.random_sequence(0, 3, 2000, 32))
    for other in (
      controls.random_sequence(1, 3, 2000, 32),
      controls.random_sequence(0, 4, 2000, 32),
    ):
      # Independent sequences agree at 1 step in 32, +- 0.016 (4 deviations).
      self.assertNear(np.mean(sequence == other), 1 / 32, 0.016)

  def test_shuffles_keep_the_numbers_and_are_reproducible(self):
    sequence = np.arange(100)
    shuffled = controls.shuffles(0, 3, sequence, 50)
    self.assertAllEqual(np.sort(shuffled, axis=1), np.tile(sequence, (50, 1)))
    self.assertLen(np.unique(shuffled, axis=0), 50)
    self.assertAllEqual(shuffled, controls.shuffles(0, 3, sequence, 50))
    self.assertNotAllEqual(shuffled, controls.shuffles(0, 4, sequence, 50))
    self.assertNotAllEqual(shuffled, controls.shuffles(1, 3, sequence, 50))


if __name__ == '__main__':
  tf.test.main()

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


if __name__ == '__main__':
  tf.test.main()

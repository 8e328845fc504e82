"""Tests for analysis.common.statistics."""

import numpy as np
import tensorflow as tf

from analysis.common import statistics


class IntervalTest(tf.test.TestCase):
  def test_holds_95_percent_of_the_replicates(self):
    self.assertEqual(statistics.interval(np.arange(1001.0)), (25.0, 975.0))

  def test_leaves_out_what_is_undefined(self):
    replicates = np.array([np.nan, 1.0, 1.0, np.inf])
    self.assertEqual(statistics.interval(replicates), (1.0, 1.0))
    self.assertIsNone(statistics.interval(np.full([10], np.nan)))


if __name__ == '__main__':
  tf.test.main()

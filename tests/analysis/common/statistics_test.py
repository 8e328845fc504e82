"""Tests for analysis.common.statistics."""

import numpy as np
from scipy import stats
import tensorflow as tf

from analysis.common import statistics


class DrawsTest(tf.test.TestCase):
  def test_each_resample_has_as_many_rollouts(self):
    drawn = statistics.draws((1, 2), 6, 500)
    self.assertAllEqual(drawn.sum(axis=1), [6] * 500)
    self.assertAllClose(drawn.mean(axis=0), [1.0] * 6, atol=0.2)
    self.assertAllEqual(drawn, statistics.draws((1, 2), 6, 500))


class IntervalTest(tf.test.TestCase):
  def test_holds_95_percent_of_the_replicates(self):
    self.assertEqual(statistics.interval(np.arange(1001.0)), (25.0, 975.0))
    # One of five.
    self.assertEqual(statistics.interval(np.arange(1001.0), 5), (5.0, 995.0))

  def test_leaves_out_what_is_undefined(self):
    replicates = np.array([np.nan, 1.0, 1.0, np.inf])
    self.assertEqual(statistics.interval(replicates), (1.0, 1.0))
    self.assertIsNone(statistics.interval(np.full([10], np.nan)))


class MeanIntervalTest(tf.test.TestCase):
  def test_is_students(self):
    mean, interval = statistics.mean_interval([1.0, 2.0, 3.0])
    # The deviation is 1, and 4.302653 the quantile with 2 degrees of freedom.
    self.assertEqual(mean, 2.0)
    self.assertAllClose(interval, 2 + 4.302653 / np.sqrt(3) * np.array([-1, 1]))

  def test_one_model_has_no_interval(self):
    self.assertEqual(statistics.mean_interval([0.5]), (0.5, None))


class MoreThanTest(tf.test.TestCase):
  def test_one_number_is_held_against_a_prediction_interval(self):
    others = [1.0, 2.0, 3.0, 4.0, 5.0]
    t = 4 / np.sqrt(2.5 * (1 + 1 / 5))
    self.assertAllClose(
      statistics.more_than([7.0], others), stats.t.sf(t, df=4)
    )
    self.assertAllClose(
      statistics.more_than([-1.0], others), 1 - stats.t.sf(t, df=4)
    )

  def test_the_mean_of_several_is_held_against_it(self):
    for sample in ([5.0, 7.0], [6.0, 6.0], [0.0, 12.0]):
      found = statistics.more_than(sample, [1.0, 2.0, 3.0])
      self.assertAllClose(found, stats.t.sf(4 / np.sqrt(1 / 2 + 1 / 3), 2))

  def test_more_of_the_same_are_seldom_taken_for_more(self):
    draws = np.random.default_rng(0).normal(size=[4000, 8])
    found = [statistics.more_than(x[:3], x[3:]) for x in draws]
    self.assertNear(np.mean(np.array(found) < 0.05), 0.05, 0.01)

  def test_without_spread(self):
    self.assertEqual(statistics.more_than([1.0], [0.5, 0.5, 0.5]), 0)
    self.assertEqual(statistics.more_than([0.5], [0.5, 0.5, 0.5]), 1)


class HolmTest(tf.test.TestCase):
  def test_each_is_multiplied_by_how_many_are_left(self):
    self.assertAllClose(
      statistics.holm([0.04, 0.01, 0.03, 0.5]), [0.09, 0.04, 0.09, 0.5]
    )

  def test_never_above_one(self):
    self.assertAllEqual(statistics.holm([0.9, 0.6]), [1, 1])

  def test_none(self):
    self.assertAllEqual(statistics.holm([]), [])


if __name__ == '__main__':
  tf.test.main()

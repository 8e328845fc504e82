"""Tests of what a lesion costs by steps since the cut, on known costs."""

from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from analysis import lesion
from analysis.lesion import course

_SEQUENCES = 6
_STEPS = 22
# By steps since the cut; the model gains 100.
_COSTS = (60.0, 20.0, 10.0, 2.0, 1.0)


def _intact():
  """Losses of the intact model, different for each sequence and step."""
  return np.random.default_rng(0).normal(30.0, 9.0, [_SEQUENCES, _STEPS])


class CourseTest(tf.test.TestCase, parameterized.TestCase):
  def test_costs_of_cuts_at_intervals(self):
    intact, steps = _intact(), np.arange(_STEPS)
    costs = np.where(steps >= 5, np.array(_COSTS)[steps % 5], 0.0)
    found = course.find(intact, intact + costs, intact + 100, 5, 5)
    self.assertEqual((found.first_cut, found.cut_interval), (5, 5))
    self.assertAllEqual(found.first_steps, [1, 2, 3, 4, 5])
    self.assertAllEqual(found.last_steps, found.first_steps)
    self.assertAllClose(found.changes, _COSTS)
    self.assertAllClose(found.intervals, np.transpose([_COSTS, _COSTS]))
    # After the last cut, before step 20, there are only two steps.
    self.assertAllClose(found.jolt.difference, (4 * 60 + 4 * 20 + 3 * 10) / 11)
    self.assertAllClose(found.jolt.share, found.jolt.difference / 100)
    self.assertAllClose(found.lasting.difference, 1.5)
    self.assertAllClose(found.lasting.share, 0.015)
    self.assertEqual(found.share_of_much, 0.0)

  def test_few_steps_that_lose_much(self):
    intact = _intact()
    costs = np.zeros(intact.shape)
    # The cut is before step 2, so the steps from 5 on last.
    costs[:, [2, 9]] = 51.0
    costs[:, 12] = 9.0
    found = course.find(intact, intact + costs, intact + 100, 2)
    self.assertAllClose(found.jolt.share, 0.17)
    self.assertAllClose(found.lasting.share, 0.6 / 17)
    self.assertAllClose(found.share_of_much, 1 / 17)

  @parameterized.parameters(1, 10, 11, 13, 300)
  def test_each_step_is_in_one_point(self, num_steps):
    zeros = np.zeros([2, num_steps])
    found = course.find(zeros, zeros, zeros + 1, 0)
    steps = [
      step
      for first, last in zip(found.first_steps, found.last_steps)
      for step in range(first, last + 1)
    ]
    self.assertEqual(steps, list(range(1, num_steps + 1)))
    self.assertLess(len(found.changes), 30)

  def test_intervals_are_over_sequences(self):
    rng = np.random.default_rng(1)
    losses = np.stack([_intact()] * 3) + np.array([0, 5, 100]).reshape(3, 1, 1)
    losses += rng.normal(0.0, 3.0, losses.shape)
    # This sequence is too short to be cut.
    losses[:, 2, 18:] = np.nan
    found = course.find(*losses, first_cut=19)
    expected = lesion.compare(*losses[:, :, 19:].mean(axis=2))
    self.assertEqual(found.jolt, expected)
    self.assertEqual(found.jolt.num_sequences, _SEQUENCES - 1)
    self.assertAllClose(found.changes.mean(), expected.difference)
    # One step since the cut at a time.
    alone = course.find(*np.delete(losses, 2, axis=1), first_cut=19)
    for step, interval in enumerate(alone.intervals, start=19):
      self.assertAllClose(
        interval, lesion.compare(*losses[:, :, step]).interval
      )
    # Draws of six sequences, not of five.
    self.assertAllClose(found.intervals, alone.intervals, rtol=0.3)
    self.assertIsNone(found.lasting)
    self.assertIsNone(found.share_of_much)

  def test_no_share_where_there_is_nothing_to_lose(self):
    intact = _intact()
    found = course.find(intact, intact + 3, intact, 0)
    self.assertAllClose(found.lasting.difference, 3.0)
    self.assertIsNone(found.lasting.share)
    self.assertIsNone(found.share_of_much)

  def test_a_cut_that_never_comes(self):
    intact = _intact()
    found = course.find(intact, intact, intact + 100, _STEPS, 5)
    self.assertEqual((len(found.changes), found.intervals.shape), (0, (0, 2)))
    self.assertIsNone(found.jolt)
    self.assertIsNone(found.lasting)


if __name__ == '__main__':
  tf.test.main()

"""Tests for analysis.probe.scoring."""

import dataclasses

import numpy as np
import tensorflow as tf

from analysis.common import statistics
from analysis.probe import labels as labels_lib
from analysis.probe import scoring
from tests.analysis.probe import examples

_SPEC = examples.SPEC


def _sum_errors(rollouts):
  """Sums errors over (labels `[time, task, 4]`, predictions by name)."""
  sums = scoring.ErrorSums(_SPEC)
  for labels, predictions in rollouts:
    sums.update(
      labels, {k: sums.count(labels, x) for k, x in predictions.items()}
    )
  return sums


def _random_rollouts(seed, number, num_tasks=2, num_probes=3):
  rng = np.random.default_rng(seed)
  for _ in range(number):
    num_steps = rng.integers(5, 9)
    labels = np.ones([num_steps, num_tasks, 4], np.float32)
    labels[..., 0] = rng.integers(3, size=labels.shape[:2])
    labels[..., 1:3] = rng.standard_normal([*labels.shape[:2], 2])
    # Some steps have no label.
    labels[: rng.integers(3), 1] = 0
    shape = [num_steps, num_probes, num_tasks, 5]
    yield labels, {'x': rng.standard_normal(shape).astype(np.float32)}


class ErrorSumsTest(tf.test.TestCase):
  def test_scores_of_a_probe_worked_out_by_hand(self):
    labels = np.array(
      [
        [[1, 1, 2, 1]],  # All right.
        [[0, 3, 2, 1]],  # Class wrong, size 2 away.
        [[1, 1, 2, 1]],
        [[0, 0, 0, 0]],  # No label.
      ],
      np.float32,
    )
    predictions = np.tile(np.float32([0, 1, 0, 1, 2]), [4, 1, 1, 1])
    sums = _sum_errors([(labels, {'x': predictions})])
    error, gain = sums.score('x', np.ones([1, 1]))
    self.assertAllClose(error[0, 0, 0], [1 / 3, 4 / 3, 0])
    # Sizes 1, 3, 1 have variance 8/9; the place is always the same.
    self.assertAllClose(gain[0, 0, 0, :2], [1 / 3, 1 - (4 / 3) / (8 / 9)])
    self.assertTrue(np.isnan(gain[0, 0, 0, 2]))

  def test_errors_of_a_part_are_those_of_its_steps_alone(self):
    by_part = scoring.ErrorsByPart(_SPEC, ['even', 'none'])
    even = []
    for labels, predictions in _random_rollouts(0, 12):
      steps = np.arange(len(labels))
      parts = {'even': steps % 2 == 0, 'none': steps < 0}
      own = labels_lib.by_part(labels, parts)
      counted = {k: by_part.count(own, x) for k, x in predictions.items()}
      by_part.update(own, counted)
      even.append((labels[::2], {k: x[::2] for k, x in predictions.items()}))
    weights = scoring.resamples(0, 12, 5)
    for part, rollouts in (
      (None, list(_random_rollouts(0, 12))),
      ('even', even),
    ):
      expected = _sum_errors(rollouts)
      sums = by_part.by_part[part]
      self.assertEqual(sums.num_labelled, expected.num_labelled)
      self.assertAllClose(
        sums.score('x', weights), expected.score('x', weights)
      )
    self.assertEqual(by_part.by_part['none'].num_labelled, 0)

  def test_a_label_of_two_numbers_sums_errors_and_variances(self):
    spec = labels_lib.LabelSpec({}, ('point', 'point', 'place'), {})
    # The point's numbers have variances 1 and 4, and errors 1 and 1.
    labels = np.float32([[1, 2, 0, 1], [-1, -2, 1, 1]])[:, np.newaxis]
    predicted = np.float32([[0, 1, 0], [0, -1, 1]])[:, np.newaxis, np.newaxis]
    sums = scoring.ErrorSums(spec)
    sums.update(labels, {'x': sums.count(labels, predicted)})
    error, gain = sums.score('x', np.ones([1, 1]))
    self.assertAllClose(error[0, 0, 0], [2, 0])
    self.assertAllClose(gain[0, 0, 0], [1 - 2 / 5, 1])

  def test_resamples_are_scored_as_if_they_were_the_rollouts(self):
    rollouts = list(_random_rollouts(0, 6))
    weights = scoring.resamples(0, 6, 20)
    self.assertAllEqual(weights[0], np.ones([6]))
    self.assertAllEqual(weights.sum(1), np.full([21], 6))
    error, gain = _sum_errors(rollouts).score('x', weights)
    self.assertEqual(error.shape, (21, 3, 2, 3))
    for i in (0, 7, 20):
      drawn = np.repeat(np.arange(6), weights[i].astype(int))
      alone = _sum_errors([rollouts[j] for j in drawn])
      alone = alone.score('x', np.ones([1, 6]))
      self.assertAllClose(error[i], alone[0][0], rtol=1e-5, atol=1e-6)
      self.assertAllClose(gain[i], alone[1][0], rtol=1e-5, atol=1e-5)

  def test_agrees_with_all_steps_together(self):
    rollouts = list(_random_rollouts(1, 8))
    error, gain = _sum_errors(rollouts).score('x', np.ones([1, 8]))
    labels = np.concatenate([labels for labels, _ in rollouts])
    predicted = np.concatenate([x['x'] for _, x in rollouts])
    for task in range(2):
      there = labels[:, task, -1] > 0
      true = labels[there, task]
      for probe in range(3):
        found = predicted[there, probe, task]
        wrong = (found[:, :3].argmax(1) != true[:, 0]).mean()
        squares = np.square(found[:, 3:] - true[:, 1:3]).mean(0)
        self.assertAllClose(error[0, probe, task], [wrong, *squares])
        r2 = 1 - squares / true[:, 1:3].var(0)
        self.assertAllClose(gain[0, probe, task], [2 / 3 - wrong, *r2])


class ResamplesTest(tf.test.TestCase):
  def test_covers_as_often_as_it_says(self):
    covered = 0
    for seed in range(300):
      rng = np.random.default_rng(seed)
      # Steps of a rollout have similar errors; their mean is 1 over rollouts.
      errors = rng.exponential(size=40)
      weights = scoring.resamples(seed, 40, 400)
      means = weights @ errors / 40
      low, high = statistics.interval(means[1:])
      covered += low <= 1 <= high
    # 95 % of 300, +- 4 standard deviations, and less for 40 skewed errors.
    self.assertBetween(covered, 263, 297)

  def test_wider_for_rollouts_than_for_steps(self):
    rng = np.random.default_rng(0)
    errors = np.repeat(rng.exponential(size=[30, 1]), 100, axis=1)

    def width(errors):
      number = len(errors)
      means = scoring.resamples(0, number, 500) @ errors / number
      low, high = statistics.interval(means[1:])
      return high - low

    self.assertGreater(width(errors.mean(1)), 5 * width(errors.ravel()))


class SplitScoresTest(tf.test.TestCase):
  def _split(self, rollouts, num_seeds=2):
    sums = _sum_errors(rollouts)
    return scoring.SplitScores(
      _SPEC,
      (0,),
      num_seeds,
      sums,
      scoring.resamples(0, len(sums), 50),
      ['x'],
      ['x'],
    )

  def test_seeds_are_averaged_and_exact_probes_stand_beside(self):
    # Two seeds, then the exact probe and the discriminant.
    rollouts = list(_random_rollouts(0, 6, num_probes=4))
    split = self._split(rollouts)
    error, gain = split.errors.score('x', np.ones([1, 6]))
    scores = split.scores('x')[0]
    self.assertNear(scores['size'].error, error[0, :2, 0, 1].mean(), 1e-9)
    self.assertNear(scores['size'].gain, gain[0, :2, 0, 1].mean(), 1e-9)
    self.assertAllClose(scores['size'].range, np.sort(gain[0, :2, 0, 1]))
    self.assertNear(
      scores['size'].shuffled.gain, gain[0, :2, 1, 1].mean(), 1e-9
    )
    self.assertNear(
      scores['size'].above_shuffled,
      scores['size'].gain - scores['size'].shuffled.gain,
      1e-9,
    )
    self.assertNear(scores['size'].exact.gain, gain[0, 2, 0, 1], 1e-9)
    kind = scores['kind']
    self.assertNear(kind.beside.gain, gain[0, 3, 0, 0], 1e-9)
    self.assertIsNone(scores['size'].beside)
    for score in (kind, kind.shuffled, scores['place'].exact):
      low, high = score.error_interval
      self.assertBetween(score.error, low, high)
    low, high = scores['size'].above_shuffled_interval
    self.assertBetween(scores['size'].above_shuffled, low, high)

  def test_difference_is_of_the_same_resamples(self):
    rollouts = []
    for labels, predictions in _random_rollouts(0, 10, num_probes=4):
      # Both are wrong at the same steps, one slightly less.
      better = 0.9 * predictions['x'] + 0.1 * np.float32(0)
      rollouts.append((labels, {'x': predictions['x'], 'y': better}))
    split = dataclasses.replace(
      self._split(rollouts), exact=['x', 'y'], logistic=[]
    )
    found = split.difference('y', 'x')[0]['size']
    expected = (
      split.scores('y')[0]['size'].exact.gain
      - split.scores('x')[0]['size'].exact.gain
    )
    self.assertNear(found.difference, expected, 1e-9)
    low, high = found.interval
    self.assertBetween(expected, low, high)
    alone = split.scores('y')[0]['size'].exact.interval
    self.assertLess(high - low, 0.5 * (alone[1] - alone[0]))

  def test_one_rollout_has_no_interval(self):
    split = self._split(list(_random_rollouts(0, 1, num_probes=4)))
    score = split.scores('x')[0]['size']
    self.assertIsNotNone(score.gain)
    self.assertIsNone(score.interval)


if __name__ == '__main__':
  tf.test.main()

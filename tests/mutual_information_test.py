"""Tests for analysis.mutual_information."""

import os

from absl.testing import parameterized
import numpy as np
from scipy import stats
from sklearn import feature_selection
from sklearn import metrics
import tensorflow as tf

from analysis import mutual_information
from dnc import errors
from dnc import traces

NUM_STEPS = 200


def _sequences(seed, num_sequences, num_locations, plant=None):
  """Noise at every location, x in float32; `plant` overwrites some of it."""
  for i in range(num_sequences):
    rng = np.random.default_rng((seed, i))
    num_steps = NUM_STEPS + 10 * i
    x = rng.integers(32, size=num_steps)
    contents = rng.standard_normal((num_steps, num_locations))
    contents = contents.astype(np.float32)
    if plant is not None:
      plant(contents, x, rng)
    yield contents, x


def _plant(contents, x, rng):
  contents[:, 2] = 0.1 * x
  contents[:, 5] = x + 4 * rng.standard_normal(len(x))
  contents[:, 7] = 0.25


class QuantileBinsTest(tf.test.TestCase):
  def test_bins_hold_equal_numbers(self):
    contents = np.random.default_rng(0).standard_normal((100, 3))
    bins = mutual_information.quantile_bins(contents, 4)
    for location in range(3):
      self.assertAllEqual(np.bincount(bins[:, location]), [25, 25, 25, 25])
      order = np.argsort(contents[:, location])
      self.assertAllEqual(bins[order, location], np.sort(bins[:, location]))

  def test_equal_numbers_share_a_bin(self):
    contents = np.array([[0.0], [0], [0], [0], [0], [0], [1], [2]])
    bins = mutual_information.quantile_bins(contents, 4)[:, 0]
    self.assertLen(set(bins[:6]), 1)
    self.assertGreater(bins[6], bins[5])
    self.assertLess(bins.max(), 4)

  def test_more_bins_than_steps_part_all_that_differ(self):
    contents = np.array([[3.0], [1], [2], [1]])
    bins = mutual_information.quantile_bins(contents, 10)[:, 0]
    self.assertEqual(bins[1], bins[3])
    self.assertLen(set(bins), 3)


class EstimatorsTest(parameterized.TestCase, tf.test.TestCase):
  @parameterized.parameters(2, 10, 300)
  def test_binned_equals_scikit_learn_at_every_location(self, num_bins):
    # More locations than are counted at once.
    ((contents, x),) = _sequences(0, 1, 300, _plant)
    contents[: NUM_STEPS // 2, 9] = 0  # Ties.
    y = np.random.default_rng(1).integers(32, size=len(x))
    scores = mutual_information.binned(contents, np.stack([x, y]), num_bins)
    self.assertEqual(scores.shape, (2, 300))
    bins = mutual_information.quantile_bins(contents, num_bins)
    for sequence, row in zip((x, y), scores):
      expected = [metrics.mutual_info_score(b, sequence) for b in bins.T]
      self.assertAllClose(row, expected, rtol=0, atol=1e-10)

  def test_binned_score_of_x_itself_is_its_entropy(self):
    ((contents, x),) = _sequences(0, 1, 8, _plant)
    scores = mutual_information.binned(contents, x, num_bins=NUM_STEPS)
    self.assertEqual(scores.shape, (8,))
    entropy = stats.entropy(np.bincount(x))
    self.assertNear(scores[2], entropy, 1e-10)

  def test_binned_score_worked_out_by_hand(self):
    # Table of bins and classes: [[2, 0], [1, 1]].
    contents = np.array([[0.0], [1], [2], [3]])
    expected = 0.5 * np.log(2 / 1.5) + 0.25 * np.log(1 / 1.5) + 0.25 * np.log(2)
    scores = mutual_information.binned(contents, np.array([0, 0, 0, 1]), 2)
    self.assertNear(scores[0], expected, 1e-12)

  def test_nearest_neighbours_equals_scikit_learn(self):
    ((contents, x),) = _sequences(0, 1, 8, _plant)
    contents = contents[:, :7]  # Without the constant one.
    scores = mutual_information.nearest_neighbours(contents, x, seed=3)
    expected = feature_selection.mutual_info_classif(
      contents, x, discrete_features=False, random_state=3
    )
    self.assertAllEqual(scores, expected)
    self.assertGreater(scores[2], 3)

  @parameterized.parameters(
    mutual_information.binned, mutual_information.nearest_neighbours
  )
  def test_constant_locations_score_exactly_zero(self, estimate):
    contents = np.full((NUM_STEPS, 3), [0.0, 0.1, -1e30], np.float32)
    x = np.random.default_rng(0).integers(32, size=NUM_STEPS)
    self.assertAllEqual(estimate(contents, x), [0, 0, 0])


class FamilyWiseTest(tf.test.TestCase):
  def test_scores_are_ranked_among_the_highest_of_each_shuffle(self):
    null = np.array([[1.0, 5.0], [2.0, 0.0], [3.0, 1.0]])  # Highest: 5, 2, 3.
    p_values = mutual_information.family_wise_p_values(
      np.array([6.0, 3.0, 2.5, 0.0]), null
    )
    self.assertAllClose(p_values, [1 / 4, 3 / 4, 3 / 4, 1])

  def test_false_alarms_on_noise_are_as_rare_as_promised(self):
    # At 0.05 each, 40 uncorrected locations would raise a false alarm in 87 %
    # of experiments. Corrected: 5 %, in 200 experiments 10 +- 3.
    alarms = 0
    for experiment in range(200):
      result = mutual_information.run(
        _sequences(experiment, 1, 40), num_shuffles=39, seed=experiment
      )
      alarms += result.summary()['num_significant'] > 0
    self.assertBetween(alarms, 1, 20)


class RunTest(parameterized.TestCase, tf.test.TestCase):
  def test_planted_locations_are_found_and_no_others(self):
    result = mutual_information.run(
      _sequences(0, 5, 60, _plant), num_shuffles=99
    )
    self.assertAllEqual(np.flatnonzero(result.p_values <= 0.05), [2, 5])
    self.assertEqual(result.p_values[2], 0.01)
    self.assertAllEqual(np.flatnonzero(result.constant), [7])
    summary = result.summary()
    self.assertEqual(summary['num_locations'], 60)
    self.assertEqual(summary['num_significant'], 2)
    self.assertEqual(summary['true_below_1e-8'], 1)
    self.assertEqual(summary['control_below_1e-8'], 1)
    self.assertEqual(summary['share_constant'], 1 / 60)
    # Ten bins of x hold at most log 10 nats; the random sequence none of them.
    self.assertBetween(summary['true_max'], 2, np.log(10))
    self.assertLess(summary['control_max'], 0.8)
    self.assertNear(summary['control_mean'], summary['null_mean'], 0.05)

  def test_scores_are_means_over_sequences(self):
    result = mutual_information.run(
      _sequences(0, 3, 10, _plant), num_shuffles=9
    )
    scores = [
      mutual_information.binned(*pair) for pair in _sequences(0, 3, 10, _plant)
    ]
    self.assertEqual(result.num_sequences, 3)
    self.assertAllClose(result.true, np.mean(scores, axis=0), rtol=1e-12)

  def test_nearest_neighbours_finds_the_planted_location(self):
    result = mutual_information.run(
      _sequences(0, 2, 8, _plant), 'nearest_neighbours'
    )
    self.assertEqual(result.num_shuffles, 19)
    self.assertIsNone(result.num_bins)
    self.assertAllEqual(np.flatnonzero(result.p_values <= 0.05), [2, 5])

  def test_the_same_seed_gives_the_same_numbers(self):
    first, again, other = (
      mutual_information.run(_sequences(0, 2, 10), num_shuffles=19, seed=seed)
      for seed in (0, 0, 1)
    )
    for name in ('true', 'control', 'null', 'p_values'):
      self.assertAllEqual(getattr(first, name), getattr(again, name))
    self.assertAllEqual(first.true, other.true)
    self.assertNotAllEqual(first.control, other.control)
    self.assertNotAllEqual(first.null, other.null)

  def test_unknown_estimator_and_no_sequences_are_refused(self):
    with self.assertRaisesRegex(errors.UsageError, "'knn'.*nearest_neighbours"):
      mutual_information.run(_sequences(0, 1, 2), 'knn')
    with self.assertRaisesRegex(errors.UsageError, 'no sequence'):
      mutual_information.run([])


class FromTracesTest(tf.test.TestCase):
  def _export(self, memory):
    path = os.path.join(self.get_temp_dir(), 'traces')
    classes = np.arange(30, dtype=np.int32).reshape([6, 5])
    rollout = {
      'index': 0,
      'classes': classes,
      'values': np.zeros([6, 5], np.float32),
      'memory': memory,
    }
    traces.write(path, {'test': [rollout]}, {'memory': 4}, {}, {'test': 1}, 6)
    return traces.open_traces(path)

  def test_yields_memory_and_the_classes_of_x(self):
    memory = np.arange(24, dtype=np.float32).reshape([6, 4])
    opened = self._export(memory)
    ((contents, x),) = mutual_information.from_traces(opened, 'test')
    self.assertAllEqual(contents, memory)
    self.assertAllEqual(x, [3, 8, 13, 18, 23, 28])

  def test_numbers_that_are_not_finite_are_refused(self):
    opened = self._export(np.full([6, 4], np.inf, np.float32))
    with self.assertRaisesRegex(
      errors.UsageError, 'memory holds .* not finite'
    ):
      list(mutual_information.from_traces(opened, 'test'))


if __name__ == '__main__':
  tf.test.main()

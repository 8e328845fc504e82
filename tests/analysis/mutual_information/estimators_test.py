"""Tests of the estimators, against scikit-learn and closed forms."""

from unittest import mock

from absl.testing import parameterized
import numpy as np
from scipy import special
from scipy import stats
from sklearn import feature_selection
from sklearn import metrics
import tensorflow as tf

from analysis.mutual_information import estimators
from tests.support import noisy_copy

_NUM_STEPS = 200


def _data(num_locations):
  rng = np.random.default_rng(0)
  sequences = rng.integers(32, size=(20, _NUM_STEPS))
  x = sequences[0]
  contents = rng.standard_normal((_NUM_STEPS, num_locations))
  contents = contents.astype(np.float32)
  contents[:, 1] = 0
  contents[:, 2] = 0.1 * x
  contents[:, 3] = x + 4 * rng.standard_normal(_NUM_STEPS)
  contents[: _NUM_STEPS // 2, 4] = 0  # Ties.
  contents[:, 5] = np.cumsum(contents[:, 5])
  contents[7, 6] += 1e6
  return contents, sequences


class QuantileBinsTest(tf.test.TestCase):
  def test_bins_hold_equal_numbers(self):
    contents = np.random.default_rng(0).standard_normal((100, 3))
    for row, bins in zip(contents.T, estimators.quantile_bins(contents.T, 4)):
      self.assertAllEqual(np.bincount(bins), [25, 25, 25, 25])
      self.assertAllEqual(bins[np.argsort(row)], np.sort(bins))

  def test_equal_numbers_share_a_bin(self):
    row = np.array([0.0, 0, 0, 0, 0, 0, 1, 2])
    (bins,) = estimators.quantile_bins(row[np.newaxis], 4)
    self.assertLen(set(bins[:6]), 1)
    self.assertGreater(bins[6], bins[5])
    self.assertLess(bins.max(), 4)

  def test_more_bins_than_steps_part_all_that_differ(self):
    (bins,) = estimators.quantile_bins(np.array([[3.0, 1, 2, 1]]), 10)
    self.assertEqual(bins[1], bins[3])
    self.assertLen(set(bins), 3)


class BinnedTest(parameterized.TestCase, tf.test.TestCase):
  @parameterized.parameters(2, 10, 300)
  def test_equals_scikit_learn_at_every_location(self, num_bins):
    # More sequences than fit one block.
    contents, sequences = _data(70)
    scores = estimators.binned(contents, sequences, num_bins)
    self.assertEqual(scores.shape, (20, 70))
    bins = estimators.quantile_bins(contents.T, num_bins)
    for i in (0, 1, 15, 16, 19):
      expected = [metrics.mutual_info_score(b, sequences[i]) for b in bins]
      self.assertAllClose(scores[i], expected, rtol=0, atol=1e-10)

  def test_blocks_make_no_difference(self):
    contents, sequences = _data(70)
    expected = estimators.binned(contents, sequences)
    with mock.patch.multiple(
      estimators, _LOCATIONS_AT_ONCE=9, _NUMBERS_AT_ONCE=700
    ):
      self.assertAllEqual(estimators.binned(contents, sequences), expected)
    for chosen in ([3], [2, 69], range(40, 50)):
      self.assertAllEqual(
        estimators.binned(contents[:, chosen], sequences), expected[:, chosen]
      )
    self.assertAllEqual(
      estimators.binned(contents, sequences[4:9]), expected[4:9]
    )

  def test_x_itself_scores_its_entropy(self):
    contents, sequences = _data(8)
    scores = estimators.binned(contents, sequences[:1], num_bins=_NUM_STEPS)
    entropy = stats.entropy(np.bincount(sequences[0]))
    self.assertNear(scores[0, 2], entropy, 1e-10)

  def test_worked_out_by_hand(self):
    # Table of bins and classes: [[2, 0], [1, 1]].
    contents = np.array([[0.0], [1], [2], [3]])
    expected = 0.5 * np.log(2 / 1.5) + 0.25 * np.log(1 / 1.5) + 0.25 * np.log(2)
    scores = estimators.binned(contents, np.array([[0, 0, 0, 1]]), 2)
    self.assertNear(scores[0, 0], expected, 1e-12)

  def test_bias_is_what_the_module_says(self):
    rng = np.random.default_rng(0)
    contents = rng.standard_normal((3000, 40))
    scores = estimators.binned(contents, rng.integers(8, size=(5, 3000)), 10)
    self.assertAllClose(scores.mean(), 9 * 7 / (2 * 3000), rtol=0.05)


def _plain_ross(values, classes):
  """Ross's estimator as in the paper, number by number."""
  sizes = np.bincount(classes)[classes]
  values, classes = values[sizes > 1], classes[sizes > 1]
  sizes = sizes[sizes > 1]
  terms = []
  for value, own, size in zip(values, classes, sizes):
    k = min(3, size - 1)
    radius = np.sort(np.abs(values[classes == own] - value))[k]
    near = (np.abs(values - value) < radius).sum()
    terms.append(special.digamma([k, size, near]) @ [1, -1, -1])
  return max(0, special.digamma(len(values)) + np.mean(terms))


class NearestNeighboursTest(parameterized.TestCase, tf.test.TestCase):
  def test_equals_scikit_learn(self):
    contents, _ = _data(10)
    contents = np.delete(contents, 1, axis=1)  # Without the constant one.
    sequences = np.random.default_rng(2).integers(8, size=(3, _NUM_STEPS))
    contents[:, 8] = sequences[0]
    scores = estimators.nearest_neighbours(contents, sequences, seed=3)
    for row, sequence in zip(scores, sequences):
      expected = feature_selection.mutual_info_classif(
        contents, sequence, discrete_features=False, random_state=3
      )
      self.assertAllClose(row, expected, rtol=0, atol=1e-10)

  def test_the_unit_of_contents_does_not_matter(self):
    contents, sequences = _data(20)
    contents = contents.astype(np.float64)
    expected = estimators.nearest_neighbours(contents, sequences)
    for unit in (2.0**-700, 2.0**300):
      scores = estimators.nearest_neighbours(contents * unit, sequences)
      self.assertAllEqual(scores, expected)

  # Of 100 classes, some have one, two or three steps. scikit-learn cannot serve
  # as the reference: it rounds distances in small classes.
  @parameterized.parameters(32, 100, 300)
  def test_small_classes_score_as_in_the_paper(self, num_classes):
    rng = np.random.default_rng(num_classes)
    sequences = rng.integers(num_classes, size=(3, _NUM_STEPS))
    contents = rng.standard_normal((_NUM_STEPS, 5)) + 0.1 * sequences[:1].T
    scores = estimators.nearest_neighbours(contents, sequences)
    expected = [[_plain_ross(c, x) for c in contents.T] for x in sequences]
    self.assertAllClose(scores, expected, rtol=0, atol=1e-10)
    self.assertGreater(scores[0].max(), 0.3)

  def test_classes_of_one_alone_score_zero(self):
    contents = np.random.default_rng(0).standard_normal((20, 2))
    scores = estimators.nearest_neighbours(contents, np.arange(20)[np.newaxis])
    self.assertAllEqual(scores, [[0, 0]])

  def test_blocks_make_no_difference(self):
    contents, sequences = _data(20)
    expected = estimators.nearest_neighbours(contents, sequences)
    self.assertAllEqual(
      estimators.nearest_neighbours(contents, sequences[7:9]), expected[7:9]
    )
    # Other locations get different noise, of size 1e-10.
    some = estimators.nearest_neighbours(contents[:, 8:12], sequences)
    self.assertAllClose(some, expected[:, 8:12], rtol=0, atol=1e-3)


class BothTest(parameterized.TestCase, tf.test.TestCase):
  @parameterized.parameters(estimators.binned, estimators.nearest_neighbours)
  def test_constant_locations_score_exactly_zero(self, estimate):
    contents = np.full((_NUM_STEPS, 3), [0.0, 0.1, -1e30], np.float32)
    x = np.random.default_rng(0).integers(32, size=(1, _NUM_STEPS))
    self.assertAllEqual(estimate(contents, x), [[0, 0, 0]])

  @parameterized.parameters(estimators.binned, estimators.nearest_neighbours)
  def test_tells_how_much_is_done(self, estimate):
    contents, sequences = _data(300)
    told = []
    scores = estimate(contents, sequences[:2], done=told.append)
    self.assertGreater(len(told), 1)
    self.assertEqual(sum(told), scores.size)

  @parameterized.parameters((4, 2), (4, 8), (6, 3))
  def test_scores_of_a_noisy_copy_are_as_in_closed_form(
    self, num_classes, width
  ):
    rng = np.random.default_rng((num_classes, width))
    truths = dict(
      binned=noisy_copy.exact_binned(num_classes, width, 10),
      nearest_neighbours=noisy_copy.exact(num_classes, width),
    )
    self.assertLess(truths['binned'], truths['nearest_neighbours'] + 1e-12)
    for name, truth in truths.items():
      found = []
      for _ in range(10):
        x, contents = noisy_copy.draw(rng, num_classes, width, 1500)
        found.append(getattr(estimators, name)(contents, x[np.newaxis])[0, 0])
      # Binned scores have at most the bias of independent data.
      bias = 9 * (num_classes - 1) / (2 * 1500) if name == 'binned' else 0
      error = 4 * np.std(found, ddof=1) / np.sqrt(len(found))
      self.assertBetween(np.mean(found), truth - error, truth + error + bias)
      self.assertLess(error, 0.03)


if __name__ == '__main__':
  tf.test.main()

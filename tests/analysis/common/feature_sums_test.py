"""Tests for analysis.common.feature_sums."""

from absl.testing import absltest
import numpy as np

from analysis.common import feature_sums


def _sums(features):
  return feature_sums.FeatureSums(
    features.sum(axis=0), features.T @ features, float(len(features))
  )


class FeatureSumsTest(absltest.TestCase):
  def test_least_squares(self):
    rng = np.random.default_rng(0)
    features = rng.normal(size=[50, 3]) @ rng.normal(size=[3, 3]) + 2
    labels = features @ [1.0, -2.0, 0.5] + rng.normal(size=50)
    sums = _sums(features)
    np.testing.assert_allclose(sums.mean, features.mean(axis=0))
    np.testing.assert_allclose(
      sums.covariance, np.cov(features.T, bias=True), rtol=1e-9, atol=1e-9
    )
    cross = features.T @ (labels - labels.mean()) / len(labels)
    expected = np.linalg.lstsq(
      np.column_stack([features, np.ones(50)]), labels, rcond=None
    )[0]
    np.testing.assert_allclose(sums.solve(cross), expected[:3], rtol=1e-5)

  def test_features_that_do_not_vary_tell_nothing(self):
    found = _sums(np.zeros([5, 2])).solve(np.ones([2, 1]))
    np.testing.assert_array_equal(found, np.zeros([2, 1]))


if __name__ == '__main__':
  absltest.main()

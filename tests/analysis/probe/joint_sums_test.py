"""Tests for analysis.probe.joint_sums."""

from unittest import mock

import numpy as np
from sklearn import discriminant_analysis
import tensorflow as tf

from analysis.probe import exact_probe
from analysis.probe import joint_sums
from analysis.probe import labels as labels_lib
from analysis.probe import step_sums
from tests.analysis.probe import examples

_SPEC = examples.SPEC
_WIDTHS = {'one': 3, 'two': 4, 'wide': 9}


def _features(rng, number):
  """Three representations that share some of what they hold."""
  mixing = np.random.default_rng(7).standard_normal((6, 16))
  found = rng.standard_normal((number, 6)) @ mixing
  found += 0.3 * rng.standard_normal((number, 16)) + 0.2
  parts = np.split(found.astype(np.float32), [3, 7], axis=1)
  return dict(zip(_WIDTHS, parts))


def _squares(features, outputs):
  """Least squares by NumPy, without the constant."""
  centred = features - features.mean(0)
  kernel, *_ = np.linalg.lstsq(centred, outputs - outputs.mean(0), rcond=None)
  return kernel


class JointSumsTest(tf.test.TestCase):
  def setUp(self):
    super().setUp()
    self.enter_context(mock.patch.object(exact_probe, 'MAX_WIDTH', 8))
    rng = np.random.default_rng(0)
    self._features = _features(rng, 600)
    self._outputs = np.stack(
      [self._features['one'][:, 0] + self._features['two'][:, 1] + 3]
      + list(rng.standard_normal((2, 600))),
      axis=1,
    )
    self._outputs[:, 1] += self._features['wide'][:, 2]

  def _sums(self, sets):
    sums = joint_sums.JointSums(_WIDTHS, sets, 3)
    for rows in np.array_split(np.arange(600), 3):
      chosen = {name: x[rows] for name, x in self._features.items()}
      sums.add(chosen, self._outputs[rows])
    return sums

  def test_moments_are_numpys(self):
    sums = self._sums([['two', 'one']])
    self.assertEqual((sums.count, sums.names), (600, ('two', 'one')))
    joined = np.concatenate(
      [self._features['two'], self._features['one']], axis=1
    )
    mean, covariance, cross = sums.moments(['two', 'one'])
    self.assertAllClose(mean, joined.mean(0))
    self.assertAllClose(covariance, np.cov(joined.T, bias=True))
    both = np.cov(joined.T, self._outputs.T, bias=True)
    self.assertAllClose(cross, both[:7, 7:], atol=1e-5)

  def test_least_squares_are_numpys(self):
    moments = self._sums([['one', 'two']]).moments(['one', 'two'])
    given, both = joint_sums.least_squares(moments, 3)
    one, two = self._features['one'], self._features['two']
    self.assertAllClose(given[:3], _squares(one, self._outputs), atol=1e-5)
    self.assertAllEqual(given[3:], np.zeros([4, 3]))
    joined = np.concatenate([one, two], axis=1)
    self.assertAllClose(both, _squares(joined, self._outputs), atol=1e-5)

  def test_a_wide_one_is_given_as_well(self):
    sums = self._sums([['wide', 'one', 'two']])
    of_wide = step_sums.WideSums(9, _SPEC, 1)
    of_wide.add(self._features['wide'], np.zeros([600, 1, 5]))
    without = joint_sums.WithoutWide(sums, 'wide', of_wide.of_features)
    given, both = without.least_squares(['one', 'two'], 3)
    joined = np.concatenate(
      [self._features[name] for name in ('wide', 'one', 'two')], axis=1
    )
    expected = _squares(joined[:, :12], self._outputs)
    self.assertAllClose(given[:12], expected, atol=1e-4)
    self.assertAllEqual(given[12:], np.zeros([4, 3]))
    self.assertAllClose(both, _squares(joined, self._outputs), atol=1e-4)

  def test_bits_have_the_sums_of_dense_numbers(self):
    dense, sparse = examples.normal_bits(
      60, 10, self._features['one'][:, 0], width=9
    )
    found = []
    for wide in (dense.astype(np.float64), sparse):
      sums = joint_sums.JointSums({**_WIDTHS, 'wide': 9}, [['wide', 'two']], 3)
      for i, of_rollout in enumerate(wide):
        rows = slice(10 * i, 10 * i + 10)
        two = self._features['two'][rows]
        if i == 30:  # What was asked for before may be added to.
          sums.covariance('wide', 'two')
        sums.add({'wide': of_rollout, 'two': two}, self._outputs[rows])
      found.append(sums)
    dense, sparse = found
    for one, other in (('two', 'wide'), ('wide', 'two'), ('two', 'two')):
      self.assertAllClose(
        sparse.covariance(one, other), dense.covariance(one, other)
      )
    self.assertAllClose(sparse.mean('wide'), dense.mean('wide'))
    self.assertAllClose(sparse.cross('wide'), dense.cross('wide'))

  def test_pixels_never_lit_and_what_repeats_the_others(self):
    """Rounding of single precision is no component."""
    rng = np.random.default_rng(3)
    self._features['wide'][:, 5:] = 0
    self._features['two'] = self._features['wide'] @ rng.standard_normal(
      (9, 4)
    ).astype(np.float32)
    sums = self._sums([['wide', 'one', 'two']])
    of_wide = step_sums.WideSums(9, _SPEC, 1)
    of_wide.add(self._features['wide'], np.zeros([600, 1, 5]))
    without = joint_sums.WithoutWide(sums, 'wide', of_wide.of_features)
    given, both = without.least_squares(['one', 'two'], 3)
    self.assertAllEqual(given[12:], both[12:])
    self.assertAllEqual(given[:12], both[:12])

  def test_linear_functions_of_what_is_given_leave_nothing(self):
    rng = np.random.default_rng(1)
    # Of very different sizes, two of them equal.
    given = rng.standard_normal((500, 6)) * 10.0 ** np.arange(-3, 3)
    given[:, 5] = given[:, 4]
    other = (given @ rng.standard_normal((6, 4))).astype(np.float32)
    given = given.astype(np.float32)
    covariance = np.cov(np.concatenate([given, other], 1).T, bias=True)
    first, second = joint_sums.components(covariance, 6)
    self.assertEqual(second.shape, (10, 0))
    self.assertAllClose(
      first.T @ covariance @ first, np.eye(first.shape[1]), atol=1e-6
    )

  def test_components_are_uncorrelated(self):
    covariance = np.cov(_features(np.random.default_rng(2), 90)['wide'].T)
    for num_given in (0, 4):
      first, second = joint_sums.components(covariance, num_given)
      both = np.concatenate([first, second], axis=1)
      self.assertEqual(first.shape[1], num_given)
      self.assertAllEqual(
        first[num_given:], np.zeros([9 - num_given, num_given])
      )
      self.assertAllClose(both.T @ covariance @ both, np.eye(9), atol=1e-6)


class ProbeTest(tf.test.TestCase):
  def test_classes_have_scikit_learns_discriminant(self):
    features, labels = examples.steps(0, 500)
    outputs = _SPEC.as_outputs(labels)
    mean, covariance, cross = features.mean(0), np.cov(features.T, bias=True), 0
    centred = outputs[:, 0] - outputs[:, 0].mean(0)
    cross = (features - mean).T @ centred / 500
    kernel, bias = joint_sums.probe(
      np.linalg.solve(covariance, cross)[:, np.newaxis],
      cross[:, np.newaxis],
      mean,
      outputs.mean(0),
      _SPEC,
    )
    model = discriminant_analysis.LinearDiscriminantAnalysis(solver='lsqr')
    model.fit(features, labels[:, 0, 0])
    found = (features @ kernel[:, 0] + bias[0])[:, :3]
    expected = features @ model.coef_.T + model.intercept_
    # What is common to all classes does not matter.
    self.assertAllClose(
      found - found.mean(1, keepdims=True),
      expected - expected.mean(1, keepdims=True),
      atol=1e-4,
    )

  def test_classes_that_never_occur_or_never_overlap(self):
    spec = labels_lib.LabelSpec({'kind': 3}, (), {'kind': 0.5})
    features = np.repeat([[0.0, 1.0], [1.0, 0.0]], 50, axis=0)
    outputs = np.repeat([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], 50, axis=0)
    sums = joint_sums.JointSums({'x': 2}, [['x']], 3)
    sums.add({'x': features.astype(np.float32)}, outputs)
    moments = sums.moments(['x'])
    _, kernel = joint_sums.least_squares(moments, 0)
    kernel, bias = joint_sums.probe(
      kernel[:, np.newaxis],
      moments.cross[:, np.newaxis],
      moments.mean,
      sums.mean_outputs[np.newaxis],
      spec,
    )
    chosen = (features @ kernel[:, 0] + bias[0]).argmax(axis=1)
    self.assertAllEqual(chosen, outputs.argmax(axis=1))


if __name__ == '__main__':
  tf.test.main()

"""Tests for analysis.probe.exact_probe."""

from unittest import mock

import numpy as np
from sklearn import linear_model
import tensorflow as tf

from analysis.probe import exact_probe
from analysis.probe import step_sums
from tests.analysis.probe import examples

_SPEC = examples.SPEC


def _exact(features, labels):
  """The exact probe of all steps."""
  sums = step_sums.StepSums(features.shape[1], _SPEC)
  sums.add(features, *step_sums.labelled_outputs(_SPEC, labels))
  return sums.probe()


class LogisticRegressionTest(tf.test.TestCase):
  def _choices(self, features, classes):
    kernel, bias = exact_probe.logistic_regression(features, classes, 3)
    return (features @ kernel + bias).argmax(1)

  def test_is_scikit_learns(self):
    features, labels = examples.steps(0, 400)
    classes = labels[:, 0, 0].astype(int)
    model = linear_model.LogisticRegression(max_iter=1000)
    expected = model.fit(features, classes).predict(features)
    self.assertAllEqual(self._choices(features, classes), expected)
    self.assertGreater((expected == classes).mean(), 0.6)

  def test_fewer_classes_than_there_are(self):
    features, labels = examples.steps(0, 400)
    classes = labels[:, 0, 0].astype(int)
    two = classes != 1
    model = linear_model.LogisticRegression(max_iter=1000)
    expected = model.fit(features[two], classes[two]).predict(features[two])
    self.assertAllEqual(self._choices(features[two], classes[two]), expected)
    one = classes == 2
    self.assertAllEqual(
      self._choices(features[one], classes[one]), np.full(one.sum(), 2)
    )
    self.assertLen(self._choices(features[:0], classes[:0]), 0)


class WhiteningTest(tf.test.TestCase):
  def test_uncorrelated_and_of_deviation_one(self):
    features, _ = examples.steps(0, 500)
    # A redundant feature, and one that does not vary.
    features = np.concatenate(
      [features, features[:, :1] - features[:, 1:2], np.zeros([500, 1])], axis=1
    )
    white = features @ exact_probe.whitening(features)
    self.assertEqual(white.shape, (500, 8))
    self.assertAllClose(np.cov(white.T, bias=True), np.eye(8), atol=1e-4)

  def test_nothing_that_varies(self):
    self.assertAllEqual(
      np.zeros([5, 3]) @ exact_probe.whitening(np.zeros([5, 3])),
      np.zeros([5, 1]),
    )
    self.assertEqual(exact_probe.whitening(np.zeros([0, 3])).shape, (3, 1))


class ExactProbesTest(tf.test.TestCase):
  def _fit(self, features, labels, cuts=(), seed=0):
    probes = exact_probe.ExactProbes(
      {'some': 8, 'wide': exact_probe.MAX_WIDE + 1},
      _SPEC,
      1,
      len(labels),
      seed,
    )
    for rows in np.array_split(np.arange(len(labels)), cuts):
      sampled = probes.begin(labels[rows].astype('f4'))
      probes.add('some', features[rows], sampled)
      probes.add('wide', features[rows], sampled)
    return probes

  def test_all_steps_where_they_fit(self):
    features, labels = examples.steps(0, 6000)
    features = features.astype(np.float32)
    probes = self._fit(features, labels, cuts=(100, 2500))
    self.assertEqual(probes.names, ('some',))
    self.assertEqual(probes.num_sampled, 6000)
    kernel, bias = probes.weights('some')
    self.assertEqual(kernel.shape, (2, 8, 1, 5))
    self.assertEqual(bias.shape, (2, 1, 5))
    # The penalty is on whitened weights, which changes results by a hundredth.
    model = linear_model.LogisticRegression(max_iter=1000)
    model.fit(features, labels[:, 0, 0])
    found = features @ kernel[0, :, 0, :3] + bias[0, 0, :3]
    self.assertAllClose(
      tf.nn.softmax(found), model.predict_proba(features), atol=0.02
    )
    expected, _ = _exact(features, labels)
    self.assertAllClose(kernel[1, :, 0], expected, atol=1e-5)
    self.assertAllClose(kernel[0, :, 0, 3:], expected[:, 3:], atol=1e-5)

  def test_wide_ones_from_the_first_steps(self):
    features, labels = examples.steps(0, 6000)
    labels[::10, 0, -1] = 0
    for patch in (
      mock.patch.multiple(exact_probe, MAX_WIDTH=4, MAX_WIDE_STEPS=3000),
      mock.patch.object(step_sums, '_WIDE_BLOCK', 700),
    ):
      self.enterContext(patch)
    probes = self._fit(features.astype('f4'), labels, cuts=(100, 2500, 2600))
    self.assertEqual(probes.names, ('some',))
    self.assertEqual(probes.narrow, ())
    self.assertEqual(probes.num_wide_steps, 3000)
    (rows,) = np.nonzero(labels[:, 0, -1])
    rows = rows[:3000]
    expected = _exact(features[rows], labels[rows])
    kernel, bias = probes.weights('some')
    self.assertEqual(kernel.shape, (1, 8, 1, 5))
    self.assertAllClose(kernel[0, :, 0], expected[0], 1e-5, 1e-6)
    self.assertAllClose(bias[0, 0], expected[1], 1e-5, 1e-6)

  def test_wide_ones_without_steps_that_have_all_labels(self):
    features, labels = examples.steps(0, 600)
    labels = np.concatenate([labels, labels], axis=1)
    labels[:300, 0, -1] = labels[300:, 1, -1] = 0
    self.enterContext(mock.patch.object(exact_probe, 'MAX_WIDTH', 4))
    probes = exact_probe.ExactProbes({'some': 8, 'few': 3}, _SPEC, 2, 600, 0)
    sampled = probes.begin(labels.astype('f4'))
    probes.add('some', features.astype('f4'), sampled)
    self.assertEqual(probes.names, ('few',))
    self.assertEqual(probes.num_wide_steps, 0)

  def test_a_uniform_sample_where_they_do_not(self):
    features, labels = examples.steps(0, 2000)
    # This feature is the index of the step.
    features[:, 0] = np.arange(2000)
    self.enterContext(mock.patch.object(exact_probe, 'MAX_SAMPLE_STEPS', 200))
    one = self._fit(features, labels, cuts=range(7, 2000, 7))
    self.assertEqual(one.num_sampled, 200)
    steps = one._sample['some'][:, 0]
    self.assertLen(np.unique(steps), 200)
    # Each quarter of the steps has its share, 50 +- 6.
    self.assertAllInRange(np.histogram(steps, 4, (0, 2000))[0], 30, 70)
    self.assertAllClose(one._labels[:, 0], labels[steps.astype(int), 0])
    other = self._fit(features, labels, cuts=(1000,))
    self.assertAllEqual(steps, other._sample['some'][:, 0])
    self.assertNotAllEqual(
      steps, self._fit(features, labels, seed=1)._sample['some'][:, 0]
    )


if __name__ == '__main__':
  tf.test.main()

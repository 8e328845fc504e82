"""Tests for analysis.exact_probe."""

from unittest import mock

from absl.testing import parameterized
import numpy as np
from sklearn import discriminant_analysis
from sklearn import linear_model
import tensorflow as tf

from analysis.probe import exact as exact_probe
from analysis.probe import labels as probe_labels
from analysis.probe import sums as step_sums

_SPEC = probe_labels.LabelSpec({'kind': 3}, ('size', 'place'), {'kind': 1 / 3})


def _steps(seed, number, width=8):
  """Features that depend on labels, with noise: and labels of one task."""
  rng = np.random.default_rng(seed)
  labels = np.ones([number, 1, 4])
  labels[:, 0, 0] = rng.integers(3, size=number)
  labels[:, 0, 1:3] = rng.standard_normal((number, 2)) + [2, 0]
  mixing = np.random.default_rng(9).standard_normal((5, width))
  features = _SPEC.as_outputs(labels[:, 0]) @ mixing
  features += rng.standard_normal((number, width)) + 0.5
  return features, labels


class StepSumsTest(parameterized.TestCase, tf.test.TestCase):
  def test_least_squares_is_numpys_and_scikit_learns(self):
    features, labels = _steps(0, 500)
    kernel, bias = (
      step_sums.StepSums(8, _SPEC).update(features, labels).least_squares()
    )
    outputs = _SPEC.as_outputs(labels[:, 0])
    padded = np.concatenate([features, np.ones([500, 1])], axis=1)
    expected = np.linalg.lstsq(padded, outputs, rcond=None)[0]
    self.assertAllClose(kernel, expected[:-1], rtol=1e-6, atol=1e-6)
    self.assertAllClose(bias, expected[-1], rtol=1e-6, atol=1e-6)
    model = linear_model.LinearRegression().fit(features, outputs)
    self.assertAllClose(kernel.T, model.coef_, rtol=1e-6, atol=1e-6)

  def test_discriminant_is_scikit_learns(self):
    features, labels = _steps(0, 500)
    kernel, bias = (
      step_sums.StepSums(8, _SPEC).update(features, labels).discriminant()
    )
    model = discriminant_analysis.LinearDiscriminantAnalysis(solver='lsqr')
    model.fit(features, labels[:, 0, 0])
    self.assertAllClose(kernel[:, :3].T, model.coef_, rtol=1e-6, atol=1e-6)
    self.assertAllClose(bias[:3], model.intercept_, rtol=1e-6, atol=1e-6)
    self.assertAllEqual(kernel[:, 3:], np.zeros([8, 2]))

  def test_sums_do_not_depend_on_how_they_are_cut(self):
    features, labels = _steps(0, 300)
    whole = step_sums.StepSums(8, _SPEC).update(features, labels)
    merged = step_sums.StepSums(8, _SPEC)
    for rows in np.array_split(np.arange(300), [1, 7, 150, 299]):
      part = step_sums.StepSums(8, _SPEC).update(features[rows], labels[rows])
      merged.merge(part)
    for one, other in zip(
      [*whole.least_squares(), *whole.discriminant()],
      [*merged.least_squares(), *merged.discriminant()],
    ):
      self.assertAllClose(one, other, rtol=1e-10, atol=1e-10)

  def test_each_task_has_the_steps_that_have_its_label(self):
    features, labels = _steps(0, 400)
    tasks = np.repeat(labels, 3, axis=1)
    tasks[:30, 1] = 0
    tasks[:, 2] = 0
    sums = step_sums.StepSums(8, _SPEC, num_tasks=3).update(features, tasks)
    for task, rows in enumerate([slice(None), slice(30, None)]):
      alone = step_sums.StepSums(8, _SPEC)
      alone.update(features[rows], labels[rows])
      for one, other in zip(
        [*sums.least_squares(task), *sums.discriminant(task)],
        [*alone.least_squares(), *alone.discriminant()],
      ):
        self.assertAllClose(one, other, rtol=1e-8, atol=1e-8)
    for found in (*sums.least_squares(2), *sums.discriminant(2)):
      self.assertAllEqual(found, np.zeros_like(found))

  def test_numbers_that_repeat_others_or_never_vary_do_no_harm(self):
    features, labels = _steps(0, 500)
    twice = np.concatenate([features, features, np.zeros([500, 3])], axis=1)
    kernel, bias = (
      step_sums.StepSums(19, _SPEC).update(twice, labels).least_squares()
    )
    expected, _ = (
      step_sums.StepSums(8, _SPEC).update(features, labels).least_squares()
    )
    self.assertAllClose(kernel[:8] + kernel[8:16], expected, atol=1e-5)
    self.assertAllEqual(kernel[16:], np.zeros([3, 5]))
    self.assertTrue(np.isfinite(bias).all())

  def test_a_class_that_never_occurs_is_never_chosen(self):
    features, labels = _steps(0, 300)
    there = labels[:, 0, 0] != 1
    kernel, bias = (
      step_sums.StepSums(8, _SPEC)
      .update(features[there], labels[there])
      .discriminant()
    )
    chosen = (features @ kernel + bias)[:, :3].argmax(1)
    self.assertAllEqual(np.unique(chosen), [0, 2])


class LogisticRegressionTest(tf.test.TestCase):
  def _choices(self, features, classes):
    kernel, bias = exact_probe.logistic_regression(features, classes, 3)
    return (features @ kernel + bias).argmax(1)

  def test_is_scikit_learns(self):
    features, labels = _steps(0, 400)
    classes = labels[:, 0, 0].astype(int)
    model = linear_model.LogisticRegression(max_iter=1000)
    expected = model.fit(features, classes).predict(features)
    self.assertAllEqual(self._choices(features, classes), expected)
    self.assertGreater((expected == classes).mean(), 0.6)

  def test_fewer_classes_than_there_are(self):
    features, labels = _steps(0, 400)
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
    features, _ = _steps(0, 500)
    # One that says nothing more, and one that does not vary.
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


class EstimatorsTest(tf.test.TestCase):
  def test_least_squares_in_parts(self):
    features, labels = _steps(0, 300)
    values = labels[:, 0, 1]
    probe = exact_probe.LeastSquares().fit(features, values)
    model = linear_model.LinearRegression().fit(features, values)
    self.assertAllClose(probe.predict(features), model.predict(features))
    self.assertNear(
      probe.score(features, values), model.score(features, values), 1e-6
    )
    parts = exact_probe.LeastSquares()
    parts.partial_fit(features[:100], values[:100])
    parts.partial_fit(features[100:], values[100:])
    self.assertAllClose(parts.predict(features), probe.predict(features))
    # fit begins anew.
    parts.fit(features[:50], values[:50])
    self.assertNotAllClose(parts.predict(features), probe.predict(features))

  def test_discriminant(self):
    features, labels = _steps(0, 300)
    classes = labels[:, 0, 0].astype(int)
    probe = exact_probe.LinearDiscriminant(3).fit(features, classes)
    model = discriminant_analysis.LinearDiscriminantAnalysis()
    model.fit(features, classes)
    self.assertNear(
      probe.score(features, classes), model.score(features, classes), 0.005
    )


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
      rollout = probes.begin(labels[rows].astype('f4'))
      probes.add('some', features[rows], rollout)
      probes.add('wide', features[rows], rollout)
    return probes

  def test_all_steps_where_they_fit(self):
    features, labels = _steps(0, 6000)
    features = features.astype(np.float32)
    probes = self._fit(features, labels, cuts=(100, 2500))
    self.assertEqual(probes.names, ('some',))
    self.assertEqual(probes.num_sampled, 6000)
    kernel, bias = probes.weights('some')
    self.assertEqual(kernel.shape, (2, 8, 1, 5))
    self.assertEqual(bias.shape, (2, 1, 5))
    # The penalty, which is of other weights, moves them by a hundredth.
    model = linear_model.LogisticRegression(max_iter=1000)
    model.fit(features, labels[:, 0, 0])
    found = features @ kernel[0, :, 0, :3] + bias[0, 0, :3]
    self.assertAllClose(
      tf.nn.softmax(found), model.predict_proba(features), atol=0.02
    )
    sums = step_sums.StepSums(8, _SPEC).update(features, labels)
    for probe in range(2):
      self.assertAllClose(
        kernel[probe, :, 0, 3:], sums.least_squares()[0][:, 3:], atol=1e-5
      )
    self.assertAllClose(
      kernel[1, :, 0, :3], sums.discriminant()[0][:, :3], atol=1e-5
    )

  def test_wide_ones_from_the_first_steps(self):
    features, labels = _steps(0, 6000)
    labels[::10, 0, -1] = 0
    for patch in (
      mock.patch.object(exact_probe, 'MAX_WIDTH', 4),
      mock.patch.multiple(step_sums, MAX_WIDE_STEPS=3000, _WIDE_BLOCK=700),
    ):
      self.enterContext(patch)
    probes = self._fit(features.astype('f4'), labels, cuts=(100, 2500, 2600))
    self.assertEqual(probes.names, ('some',))
    self.assertEqual(probes.narrow, ())
    self.assertEqual(probes.num_wide_steps, 3000)
    (rows,) = np.nonzero(labels[:, 0, -1])
    sums = step_sums.StepSums(8, _SPEC)
    sums.update(features[rows[:3000]], labels[rows[:3000]])
    kernel, bias = probes.weights('some')
    for probe in range(2):
      for where, (weights, constant) in (
        (slice(3, 5), sums.least_squares()),
        (slice(0, 3), sums.discriminant()),
      ):
        self.assertAllClose(
          kernel[probe, :, 0, where], weights[:, where], atol=1e-6, rtol=1e-5
        )
        self.assertAllClose(
          bias[probe, 0, where], constant[where], atol=1e-6, rtol=1e-5
        )

  def test_wide_ones_without_steps_that_have_all_labels(self):
    features, labels = _steps(0, 600)
    labels = np.concatenate([labels, labels], axis=1)
    labels[:300, 0, -1] = labels[300:, 1, -1] = 0
    self.enterContext(mock.patch.object(exact_probe, 'MAX_WIDTH', 4))
    probes = exact_probe.ExactProbes({'some': 8, 'few': 3}, _SPEC, 2, 600, 0)
    rollout = probes.begin(labels.astype('f4'))
    probes.add('some', features.astype('f4'), rollout)
    self.assertEqual(probes.names, ('few',))
    self.assertEqual(probes.num_wide_steps, 0)

  def test_a_uniform_sample_where_they_do_not(self):
    features, labels = _steps(0, 2000)
    # Tells the step.
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

"""Tests for analysis.probe.step_sums."""

import numpy as np
from sklearn import discriminant_analysis
from sklearn import linear_model
import tensorflow as tf

from analysis.probe import step_sums
from tests.analysis.probe import examples

_SPEC = examples.SPEC
_CLASSES, _VALUES = slice(0, 3), slice(3, 5)


def _add(sums, features, labels):
  sums.add(features, *step_sums.labelled_outputs(_SPEC, labels))
  return sums


def _probe(features, labels):
  sums = step_sums.StepSums(features.shape[1], _SPEC)
  return _add(sums, features, labels).probe()


class StepSumsTest(tf.test.TestCase):
  def test_values_have_numpys_and_scikit_learns_least_squares(self):
    features, labels = examples.steps(0, 500)
    kernel, bias = _probe(features, labels)
    values = labels[:, 0, 1:3]
    padded = np.concatenate([features, np.ones([500, 1])], axis=1)
    expected = np.linalg.lstsq(padded, values, rcond=None)[0]
    self.assertAllClose(kernel[:, _VALUES], expected[:-1], 1e-6, 1e-6)
    self.assertAllClose(bias[_VALUES], expected[-1], 1e-6, 1e-6)
    model = linear_model.LinearRegression().fit(features, values)
    self.assertAllClose(kernel[:, _VALUES].T, model.coef_, 1e-6, 1e-6)

  def test_classes_have_scikit_learns_discriminant(self):
    features, labels = examples.steps(0, 500)
    kernel, bias = _probe(features, labels)
    model = discriminant_analysis.LinearDiscriminantAnalysis(solver='lsqr')
    model.fit(features, labels[:, 0, 0])
    self.assertAllClose(kernel[:, _CLASSES].T, model.coef_, 1e-6, 1e-6)
    self.assertAllClose(bias[_CLASSES], model.intercept_, 1e-6, 1e-6)

  def test_steps_may_be_added_in_parts(self):
    features, labels = examples.steps(0, 300)
    parts = step_sums.StepSums(8, _SPEC)
    for rows in np.array_split(np.arange(300), [1, 7, 150, 299]):
      _add(parts, features[rows], labels[rows])
    for one, other in zip(_probe(features, labels), parts.probe()):
      self.assertAllClose(one, other, rtol=1e-10, atol=1e-10)

  def test_each_task_uses_the_steps_that_have_its_label(self):
    features, labels = examples.steps(0, 400)
    tasks = np.repeat(labels, 3, axis=1)
    tasks[:30, 1] = 0
    tasks[:, 2] = 0
    sums = _add(step_sums.StepSums(8, _SPEC, num_tasks=3), features, tasks)
    for task, rows in enumerate([slice(None), slice(30, None)]):
      alone = _probe(features[rows], labels[rows])
      for one, other in zip(sums.probe(task), alone):
        self.assertAllClose(one, other, rtol=1e-8, atol=1e-8)
    for found in sums.probe(2):
      self.assertAllEqual(found, np.zeros_like(found))

  def test_repeated_and_constant_numbers_do_no_harm(self):
    features, labels = examples.steps(0, 500)
    twice = np.concatenate([features, features, np.zeros([500, 3])], axis=1)
    kernel, bias = _probe(twice, labels)
    expected, _ = _probe(features, labels)
    self.assertAllClose(kernel[:8] + kernel[8:16], expected, atol=1e-5)
    self.assertAllEqual(kernel[16:], np.zeros([3, 5]))
    self.assertTrue(np.isfinite(bias).all())

  def test_a_class_that_never_occurs_is_never_chosen(self):
    features, labels = examples.steps(0, 300)
    occurs = labels[:, 0, 0] != 1
    kernel, bias = _probe(features[occurs], labels[occurs])
    chosen = (features @ kernel + bias)[:, _CLASSES].argmax(1)
    self.assertAllEqual(np.unique(chosen), [0, 2])


def _wide(features, labels, num_tasks):
  sums = step_sums.WideSums(8, _SPEC, num_tasks)
  sums.add(features, step_sums.labelled_outputs(_SPEC, labels)[0])
  return sums


class WideSumsTest(tf.test.TestCase):
  def test_probes_of_all_tasks_are_those_of_step_sums(self):
    features, labels = examples.steps(0, 1000)
    tasks = np.concatenate([labels, np.roll(labels, 1, axis=0)], axis=1)
    wide = _wide(features, tasks, num_tasks=2)
    direct = _add(step_sums.StepSums(8, _SPEC, num_tasks=2), features, tasks)
    kernels, biases = wide.probes()
    self.assertEqual(wide.num_steps, 1000)
    for task in range(2):
      kernel, bias = direct.probe(task)
      self.assertAllClose(kernels[:, task], kernel, atol=1e-6, rtol=1e-5)
      self.assertAllClose(biases[task], bias, atol=1e-6, rtol=1e-5)

  def test_probes_of_bits_are_those_of_dense_numbers(self):
    _, labels = examples.steps(0, 600)
    dense, sparse = examples.normal_bits(60, 10, labels[:, 0, 1])
    outputs = np.split(step_sums.labelled_outputs(_SPEC, labels)[0], 60)
    of_dense, of_bits = (step_sums.WideSums(8, _SPEC, 1) for _ in range(2))
    for rollout, bits, own in zip(dense, sparse, outputs):
      of_dense.add(rollout, own)
      of_bits.add(bits, own)
      of_bits.add(bits[np.arange(0)], own[:0])
    self.assertEqual(of_bits.num_steps, 600)
    for _ in range(2):
      for one, other in zip(of_bits.probes(), of_dense.probes()):
        self.assertAllClose(one, other, rtol=1e-7, atol=1e-7)

  def test_numbers_that_never_vary_tell_nothing(self):
    _, labels = examples.steps(0, 100)
    wide = _wide(np.zeros([100, 8]), labels, num_tasks=1)
    kernel, bias = wide.probes()
    self.assertAllEqual(kernel, np.zeros([8, 1, 5]))
    self.assertAllClose(bias[0, _VALUES], labels[:, 0, 1:3].mean(0))


if __name__ == '__main__':
  tf.test.main()

"""Tests for analysis.probe.keras_probe."""

import gc
from unittest import mock

import keras
import numpy as np
import tensorflow as tf

from analysis.probe import exact_probe
from analysis.probe import keras_probe
from analysis.probe import step_sums
from dnc.system import errors
from tests.analysis.probe import examples

_SPEC = examples.SPEC


def _steps(seed, number):
  """Standardised features that hold the labels, with noise; and the labels."""
  features, labels = examples.steps(seed, number)
  features = (features - features.mean(0)) / features.std(0)
  return features.astype(np.float32), labels.astype(np.float32)


def _dataset(features, labels, batch_size):
  """Batches of one representation for one seed."""
  dataset = tf.data.Dataset.from_tensor_slices(
    (features, labels[:, np.newaxis, np.newaxis])
  ).batch(batch_size)
  return dataset.map(lambda x, y: ((x[tf.newaxis],), y))


class LinearProbeTest(tf.test.TestCase):
  def test_loss_of_a_probe_worked_out_by_hand(self):
    probe = keras_probe.LinearProbe(
      {'x': 2}, _SPEC, num_tasks=2, bias=np.array([0, 1, 0, 1, 2])
    )
    labels = np.zeros([4, 2, 4], np.float32)
    labels[:, 0] = [
      [1, 1, 2, 1],  # All right.
      [0, 3, 2, 1],  # Class wrong, size 2 away.
      [1, 1, 3, 1],  # Place 1 away.
      [0, 0, 0, 0],  # No label.
    ]
    labels[0, 1] = [1, 1, 2, 1]
    log_z = np.log(2 + np.e)
    cross_entropy = np.mean([log_z - 1, log_z, log_z - 1])
    expected = cross_entropy + 4 / 3 + 1 / 3 + (log_z - 1)
    dataset = _dataset(np.ones([4, 2], np.float32), labels, 4)
    loss = probe.model.evaluate(dataset, verbose=0)
    self.assertNear(loss, expected, 1e-5)

  def _fitted(self, features, labels):
    probe = keras_probe.LinearProbe({'x': 8}, _SPEC)
    probe.fit(_dataset(features, labels, 16))
    return probe.weights()['x']

  def test_steps_without_a_label_and_settings_of_keras_do_not_matter(self):
    features, labels = _steps(0, 64)
    labels[:5] = 0
    expected = self._fitted(features, labels)
    self.assertEqual(expected[0].shape, (1, 8, 1, 5))
    self.assertEqual(expected[1].shape, (1, 1, 5))
    self.assertNotAllEqual(expected[0], np.zeros([1, 8, 1, 5]))
    # Steps without a label count for nothing, nor do the user's settings.
    features[:5] = 1e3
    old = keras.config.dtype_policy(), keras.config.floatx()
    try:
      keras.config.set_dtype_policy('mixed_float16')
      keras.config.set_floatx('float16')
      found = self._fitted(features, labels)
      self.assertEqual(keras.config.dtype_policy().name, 'mixed_float16')
      self.assertEqual(keras.config.floatx(), 'float16')
    finally:
      keras.config.set_dtype_policy(old[0])
      keras.config.set_floatx(old[1])
    for one, other in zip(found, expected):
      self.assertEqual(one.dtype, np.float32)
      self.assertAllEqual(one, other)

  def test_another_backend_is_refused(self):
    with mock.patch.object(keras.config, 'backend', return_value='jax'):
      with self.assertRaisesRegex(errors.UsageError, 'KERAS_BACKEND=jax: must'):
        keras_probe.LinearProbe({'x': 8}, _SPEC)

  def test_approaches_the_exact_answer(self):
    features, labels = _steps(0, 30_000)
    probe = keras_probe.LinearProbe({'x': 8}, _SPEC, learning_rate=1e-2)
    probe.fit(_dataset(features, labels, 32))
    kernel, bias = probe.weights()['x']
    sums = step_sums.StepSums(8, _SPEC)
    sums.add(features, *step_sums.labelled_outputs(_SPEC, labels))
    exact_kernel, exact_bias = sums.probe()
    self.assertAllClose(kernel[0, :, 0, 3:], exact_kernel[:, 3:], atol=0.05)
    self.assertAllClose(bias[0, 0, 3:], exact_bias[3:], atol=0.05)
    logistic = exact_probe.logistic_regression(
      features, labels[:, 0, 0].astype(int), 3
    )

    def probabilities(kernel, bias):
      return tf.nn.softmax(features @ kernel + bias)

    # Weights grow without bound where classes are far apart, so probabilities
    # are compared, in the mean over steps.
    apart = probabilities(kernel[0, :, 0, :3], bias[0, 0, :3]) - probabilities(
      *(x.astype(np.float32) for x in logistic)
    )
    self.assertLess(np.abs(apart).mean(), 0.02)

  def test_knows_the_mean_before_it_learns(self):
    bias = keras_probe.initial_bias(
      _SPEC, np.array([0.25, 0.75, 0, 5, -1]), num_steps=100
    )
    self.assertAllClose(bias[:2], np.log([0.25, 0.75]), atol=0.01)
    self.assertNear(bias[2], np.log(0.005 / 1.005), 1e-6)
    self.assertAllEqual(bias[3:], [5, -1])


class BatchesTest(tf.test.TestCase):
  def _batches(self, seed=0, num_seeds=2, block_steps=800):
    """Batches of 10 rollouts of 99 to 101 steps; features are their index."""
    lengths = [99 + i % 3 for i in range(10)]
    ends = np.cumsum(lengths)
    rows = np.split(np.arange(ends[-1]), ends[:-1])

    def rollouts():
      for row in rows:
        shared = row[:, np.newaxis].astype(np.float32)
        own = [shared + 10_000 * i for i in range(num_seeds)]
        yield keras_probe.Examples([shared, *own], shared[:, np.newaxis])

    found = []
    for number, block in enumerate(keras_probe.blocks(rollouts(), block_steps)):
      found += keras_probe.batches(
        block, [1, num_seeds], seed, number, num_seeds, batch_size=8
      ).as_numpy_iterator()
    sizes = [len(labels) for _, labels in found]
    self.assertEqual(sizes, [8] * (ends[-1] // 8) + [ends[-1] % 8])
    shared, own = (
      np.concatenate([inputs[i] for inputs, _ in found], axis=1)[..., 0].T
      for i in range(2)
    )
    labels = np.concatenate([labels for _, labels in found])[:, 0, :, 0, 0]
    return shared, own, labels

  def test_every_step_once_for_every_seed_with_its_label(self):
    shared, own, labels = self._batches()
    self.assertEqual(shared.shape, (999, 2))
    for seed in range(2):
      self.assertAllEqual(np.sort(shared[:, seed]), np.arange(999))
      self.assertAllEqual(shared[:, seed], labels[:, seed])
      # Every seed has its own features, in the same order as its labels.
      self.assertAllEqual(own[:, seed], shared[:, seed] + 10_000 * seed)
    self.assertNotAllEqual(shared[:, 0], shared[:, 1])

  def test_mini_batches_mix_rollouts(self):
    shared, _, _ = self._batches()
    # The first block has 800 steps from eight rollouts.
    self.assertAllEqual(np.sort(shared[:800, 0]), np.arange(800))
    mixed = [len(set(x // 100)) for x in shared[:800, 0].reshape([-1, 8])]
    # Eight draws from eight rollouts: 5.3 different ones on average.
    self.assertGreater(np.mean(mixed), 5)

  def test_orders_depend_on_the_seed_alone(self):
    shared, _, _ = self._batches()
    self.assertAllEqual(shared, self._batches()[0])
    self.assertAllEqual(shared[:, :1], self._batches(num_seeds=1)[0])
    self.assertNotAllEqual(shared, self._batches(seed=1)[0])


def _num_graphs():
  """Graphs of `keras_probe.batches`, which hold a block, in memory."""
  return sum(
    type(x).__name__ == 'FuncGraph' and x.name == 'Dataset_map_take'
    for x in gc.get_objects()
  )


class FitTest(tf.test.TestCase):
  def test_a_block_is_freed_before_the_next(self):
    features, labels = _steps(0, 200)
    rollouts = (
      keras_probe.Examples([features[i : i + 50]], labels[i : i + 50])
      for i in range(0, 200, 50)
    )
    batches, numbers = keras_probe.batches, []
    # As in a user's process; the tests themselves freeze.
    self.addCleanup(gc.freeze)
    gc.unfreeze()

    def counted(*arguments):
      numbers.append(_num_graphs())
      # The collector skips what was there before.
      self.assertGreater(gc.get_freeze_count(), 1000)
      dataset = batches(*arguments)
      self.assertEqual(_num_graphs(), numbers[-1] + 1)
      return dataset

    probe = keras_probe.LinearProbe({'x': 8}, _SPEC)
    with mock.patch.object(keras_probe, 'batches', counted):
      with mock.patch.object(keras_probe, '_BLOCK_STEPS', 64):
        keras_probe.fit(probe, rollouts, [1], 0, 200, 32, None)
    self.assertEqual(numbers[1:], [0] * 3)
    self.assertEqual(gc.get_freeze_count(), 0)

  def test_leaves_what_the_caller_froze(self):
    self.addCleanup(gc.freeze)
    gc.unfreeze()
    gc.freeze()
    frozen = gc.get_freeze_count()
    features, labels = _steps(0, 32)
    keras_probe.fit(
      keras_probe.LinearProbe({'x': 8}, _SPEC),
      iter([keras_probe.Examples([features], labels)]),
      *([1], 0, 32, 32, None),
    )
    # What was freed meanwhile is no longer counted.
    self.assertBetween(gc.get_freeze_count(), 0.9 * frozen, frozen)


if __name__ == '__main__':
  tf.test.main()

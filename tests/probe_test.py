"""Tests for analysis.probe and analysis.normalisation."""

import os
import tempfile

from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from analysis import normalisation
from analysis import probe
from dnc import errors
from dnc import traces
from dnc.dsprites import latents


def _labels(rng, num_steps):
  classes = np.stack(
    [rng.integers(n, size=num_steps) for n in latents.SIZES], 1
  )
  return classes.astype(np.int32), latents.classes_to_values(classes)


def _code(rng, classes, values, noise=0.01):
  """Plants shape and values in 16 features, linearly, with a little noise."""
  mixing = np.random.default_rng(0).standard_normal((7, 16))
  deviations = np.sqrt(latents.variances()[1:])
  hidden = np.concatenate(
    [2 * np.eye(3)[classes[:, 0]], values[:, 1:] / deviations], axis=1
  )
  features = hidden @ mixing + noise * rng.standard_normal((len(classes), 16))
  return features.astype(np.float32)


def _rollout(seed, index, num_steps):
  """Three representations: code of now, code of 5 steps ago, and noise."""
  rng = np.random.default_rng((seed, index))
  classes, values = _labels(rng, num_steps + 5)
  code = _code(rng, classes, values)
  return {
    'index': index,
    'classes': classes[5:],
    'values': values[5:],
    'now': code[5:],
    'late': code[:-5],
    'noise': rng.standard_normal((num_steps, 16)).astype(np.float32),
  }


def _export(path, splits, names):
  """Writes rollouts with the representations of these names."""
  keys = [*names, 'index', 'classes', 'values']
  rollouts = {
    split: [{key: rollout[key] for key in keys} for rollout in rollouts]
    for split, rollouts in splits.items()
  }
  first = next(iter(rollouts.values()))[0]
  traces.write(
    path,
    rollouts,
    widths={name: first[name].shape[1] for name in names},
    metadata={},
    num_rollouts={split: len(r) for split, r in rollouts.items()},
    max_steps=max(len(x['classes']) for r in rollouts.values() for x in r),
  )
  return traces.open_traces(path)


class StepNormaliserTest(tf.test.TestCase):
  def test_each_step_has_its_own_statistics(self):
    normaliser = normalisation.StepNormaliser()
    normaliser.update(np.array([[1.0, 5.0], [10.0, 3.0]], np.float32))
    normaliser.update(
      np.array([[3.0, 5.0], [10.0, 9.0], [4.0, 4.0]], np.float32)
    )
    self.assertAllEqual(normaliser.mean, [[2, 5], [10, 6], [4, 4]])
    self.assertAllEqual(normaliser.deviation, [[1, 0], [0, 3], [0, 0]])
    features = tf.constant([[1.5, 6.0], [10.0, 7.5]])
    # What does not vary at a step is zero there.
    self.assertAllEqual(normaliser.transform()(features), [[-0.5, 0], [0, 0.5]])

  def test_unseen_features_go_no_further_than_seen_ones_can(self):
    normaliser = normalisation.StepNormaliser()
    for feature in (0.0, 0.0, 0.0, 0.0, 1e-3):
      normaliser.update(np.array([[feature]], np.float32))
    normalise = normaliser.transform()
    # The most that one of five can be away from the mean of all.
    self.assertAllClose(normalise(tf.constant([[1e-3]])), [[2.0]])
    self.assertAllEqual(normalise(tf.constant([[1.0]])), [[2.0]])
    self.assertAllEqual(normalise(tf.constant([[-1.0]])), [[-2.0]])

  def test_agrees_with_numpy_far_from_zero(self):
    rng = np.random.default_rng(0)
    features = rng.standard_normal((50, 4, 3)) + 1e7
    normaliser = normalisation.StepNormaliser()
    for rollout in features:
      normaliser.update(rollout)
    self.assertAllClose(normaliser.mean, features.mean(0), rtol=1e-12)
    self.assertAllClose(normaliser.deviation, features.std(0), rtol=1e-6)


class LinearProbeTest(tf.test.TestCase):
  def test_labels_of_earlier_sprites(self):
    classes = tf.constant([[2, 0, 0, 0, 0], [1, 0, 0, 0, 0], [0, 0, 0, 0, 0]])
    values = tf.reshape(tf.range(15.0), [3, 5])
    labels = probe.targets(classes, values, (0, 2, 5))
    self.assertAllEqual(
      labels[:, 0],
      [[2, 1, 2, 3, 4, 1], [1, 6, 7, 8, 9, 1], [0, 11, 12, 13, 14, 1]],
    )
    self.assertAllEqual(labels[:, 1], [[0] * 6, [0] * 6, [2, 1, 2, 3, 4, 1]])
    self.assertAllEqual(labels[:, 2], np.zeros([3, 6]))

  def test_scores_and_loss_of_a_probe_worked_out_by_hand(self):
    linear = probe.LinearProbe(
      {'x': 2}, (0, 3), np.array([0, 1, 0, 1, 2, 3, 4])
    )
    labels = np.zeros([4, 2, 6], np.float32)
    labels[:, 0] = [
      [1, 1, 2, 3, 4, 1],  # All right.
      [0, 3, 2, 3, 4, 1],  # Shape wrong, scale 2 away.
      [1, 1, 2, 3, 5, 1],  # y 1 away.
      [0, 0, 0, 0, 0, 0],  # No label.
    ]
    labels[0, 1] = [1, 1, 2, 3, 4, 1]
    inputs = {'x': np.ones([4, 2], np.float32)}
    dataset = tf.data.Dataset.from_tensors((inputs, labels))
    now = linear.score(dataset)['x'][0]
    self.assertNear(now['shape']['error'], 1 / 3, 1e-12)
    self.assertNear(now['shape']['accuracy_above_chance'], 1 / 3, 1e-12)
    self.assertNear(now['scale']['error'], 4 / 3, 1e-12)
    # The labels 1, 3, 1 have variance 8/9.
    self.assertNear(now['scale']['r2'], 1 - (4 / 3) / (8 / 9), 1e-12)
    self.assertNear(now['y_position']['error'], 1 / 3, 1e-12)
    self.assertIsNone(now['orientation']['r2'])
    log_z = np.log(2 + np.e)
    cross_entropy = np.mean([log_z - 1, log_z, log_z - 1])
    expected = cross_entropy + 4 / 3 + 1 / 3 + (log_z - 1)
    loss = linear.model.evaluate(dataset, verbose=0)
    self.assertNear(loss, expected, 1e-5)

  def test_steps_without_a_label_count_for_nothing(self):
    rng = np.random.default_rng(0)
    features = rng.standard_normal((64, 3)).astype(np.float32)
    classes, values = _labels(rng, 64)
    labels = probe.targets(classes, values, (5,))
    garbage = features.copy()
    garbage[:5] = 1e3
    weights, scores = [], []
    for x in (features, garbage):
      dataset = tf.data.Dataset.from_tensor_slices(({'x': x}, labels)).batch(16)
      linear = probe.LinearProbe({'x': 3}, (5,)).fit(dataset)
      weights.append(linear.model.get_weights())
      scores.append(linear.score(dataset))
    self.assertNotAllEqual(weights[0][0], np.zeros([3, 7]))
    self.assertAllEqual(weights[0][0], weights[1][0])
    self.assertAllEqual(weights[0][1], weights[1][1])
    self.assertEqual(scores[0], scores[1])

  def test_recovers_a_planted_code(self):
    rng = np.random.default_rng(1)
    classes, values = _labels(rng, 20000)
    features = _code(rng, classes, values)
    features = (features - features.mean(0)) / features.std(0)
    labels = probe.targets(classes, values, (0,))
    dataset = tf.data.Dataset.from_tensor_slices(({'x': features}, labels))
    linear = probe.LinearProbe({'x': 16}, (0,), learning_rate=1e-2)
    scores = linear.fit(dataset.batch(16)).score(dataset.batch(5000))['x'][0]
    self.assertLess(scores['shape']['error'], 0.001)
    for name in latents.NAMES[1:]:
      self.assertGreater(scores[name]['r2'], 0.99)


class RunTest(parameterized.TestCase, tf.test.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    rollouts = {
      'train': [_rollout(0, i, 100 + i % 3) for i in range(150)],
      'test': [_rollout(1, 1000 + i, 100) for i in range(50)],
    }
    folder = cls.enterClassContext(tempfile.TemporaryDirectory())
    path = os.path.join(folder, 'traces')
    cls.traces = _export(path, rollouts, ('now', 'late', 'noise'))
    cls.lines = []
    cls.result = cls.run_probe(offsets=(0, 5), log=cls.lines.append)

  @classmethod
  def run_probe(cls, **kwargs):
    return probe.run(cls.traces, batch_size=8, **kwargs)

  @parameterized.product(
    split=['train', 'test'], planted=[('now', 0), ('late', 5)]
  )
  def test_a_planted_code_is_found_at_its_offset_only(self, split, planted):
    name, offset = planted
    scores = self.result.scores[split][name]
    self.assertLess(scores[offset]['shape']['error'], 0.02)
    for latent in latents.NAMES[1:]:
      self.assertGreater(scores[offset][latent]['r2'], 0.95)
      self.assertLess(scores[5 - offset][latent]['r2'], 0.01)
    self.assertGreater(scores[5 - offset]['shape']['error'], 0.63)

  @parameterized.product(
    split=['train', 'test'], name=['noise', 'random_16'], offset=[0, 5]
  )
  def test_nothing_is_found_in_noise(self, split, name, offset):
    # 16 idle weights at Adam's step of 1e-3 and a batch of 8 cost up to 7 %.
    scores = self.result.scores[split][name][offset]
    self.assertNear(scores['shape']['error'], 2 / 3, 0.03)
    for latent, variance in zip(latents.NAMES[1:], latents.variances()[1:]):
      self.assertNear(scores[latent]['error'] / variance, 1, 0.08)
      self.assertNear(scores[latent]['r2'], 0, 0.08)

  def test_widths_have_one_control_for_each_width(self):
    widths = {'late': 16, 'noise': 16, 'now': 16, 'random_16': 16}
    self.assertEqual(self.result.widths, widths)

  def test_progress_is_told_in_lines(self):
    self.assertIn('probe: scoring train', self.lines)
    self.assertIn('probe: scoring test', self.lines)

  def test_mini_batches_mix_rollouts_and_hold_every_step_once(self):
    pipeline = probe._Pipeline(self.traces, ['now'], (0,), seed=0)
    same = dict.fromkeys(pipeline.widths, tf.identity)
    blocks = pipeline.blocks('test', same, batch_size=8)
    batches = list(pipeline.batches(blocks, 5000, batch_size=8))
    self.assertLen(batches, 625)
    ordered = np.concatenate([x['now'] for x, _ in blocks])
    shuffled = np.concatenate([x['now'] for x, _ in batches])
    row_of = {row.tobytes(): i for i, row in enumerate(ordered)}
    rows = np.array([row_of[row.tobytes()] for row in shuffled])
    self.assertAllEqual(np.sort(rows), np.arange(5000))
    labels = np.concatenate([labels for _, labels in blocks])
    self.assertAllEqual(np.concatenate([y for _, y in batches]), labels[rows])
    mixed = [len(set(batch // 100)) for batch in rows.reshape([-1, 8])]
    # Eight draws from 50 rollouts: 7.5 different ones on average.
    self.assertGreater(np.mean(mixed), 7)

  def test_the_same_seed_gives_the_same_numbers(self):
    again = self.run_probe(offsets=(0, 5))
    self.assertEqual(again.scores, self.result.scores)
    other = self.run_probe(offsets=(0, 5), seed=1)
    self.assertNotEqual(other.scores, self.result.scores)

  def test_probes_trained_together_equal_probes_trained_alone(self):
    alone = self.run_probe(offsets=(5,), representations=['late'])
    self.assertEqual(list(alone.widths), ['late', 'random_16'])
    for split, scores in alone.scores.items():
      for name in alone.widths:
        for latent in latents.NAMES:
          self.assertAllClose(
            scores[name][5][latent]['error'],
            self.result.scores[split][name][5][latent]['error'],
            rtol=1e-4,
          )

  def test_unknown_representation_is_refused(self):
    with self.assertRaisesRegex(errors.UsageError, "'read_words', only late"):
      self.run_probe(representations=['read_words'])

  def test_rollouts_too_short_for_the_offsets_are_refused(self):
    path = os.path.join(self.get_temp_dir(), 'short')
    short = _export(path, {'train': [_rollout(0, 0, 10)]}, ['now'])
    with self.assertRaisesRegex(errors.UsageError, 'at most 10 steps'):
      probe.run(short, offsets=(0, 10))

  def test_numbers_that_are_not_finite_are_refused(self):
    path = os.path.join(self.get_temp_dir(), 'broken')
    rollout = _rollout(0, 0, 20)
    rollout['now'][3, 4] = np.nan
    broken = _export(path, {'train': [rollout]}, ['now'])
    with self.assertRaisesRegex(errors.UsageError, 'now holds .* not finite'):
      probe.run(broken)


if __name__ == '__main__':
  tf.test.main()

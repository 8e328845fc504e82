"""Tests for analysis.probe.normalisation."""

from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from analysis.probe import normalisation


class StepNormaliserTest(parameterized.TestCase, tf.test.TestCase):
  def test_each_step_has_its_own_statistics(self):
    normaliser = normalisation.StepNormaliser()
    normaliser.update(np.array([[1.0, 5.0], [10.0, 3.0]], np.float32))
    normaliser.update(
      np.array([[3.0, 5.0], [10.0, 9.0], [4.0, 4.0]], np.float32)
    )
    self.assertAllEqual(normaliser.mean, [[2, 5], [10, 6], [4, 4]])
    self.assertAllEqual(normaliser.deviation, [[1, 0], [0, 3], [0, 0]])
    features = np.array([[1.5, 6.0], [10.0, 7.5]], np.float32)
    # A feature that does not vary at a step is zero there.
    self.assertAllEqual(normaliser.transform()(features), [[-0.5, 0], [0, 0.5]])
    self.assertAllEqual(features, [[1.5, 6.0], [10.0, 7.5]])

  def test_unseen_features_go_no_further_than_seen_ones_can(self):
    normaliser = normalisation.StepNormaliser()
    for feature in (0.0, 0.0, 0.0, 0.0, 1e-3):
      normaliser.update(np.array([[feature]], np.float32))
    normalise = normaliser.transform()

    def of(feature):
      return normalise(np.array([[feature]], np.float32))

    # One of five numbers can be at most 2 deviations from the mean of all.
    self.assertAllClose(of(1e-3), [[2.0]])
    self.assertAllEqual(of(1.0), [[2.0]])
    self.assertAllEqual(of(-1.0), [[-2.0]])

  def test_agrees_with_numpy_far_from_zero(self):
    rng = np.random.default_rng(0)
    features = rng.standard_normal((50, 4, 3)) + 1e7
    normaliser = normalisation.StepNormaliser()
    for rollout in features:
      normaliser.update(rollout)
    self.assertAllClose(normaliser.mean, features.mean(0), rtol=1e-12)
    self.assertAllClose(normaliser.deviation, features.std(0), rtol=1e-6)
    normalised = np.stack([normaliser.transform()(x) for x in features])
    self.assertEqual(normalised.dtype, np.float32)
    self.assertAllClose(
      normalised, (features - features.mean(0)) / features.std(0), atol=1e-5
    )

  def test_many_rollouts_at_once(self):
    rng = np.random.default_rng(0)
    features = rng.standard_normal((50, 4, 3)).astype(np.float32) + 3
    features[:, 2, 1] = 0.1
    single, many = (normalisation.StepNormaliser() for _ in range(2))
    for rollout in features:
      single.update(rollout)
    for rollouts in (features[:20], features[20:]):
      many.update_many(rollouts)
    self.assertAllClose(many.mean, single.mean, rtol=1e-12)
    self.assertAllClose(many.deviation, single.deviation, rtol=1e-12)
    self.assertEqual(many.deviation[2, 1], 0)
    self.assertAllClose(
      many.transform()(features), list(map(single.transform(), features))
    )

  @parameterized.parameters(
    normalisation.StepNormaliser, normalisation.BitNormaliser
  )
  def test_parts_are_merged(self, kind):
    rng = np.random.default_rng(1)
    rollouts = [
      rng.integers(2, size=(n, 3)).astype(np.uint8)
      for n in (4, 2, 6, 5, 3, 6, 1)
    ]
    for rollout in rollouts:
      rollout[:, 1] = 1
    whole, merged = kind(), kind()
    for rollout in rollouts:
      whole.update(rollout)
    for part in (slice(0, 2), slice(2, 6), slice(6, None)):
      own = kind()
      for rollout in rollouts[part]:
        own.update(rollout)
      merged.merge(own)
    self.assertAllClose(merged.mean, whole.mean, rtol=1e-14)
    self.assertAllClose(merged.deviation, whole.deviation, rtol=1e-14)
    self.assertAllEqual(merged.deviation[:, 1], np.zeros([6]))
    self.assertAllEqual(merged._count, whole._count)

  def test_the_first_part_is_merged_to_the_last_bit(self):
    normaliser, merged = (normalisation.StepNormaliser() for _ in range(2))
    for rollout in np.random.default_rng(2).standard_normal((7, 4, 3)):
      normaliser.update(rollout)
    merged.merge(normaliser)
    self.assertAllEqual(merged.mean, normaliser.mean)
    self.assertAllEqual(merged.deviation, normaliser.deviation)
    # float64 features stay float64.
    features = np.full([4, 3], 1 + 1e-12)
    self.assertAllEqual(
      merged.transform()(features), normaliser.transform()(features)
    )

  def test_bits_are_counted(self):
    rng = np.random.default_rng(0)
    counted = normalisation.BitNormaliser()
    summed = normalisation.StepNormaliser()
    for num_steps in (3, 5, 4, 5):
      bits = rng.integers(2, size=(num_steps, 6)).astype(np.uint8)
      counted.update(bits)
      summed.update(bits)
    self.assertAllClose(counted.mean, summed.mean, rtol=1e-12)
    self.assertAllClose(counted.deviation, summed.deviation, rtol=1e-12)
    normalised = counted.transform()(bits)
    self.assertEqual(normalised.dtype, np.float32)
    self.assertAllClose(normalised, summed.transform()(bits))

  def test_one_mean_and_deviation_for_all_steps(self):
    rng = np.random.default_rng(0)
    features = rng.standard_normal((30, 7, 3)) * np.arange(1, 8)[:, np.newaxis]
    features[..., 2] = 0.1
    features = features.astype(np.float32)
    normaliser = normalisation.StepNormaliser()
    for rollout in features:
      normaliser.update(rollout)
    flat = features.reshape([-1, 3])
    expected = (features - flat.mean(0)) / flat.std(0)
    expected[..., 2] = 0
    self.assertAllClose(
      normaliser.transform_overall()(features), expected, atol=1e-5
    )


if __name__ == '__main__':
  tf.test.main()

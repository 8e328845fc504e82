"""Tests for analysis.probe.pass_sums; those of walks use the sums."""

from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from analysis.probe import bits
from analysis.probe import labels as labels_lib
from analysis.probe import pass_sums
from dnc.system import errors

_SPEC = labels_lib.LabelSpec({}, ('v',), {})


def _moments(features, num_unseen=()):
  """Of training rollouts `[time, width]` and the lengths of unseen ones."""
  labels = [np.arange(2 * len(x), dtype=np.float32) for x in features]
  unseen = [np.zeros([n, 2], np.float32) for n in num_unseen]
  found = pass_sums.StepMoments(
    {}, {'train': [x.reshape([-1, 2]) for x in labels], 'test': unseen}
  )
  for own in features:
    found.update(('f', 0), own)
  return found


class StepMomentsTest(parameterized.TestCase, tf.test.TestCase):
  def setUp(self):
    super().setUp()
    self._features = np.random.default_rng(0).standard_normal((7, 5, 3))

  @parameterized.parameters(False, True)
  def test_merged_are_those_of_all_rollouts(self, are_bits):
    features = self._features
    if are_bits:
      features = (features > 0).astype(np.uint8)
    found = _moments(features[:3])
    found.merge(_moments(features[3:]))
    expected = _moments(features)
    self.assertAllEqual(found.labels['train'], expected.labels['train'])
    statistics = [
      x.statistics([('f', 0)], ['f'], _SPEC, (0,), 1) for x in (found, expected)
    ]
    one, all_at_once = (x.normalise['f', 0] for x in statistics)
    self.assertEqual(isinstance(one, bits.BitTransform), are_bits)
    self.assertAllClose(one(features[0]), all_at_once(features[0]), 1e-6, 1e-6)
    one, all_at_once = (x.overall['f'](features[0]) for x in statistics)
    self.assertAllClose(one, all_at_once, 1e-6, 1e-6)
    self.assertEqual([x.num_steps for x in statistics], [35, 35])
    # The first columns of the labels are those asked for.
    tasks = statistics[0].labels['train'].tasks(0)
    self.assertAllEqual(tasks[:, 0], [[2 * i, 1] for i in range(5)])

  def test_accepts_what_can_be_probed(self):
    _moments(self._features, [5, 4]).check('s', (0, 4))
    _moments(self._features).check('s', (-4, 0))

  @parameterized.parameters(5, -5)
  def test_refuses_rollouts_too_short_for_the_offsets(self, offset):
    with self.assertRaisesRegex(
      errors.UsageError, '^s: rollouts have at most 5 steps'
    ):
      _moments(self._features).check('s', (0, offset))

  def test_refuses_unseen_rollouts_longer_than_all_training_ones(self):
    with self.assertRaisesRegex(
      errors.UsageError, '^s: an unseen rollout has 6 steps'
    ):
      _moments(self._features, [5, 6]).check('s', (0,))

  def test_refuses_numbers_that_are_not_finite(self):
    self._features[2, 3, 1] = np.nan
    with self.assertRaisesRegex(errors.UsageError, '^s: f holds .* not finite'):
      _moments(self._features).check('s', (0,))


if __name__ == '__main__':
  tf.test.main()

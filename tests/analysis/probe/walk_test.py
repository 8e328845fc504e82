"""Tests for analysis.probe.walk; passes_test checks how walks make a whole."""

from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from analysis.probe import controls
from analysis.probe import rollout_parts
from analysis.probe import streams
from analysis.probe import threads
from analysis.probe import walk as walk_lib
from tests.analysis.probe import examples

_TRAIN = rollout_parts.RolloutPart('train', range(12))


class WalkTest(parameterized.TestCase, tf.test.TestCase):
  def setUp(self):
    super().setUp()
    rng = np.random.default_rng(2)
    values = rng.standard_normal((15, 9))
    features = {
      name: rng.standard_normal((15, 9, width)) + values[..., np.newaxis]
      for name, width in dict(one=5, other=4).items()
    }
    self._stream = streams.ArrayStream(features, {}, {'v': values}, 12)
    self._settings = walk_lib.ProbeSettings((0, 2), 5, 2, 16, 1e-2, False, None)
    self._inputs = controls.Controlled(self._stream, 5, 2, False)
    self._pool = self.enter_context(threads.threads())

  def _walk(self, given=None, **options):
    return walk_lib.Walk(
      self._stream,
      self._settings,
      self._inputs,
      given or {},
      self._pool,
      **options,
    )

  def _statistics(self, walk):
    return walk.statistics(
      walk.joined([walk.gathered(_TRAIN, walk.read('train'))])
    )

  def _sums(self, walk, part=_TRAIN):
    statistics = self._statistics(walk)
    sums = walk.empty(statistics, part.rollouts)
    rollouts = walk.read('train', only=part.rollouts)
    seen = [x for x, _ in walk.add(statistics, sums, part, rollouts)]
    return statistics, sums, seen

  def test_reads_what_is_asked_for(self):
    # Two Keras probes, so two copies of random inputs.
    for options, num in (
      ({}, 6),
      ({'num_copies': 1}, 4),
      ({'names': ['other', 'random_5']}, 3),
    ):
      _, _, seen = self._sums(self._walk(**options))
      self.assertLen(seen, 12)
      self.assertLen(seen[0], num)

  def test_features_are_normalised_at_each_step(self):
    _, _, seen = self._sums(self._walk(names=['one']))
    features = np.stack([one for (one,) in seen])
    self.assertAllClose(features.mean(axis=0), np.zeros([9, 5]), atol=1e-6)
    self.assertAllClose(features.std(axis=0), np.ones([9, 5]), atol=1e-3)

  def test_sums_of_parts_solve_for_the_same_probes(self):
    walk = self._walk({'one': {'other': ('other',)}})
    statistics, whole, _ = self._sums(walk)
    sums = walk.empty(statistics)
    for rollouts in (range(5), range(5, 12)):
      _, own, _ = self._sums(walk, rollout_parts.RolloutPart('train', rollouts))
      sums.merge(own)
    found, expected = (walk.solved(statistics, x) for x in (sums, whole))
    self.assertEqual(found.num_steps, 12 * 9)
    self.assertCountEqual(
      found.weights, ['one', 'other', 'random_4', 'random_5']
    )
    for name, weights in expected.weights.items():
      for one, other in zip(found.weights[name], weights):
        self.assertAllClose(one, other, 1e-6, 1e-6)

  def test_rollouts_are_scored_each_by_itself(self):
    walk = self._walk({'one': {'other': ('other',)}})
    statistics, sums, _ = self._sums(walk)
    solved = walk.solved(statistics, sums)
    with examples.light_training():
      readers = walk.readers(solved, walk.trained(statistics))
    found = []
    for rollouts in (range(3), range(1, 3)):
      part = rollout_parts.RolloutPart('test', rollouts)
      added = solved.added.unscored()
      rows = walk.read('test', only=rollouts)
      scored = walk.scored(statistics, readers, added, part, rows)
      found.append([scored.by_part[None], added.errors.by_part[None]])
    for all_three, last_two in zip(*found):
      self.assertEqual((len(all_three), len(last_two)), (3, 2))
      for name, errors in last_two._errors.items():
        self.assertAllEqual(all_three._errors[name][1:], errors)

  def test_what_is_trained_beside_a_probe_does_not_change_it(self):
    both, alone = (
      self._walk(names=names) for names in (['one', 'random_5'], ['one'])
    )
    kernels = [
      walk.trained(self._statistics(walk))['one'][0] for walk in (both, alone)
    ]
    self.assertGreater(np.abs(kernels[0]).max(), 0)
    self.assertAllEqual(*kernels)


if __name__ == '__main__':
  tf.test.main()

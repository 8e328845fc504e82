"""Tests for analysis.intervention.effects; measuring_test changes cores."""

from absl.testing import absltest
import numpy as np

from analysis.intervention import effects
from dnc.dsprites import latents
from tests.support import testing_data

_X = latents.NAMES.index('x_position')


def _pairs(intact, amount, moved_by):
  """Pairs whose sprites move by `moved_by` instead of the amount."""
  table = testing_data.rendered_table()
  found = np.stack([intact, intact])
  found[0, :, _X] += moved_by
  found[1, :, _X] -= moved_by
  bits = table.bits[latents.classes_to_index(found)]
  return effects.Pairs(_X, amount, np.arange(len(intact)), bits), found


class EffectsTest(absltest.TestCase):
  def setUp(self):
    super().setUp()
    self._table = testing_data.rendered_table()
    rng = np.random.default_rng(0)
    self._intact = np.stack(
      [rng.integers(0, size, 12) for size in latents.SIZES], axis=1
    )
    self._intact[:, _X] = rng.integers(8, 24, 12)
    self._rollouts = np.repeat([5, 6, 9], 4)

  def _measure(self, *made, num_comparisons=1):
    pairs, found = zip(*made)
    return effects.measure(
      pairs,
      found,
      self._intact,
      self._rollouts,
      self._table,
      num_comparisons=num_comparisons,
    )

  def test_a_sprite_that_follows(self):
    effect = self._measure(
      *(_pairs(self._intact, amount, amount) for amount in (2, 4))
    )
    self.assertEqual((effect.slope, effect.interval), (1, (1, 1)))
    np.testing.assert_array_equal(effect.shifts, [2, 4])
    self.assertEqual((effect.num_pairs, effect.iou), (24, 1))
    self.assertEqual(set(effect.errors.values()), {0})

  def test_a_sprite_that_follows_half_way(self):
    effect = self._measure(
      _pairs(self._intact, 2, 1), _pairs(self._intact, 4, 2)
    )
    self.assertEqual(effect.slope, 0.5)
    self.assertLess(effect.iou, 1)
    # One or two steps of 32 / 31 pixels.
    self.assertAlmostEqual(effect.errors['position_error'], 1.5 * 32 / 31)
    self.assertEqual(effect.errors['shape_error'], 0)

  def test_a_ruined_image_shifts_nothing(self):
    pairs, found = _pairs(self._intact, 4, 0)
    found[:] = [0, 0, 0, 2, 2]
    self.assertEqual(self._measure((pairs, found)).slope, 0)

  def test_intervals_are_of_rollouts(self):
    pairs, found = _pairs(self._intact, 4, 0)
    follows = self._rollouts == 9
    found[0, follows, _X] += 4
    found[1, follows, _X] -= 4
    effect = self._measure((pairs, found))
    self.assertAlmostEqual(effect.slope, 1 / 3)
    self.assertEqual(effect.interval, (0, 1))

  def test_intervals_are_wider_for_one_of_many_latents(self):
    # One of four rollouts follows. It is in a resample 3 times or more with a
    # chance of 5.1 %, and 4 times with 0.4 %.
    self._rollouts = np.repeat([5, 6, 7, 9], 3)
    pairs, found = _pairs(self._intact, 4, 0)
    follows = self._rollouts == 9
    found[0, follows, _X] += 4
    found[1, follows, _X] -= 4
    effect = self._measure((pairs, found), num_comparisons=20)
    self.assertEqual(effect.interval, (0, 0.75))
    self.assertEqual(effect.corrected_interval, (0, 1))

  def test_nothing_to_pair(self):
    pairs, found = _pairs(self._intact[:0], 8, 8)
    self.assertIsNone(self._measure((pairs, found)))

  def test_reads_images_back(self):
    images = self._table.bits[latents.classes_to_index(self._intact)]
    found = effects.read_back(self._table, np.concatenate([images] * 2))
    self.assertEqual(
      effects.read_back(self._table, images[:0]).shape, found[:0].shape
    )
    # Some sprites look alike.
    np.testing.assert_array_equal(
      self._table.bits[latents.classes_to_index(found[12:])], images
    )
    logits = np.unpackbits(images, axis=-1).reshape([12, -1]) - 0.5
    np.testing.assert_array_equal(effects.packed(logits), images)


if __name__ == '__main__':
  absltest.main()

"""Tests of dnc.dsprites.latent_errors."""

from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from dnc.dsprites import latent_errors
from dnc.dsprites import latents

_NAMES = ('shape_error', 'scale_error', 'orientation_error', 'position_error')
_STEP = 360 / 39


class MeanErrorsTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.named_parameters(
    ('equal', [2, 3, 20, 7, 9], [2, 3, 20, 7, 9], [0, 0, 0, 0]),
    ('shape', [0, 0, 0, 0, 0], [2, 0, 0, 0, 0], [1, 0, 0, 0]),
    ('scale', [0, 5, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0.5, 0, 0]),
    # Positions are 32 / 31 pixels apart: a triangle of sides 3, 4, 5.
    ('position', [1, 0, 0, 3, 9], [1, 0, 0, 6, 5], [0, 0, 0, 5 * 32 / 31]),
    ('corners', [1, 0, 0, 0, 31], [1, 0, 0, 31, 0], [0, 0, 0, 32 * 2**0.5]),
    # The last orientation is the first one again.
    ('turn', [2, 0, 39, 0, 0], [2, 0, 0, 0, 0], [0, 0, 0, 0]),
    ('turn_square', [0, 0, 0, 0, 0], [0, 0, 39, 0, 0], [0, 0, 0, 0]),
    ('heart', [2, 0, 0, 0, 0], [2, 0, 10, 0, 0], [0, 0, 10 * _STEP, 0]),
    ('heart_back', [2, 0, 2, 0, 0], [2, 0, 37, 0, 0], [0, 0, 4 * _STEP, 0]),
    ('square', [0, 0, 0, 0, 0], [0, 0, 10, 0, 0], [0, 0, 10 * _STEP - 90, 0]),
    ('ellipse', [1, 0, 0, 0, 0], [1, 0, 20, 0, 0], [0, 0, 20 * _STEP - 180, 0]),
    # The symmetry is that of the true shape.
    ('true', [0, 0, 0, 0, 0], [2, 0, 10, 0, 0], [1, 0, 10 * _STEP - 90, 0]),
    ('found', [2, 0, 0, 0, 0], [0, 0, 10, 0, 0], [1, 0, 10 * _STEP, 0]),
  )
  def test_known_answers(self, true, found, expected):
    errors = latent_errors.mean_errors([true], [found])
    self.assertEqual(tuple(errors), _NAMES)
    self.assertAllClose(list(errors.values()), expected, atol=1e-12)

  def test_means(self):
    true = [[0, 0, 0, 0, 0]] * 4
    found = [
      [1, 1, 2, 0, 0],
      [0, 2, 0, 0, 0],
      [0, 0, 0, 31, 0],
      [2, 1, 1, 0, 0],
    ]
    errors = latent_errors.mean_errors(true, found)
    self.assertAllClose(
      list(errors.values()), [0.5, 0.1, 0.75 * _STEP, 8], atol=1e-12
    )

  @parameterized.parameters(
    ([[0, 0, 0, 0, 0]], [[3, 0, 0, 0, 0]], 'shape class 3 '),
    ([[0, 0, 0, 0, 0]], [[0, 0, 0, 0, 0]] * 2, r'\[1, 5\] and \[2, 5\]'),
    ([0, 0, 0, 0, 0], [0, 0, 0, 0, 0], r'\[5\] and \[5\]'),
    (np.zeros([0, 5], int), np.zeros([0, 5], int), 'n at least 1'),
  )
  def test_wrong_classes(self, true, found, message):
    with self.assertRaisesRegex(ValueError, message):
      latent_errors.mean_errors(true, found)


class ChanceTest(tf.test.TestCase):
  def test_shape_and_scale(self):
    chance = latent_errors.chance_errors()
    self.assertEqual(tuple(chance), _NAMES)
    self.assertAllClose(chance['shape_error'], 2 / 3, rtol=1e-12)
    # Of n equal steps the mean difference is (n^2 - 1) / (3 n) steps.
    self.assertAllClose(chance['scale_error'], 0.1 * 35 / 18, rtol=1e-12)

  def test_orientation_and_position(self):
    # Integer arithmetic in units of 360 / 39 / 4 degrees: a full turn is 156.
    total = 0
    for period in (39, 78, 156):
      for i in range(40):
        for j in range(40):
          angle = 4 * (i - j) % period
          total += min(angle, period - angle)
    chance = latent_errors.chance_errors()
    self.assertAllClose(
      chance['orientation_error'], total * _STEP / 4 / (3 * 1600), rtol=1e-12
    )
    # Steps apart, and how many of the 32^2 pairs are.
    steps = np.arange(-31, 32)
    weights = (32 - np.abs(steps)) / 32**2
    distances = np.sqrt(steps[:, None] ** 2 + steps**2) * 32 / 31
    self.assertAllClose(
      chance['position_error'], weights @ distances @ weights, rtol=1e-12
    )

  def test_random_sprites_score_it(self):
    rng = np.random.default_rng(0)
    true, found = (
      latents.index_to_classes(rng.integers(latents.NUM_SPRITES, size=200000))
      for _ in range(2)
    )
    errors = latent_errors.mean_errors(true, found)
    self.assertAllClose(errors, latent_errors.chance_errors(), rtol=0.01)


if __name__ == '__main__':
  tf.test.main()

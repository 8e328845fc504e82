"""Tests of dnc.dsprites.latent_errors."""

from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from dnc.dsprites import latent_errors

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


if __name__ == '__main__':
  tf.test.main()

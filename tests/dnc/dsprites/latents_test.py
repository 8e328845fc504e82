"""Tests of dnc.dsprites.latents."""

from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from dnc.dsprites import latents


class LatentsTest(tf.test.TestCase, parameterized.TestCase):
  def test_grids(self):
    self.assertEqual([len(grid) for grid in latents.VALUES], [3, 6, 40, 32, 32])
    self.assertEqual(np.prod(latents.SIZES), latents.NUM_SPRITES)
    shape, scale, orientation, x, y = latents.VALUES
    self.assertAllEqual(shape, [1, 2, 3])
    self.assertAllClose(scale, [0.5, 0.6, 0.7, 0.8, 0.9, 1.0], atol=1e-15)
    self.assertAllClose(
      orientation, [2 * np.pi * k / 39 for k in range(40)], atol=1e-14
    )
    self.assertAllClose(x, [k / 31 for k in range(32)], atol=1e-15)
    self.assertAllEqual(x, y)
    for grid in latents.VALUES:
      self.assertEqual(grid.dtype, np.float64)

  @parameterized.parameters(
    ((0, 0, 0, 0, 0), 0),
    ((0, 0, 0, 0, 1), 1),
    ((0, 0, 0, 1, 0), 32),
    ((0, 0, 1, 0, 0), 1024),
    ((0, 1, 0, 0, 0), 40960),
    ((1, 0, 0, 0, 0), 245760),
    ((2, 5, 39, 31, 31), 737279),
  )
  def test_known_indices(self, classes, index):
    self.assertAllEqual(latents.classes_to_index(classes), index)
    self.assertAllEqual(latents.index_to_classes(index), classes)

  def test_every_index_returns(self):
    index = np.arange(latents.NUM_SPRITES, dtype=np.int32).reshape(720, 32, 32)
    classes = latents.index_to_classes(index)
    self.assertEqual(classes.dtype, np.int64)
    self.assertEqual(classes.shape, (720, 32, 32, 5))
    again = latents.classes_to_index(classes.astype(np.uint8))
    self.assertEqual(again.dtype, np.int64)
    self.assertAllEqual(again, index)

  def test_values(self):
    values = latents.classes_to_values([[[2, 1, 39, 31, 0], [0, 0, 0, 0, 31]]])
    self.assertEqual(values.dtype, np.float32)
    self.assertAllEqual(
      values,
      np.array([[[3, 0.6, 2 * np.pi, 1, 0], [1, 0.5, 0, 0, 1]]], np.float32),
    )

  def test_variances_are_what_the_mean_scores(self):
    # A grid of n equal steps d has variance d^2 (n^2 - 1) / 12.
    size = np.array(latents.SIZES)
    step = np.array([1, 0.1, 2 * np.pi / 39, 1 / 31, 1 / 31])
    self.assertAllClose(
      latents.variances(), step**2 * (size**2 - 1) / 12, rtol=1e-12
    )

  @parameterized.parameters(
    ([3, 0, 0, 0, 0], 'shape class 3 .* 0 to 2'),
    ([0, 6, 0, 0, 0], 'scale class 6 .* 0 to 5'),
    ([[0, 0, 1, 0, 0], [0, 0, 40, 0, 0]], 'orientation class 40 .* 0 to 39'),
    ([0, 0, 0, -1, 0], 'x_position class -1 .* 0 to 31'),
    ([0, 0, 0, 0, 32], 'y_position class 32 .* 0 to 31'),
    ([0, 0, 0, 0], r'\[\.\.\., 5\]'),
  )
  def test_wrong_classes(self, classes, message):
    for function in (latents.classes_to_index, latents.classes_to_values):
      with self.assertRaisesRegex(ValueError, message):
        function(classes)

  def test_wrong_types_and_indices(self):
    with self.assertRaisesRegex(TypeError, 'float64'):
      latents.classes_to_index([0.0, 0.0, 0.0, 0.0, 0.0])
    with self.assertRaisesRegex(TypeError, 'float64'):
      latents.index_to_classes(0.5)
    for index in (-1, latents.NUM_SPRITES):
      with self.assertRaisesRegex(ValueError, f'{index} .* 0 to 737279'):
        latents.index_to_classes([0, index])


if __name__ == '__main__':
  tf.test.main()

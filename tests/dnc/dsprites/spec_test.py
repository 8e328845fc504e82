"""Tests of dnc.dsprites.spec."""

import dataclasses
import doctest

from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from dnc.dsprites import latents
from dnc.dsprites import spec as spec_lib

_TRIANGLE = [(0, -5), (5, 5), (-5, 5)]


def _spec(**changes):
  fields = dict(
    polygons=[_TRIANGLE],
    scales=[1],
    orientations=[0],
    x_positions=[16],
    y_positions=[16],
    image_size=32,
  )
  return spec_lib.SpriteSpec(**(fields | changes))


class SpriteSpecTest(tf.test.TestCase, parameterized.TestCase):
  def test_published(self):
    self.assertEqual(spec_lib.DSPRITES.sizes, latents.SIZES)
    self.assertEqual(spec_lib.DSPRITES.num_sprites, latents.NUM_SPRITES)
    self.assertEqual(spec_lib.DSPRITES.image_size, 64)

  def test_examples(self):
    results = doctest.testmod(spec_lib)
    self.assertGreater(results.attempted, 0)
    self.assertEqual(results.failed, 0)

  def test_keeps_a_copy(self):
    scales = np.array([0.5, 1, 2], np.float32)
    spec = _spec(scales=scales, polygons=[_TRIANGLE, np.eye(4)[:, :2]])
    scales[:] = 7
    self.assertAllEqual(spec.scales, [0.5, 1, 2])
    self.assertEqual(spec.scales.dtype, np.float64)
    self.assertEqual(spec.sizes, (2, 3, 1, 1, 1))
    self.assertEqual(spec.num_sprites, 6)
    with self.assertRaises(ValueError):
      spec.polygons[0][0] = 0
    with self.assertRaises(dataclasses.FrozenInstanceError):
      spec.image_size = 3
    self.assertEqual(dataclasses.replace(spec, scales=[1]).num_sprites, 2)

  @parameterized.parameters(
    (dict(polygons=[]), 'polygons must hold at least one'),
    (dict(polygons=3), 'polygons must be a sequence'),
    (
      dict(polygons=[_TRIANGLE, _TRIANGLE[:2]]),
      r'polygons\[1\] .* at least 3 vertices, got \[2, 2\]',
    ),
    (dict(polygons=_TRIANGLE), r'polygons\[0\] must have shape .*got \[2\]'),
    (dict(polygons=[np.ones([4, 3])]), r'polygons\[0\] .*got \[4, 3\]'),
    (
      dict(polygons=[[(0, 0), (1, np.nan), (1, 1)]]),
      r'polygons\[0\] must be finite, got nan',
    ),
    (dict(polygons=[['a', 'b', 'c']]), r'polygons\[0\] must be an array of'),
    (dict(polygons=[[(0, 1), (2,)]]), r'polygons\[0\] must be an array of'),
    (dict(scales=[]), r'scales .* at least 1 value, got \[0\]'),
    (dict(scales=1.0), r'scales must have shape \[number\] .*got \[\]'),
    (dict(scales=[1, 0]), 'scales must be above 0, got 0'),
    (dict(orientations=[np.inf]), 'orientations must be finite, got inf'),
    (dict(x_positions=[[1]]), r'x_positions .*got \[1, 1\]'),
    (dict(y_positions=None), 'y_positions must be finite|array of numbers'),
    (dict(image_size=0), 'image_size must be at least 1, got 0'),
    (dict(image_size=64.0), 'image_size must be an integer, got 64.0'),
    (dict(x_positions=[2e6]), 'within 1048576 pixels .* reaches 2.*e\\+06'),
    (dict(scales=[1e308]), 'within 1048576 pixels .* reaches inf'),
  )
  def test_refused(self, changes, message):
    with self.assertRaisesRegex(ValueError, message) as caught:
      _spec(**changes)
    self.assertNotIn('\n', str(caught.exception))


if __name__ == '__main__':
  tf.test.main()

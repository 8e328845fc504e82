"""Tests of dnc.dsprites.verify."""

import numpy as np
import tensorflow as tf

from dnc.dsprites import latents
from dnc.dsprites import verify
from tests.support import testing_data

_FILE = 'dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz'


class VerifyTest(tf.test.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.rendered = testing_data.rendered_table().bits
    # A file that differs in two squares and a heart.
    cls.sprites = latents.classes_to_index(
      [[0, 5, 0, 31, 31], [0, 5, 39, 0, 31], [2, 3, 7, 9, 30]]
    )
    cls.bits = np.array(cls.rendered)
    for sprite, pixels in zip(
      cls.sprites,
      (
        # The square covers rows and columns 38 to 57.
        [(38, 38), (37, 57)],
        [(63, column) for column in range(20, 30)],
        [(0, 0), (63, 63)],
      ),
    ):
      for row, column in pixels:
        cls.bits[sprite, row, column // 8] ^= 128 >> column % 8
    cls.comparison = verify.ImageComparison(cls.bits, cls.rendered)

  def test_equal(self):
    comparison = verify.ImageComparison(self.rendered, self.rendered)
    self.assertEmpty(comparison.differing)
    self.assertEqual(
      verify.report(comparison, _FILE, 20),
      f'{_FILE}: all 737,280 images are equal to the rendering\n',
    )

  def test_different(self):
    first, second, third = self.sprites
    self.assertEqual(
      verify.report(self.comparison, _FILE, 20).splitlines(),
      [
        f'{_FILE}: 3 of 737,280 images differ from the rendering',
        'pixels: 14 differ, 13 are on in the file only (-) and 1 in the '
        f'rendering only (+); at most 10 differ in one image (image {second})',
        'images by number of differing pixels: 2: 2, 10: 1',
        'images by class of shape: 0: 2, 2: 1',
        'images by class of scale: 3: 1, 5: 2',
        'images by class of orientation: 0: 1, 7: 1, 39: 1',
        'images by class of x_position: 0: 1, 9: 1, 31: 1',
        'images by class of y_position: 30: 1, 31: 2',
        'the first 3 images: classes (values) and pixels (row, column)',
        f'  image {first}: shape 0 (1), scale 5 (1), orientation 0 (0), '
        'x_position 31 (1), y_position 31 (1): -(37, 57) +(38, 38)',
        f'  image {second}: shape 0 (1), scale 5 (1), orientation 39 (6.283), '
        'x_position 0 (0), y_position 31 (1): -(63, 20) -(63, 21) -(63, 22) '
        '-(63, 23) -(63, 24) -(63, 25) -(63, 26) -(63, 27) and 2 more',
        f'  image {third}: shape 2 (3), scale 3 (0.8), orientation 7 (1.128), '
        'x_position 9 (0.2903), y_position 30 (0.9677): -(0, 0) -(63, 63)',
      ],
    )

  def test_fewer_listed(self):
    report = verify.report(self.comparison, _FILE, 1)
    self.assertIn('the first 1 images:', report)
    self.assertEqual(report.count('\n  image '), 1)
    report = verify.report(self.comparison, _FILE, 0)
    self.assertEndsWith(report, 'y_position: 30: 1, 31: 2\n')

  def test_every_image(self):
    comparison = verify.ImageComparison(self.rendered, ~self.rendered)
    self.assertLen(comparison.differing, latents.NUM_SPRITES)
    self.assertEqual(comparison.removed.sum(), 128328786)
    self.assertAllEqual(
      comparison.removed[:9] + comparison.added[:9], [4096] * 9
    )


if __name__ == '__main__':
  tf.test.main()

"""Tests of dnc.dsprites.render."""

import subprocess
import sys

import numpy as np
import tensorflow as tf

from dnc import dsprites
from dnc.dsprites import latents
from dnc.dsprites import render
from tests import testing_data


class RenderImagesTest(tf.test.TestCase):
  def test_real_frames_bit_for_bit(self):
    frames = np.load(testing_data.DSPRITES_FRAMES)
    real = np.unpackbits(frames['images'], axis=-1)
    self.assertLen(real, 160)
    rendered = dsprites.render_images(frames['classes'])
    self.assertEqual(rendered.dtype, np.uint8)
    self.assertAllEqual(rendered, real)

  def test_square_by_hand(self):
    # Scale 1, upright, centred at 16 + 32 * 31 / 31 = 48: from 38.4 to 57.6
    # pixels, so that the centres inside are those of 38 to 57.
    image = np.zeros([64, 64], np.uint8)
    image[38:58, 38:58] = 1
    self.assertAllEqual(render.render_images([[0, 5, 0, 31, 31]])[0], image)

  def test_x_is_to_the_right_and_y_down(self):
    right, down = render.render_images([[1, 0, 0, 31, 0], [1, 0, 0, 0, 31]])
    rows, columns = np.nonzero(right)
    self.assertLess(rows.max(), 32)
    self.assertGreater(columns.min(), 32)
    # Upright, an ellipse is wider than high.
    self.assertGreater(np.ptp(columns), np.ptp(rows))
    self.assertAllEqual(right.T.any(), down.any())
    self.assertGreater(np.nonzero(down)[0].min(), 32)

  def test_repeated_and_unordered_classes(self):
    classes = np.array([[2, 3, 7, 9, 30], [0, 1, 5, 2, 4], [2, 3, 7, 8, 30]])
    alone = np.concatenate([render.render_images(c[None]) for c in classes])
    order = [2, 0, 0, 1, 2, 1]
    self.assertAllEqual(render.render_images(classes[order]), alone[order])

  def test_none(self):
    images = render.render_images(np.zeros([0, 5], np.int64))
    self.assertEqual(images.shape, (0, 64, 64))

  def test_wrong_classes(self):
    with self.assertRaisesRegex(ValueError, 'orientation class 40 .* 0 to 39'):
      render.render_images([[0, 0, 40, 0, 0]])
    with self.assertRaisesRegex(ValueError, r'\[n, 5\]'):
      render.render_images([0, 0, 0, 0, 0])
    with self.assertRaisesRegex(TypeError, 'integers'):
      render.render_images(np.zeros([1, 5]))

  def test_does_without_tensorflow(self):
    code = (
      'import sys\n'
      'from dnc import dsprites\n'
      'dsprites.render_images([[0, 0, 0, 0, 0]])\n'
      'assert "tensorflow" not in sys.modules\n'
    )
    subprocess.run(
      [sys.executable, '-c', code], cwd=testing_data.ROOT, check=True
    )


class RenderAllTest(tf.test.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.bits = testing_data.rendered_table().bits
    cls.words = cls.bits.reshape(latents.NUM_SPRITES, 64, 8).view('>u8')[..., 0]

  def test_agrees_with_render_images(self):
    index = np.random.default_rng(0).integers(latents.NUM_SPRITES, size=5000)
    self.assertAllEqual(
      render.render_images(latents.index_to_classes(index)),
      np.unpackbits(self.bits[index], axis=-1),
    )

  def test_pixels_on(self):
    counts = np.bitwise_count(self.bits.view(np.uint64))
    self.assertEqual(counts.sum(dtype=np.int64), 128328786)

  def test_support(self):
    used = np.bitwise_or.reduce(self.bits, axis=0)
    pixels = np.unpackbits(used, axis=-1)
    self.assertAllEqual(np.flatnonzero(pixels.any(0)), np.arange(2, 62))
    self.assertAllEqual(np.flatnonzero(pixels.any(1)), np.arange(2, 62))

  def test_a_full_turn_is_none(self):
    grid = self.words.reshape(*latents.SIZES, 64)
    np.testing.assert_array_equal(grid[:, :, 0], grid[:, :, 39])

  def test_distinct_images(self):
    # Random linear hashes to 64 bits: 715,706 images collide with probability
    # 1e-8.
    factors = np.random.default_rng(0).integers(1, 2**63, 64, dtype=np.uint64)
    hashes = np.zeros(latents.NUM_SPRITES, np.uint64)
    for row, factor in zip(self.words.T, factors | np.uint64(1)):
      hashes = (hashes + row) * factor
      hashes ^= hashes >> np.uint64(29)
    self.assertLen(np.unique(hashes), 715706)


if __name__ == '__main__':
  tf.test.main()

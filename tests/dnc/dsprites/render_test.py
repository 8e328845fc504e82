"""Tests of dnc.dsprites.render."""

import dataclasses
import hashlib
from unittest import mock

from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from dnc import dsprites
from dnc.dsprites import latents
from dnc.dsprites import render
from tests.support import commands
from tests.support import testing_data

# If this must change, change render.RECIPE too.
_SHA256 = 'a633ec1c60535b2cb0ddce1eff200fe7d64356ac276023214a64274c9db8e6ee'


def _one_sprite(polygon, x, y, image_size, orientation=0.0):
  """Renders a polygon with its centre at (x, y)."""
  spec = dsprites.SpriteSpec(
    polygons=[polygon],
    scales=[1],
    orientations=[orientation],
    x_positions=[x],
    y_positions=[y],
    image_size=image_size,
  )
  return dsprites.render_images([[0, 0, 0, 0, 0]], spec)[0]


def _inside(polygon, image_size):
  """Fills a polygon by counting the edges to the left of each pixel.

  Args:
    polygon: int64 [vertices, 2], right and down, units of 1/256 pixel.
    image_size: pixels.

  Returns:
    uint8 [image_size, image_size].
  """
  centres = 256 * np.arange(image_size) + 128
  x, y = centres, centres[:, None]
  inside = np.zeros([image_size, image_size], bool)
  for (ax, ay), (bx, by) in zip(polygon, np.roll(polygon, -1, axis=0)):
    if ay > by:
      ax, ay, bx, by = bx, by, ax, ay
    # The sign of a determinant gives the side of the edge.
    left_of_it = (x - ax) * (by - ay) >= (bx - ax) * (y - ay)
    inside ^= (ay <= y) & (y < by) & left_of_it
  return inside.astype(np.uint8)


class RenderImagesTest(tf.test.TestCase):
  def test_real_frames_bit_for_bit(self):
    frames = np.load(testing_data.DSPRITES_FRAMES)
    real = np.unpackbits(frames['images'], axis=-1)
    self.assertLen(real, 160)
    rendered = dsprites.render_images(frames['classes'])
    self.assertEqual(rendered.dtype, np.uint8)
    self.assertAllEqual(rendered, real)

  def test_square_by_hand(self):
    # Scale 1, upright, centred at 16 + 32 * 31 / 31 = 48: the square covers
    # 38.4 to 57.6 pixels, hence the centres of pixels 38 to 57.
    image = np.zeros([64, 64], np.uint8)
    image[38:58, 38:58] = 1
    self.assertAllEqual(render.render_images([[0, 5, 0, 31, 31]])[0], image)

  def test_x_is_to_the_right_and_y_down(self):
    right, down = render.render_images([[1, 0, 0, 31, 0], [1, 0, 0, 0, 31]])
    rows, columns = np.nonzero(right)
    self.assertLess(rows.max(), 32)
    self.assertGreater(columns.min(), 32)
    # An upright ellipse is wider than high.
    self.assertGreater(np.ptp(columns), np.ptp(rows))
    self.assertAllEqual(right.T.any(), down.any())
    self.assertGreater(np.nonzero(down)[0].min(), 32)

  def test_repeated_and_unordered_classes(self):
    classes = np.array([[2, 3, 7, 9, 30], [0, 1, 5, 2, 4], [2, 3, 7, 8, 30]])
    alone = np.concatenate([render.render_images(c[None]) for c in classes])
    order = [2, 0, 0, 1, 2, 1]
    self.assertAllEqual(render.render_images(classes[order]), alone[order])

  def test_no_images(self):
    images = render.render_images(np.zeros([0, 5], np.int64))
    self.assertEqual(images.shape, (0, 64, 64))

  def test_wrong_classes(self):
    with self.assertRaisesRegex(ValueError, 'orientation class 40 .* 0 to 39'):
      render.render_images([[0, 0, 40, 0, 0]])
    with self.assertRaisesRegex(ValueError, r'\[n, 5\]'):
      render.render_images([0, 0, 0, 0, 0])
    with self.assertRaisesRegex(TypeError, 'integers'):
      render.render_images(np.zeros([1, 5]))


class VariantTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.parameters(
    # Centres on upper and left edges are inside, those on others outside.
    dict(size=32, half=5, x=10, y=20.5, columns=(5, 15), rows=(15, 25)),
    dict(size=64, half=9.75, x=32, y=0, columns=(22, 42), rows=(0, 10)),
    dict(size=100, half=30, x=50, y=64, columns=(20, 80), rows=(34, 94)),
    dict(size=100, half=60.5, x=90, y=30, columns=(29, 100), rows=(0, 90)),
    dict(
      size=200, half=72.25, x=100, y=127.5, columns=(28, 172), rows=(55, 200)
    ),
    dict(
      size=1000, half=450, x=500, y=501.5, columns=(50, 950), rows=(51, 951)
    ),
  )
  def test_square_by_hand(self, size, half, x, y, columns, rows):
    square = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * half
    image = np.zeros([size, size], np.uint8)
    image[slice(*rows), slice(*columns)] = 1
    self.assertAllEqual(_one_sprite(square, x, y, size), image)

  @parameterized.parameters(1, 7, 32, 63, 64, 65, 100, 128, 200, 1000)
  def test_polygons_pixel_by_pixel(self, size):
    # Large parts lie beyond the borders; polygons with four or more vertices
    # may cross themselves.
    rng = np.random.default_rng(size)
    on = 0
    for vertices in (3, 3, 4, 7) if size > 500 else (3, 3, 3, 4, 5, 20):
      polygon = rng.integers(-100 * size, 356 * size, [vertices, 2])
      image = _one_sprite(polygon / 256 - size / 2, size / 2, size / 2, size)
      self.assertAllEqual(image, _inside(polygon, size))
      on += image.sum()
    self.assertGreater(on, 0 if size == 1 else size**2 / 4)

  def test_centres_on_edges(self):
    # All vertices are at pixel centres, so many edges run through others.
    rng = np.random.default_rng(0)
    for _ in range(20):
      polygon = 256 * rng.integers(-2, 14, [5, 2]) + 128
      self.assertAllEqual(
        _one_sprite(polygon / 256, 0, 0, 12), _inside(polygon, 12)
      )

  def test_even_odd(self):
    angles = 2 * np.pi * 2 * np.arange(5) / 5
    star = 30 * np.stack([np.sin(angles), -np.cos(angles)], axis=-1)
    image = _one_sprite(star, 32, 32, 64)
    self.assertEqual(image[32, 32], 0)
    self.assertEqual(image[8, 32], 1)
    square = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * 20
    twice_around = np.concatenate([square, square])
    self.assertFalse(_one_sprite(twice_around, 32, 32, 64).any())

  def test_orientation_is_anticlockwise(self):
    to_the_right = [(0, -8), (20, 0), (0, 8)]
    upwards = 256 * np.array([(24, 32), (32, 12), (40, 32)])
    self.assertAllEqual(
      _one_sprite(to_the_right, 32, 32, 64, orientation=np.pi / 2),
      _inside(upwards, 64),
    )

  def test_twice_the_size(self):
    published = dsprites.DSPRITES
    large = dataclasses.replace(
      published,
      scales=2 * published.scales,
      x_positions=2 * published.x_positions,
      y_positions=2 * published.y_positions,
      image_size=128,
    )
    # Twice 38.4 to 57.6 pixels.
    image = np.zeros([128, 128], np.uint8)
    image[77:115, 77:115] = 1
    self.assertAllEqual(
      dsprites.render_images([[0, 5, 0, 31, 31]], large)[0], image
    )

  @parameterized.parameters((0, 200), (0, 65), (0, 40), (24, 40), (45, 19))
  def test_another_window_on_the_same_sprites(self, shift, size):
    rng = np.random.default_rng(size)
    classes = latents.index_to_classes(
      rng.integers(latents.NUM_SPRITES, size=99)
    )
    moved = dataclasses.replace(
      dsprites.DSPRITES,
      x_positions=dsprites.DSPRITES.x_positions - shift,
      y_positions=dsprites.DSPRITES.y_positions - shift,
      image_size=size,
    )
    published = np.pad(
      dsprites.render_images(classes), [(0, 0), (0, 200), (0, 200)]
    )
    window = slice(shift, shift + size)
    self.assertAllEqual(
      dsprites.render_images(classes, moved), published[:, window, window]
    )

  def test_outside_the_image(self):
    square = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * 9
    for x, y in ((-9, 32), (73.5, 32), (32, -9), (32, 73.5), (1e6, -1e6)):
      self.assertFalse(_one_sprite(square, x, y, 64).any())

  def test_all_sprites(self):
    spec = dsprites.SpriteSpec(
      polygons=[
        [(0, -30), (25, 20), (-25, 20)],
        [(-9, -4), (30, -4), (30, 4), (0, 9), (-9, 4)],
      ],
      scales=[0.3, 1, 1.25],
      orientations=[0.1, 2],
      x_positions=[-3, 20, 70],
      y_positions=[0, 30, 41.5, 69],
      image_size=70,
    )
    bits = dsprites.render_all(spec)
    self.assertEqual((bits.shape, bits.dtype), ((144, 70, 9), np.uint8))
    classes = np.stack(np.unravel_index(np.arange(144), spec.sizes), axis=-1)
    images = dsprites.render_images(classes, spec)
    self.assertAllEqual(bits, np.packbits(images, axis=-1))
    one_by_one = [dsprites.render_images(c[None], spec)[0] for c in classes]
    self.assertAllEqual(images, one_by_one)
    # The result does not depend on how the work is split.
    with mock.patch.object(render, '_MAX_CROSSINGS', 1):
      self.assertAllEqual(dsprites.render_all(spec), bits)
      self.assertAllEqual(dsprites.render_images(classes, spec), images)
    with self.assertRaisesRegex(ValueError, 'scale class 3 .* 0 to 2'):
      dsprites.render_images([[0, 3, 0, 0, 0]], spec)


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

  def test_checksum(self):
    digest = hashlib.sha256(self.bits.data)
    self.assertEqual(digest.hexdigest(), _SHA256)

  def test_time_and_memory(self):
    # VmHWM is the process's own peak; getrusage includes its parent's.
    code = (
      'import time\n'
      'from dnc import dsprites\n'
      'start = time.process_time()\n'
      'dsprites.render_all()\n'
      'print(time.process_time() - start)\n'
      'lines = open("/proc/self/status").readlines()\n'
      'print(*(x.split()[1] for x in lines if x.startswith("VmHWM")))\n'
    )
    seconds, kilobytes = commands.output_of(code).split()
    self.assertLess(float(seconds), 5)
    self.assertBetween(float(kilobytes), 377e3, 1e6)

  def test_pixels_on(self):
    counts = np.bitwise_count(self.bits.view(np.uint64))
    self.assertEqual(counts.sum(dtype=np.int64), 128328786)

  def test_support(self):
    used = np.bitwise_or.reduce(self.bits, axis=0)
    pixels = np.unpackbits(used, axis=-1)
    self.assertAllEqual(np.flatnonzero(pixels.any(0)), np.arange(2, 62))
    self.assertAllEqual(np.flatnonzero(pixels.any(1)), np.arange(2, 62))

  def test_a_full_turn_changes_nothing(self):
    grid = self.words.reshape(*latents.SIZES, 64)
    np.testing.assert_array_equal(grid[:, :, 0], grid[:, :, 39])

  def test_distinct_images(self):
    # 64-bit random hashes of 715,706 images collide with probability 1e-8.
    factors = np.random.default_rng(0).integers(1, 2**63, 64, dtype=np.uint64)
    hashes = np.zeros(latents.NUM_SPRITES, np.uint64)
    for row, factor in zip(self.words.T, factors | np.uint64(1)):
      hashes = (hashes + row) * factor
      hashes ^= hashes >> np.uint64(29)
    self.assertLen(np.unique(hashes), 715706)


if __name__ == '__main__':
  tf.test.main()

"""Tests of dnc.dsprites.nearest."""

from unittest import mock

from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from dnc.dsprites import latent_errors
from dnc.dsprites import latents
from dnc.dsprites import nearest
from dnc.dsprites import spec
from dnc.dsprites import table as table_lib
from tests.support import testing_data

_BATCH = 8192


def _search_everything(table, images):
  """Finds the nearest sprites by comparing with every one."""
  rows = np.packbits(images, axis=-1).view(np.uint64)[..., 0]
  distances = np.empty([len(images), latents.NUM_SPRITES], np.int64)
  for start in range(0, latents.NUM_SPRITES, _BATCH):
    batch = slice(start, start + _BATCH)
    stored = np.ascontiguousarray(table.bits[batch]).view(np.uint64)[..., 0]
    for i, image in enumerate(rows):
      counts = np.bitwise_count(stored ^ image)
      distances[i, batch] = counts.sum(axis=1)
  index = distances.argmin(axis=1)  # The first of equally near ones.
  return index, distances.min(axis=1)


def _blurred(images, sigma):
  """Blurs images, as an uncertain predictor would."""
  offsets = np.arange(64) - np.arange(64)[:, None]
  kernel = np.exp(-0.5 * (offsets / sigma) ** 2)
  kernel /= kernel.sum(axis=1, keepdims=True)
  return kernel @ images @ kernel.T


class NearestTest(tf.test.TestCase, parameterized.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.table = testing_data.rendered_table()

  def setUp(self):
    super().setUp()
    self.rng = np.random.default_rng(0)

  def _random_images(self, number):
    index = self.rng.integers(latents.NUM_SPRITES, size=number)
    return self.table.images(index)

  def _check(self, images, table=None):
    table = table or self.table
    expected = _search_everything(table, images)
    # With one group at a time the search skips the most.
    for number in (nearest._NUM_AT_ONCE, 1):
      with mock.patch.object(nearest, '_NUM_AT_ONCE', number):
        self.assertAllEqual(nearest.find_nearest(table, images), expected)
    return expected

  def test_sprites_are_found(self):
    index = self.rng.integers(latents.NUM_SPRITES, size=200)
    index = np.append(index, [0, latents.NUM_SPRITES - 1])
    images = self.table.images(index)
    found, distance = nearest.find_nearest(self.table, images)
    self.assertEqual((found.dtype, distance.dtype), (np.int64, np.int64))
    self.assertAllEqual(distance, np.zeros(len(index)))
    self.assertAllEqual(self.table.images(found), images)
    self.assertAllLessEqual(found - index, 0)
    # Most images belong to one sprite, or to two a full turn apart.
    self.assertGreater(np.mean(found == index), 0.9)

  def test_published_images_are_found(self):
    frames = np.load(testing_data.DSPRITES_FRAMES)
    images = np.unpackbits(frames['images'], axis=-1)
    found, distance = nearest.find_nearest(self.table, images)
    self.assertAllEqual(distance, np.zeros(len(images)))
    errors = latent_errors.mean_errors(
      frames['classes'], latents.index_to_classes(found)
    )
    # Small sprites may look the same at neighbouring orientations.
    self.assertLess(errors.pop('orientation_error'), 1)
    self.assertEqual(set(errors.values()), {0.0})

  def test_the_lowest_of_equal_sprites(self):
    classes = [[2, 5, 39, 10, 20], [1, 5, 39, 31, 0], [0, 5, 39, 0, 31]]
    first = np.array(classes) * [1, 1, 0, 1, 1]
    images = self.table.images(latents.classes_to_index(classes))
    index, distance = nearest.find_nearest(self.table, images)
    self.assertAllEqual(latents.index_to_classes(index), first)
    self.assertAllEqual(distance, [0, 0, 0])

  def test_flipped_pixels(self):
    images = self._random_images(6)
    for i, number in enumerate([1, 3, 10, 30, 100, 300]):
      flipped = self.rng.choice(64 * 64, number, replace=False)
      images[i].reshape(-1)[flipped] ^= 1
    _, distance = self._check(images)
    self.assertAllEqual(distance[:2], [1, 3])

  @parameterized.parameters(1.5, 4)
  def test_blurred_sprites(self, sigma):
    blurred = _blurred(self._random_images(4).astype(np.float64), sigma)
    for threshold in (0.5, 0.2):
      self._check(blurred > threshold * blurred.max())

  def test_blends(self):
    one, other = self._random_images(3), self._random_images(3)
    self._check(np.concatenate([one | other, one & other, one ^ other]))

  def test_holes(self):
    classes = latents.index_to_classes(
      self.rng.integers(latents.NUM_SPRITES, size=8)
    )
    images = self.table.images(latents.classes_to_index(classes))
    x, y = spec.DSPRITES.x_positions, spec.DSPRITES.y_positions
    rows, columns = np.mgrid[:64, :64] + 0.5
    for image, number in zip(images[:6], classes):
      distance = np.hypot(columns - x[number[3]], rows - y[number[4]])
      image[distance < 6] = 0
    images[6:] *= ((rows + columns) % 2 == 0).astype(np.uint8)
    self._check(images)

  def test_unlike_any_sprite(self):
    rows, columns = np.mgrid[:64, :64]
    images = np.stack(
      [
        np.zeros([64, 64], bool),
        np.ones([64, 64], bool),
        self.rng.random([64, 64]) < 0.5,
        self.rng.random([64, 64]) < 0.05,
        np.hypot(rows - 30, columns - 25) < 9,
        rows == 0,
        rows < 32,
        rows == columns,
      ]
    )
    self._check(images)
    for found in nearest.find_nearest(self.table, images[:0]):
      self.assertEqual((found.shape, found.dtype), ((0,), np.int64))

  def test_many_are_equally_near(self):
    # All smallest sprites that cover the pixel.
    images = np.zeros([5, 64, 64], np.uint8)
    rows, columns = self.rng.integers(20, 44, size=[2, 5])
    images[np.arange(5), rows, columns] = 1
    self._check(images)

  def test_equal_images(self):
    one, other = self._random_images(2)
    index, distance = nearest.find_nearest(
      self.table, np.stack([other, one, other, other])
    )
    self.assertAllEqual(index[[0, 0]], index[2:])
    self.assertNotEqual(index[0], index[1])
    self.assertAllEqual(distance, [0, 0, 0, 0])

  def test_a_table_of_other_images(self):
    # Copy on write: changes stay in memory and copy only their pages.
    path = self.table.bits.filename
    bits = np.memmap(
      path, np.uint8, 'c', self.table.bits.offset, self.table.bits.shape
    )
    classes = latents.index_to_classes(
      self.rng.choice(latents.NUM_SPRITES, 300, replace=False)
    )
    # Large sprites, the last of their groups.
    classes[:2, 1:3] = 5, 39
    changed = latents.classes_to_index(classes)
    noise = self.rng.random([len(changed), 64, 64]) < 0.01
    bits[changed] ^= np.packbits(noise, axis=-1)
    bits[changed[0]] = 0
    bits[changed[1]] = 255
    table = table_lib.SpriteTable('changed', bits, '')
    images = table.images(changed[:4])
    images[2, 0, :3] ^= 1
    index, _ = self._check(images, table)
    self.assertAllEqual(index, changed[:4])
    # The search of the first table is not affected.
    self._check(images)

  @parameterized.parameters(
    (np.zeros([64, 64], np.uint8), r'\[n, 64, 64\], got \[64, 64\]'),
    (np.zeros([1, 64, 8], np.uint8), r'got \[1, 64, 8\]'),
    (np.full([1, 64, 64], 255, np.uint8), 'must be 0 or 1'),
    (np.full([1, 64, 64], -1), 'must be 0 or 1'),
  )
  def test_wrong_images(self, images, message):
    with self.assertRaisesRegex(ValueError, message):
      nearest.find_nearest(self.table, images)

  def test_wrong_type(self):
    with self.assertRaisesRegex(TypeError, 'float64'):
      nearest.find_nearest(self.table, np.zeros([1, 64, 64]))


if __name__ == '__main__':
  tf.test.main()

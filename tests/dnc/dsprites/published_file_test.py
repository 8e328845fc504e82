"""Tests of dnc.dsprites.published_file, on the first sprites of dSprites."""

import functools
import os
import sys
import tempfile
import tracemalloc
from unittest import mock
import zipfile

from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from dnc.dsprites import latents
from dnc.dsprites import published_file
from dnc.system import errors
from tests.support import published_files

_NUM_SPRITES = 1500


@functools.cache
def _arrays():
  return published_files.arrays_of(np.arange(_NUM_SPRITES))


class _Pickled:
  """Makes a folder when it is unpickled."""

  def __init__(self, path):
    self.path = path

  def __reduce__(self):
    return os.mkdir, (self.path,)


class _FilesTest(tf.test.TestCase):
  """Writes files with the published layout."""

  def setUp(self):
    super().setUp()
    self.enterContext(mock.patch.object(latents, 'NUM_SPRITES', _NUM_SPRITES))
    self.enterContext(
      mock.patch.object(published_file, '_IMAGES_PER_BLOCK', 512)
    )
    self.arrays = {name: a.copy() for name, a in _arrays().items()}
    self.bits = np.packbits(self.arrays['imgs'], axis=-1)
    self.folder = self.enterContext(tempfile.TemporaryDirectory())

  def _write(self, suffix='.npz', arrays=None):
    path = os.path.join(self.folder, 'dsprites' + suffix)
    arrays = self.arrays if arrays is None else arrays
    if suffix == '.npz':
      np.savez_compressed(path, **arrays)
    else:
      published_files.write_hdf5(path, arrays, compression='gzip')
    return path

  def _assert_refused(self, path, pattern, function=published_file.read_bits):
    with self.assertRaisesRegex(errors.UsageError, pattern) as caught:
      function(path)
    message = str(caught.exception)
    self.assertStartsWith(message, path)
    self.assertNotIn('\n', message)


class ReadBitsTest(_FilesTest, parameterized.TestCase):
  @parameterized.parameters('.npz', '.hdf5', '.h5')
  def test_as_published(self, suffix):
    bits = published_file.read_bits(self._write(suffix))
    self.assertEqual(bits.dtype, np.uint8)
    self.assertAllEqual(bits, self.bits)

  def test_not_compressed(self):
    path = os.path.join(self.folder, 'dsprites.NPZ')
    with open(path, 'wb') as file:
      np.savez(file, **self.arrays)
    self.assertAllEqual(published_file.read_bits(path), self.bits)
    path = os.path.join(self.folder, 'dsprites.hdf5')
    published_files.write_hdf5(path, self.arrays)
    self.assertAllEqual(published_file.read_bits(path), self.bits)

  @parameterized.parameters(200, 512, 700, 1500)
  def test_chunks_of_hdf5(self, rows):
    path = os.path.join(self.folder, 'dsprites.hdf5')
    published_files.write_hdf5(path, self.arrays, chunks=(rows, 2, 4))
    self.assertAllEqual(published_file.read_bits(path), self.bits)

  def test_metadata_is_not_unpickled(self):
    trace = os.path.join(self.folder, 'unpickled')
    metadata = np.array(_Pickled(trace), dtype=object)
    path = self._write(arrays={**self.arrays, 'metadata': metadata})
    self.assertAllEqual(published_file.read_bits(path), self.bits)
    self.assertFalse(os.path.exists(trace))
    with np.load(path, allow_pickle=True) as file:
      file['metadata']
    self.assertTrue(os.path.exists(trace))

  def test_latents_in_fortran_order(self):
    for name in ('latents_classes', 'latents_values'):
      self.arrays[name] = np.asfortranarray(self.arrays[name])
    self.assertAllEqual(published_file.read_bits(self._write()), self.bits)

  def test_latents_that_were_float32(self):
    self.arrays['latents_values'] = (
      self.arrays['latents_values'].astype(np.float32).astype(np.float64)
    )
    self.assertAllEqual(published_file.read_bits(self._write()), self.bits)

  def test_images_are_streamed(self):
    path = self._write()
    self.enterContext(
      mock.patch.object(published_file, '_IMAGES_PER_BLOCK', 100)
    )
    tracemalloc.start()
    published_file.read_bits(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    self.assertLess(peak, 0.5 * self.arrays['imgs'].nbytes)


class RefusalTest(_FilesTest, parameterized.TestCase):
  @parameterized.product(
    suffix=('.npz', '.hdf5'),
    case=(
      ('imgs', lambda a: a[:-1], r'imgs is uint8 \[1499, 64, 64\] instead of'),
      ('imgs', lambda a: a[..., None], r'imgs is uint8 \[1500, 64, 64, 1\] in'),
      ('imgs', lambda a: a.astype(np.int32), 'int32 .*instead of uint8'),
      ('imgs', lambda a: a * 255, 'image 0 has a pixel of 255'),
      ('imgs', lambda a: None, 'it has no imgs'),
      (
        'latents_classes',
        lambda a: a.astype(float),
        'classes is float64 .* instead of int64',
      ),
      (
        'latents_classes',
        lambda a: a[::-1],
        'classes of 1500 images .* first in image 0: orientation 1 .expected '
        r'0., posX 14 \(expected 0\), posY 27 \(expected 0\)',
      ),
      (
        'latents_classes',
        lambda a: a[:, [0, 1, 2, 3, 5, 4]],
        'first in image 1: posX 1 .expected 0., posY 0 .expected 1.',
      ),
      (
        'latents_classes',
        lambda a: a[:, 1:],
        r'latents.classes is int64 \[1500, 5\] instead of int64 \[1500, 6\]',
      ),
      (
        'latents_classes',
        lambda a: a + [1, 0, 0, 0, 0, 0],
        r'color 1 \(expected 0\)',
      ),
      (
        'latents_values',
        lambda a: a * [1, 1, 2, 1, 1, 1],
        r'scale 1 \(expected 0.5\)',
      ),
      (
        'latents_values',
        lambda a: a * np.nan,
        r'color nan \(expected 1\), shape nan',
      ),
      ('latents_values', lambda a: a.astype(np.float32), 'float32'),
    ),
  )
  def test_foreign(self, suffix, case):
    name, change, pattern = case
    changed = change(self.arrays[name])
    if changed is None:
      del self.arrays[name]
    else:
      self.arrays[name] = changed
    self._assert_refused(
      self._write(suffix), f'is not dSprites: .*{pattern}.*as published$'
    )

  def test_one_bad_pixel_is_found(self):
    self.arrays['imgs'][1234, 63, 63] = 2
    self._assert_refused(self._write(), 'image 1234 has a pixel of 2')

  def test_images_in_fortran_order(self):
    self.arrays['imgs'] = np.asfortranarray(self.arrays['imgs'])
    self._assert_refused(self._write(), 'Fortran')

  def test_latents_as_pickles(self):
    self.arrays['latents_classes'] = self.arrays['latents_classes'].astype(
      object
    )
    self._assert_refused(self._write(), 'latents_classes is object')

  @parameterized.product(suffix=('.npz', '.hdf5'), kept=(0.999, 0.5, 0.01, 0.0))
  def test_truncated(self, suffix, kept):
    path = self._write(suffix)
    os.truncate(path, int(kept * os.path.getsize(path)))
    self._assert_refused(path, 'is not dSprites')

  @parameterized.parameters('.npz', '.hdf5')
  def test_flipped_bits(self, suffix):
    """A flipped bit is either reported or changes no image."""
    path = self._write(suffix)
    with open(path, 'rb') as file:
      sound = file.read()
    reported = 0
    for place in np.random.default_rng(0).integers(0, len(sound), 30):
      with open(path, 'r+b') as file:
        file.seek(place)
        file.write(bytes([sound[place] ^ 16]))
      try:
        self.assertAllEqual(published_file.read_bits(path), self.bits)
      except errors.UsageError as error:
        self.assertNotIn('\n', str(error))
        reported += 1
      with open(path, 'r+b') as file:
        file.seek(place)
        file.write(sound[place : place + 1])
    self.assertGreater(reported, 15)

  def test_more_than_its_shape(self):
    path = self._write()
    other = os.path.join(self.folder, 'other.npz')
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(other, 'w') as new:
      for name in old.namelist():
        more = b'\0' if name == 'imgs.npy' else b''
        new.writestr(name, old.read(name) + more)
    self._assert_refused(other, 'imgs is longer than its shape')

  @parameterized.parameters('.npz', '.hdf5')
  def test_another_kind_of_file(self, suffix):
    path = os.path.join(self.folder, 'page' + suffix)
    with open(path, 'w') as file:
      file.write('<!DOCTYPE html>' * 1000)
    self._assert_refused(path, 'is not dSprites')

  @parameterized.parameters('.npz', '.hdf5')
  def test_no_file(self, suffix):
    path = os.path.join(self.folder, 'none' + suffix)
    self._assert_refused(path, 'cannot be read: No such file')
    os.mkdir(path)
    self._assert_refused(path, 'cannot be read: Is a directory')

  def test_without_h5py(self):
    path = self._write('.hdf5')
    with mock.patch.dict(sys.modules, h5py=None):
      self._assert_refused(path, r'pip install h5py, or use .*\.npz')


class IdentityTest(_FilesTest, parameterized.TestCase):
  @parameterized.parameters(
    ('dsprites', False),
    ('dsprites_rendered', False),
    ('npz', False),
    ('dsprites.npz.bak', False),
    ('dsprites.npz', True),
    ('/data/dSprites.HDF5', True),
    ('d.h5@sha256:' + 64 * 'a', True),
    ('d.h5@sha256:' + 63 * 'a', False),
  )
  def test_is_file(self, dataset, expected):
    self.assertEqual(published_file.is_file(dataset), expected)

  def test_moved_and_changed(self):
    path = self._write()
    identified = published_file.identify(path)
    self.assertRegex(identified, f'^{path}@sha256:[0-9a-f]{{64}}$')
    self.assertEqual(published_file.identify(os.path.relpath(path)), identified)
    self.assertAllEqual(published_file.read_identified(identified), self.bits)

    moved = os.path.join(self.folder, 'moved.npz')
    os.rename(path, moved)
    self.assertEqual(
      published_file.content(published_file.identify(moved)),
      published_file.content(identified),
    )
    # A name with a checksum needs no file.
    self.assertEqual(published_file.identify(identified), identified)
    checksum = identified[-64:]
    with self.assertRaisesRegex(
      errors.UsageError,
      f'^--dataset={path} has moved or changed .No such file or directory.: '
      f'name the file whose sha256 is {checksum}',
    ):
      published_file.read_identified(identified)

    self._write(arrays={**self.arrays, 'more': np.zeros(1)})
    self.assertNotEqual(
      published_file.content(published_file.identify(path)),
      published_file.content(identified),
    )
    with self.assertRaisesRegex(
      errors.UsageError, f'its sha256 is [0-9a-f]* *.: name .* {checksum}'
    ):
      published_file.read_identified(identified)

  def test_content_of_names(self):
    self.assertEqual(published_file.content('dsprites'), 'dsprites')
    self.assertEqual(published_file.identify('dsprites'), 'dsprites')

  def test_no_file(self):
    with self.assertRaisesRegex(
      errors.UsageError, '^--dataset=/none.npz cannot be read: No such file'
    ):
      published_file.identify('/none.npz')

  def test_other_images(self):
    # Only the images show that it is not dSprites.
    self.arrays['imgs'] = self.arrays['imgs'].transpose(0, 2, 1)
    path = self._write()
    self._assert_refused(
      path,
      'image 1021 differs in [0-9]+ pixels from the sprite of its latents',
      lambda path: published_file.read_identified(
        published_file.identify(path)
      ),
    )

  def test_a_few_other_pixels_are_allowed(self):
    self.arrays['imgs'][1021, 40, 10:20] ^= 1
    path = self._write()
    bits = published_file.read_identified(published_file.identify(path))
    self.assertAllEqual(np.packbits(self.arrays['imgs'], axis=-1), bits)


if __name__ == '__main__':
  tf.test.main()

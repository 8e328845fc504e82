"""Tests of dnc.dsprites.table."""

import errno
import os
import shutil
import subprocess
import sys
import tempfile
import time
from unittest import mock

from absl.testing import parameterized
import numpy as np
import requests
import tensorflow as tf
import tensorflow_datasets as tfds

from dnc.dsprites import latents
from dnc.dsprites import published_file
from dnc.dsprites import render
from dnc.dsprites import table as table_lib
from dnc.system import errors
from dnc.system import files
from tests.support import data as testing_data
from tests.support import published_files

# When this must change, so must render.RECIPE.
_FINGERPRINT = 'd87051110129588763690ef265768489'
_HDF5 = 'dsprites_ndarray_co1sh3sc6or40x32y32_64x64.hdf5'


def _packed_path(data_dir, dataset=table_lib.RENDERED):
  return os.path.join(data_dir, 'dsprites_packed', f'{dataset}.bits')


class SpriteTableTest(tf.test.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.table = testing_data.rendered_table()

  def test_bits_are_mapped_read_only(self):
    self.assertIsInstance(self.table.bits, np.memmap)
    self.assertFalse(self.table.bits.flags.writeable)
    self.assertEqual(self.table.bits.shape, (737280, 64, 8))
    self.assertEqual(self.table.name, 'dsprites_rendered')

  def test_fingerprint(self):
    self.assertEqual(self.table.fingerprint, _FINGERPRINT)

  def test_images(self):
    indices = np.array([[0, 5, 737279], [400000, 5, 123456]])
    images = self.table.images(indices)
    self.assertEqual(images.shape, (2, 3, 64, 64))
    classes = latents.index_to_classes(indices).reshape(-1, 5)
    self.assertAllEqual(
      images.reshape(-1, 64, 64), render.render_images(classes)
    )
    with self.assertRaisesRegex(ValueError, 'index -1 '):
      self.table.images([-1])

  def test_mean_image(self):
    mean = self.table.mean_image()
    self.assertEqual((mean.shape, mean.dtype), ((64, 64), np.float32))
    counts = mean.astype(np.float64) * latents.NUM_SPRITES
    self.assertAllClose(counts, np.rint(counts), atol=0.01)
    self.assertEqual(np.rint(counts).sum(), 128328786)
    for row, byte in ((20, 1), (31, 4), (44, 6)):
      pixels = np.unpackbits(self.table.bits[:, row, byte, None], axis=-1)
      self.assertAllEqual(
        mean[row, 8 * byte : 8 * byte + 8],
        pixels.mean(axis=0, dtype=np.float64).astype(np.float32),
      )


class CacheTest(tf.test.TestCase, parameterized.TestCase):
  def test_second_load_renders_nothing(self):
    with mock.patch.object(render, 'render_all', side_effect=AssertionError):
      table = table_lib.load_table(data_dir=testing_data.data_dir())
    self.assertEqual(table.fingerprint, _FINGERPRINT)

  def test_second_load_takes_less_than_a_second(self):
    testing_data.rendered_table()
    seconds = []
    for _ in range(3):
      # What others do on the machine does not count.
      start = time.process_time()
      table_lib.load_table(data_dir=testing_data.data_dir())
      seconds.append(time.process_time() - start)
    self.assertLess(min(seconds), 1.0)

  def test_unsound_files_are_built_again(self):
    table = testing_data.rendered_table()
    data_dir = self.enterContext(tempfile.TemporaryDirectory())
    path = _packed_path(data_dir)
    os.makedirs(os.path.dirname(path))
    shutil.copy(_packed_path(testing_data.data_dir()), path)

    def flip(offset):
      with open(path, 'r+b') as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 1]))

    def replace_in_header(old, new):
      with open(path, 'r+b') as file:
        header = file.read(4096)
        assert old in header
        file.seek(0)
        file.write(header.replace(old, new))

    damages = {
      'torn': lambda: os.truncate(path, os.path.getsize(path) - 512),
      'a pixel': lambda: flip(200_000_001),
      'no header': lambda: flip(0),
      'old renderer': lambda: replace_in_header(b'"recipe": 1', b'"recipe": 0'),
      'other dataset': lambda: replace_in_header(
        b'"dsprites_rendered"', b'"dsprites"'
      ),
    }
    for name, damage in damages.items():
      with (
        self.subTest(name),
        mock.patch.object(
          render, 'render_all', return_value=table.bits
        ) as render_all,
      ):
        damage()
        again = table_lib.load_table(data_dir=data_dir)
        render_all.assert_called_once()
        self.assertEqual(again.fingerprint, _FINGERPRINT)

  def test_leftovers_are_removed_and_none_left(self):
    data_dir = self.enterContext(tempfile.TemporaryDirectory())
    path = _packed_path(data_dir)
    files.write_text(path + '.abc.partial', 'from a process that was killed')
    with (
      mock.patch.object(render, 'render_all', side_effect=KeyboardInterrupt),
      self.assertRaises(KeyboardInterrupt),
    ):
      table_lib.load_table(data_dir=data_dir)
    self.assertEmpty(os.listdir(os.path.dirname(path)))

  def test_two_processes_at_once(self):
    data_dir = self.enterContext(tempfile.TemporaryDirectory())
    code = (
      'import sys\n'
      'from absl import logging\n'
      'from dnc.dsprites import table as table_lib\n'
      'logging.set_verbosity("info")\n'
      'print(table_lib.load_table(data_dir=sys.argv[1]).fingerprint)\n'
    )
    processes = [
      subprocess.Popen(
        [sys.executable, '-c', code, data_dir],
        cwd=testing_data.ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
      )
      for _ in range(2)
    ]
    outputs = [process.communicate(timeout=120) for process in processes]
    self.assertEqual([out.strip() for out, _ in outputs], [_FINGERPRINT] * 2)
    built = ''.join(err for _, err in outputs).count('Building')
    self.assertEqual(built, 1)
    self.assertEqual(
      os.listdir(os.path.join(data_dir, 'dsprites_packed')),
      ['dsprites_rendered.bits'],
    )

  def test_default_data_dir(self):
    with mock.patch.dict(os.environ, TFDS_DATA_DIR=testing_data.data_dir()):
      table = table_lib.load_table()
    self.assertEqual(table.bits.filename, _packed_path(testing_data.data_dir()))
    with mock.patch.dict(os.environ, HOME='/home/me'):
      os.environ.pop('TFDS_DATA_DIR', None)
      self.assertEqual(
        os.path.expanduser(table_lib.default_data_dir()),
        '/home/me/tensorflow_datasets',
      )


class UsageErrorTest(tf.test.TestCase):
  def _assert_usage_error(self, pattern, *args):
    with self.assertRaisesRegex(errors.UsageError, pattern) as caught:
      table_lib.load_table(*args)
    self.assertNotIn('\n', str(caught.exception))

  def test_unknown_dataset(self):
    self._assert_usage_error(
      '^--dataset=mnist .* dsprites_rendered, dsprites, or .*npz or .hdf5$',
      'mnist',
    )

  def test_no_such_file(self):
    self._assert_usage_error(
      '^--dataset=/none/x.npz cannot be read: No such file', '/none/x.npz'
    )

  def test_data_dir_is_a_file(self):
    path = os.path.abspath(__file__)
    self._assert_usage_error(
      f'^--data_dir={path} .*Not a directory', table_lib.RENDERED, path
    )

  def test_data_dir_is_remote(self):
    self._assert_usage_error(
      '^--data_dir=gs://bucket .* folder', table_lib.RENDERED, 'gs://bucket'
    )

  def test_disk_full(self):
    data_dir = self.enterContext(tempfile.TemporaryDirectory())
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with (
      mock.patch.object(render, 'render_all', return_value=np.zeros(8)),
      mock.patch.object(files, 'atomic_file', side_effect=full),
    ):
      self._assert_usage_error(
        f'^--data_dir={data_dir} .*No space left.* 377 MB free',
        table_lib.RENDERED,
        data_dir,
      )


class FullDiskTest(tf.test.TestCase):
  """The disk is full half way: here, no file may be larger than 100 MB."""

  def test_one_line_and_nothing_left(self):
    data_dir = self.enterContext(tempfile.TemporaryDirectory())
    code = (
      'import resource, sys\n'
      'from dnc.system import errors\n'
      'from dnc.dsprites import table as table_lib\n'
      'resource.setrlimit(resource.RLIMIT_FSIZE, (10**8, 10**8))\n'
      'try:\n'
      '  table_lib.load_table(data_dir=sys.argv[1])\n'
      'except errors.UsageError as error:\n'
      '  print(error)\n'
    )
    output = subprocess.run(
      [sys.executable, '-c', code, data_dir],
      cwd=testing_data.ROOT,
      check=True,
      capture_output=True,
      text=True,
    ).stdout
    self.assertRegex(
      output, f'^--data_dir={data_dir} .*File too large.* 377 MB free\n$'
    )
    self.assertEmpty(os.listdir(os.path.join(data_dir, 'dsprites_packed')))


class FileTest(tf.test.TestCase):
  """Tables of published files; what reads them is tested with `published_file`.

  Of the first sprites: how large a table is makes no difference here.
  """

  def setUp(self):
    super().setUp()
    self.bits = np.array(testing_data.rendered_table().bits[:2000])
    self.enterContext(
      mock.patch.multiple(
        table_lib, _SHAPE=self.bits.shape, _NUM_BYTES=self.bits.nbytes
      )
    )
    self.data_dir = self.enterContext(tempfile.TemporaryDirectory())
    self.path = os.path.join(self.data_dir, 'dsprites.npz')
    files.write_text(self.path, 'a file')
    self.read = self.enterContext(
      mock.patch.object(published_file, 'read_bits', return_value=self.bits)
    )

  def _load(self, dataset):
    return table_lib.load_table(dataset, self.data_dir)

  def test_is_read_once_and_found_again_wherever_it_is(self):
    table = self._load(self.path)
    self.assertAllEqual(table.bits, self.bits)
    self.assertEqual(table.name, published_file.identify(self.path))
    moved = os.path.join(self.data_dir, 'moved.h5')
    os.rename(self.path, moved)
    for dataset in (moved, table.name):
      again = self._load(dataset)
      self.assertEqual(again.bits.filename, table.bits.filename)
    self.read.assert_called_once_with(self.path)

  def test_another_content_is_another_table(self):
    first = self._load(self.path)
    stamp = os.stat(self.path)
    files.write_text(self.path, 'A file')
    # Size and time say nothing has changed.
    os.utime(self.path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    second = self._load(self.path)
    self.assertNotEqual(second.bits.filename, first.bits.filename)
    self.assertEqual(self.read.call_count, 2)
    # The first one is asked for by its content, which is nowhere any more.
    os.unlink(first.bits.filename)
    with self.assertRaisesRegex(
      errors.UsageError, f'^--dataset={self.path} is not there as it was'
    ):
      self._load(first.name)
    self.assertEqual(self.read.call_count, 2)

  def test_a_table_under_a_wrong_name_is_not_believed(self):
    first = self._load(self.path)
    files.write_text(self.path, 'another file')
    second = self._load(self.path)
    os.replace(first.bits.filename, second.bits.filename)
    self._load(self.path)
    self.assertEqual(self.read.call_count, 3)

  def test_a_refused_file_leaves_no_table(self):
    self.read.side_effect = errors.UsageError('no dSprites')
    with self.assertRaisesRegex(errors.UsageError, '^no dSprites$'):
      self._load(self.path)
    self.assertEmpty(os.listdir(os.path.join(self.data_dir, 'dsprites_packed')))


class OriginalTest(tf.test.TestCase):
  """TFDS's own builder, with only the download taken from it."""

  def setUp(self):
    super().setUp()
    self.data_dir = self.enterContext(tempfile.TemporaryDirectory())
    self.manual_file = os.path.join(self.data_dir, 'downloads/manual', _HDF5)

  def _write_hdf5(self, indices):
    """Writes a file of the original's layout."""
    published_files.write_hdf5(
      self.manual_file, published_files.arrays_of(indices)
    )

  def _known_checksum(self):
    return published_files.known_to_tfds(self.manual_file)

  def _assert_usage_error(self, pattern):
    with self.assertRaisesRegex(errors.UsageError, pattern) as caught:
      table_lib.load_table(table_lib.ORIGINAL, self.data_dir)
    self.assertNotIn('\n', str(caught.exception))
    self.assertFalse(
      os.path.exists(_packed_path(self.data_dir, table_lib.ORIGINAL))
    )

  def test_prepares_a_manual_file_and_refuses_an_incomplete_one(self):
    indices = np.random.default_rng(0).permutation(latents.NUM_SPRITES)[:500]
    self._write_hdf5(indices)
    with self._known_checksum():
      self._assert_usage_error(
        '^--dataset=dsprites: .*736780 sprites are missing and 0 are there '
        'more than once.*delete it'
      )
    builder = tfds.builder('dsprites', data_dir=self.data_dir)
    examples = builder.as_dataset(split='train', batch_size=64)
    bits, counts = table_lib.pack_examples(tfds.as_numpy(examples))
    self.assertAllEqual(np.flatnonzero(counts), np.sort(indices))
    self.assertEqual(counts.sum(), 500)
    self.assertAllEqual(
      np.unpackbits(bits[indices], axis=-1),
      render.render_images(latents.index_to_classes(indices)),
    )
    bits[indices] = 0
    self.assertFalse(bits.any())

  def test_whole_dataset_in_any_order(self):
    table = testing_data.rendered_table()
    order = np.random.default_rng(0).permutation(latents.NUM_SPRITES)

    def examples():
      for indices in np.split(order, 180):
        classes = latents.index_to_classes(indices)
        yield {
          'image': table.images(indices)[..., None],
          **{f'label_{n}': classes[:, i] for i, n in enumerate(latents.NAMES)},
        }

    builder = mock.Mock(data_dir=self.data_dir)
    builder.is_prepared.return_value = True
    builder.as_dataset.side_effect = lambda **_: examples()
    with (
      mock.patch.object(tfds, 'builder', return_value=builder),
      mock.patch.object(tfds, 'as_numpy', side_effect=lambda batches: batches),
    ):
      original = table_lib.load_table(table_lib.ORIGINAL, self.data_dir)
    self.assertEqual(original.name, 'dsprites')
    self.assertEqual(original.fingerprint, _FINGERPRINT)
    # From here on TFDS is not asked again.
    with mock.patch.object(tfds, 'builder', side_effect=AssertionError):
      table_lib.load_table(table_lib.ORIGINAL, self.data_dir)

  def test_pack_examples_refuses_other_images(self):
    batch = {
      'image': np.full([1, 64, 64, 1], 255, np.uint8),
      **{f'label_{name}': np.zeros([1], np.int64) for name in latents.NAMES},
    }
    with self.assertRaisesRegex(ValueError, 'pixels of 0 and 1'):
      table_lib.pack_examples([batch])

  def test_no_network(self):
    with mock.patch.object(
      requests, 'head', side_effect=requests.exceptions.ConnectionError('no')
    ):
      self._assert_usage_error(
        '^--dataset=dsprites: .*no answer from https://.* put the original '
        rf'{_HDF5} \(28,024,106 bytes\) into {self.data_dir}/downloads/manual '
        'by hand or name it as --dataset=/path/to/it, or use '
        '--dataset=dsprites_rendered$'
      )

  def test_manual_file_is_not_the_original(self):
    self._write_hdf5([0])
    self._assert_usage_error('^--dataset=dsprites: .*Checksum.* put the orig')

  def test_unwritable_folder(self):
    files.write_text(os.path.join(self.data_dir, 'downloads'), 'not a folder')
    with mock.patch.object(requests, 'head'):
      self._assert_usage_error(f'^--data_dir={self.data_dir} ')


if __name__ == '__main__':
  tf.test.main()

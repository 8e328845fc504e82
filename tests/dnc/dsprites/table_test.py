"""Tests of dnc.dsprites.table.

Most use tables of only the first sprites: the size makes no difference.
"""

import errno
import os
import resource
import subprocess
import sys
import tempfile
import time
from unittest import mock

import numpy as np
import tensorflow as tf

from dnc.dsprites import latents
from dnc.dsprites import published_file
from dnc.dsprites import render
from dnc.dsprites import table as table_lib
from dnc.dsprites import tfds_dsprites
from dnc.system import errors
from dnc.system import files
from tests.support import testing_data

# If this must change, change render.RECIPE too.
_FINGERPRINT = 'd87051110129588763690ef265768489'
_NUM_SPRITES = 2000


def _path(data_dir, dataset=table_lib.RENDERED):
  return os.path.join(data_dir, 'dsprites_packed', f'{dataset}.bits')


class WholeTableTest(tf.test.TestCase):
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

  def test_second_load_renders_nothing_and_takes_less_than_a_second(self):
    seconds = []
    with mock.patch.object(render, 'render_all', side_effect=AssertionError):
      while len(seconds) < 3 and not any(s < 1 for s in seconds):
        # Processor time, so that other processes do not count.
        start = time.process_time()
        table = table_lib.load_table(data_dir=testing_data.data_dir())
        seconds.append(time.process_time() - start)
        self.assertEqual(table.fingerprint, _FINGERPRINT)
    self.assertLess(min(seconds), 1)

  def test_default_data_dir(self):
    with mock.patch.dict(os.environ, TFDS_DATA_DIR=testing_data.data_dir()):
      table = table_lib.load_table()
    self.assertEqual(table.bits.filename, _path(testing_data.data_dir()))
    with mock.patch.dict(os.environ, HOME='/home/me'):
      os.environ.pop('TFDS_DATA_DIR', None)
      self.assertEqual(
        table_lib.default_data_dir(), '/home/me/tensorflow_datasets'
      )
      other = os.path.join(
        tempfile.gettempdir(), f'tensorflow_datasets_{os.getuid()}'
      )
      with mock.patch.object(os, 'access', return_value=False):
        self.assertEqual(table_lib.default_data_dir(), other)
      for home in ('', '~'):
        os.environ['HOME'] = home
        with self.assertLogs('absl', 'WARNING') as logs:
          self.assertEqual(table_lib.default_data_dir(), other)
        self.assertRegex(logs.output[0], f'kept in {other}; --data_dir or TFDS')
    with mock.patch.dict(os.environ, TFDS_DATA_DIR='gs://bucket'):
      with self.assertRaisesRegex(errors.UsageError, '^TFDS_DATA_DIR=gs://b'):
        table_lib.load_table()


class _SmallTableTest(tf.test.TestCase):
  def setUp(self):
    super().setUp()
    self.bits = np.array(testing_data.rendered_table().bits[:_NUM_SPRITES])
    self.enterContext(
      mock.patch.multiple(
        table_lib, _SHAPE=self.bits.shape, _NUM_BYTES=self.bits.nbytes
      )
    )
    self.render_all = self.enterContext(
      mock.patch.object(render, 'render_all', return_value=self.bits)
    )
    self.data_dir = self.enterContext(tempfile.TemporaryDirectory())

  def _load(self, dataset=table_lib.RENDERED):
    return table_lib.load_table(dataset, self.data_dir)

  def _files(self):
    return os.listdir(os.path.join(self.data_dir, 'dsprites_packed'))


class BuildTest(_SmallTableTest):
  def test_unsound_tables_are_built_again(self):
    path = _path(self.data_dir)

    def flip(offset):
      with open(path, 'r+b') as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 1]))

    def replace_in_header(old, new):
      with open(path, 'r+b') as file:
        header = file.read(4096)
        self.assertIn(old, header)
        file.seek(0)
        file.write(header.replace(old, new))

    fingerprint = self._load().fingerprint
    damages = {
      'torn': lambda: os.truncate(path, os.path.getsize(path) - 512),
      'a pixel': lambda: flip(900_001),
      'no header': lambda: flip(0),
      'old renderer': lambda: replace_in_header(b'"recipe": 1', b'"recipe": 0'),
      'other dataset': lambda: replace_in_header(
        b'"dsprites_rendered"', b'"dsprites"'
      ),
    }
    for name, damage in damages.items():
      with self.subTest(name):
        self.render_all.reset_mock()
        damage()
        self.assertEqual(self._load().fingerprint, fingerprint)
        self.render_all.assert_called_once()
        self._load()
        self.render_all.assert_called_once()

  def test_leftovers_are_removed_and_none_left(self):
    leftover = _path(self.data_dir) + '.abc.partial'
    files.write_text(leftover, 'from a process that was killed')
    self.render_all.side_effect = KeyboardInterrupt
    with self.assertRaises(KeyboardInterrupt):
      self._load()
    self.assertEmpty(self._files())

  def test_a_second_process_waits_for_the_first(self):
    code = (
      'import sys\n'
      'import numpy as np\n'
      'from dnc.dsprites import render\n'
      'from dnc.dsprites import table\n'
      'bits = np.zeros([9, 64, 8], np.uint8)\n'
      'table._SHAPE, table._NUM_BYTES = bits.shape, bits.nbytes\n'
      'def render_all():\n'
      '  print("builds", flush=True)\n'
      '  sys.stdin.readline()\n'
      '  return bits\n'
      'render.render_all = render_all\n'
      'print("loads", flush=True)\n'
      'table.load_table(data_dir=sys.argv[1])\n'
    )

    def start():
      process = subprocess.Popen(
        [sys.executable, '-c', code, self.data_dir],
        cwd=testing_data.ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
      )
      self.addCleanup(process.kill)
      self.assertEqual(process.stdout.readline(), 'loads\n')
      return process

    first = start()
    self.assertEqual(first.stdout.readline(), 'builds\n')
    second = start()
    with self.assertRaises(subprocess.TimeoutExpired):
      second.wait(timeout=0.5)
    for process in (first, second):
      self.assertEqual(process.communicate('\n', timeout=60)[0], '')
      self.assertEqual(process.returncode, 0)
    self.assertEqual(self._files(), ['dsprites_rendered.bits'])

  def test_a_file_system_without_locks(self):
    other = _path(self.data_dir) + '.abc.partial'
    files.write_text(other, 'perhaps from a process that is at work')
    no_locks = OSError(errno.ENOSYS, 'Function not implemented')
    with mock.patch('fcntl.flock', side_effect=no_locks):
      self.assertAllEqual(self._load().bits, self.bits)
    self.assertTrue(os.path.exists(other))

  def test_original_dataset(self):
    with mock.patch.object(
      tfds_dsprites, 'read_bits', autospec=True, return_value=self.bits
    ) as read_bits:
      for _ in range(2):
        table = self._load(table_lib.ORIGINAL)
        self.assertEqual(table.name, 'dsprites')
        self.assertAllEqual(table.bits, self.bits)
    read_bits.assert_called_once_with(self.data_dir)
    self.assertEqual(self._files(), ['dsprites.bits'])


class UsageErrorTest(_SmallTableTest):
  def _assert_usage_error(self, pattern, *args):
    with self.assertRaisesRegex(errors.UsageError, pattern) as caught:
      table_lib.load_table(*args)
    self.assertNotIn('\n', str(caught.exception))

  def test_unknown_dataset(self):
    self._assert_usage_error(
      '^--dataset=mnist .* dsprites_rendered, dsprites, or .*npz or .hdf5$',
      'mnist',
    )

  def test_names_are_checked_without_reading_files(self):
    for dataset in (*table_lib.DATASETS, '/none/x.npz'):
      table_lib.check_dataset(dataset)
    with self.assertRaises(errors.UsageError):
      table_lib.check_dataset('/none/x.np')

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
      '^--data_dir=gs://bucket: .*on this machine',
      table_lib.RENDERED,
      'gs://bucket',
    )

  def test_disk_full(self):
    # No file may be larger than half of a table.
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    self.addCleanup(resource.setrlimit, resource.RLIMIT_FSIZE, (soft, hard))
    limit = self.bits.nbytes // 2
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    self._assert_usage_error(
      f'^--data_dir={self.data_dir} .*File too large.* 1 MB free$',
      table_lib.RENDERED,
      self.data_dir,
    )
    self.assertEmpty(self._files())


class PublishedFileTest(_SmallTableTest):
  """Tables of published files; `published_file_test` tests reading them."""

  def setUp(self):
    super().setUp()
    self.path = os.path.join(self.data_dir, 'dsprites.npz')
    files.write_text(self.path, 'a file')
    self.read = self.enterContext(
      mock.patch.object(published_file, 'read_bits', return_value=self.bits)
    )

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
    # Neither size nor time shows the change.
    os.utime(self.path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    second = self._load(self.path)
    self.assertNotEqual(second.bits.filename, first.bits.filename)
    self.assertEqual(self.read.call_count, 2)
    # Without its table, the first content is lost.
    os.unlink(first.bits.filename)
    with self.assertRaisesRegex(
      errors.UsageError, f'^--dataset={self.path} has moved or changed'
    ):
      self._load(first.name)
    self.assertEqual(self.read.call_count, 2)

  def test_a_table_under_a_wrong_name_is_built_again(self):
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
    self.assertEmpty(self._files())


if __name__ == '__main__':
  tf.test.main()

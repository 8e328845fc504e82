"""Tests of dnc.system.files."""

import errno
import os
import stat
import subprocess
import sys
import tempfile
from unittest import mock

from absl.testing import parameterized
import tensorflow as tf

from dnc.system import errors
from dnc.system import files
from tests.support import testing_data


class AtomicFileTest(tf.test.TestCase):
  def test_a_folder_is_not_replaced(self):
    with self.assertRaisesRegex(IsADirectoryError, f"'{self.get_temp_dir()}'$"):
      files.write_text(self.get_temp_dir(), 'text')

  def setUp(self):
    super().setUp()
    self._path = os.path.join(self.get_temp_dir(), self.id(), 'file')

  def _names(self):
    return os.listdir(os.path.dirname(self._path))

  def _read(self):
    with open(self._path) as file:
      return file.read()

  def test_appears_whole(self):
    with files.atomic_file(self._path) as file:
      file.write(b'half, ')
      self.assertFalse(os.path.exists(self._path))
      file.write(b'whole')
    self.assertEqual(self._read(), 'half, whole')
    self.assertEqual(self._names(), ['file'])

  def test_a_failure_keeps_the_old_file(self):
    files.write_text(self._path, 'old')
    with self.assertRaises(KeyboardInterrupt), files.atomic_file(self._path):
      raise KeyboardInterrupt
    self.assertEqual(self._read(), 'old')
    self.assertEqual(self._names(), ['file'])

  def test_written_by_name(self):
    with files.atomic_path(self._path) as partial:
      with open(partial, 'w') as file:
        file.write('whole')
      self.assertFalse(os.path.exists(self._path))
    self.assertEqual(self._read(), 'whole')
    self.assertEqual(self._names(), ['file'])

  def test_permissions_follow_the_umask(self):
    umask = os.umask(0o027)
    try:
      files.write_text(self._path, 'text')
    finally:
      os.umask(umask)
    self.assertEqual(stat.S_IMODE(os.stat(self._path).st_mode), 0o640)


class AtomicDirectoryTest(tf.test.TestCase):
  def setUp(self):
    super().setUp()
    self._path = os.path.join(self.get_temp_dir(), self.id(), 'folder')

  def test_appears_whole(self):
    with files.atomic_directory(self._path) as folder:
      files.write_text(os.path.join(folder, 'sub', 'file'), 'text')
      self.assertFalse(os.path.exists(self._path))
    self.assertTrue(os.path.exists(os.path.join(self._path, 'sub', 'file')))
    self.assertEqual(os.listdir(os.path.dirname(self._path)), ['folder'])

  def test_a_failure_leaves_nothing(self):
    with self.assertRaises(KeyboardInterrupt):
      with files.atomic_directory(self._path) as folder:
        files.write_text(os.path.join(folder, 'file'), 'text')
        raise KeyboardInterrupt
    self.assertEqual(os.listdir(os.path.dirname(self._path)), [])

  def test_what_a_killed_process_left_is_removed(self):
    files.write_text(os.path.join(self._path + '.partial', 'old'), 'text')
    with files.atomic_directory(self._path) as folder:
      files.write_text(os.path.join(folder, 'new'), 'text')
    self.assertEqual(os.listdir(self._path), ['new'])

  def test_never_overwrites(self):
    os.makedirs(self._path)
    with self.assertRaises(FileExistsError):
      with files.atomic_directory(self._path):
        self.fail('entered')


class OnlyWriterTest(tf.test.TestCase):
  def test_a_second_process_is_refused_while_the_first_lives(self):
    folder = self.get_temp_dir()
    hold = (
      'import sys\n'
      'from dnc.system import files\n'
      'with files.only_writer(sys.argv[1]):\n'
      '  print("held", flush=True)\n'
      '  sys.stdin.read()\n'
    )
    process = subprocess.Popen(
      [sys.executable, '-c', hold, folder],
      cwd=testing_data.ROOT,
      stdin=subprocess.PIPE,
      stdout=subprocess.PIPE,
    )
    self.assertEqual(process.stdout.readline(), b'held\n')
    with self.assertRaisesRegex(errors.UsageError, 'in use by another process'):
      with files.only_writer(folder):
        self.fail('entered')
    process.kill()
    process.communicate()
    with files.only_writer(folder):
      pass


class FileSystemsTest(parameterized.TestCase):
  """File systems that lack what POSIX asks of them."""

  def setUp(self):
    super().setUp()
    self._folder = self.enterContext(tempfile.TemporaryDirectory())
    self._path = os.path.join(self._folder, 'file')
    files._warn.cache_clear()

  @parameterized.parameters(errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)
  def test_no_fsync(self, number):
    error = OSError(number, os.strerror(number))
    with mock.patch.object(os, 'fsync', side_effect=error):
      with self.assertLogs('absl', 'WARNING') as logs:
        files.write_text(self._path, 'first')
        files.write_text(self._path, 'second')
        with files.atomic_directory(os.path.join(self._folder, 'sub')) as sub:
          files.write_text(os.path.join(sub, 'file'), 'text')
    with open(self._path, encoding='utf-8') as file:
      self.assertEqual(file.read(), 'second')
    of_files = [x for x in logs.output if 'cannot flush files' in x]
    self.assertLen(of_files, 1)

  def test_a_file_that_cannot_be_flushed_is_not_there(self):
    error = OSError(errno.EIO, os.strerror(errno.EIO))
    with mock.patch.object(os, 'fsync', side_effect=error):
      with self.assertRaises(OSError):
        files.write_text(self._path, 'text')
    self.assertEmpty(os.listdir(self._folder))

  def test_a_folder_that_cannot_be_flushed(self):
    fsync = os.fsync

    def refuse(descriptor):
      if stat.S_ISDIR(os.fstat(descriptor).st_mode):
        raise OSError(errno.EIO, os.strerror(errno.EIO))
      fsync(descriptor)

    with mock.patch.object(os, 'fsync', refuse):
      with self.assertLogs('absl', 'WARNING') as logs:
        files.write_text(self._path, 'first')
        files.write_text(self._path, 'second')
    self.assertLen(logs.output, 1)
    self.assertIn(f'{self._folder}: its list of files cannot', logs.output[0])
    self.assertTrue(os.path.exists(self._path))

  @parameterized.parameters(errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
  def test_no_locks(self, number):
    error = OSError(number, os.strerror(number))
    entered = 0
    with mock.patch('fcntl.flock', side_effect=error):
      with self.assertLogs('absl', 'WARNING') as logs:
        for _ in range(2):
          with files.only_writer(self._folder):
            entered += 1
    self.assertEqual(entered, 2)
    self.assertLen(logs.output, 1)
    self.assertIn(f'{self._folder}: this file system has no', logs.output[0])

  def test_no_modes(self):
    with mock.patch.object(os, 'chmod', side_effect=PermissionError):
      files.write_text(self._path, 'text')
    self.assertTrue(os.path.exists(self._path))

  @parameterized.parameters('utf-8', 'utf-8-sig', 'utf-16')
  def test_json_of_other_editors(self, coding):
    with open(self._path, 'w', encoding=coding) as file:
      file.write('{"a": "ü"}')
    self.assertEqual(files.read_json(self._path), {'a': 'ü'})


class ExplainedErrorsTest(tf.test.TestCase):
  def test_an_error_of_the_operating_system(self):
    with self.assertRaisesRegex(
      errors.UsageError, '^/folder cannot be used: No space left on device$'
    ):
      with files.explained_errors('/folder'):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

  def test_tensorflows_error_for_a_full_disk(self):
    with self.assertRaisesRegex(errors.UsageError, 'no space'):
      with files.explained_errors('/folder'):
        raise tf.errors.ResourceExhaustedError(None, None, 'no space')

  def test_tensorflows_error_for_too_little_memory(self):
    with self.assertRaisesRegex(MemoryError, 'OOM when allocating'):
      with files.explained_errors('/folder'):
        raise tf.errors.ResourceExhaustedError(
          None, None, 'OOM when allocating tensor'
        )

  def test_other_errors_pass(self):
    with self.assertRaises(ZeroDivisionError):
      with files.explained_errors('/folder'):
        _ = 1 / 0


if __name__ == '__main__':
  tf.test.main()

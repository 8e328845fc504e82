"""Files that are either whole or absent: write beside, fsync, rename."""

from collections.abc import Iterator
import contextlib
import fcntl
import json
import os
import re
import shutil
import tempfile
from typing import Any
from typing import BinaryIO

from dnc.system import errors

# What TensorFlow's own writers raise for a full disk or a folder without
# permission.
_FILE_ERRORS = (
  'ResourceExhaustedError',
  'PermissionDeniedError',
)


def _fsync_directory(path: str) -> None:
  descriptor = os.open(path, os.O_RDONLY)
  try:
    os.fsync(descriptor)
  finally:
    os.close(descriptor)


def _umask() -> int:
  mask = os.umask(0)
  os.umask(mask)
  return mask


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[str]:
  """Gives a name to write a file under that is at `path` only once it is whole.

  For what writes files by name; `atomic_file` is for all else, and says what
  holds of both.

  Args:
    path: where the finished file goes.

  Yields:
    The name of an empty file beside it.

  Raises:
    OSError: if the file cannot be written.
  """
  path = os.fspath(path)
  folder = os.path.dirname(os.path.abspath(path))
  os.makedirs(folder, exist_ok=True)
  descriptor, partial = tempfile.mkstemp(
    prefix=os.path.basename(path) + '.', suffix='.partial', dir=folder
  )
  try:
    try:
      yield partial
      os.fsync(descriptor)
    finally:
      os.close(descriptor)
    # mkstemp makes private files; the finished one obeys the user's umask.
    os.chmod(partial, 0o666 & ~_umask())
    os.replace(partial, path)
  except BaseException:
    with contextlib.suppress(FileNotFoundError):
      os.unlink(partial)
    raise
  _fsync_directory(folder)


@contextlib.contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
  """Opens a file for writing that appears at `path` only once it is whole.

  Parent folders are created. When the block raises, nothing is left behind and
  whatever stood at `path` still stands.

  Args:
    path: where the finished file goes.

  Yields:
    A binary file object, open for writing.

  Raises:
    OSError: if the file cannot be written.
  """
  with atomic_path(path) as partial, open(partial, 'wb') as file:
    yield file


def write_text(path: str | os.PathLike[str], text: str) -> None:
  """Writes `text` to `path` in UTF-8, whole or not at all."""
  with atomic_file(path) as file:
    file.write(text.encode('utf-8'))


def write_json(path: str | os.PathLike[str], value: Any) -> None:
  """Writes `value` to `path` as indented JSON, whole or not at all."""
  write_text(path, json.dumps(value, indent=2, allow_nan=False) + '\n')


@contextlib.contextmanager
def atomic_directory(path: str | os.PathLike[str]) -> Iterator[str]:
  """Gives a folder to fill that appears at `path` only once it is whole.

  The folder to fill is `path` + '.partial'; one left by a process that was
  killed is removed first.

  Args:
    path: where the finished folder goes; must not exist yet.

  Yields:
    The folder to write into.

  Raises:
    FileExistsError: if `path` exists.
    OSError: if the folder cannot be written.
  """
  path = os.path.abspath(os.fspath(path))
  if os.path.exists(path):
    raise FileExistsError(f'{path} exists already')
  partial = path + '.partial'
  if os.path.exists(partial):
    shutil.rmtree(partial)
  os.makedirs(partial)
  try:
    yield partial
    for folder, _, names in os.walk(partial):
      for name in names:
        descriptor = os.open(os.path.join(folder, name), os.O_RDONLY)
        try:
          os.fsync(descriptor)
        finally:
          os.close(descriptor)
      _fsync_directory(folder)
    os.rename(partial, path)
  except BaseException:
    shutil.rmtree(partial, ignore_errors=True)
    raise
  _fsync_directory(os.path.dirname(path))


@contextlib.contextmanager
def explained_errors(folder: str | os.PathLike[str]) -> Iterator[None]:
  """Wraps code that writes to `folder`.

  Args:
    folder: named in the message.

  Yields:
    None.

  Raises:
    UsageError: in place of an error of the operating system's, or what
      TensorFlow makes of one.
    MemoryError: in place of TensorFlow's error for too little memory.
  """
  try:
    yield
  except BrokenPipeError:
    raise  # It is the terminal that is gone.
  except OSError as e:
    raise errors.UsageError(
      f'{e.filename or os.fspath(folder)} cannot be used: {e.strerror or e}'
    ) from e
  except Exception as e:
    # By name: this module is imported where TensorFlow is not.
    if type(e).__name__ not in _FILE_ERRORS:
      raise
    # TensorFlow has one error for a full disk and for too little memory.
    if 'OOM' in str(e):
      raise MemoryError(str(e)[:200]) from e
    # Without where in its graph TensorFlow met it.
    message = re.sub(r'\{\{.*?\}\} | \[Op:\w+\]', '', str(e))
    raise errors.UsageError(
      f'{os.fspath(folder)} cannot be written: {message}'
    ) from e


@contextlib.contextmanager
def only_writer(folder: str | os.PathLike[str]) -> Iterator[None]:
  """Makes sure that no other process writes to `folder` the same way.

  The lock is the operating system's: it ends with the process, however that
  ends.

  Args:
    folder: an existing folder.

  Yields:
    None.

  Raises:
    UsageError: if another process holds the lock.
    OSError: if the lock cannot be made.
  """
  folder = os.fspath(folder)
  with open(os.path.join(folder, '.lock'), 'ab') as lock:
    try:
      fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as e:
      raise errors.UsageError(
        f'{folder} is in use by another process; wait for it or give '
        'another folder'
      ) from e
    yield

"""Files and folders that appear whole or not at all, and locks on folders.

They are written under a temporary name in the same folder, flushed to disk with
fsync, and then renamed. If a file system lacks fsync for folders or locks, as
some network file systems do, the work continues after one warning.
"""

from collections.abc import Iterator
import contextlib
import errno
import fcntl
import functools
import json
import os
import re
import shutil
import tempfile
from typing import Any
from typing import BinaryIO
from typing import TextIO

from absl import logging

from dnc.system import errors

# TensorFlow's errors for a full disk and for a folder without permission. By
# name, so that this module need not import TensorFlow.
_FILE_ERRORS = ('ResourceExhaustedError', 'PermissionDeniedError')


# Error codes for operations that a file system does not support.
_MISSING = (
  errno.EINVAL,
  errno.ENOLCK,
  errno.ENOSYS,
  errno.ENOTTY,
  errno.EOPNOTSUPP,
)


@functools.cache  # Once for each message.
def _warn(message: str) -> None:
  logging.warning('%s', message)


def sync(file: int | BinaryIO | TextIO) -> None:
  """Flushes an open file, or its descriptor, to disk.

  Raises:
    OSError: if it cannot be written. Where there is no fsync, only warns.
  """
  try:
    os.fsync(file)
  except OSError as e:
    if e.errno not in _MISSING:
      raise
    _warn(
      f'This file system cannot flush files to disk ({e.strerror}); the last '
      'writes may be lost if the machine fails.'
    )


def _sync_path(path: str) -> None:
  descriptor = os.open(path, os.O_RDONLY)
  try:
    sync(descriptor)
  finally:
    os.close(descriptor)


def _sync_folder(path: str) -> None:
  """Flushes the names of a folder's files to disk, or warns."""
  try:
    _sync_path(path)
  # The files themselves are complete, so no error here is a reason to stop.
  except OSError as e:
    _warn(
      f'{path}: its list of files cannot be flushed to disk ({e.strerror}); '
      'the last writes may be lost if the machine fails.'
    )


def lock(file: BinaryIO, wait: bool) -> bool:
  """Locks an open file against other processes, until it is closed.

  Args:
    file: the file.
    wait: whether to wait until no other process holds the lock.

  Returns:
    Whether it is locked; False where there are no locks, after a warning.

  Raises:
    BlockingIOError: if another process holds the lock.
  """
  try:
    fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
  except OSError as e:
    if e.errno not in _MISSING:
      raise
    folder = os.path.dirname(os.path.abspath(file.name))
    _warn(
      f'{folder}: this file system has no locks ({e.strerror}); let only one '
      'process at a time use this folder.'
    )
    return False
  return True


def _umask() -> int:
  """Returns the process's umask, which can only be read by setting it."""
  mask = os.umask(0)
  os.umask(mask)
  return mask


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[str]:
  """Yields the name of an empty file that becomes `path` after the block.

  This is for libraries that open files by name; otherwise use `atomic_file`.
  Parent folders are created. If the block raises, the temporary file is removed
  and a file at `path` is kept.
  """
  path = os.fspath(path)
  if os.path.isdir(path):
    raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
  folder = os.path.dirname(os.path.abspath(path))
  os.makedirs(folder, exist_ok=True)
  descriptor, partial = tempfile.mkstemp(
    prefix=os.path.basename(path) + '.', suffix='.partial', dir=folder
  )
  try:
    try:
      yield partial
      sync(descriptor)
    finally:
      os.close(descriptor)
    # mkstemp makes private files; a finished file should follow the umask.
    with contextlib.suppress(PermissionError):  # Some disks have no modes.
      os.chmod(partial, 0o666 & ~_umask())
    os.replace(partial, path)
  except BaseException:
    with contextlib.suppress(FileNotFoundError):
      os.unlink(partial)
    raise
  _sync_folder(folder)


@contextlib.contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
  """Opens a file for writing that appears at `path` after the block.

  Parent folders are created. If the block raises, nothing is left behind and a
  file at `path` is kept.
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


def read_json(path: str | os.PathLike[str]) -> Any:
  """Reads a JSON file; it may begin with a byte-order mark.

  Raises:
    OSError: if it cannot be read.
    ValueError: if it is not JSON.
  """
  with open(path, 'rb') as file:
    return parse_json(file.read())


def parse_json(text: str | bytes) -> Any:
  """Parses JSON.

  Raises:
    ValueError: if it is not JSON.
  """
  try:
    return json.loads(text)
  except RecursionError as e:
    raise ValueError('it is nested too deeply') from e


@contextlib.contextmanager
def explained_damage(
  path: str | os.PathLike[str], advice: str
) -> Iterator[None]:
  """Turns the errors of a block that reads and uses JSON into a `UsageError`.

  A missing file is not damaged: `FileNotFoundError` is passed on.

  Args:
    path: the file, or the folder of several.
    advice: what to do.

  Raises:
    UsageError: if the JSON cannot be read, or has other content than the block
      needs.
  """
  try:
    yield
  except (errors.UsageError, FileNotFoundError):
    raise
  except OSError as e:
    raise errors.UsageError(
      f'{e.filename or os.fspath(path)} cannot be read: {e.strerror or e}'
    ) from e
  except (
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
  ) as e:
    # Only the text of a `ValueError` says what is wrong.
    cause = e if isinstance(e, ValueError) else f'{type(e).__name__}: {e}'
    raise errors.UsageError(
      f'{os.fspath(path)} is damaged ({cause}); {advice}'
    ) from e


@contextlib.contextmanager
def atomic_directory(path: str | os.PathLike[str]) -> Iterator[str]:
  """Yields an empty folder that becomes `path` after the block.

  The folder is `path` + '.partial'. If a killed process left one, it is removed
  first. If the block raises, nothing is left behind.

  Raises:
    FileExistsError: if `path` exists.
  """
  path = os.path.abspath(os.fspath(path))
  if os.path.exists(path):
    raise FileExistsError(f'{path} already exists')
  partial = path + '.partial'
  if os.path.exists(partial):
    shutil.rmtree(partial)
  os.makedirs(partial)
  try:
    yield partial
    for folder, _, names in os.walk(partial):
      for name in names:
        _sync_path(os.path.join(folder, name))
      _sync_folder(folder)
    os.rename(partial, path)
  except BaseException:
    shutil.rmtree(partial, ignore_errors=True)
    raise
  _sync_folder(os.path.dirname(path))


@contextlib.contextmanager
def explained_errors(folder: str | os.PathLike[str]) -> Iterator[None]:
  """Turns file errors of a block that writes to `folder` into a `UsageError`.

  Raises:
    UsageError: in place of an `OSError`, or of TensorFlow's error for a full
      disk or a folder without permission.
    MemoryError: in place of TensorFlow's error for too little memory.
  """
  try:
    yield
  except BrokenPipeError:
    raise  # This is about the terminal, not the folder.
  except OSError as e:
    raise errors.UsageError(
      f'{e.filename or os.fspath(folder)} cannot be used: {e.strerror or e}'
    ) from e
  except Exception as e:
    if type(e).__name__ not in _FILE_ERRORS:
      raise
    # TensorFlow raises the same error for a full disk and too little memory.
    if 'OOM' in str(e):
      raise MemoryError(str(e)[:200]) from e
    # Drops the position in TensorFlow's graph.
    message = re.sub(r'\{\{.*?\}\} | \[Op:\w+\]', '', str(e))
    raise errors.UsageError(
      f'{os.fspath(folder)} cannot be written: {message}'
    ) from e


@contextlib.contextmanager
def only_writer(folder: str | os.PathLike[str]) -> Iterator[None]:
  """Locks `folder` against other processes that call this function.

  The operating system releases the lock when the process ends, even if it is
  killed. Where there are no locks, it only warns.

  Raises:
    UsageError: if another process holds the lock.
  """
  folder = os.fspath(folder)
  with open(os.path.join(folder, '.lock'), 'ab') as file:
    try:
      lock(file, wait=False)
    except BlockingIOError as e:
      raise errors.UsageError(
        f'{folder} is in use by another process; wait for it or choose '
        'another folder'
      ) from e
    yield

"""Files and folders that appear whole or not at all, and locks on folders.

They are written under a temporary name in the same folder, flushed to disk with
fsync, and then renamed.
"""

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

# TensorFlow's errors for a full disk and for a folder without permission. By
# name, so that this module need not import TensorFlow.
_FILE_ERRORS = ('ResourceExhaustedError', 'PermissionDeniedError')


def _fsync(path: str) -> None:
  descriptor = os.open(path, os.O_RDONLY)
  try:
    os.fsync(descriptor)
  finally:
    os.close(descriptor)


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
    # mkstemp makes private files; a finished file should follow the umask.
    os.chmod(partial, 0o666 & ~_umask())
    os.replace(partial, path)
  except BaseException:
    with contextlib.suppress(FileNotFoundError):
      os.unlink(partial)
    raise
  _fsync(folder)


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
        _fsync(os.path.join(folder, name))
      _fsync(folder)
    os.rename(partial, path)
  except BaseException:
    shutil.rmtree(partial, ignore_errors=True)
    raise
  _fsync(os.path.dirname(path))


@contextlib.contextmanager
def explained_errors(folder: str | os.PathLike[str]) -> Iterator[None]:
  """Explains file errors of the block, which writes to `folder`, to the user.

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
  killed.

  Raises:
    UsageError: if another process holds the lock.
  """
  folder = os.fspath(folder)
  with open(os.path.join(folder, '.lock'), 'ab') as lock:
    try:
      fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as e:
      raise errors.UsageError(
        f'{folder} is in use by another process; wait for it or choose '
        'another folder'
      ) from e
    yield

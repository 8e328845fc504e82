"""Runs train.py or evaluate.py without TensorFlow, or code in a subprocess."""

import os
import subprocess
import sys
import tempfile
import types
from unittest import mock

from absl import flags

from dnc.system import command_line
from tests.support import testing_data


class _LoadingError(Exception):
  """Raised where TensorFlow would be loaded."""


def parsed(command: types.ModuleType, *arguments: str) -> flags.FlagValues:
  """The flags of a command, separate from those of this process.

  Raises:
    UsageError: if a flag is wrong.
  """
  flag_values = flags.FlagValues()
  command.define_flags(flag_values)
  command_line.parse_flags([command.__name__, *arguments], flag_values)
  return flag_values


def run_to_tensorflow(command: types.ModuleType, *arguments: str) -> None:
  """Runs a command until it would load TensorFlow.

  Raises:
    UsageError: if a flag is wrong.
    AssertionError: if the command ends without TensorFlow.
  """
  flag_values = parsed(command, *arguments)
  with mock.patch.object(
    command_line, 'load_tensorflow', autospec=True, side_effect=_LoadingError
  ):
    try:
      command.main([command.__name__], flag_values)
    except _LoadingError:
      return
  raise AssertionError(f'{command.__name__} did not load TensorFlow')


def run(command: types.ModuleType, *arguments: str) -> None:
  """Runs a command in this process.

  Raises:
    UsageError: if a flag is wrong, or the command refuses what it finds.
  """
  flag_values = parsed(command, *arguments)
  command.main([command.__name__], flag_values)


# TensorFlow says these of the tests' own cache (see `tests/__init__.py`): it
# first tries to read an entry as text, and it compares the processor's features
# with XLA's tuning preferences (`+prefer-no-gather`), which no processor has.
_OF_CACHE = (
  'text-format tensorflow.XlaSerializedCacheEntry',
  'Loading XLA:CPU AOT result',
)


def errors_in(stderr: str) -> str:
  """What a command wrote to stderr, without notes of the tests' own cache."""
  return ''.join(
    line
    for line in stderr.splitlines(keepends=True)
    if not any(note in line for note in _OF_CACHE)
  )


def output_of(code: str) -> str:
  """Runs Python code in a subprocess; returns what it prints.

  Raises:
    CalledProcessError: if it fails.
  """
  return subprocess.run(
    [sys.executable, '-c', code],
    cwd=testing_data.ROOT,
    check=True,
    capture_output=True,
    text=True,
  ).stdout


def run_without_tensorflow(
  script: str, *arguments: str
) -> subprocess.CompletedProcess[str]:
  """Runs a script in a process where TensorFlow cannot be imported."""
  with tempfile.TemporaryDirectory() as folder:
    with open(os.path.join(folder, 'tensorflow.py'), 'w') as file:
      file.write('raise ImportError("imported for nothing")')
    path = os.pathsep.join([folder, testing_data.ROOT])
    return subprocess.run(
      [sys.executable, os.path.join(testing_data.ROOT, script), *arguments],
      cwd=folder,
      env={**os.environ, 'PYTHONPATH': path},
      capture_output=True,
      text=True,
      check=False,
    )

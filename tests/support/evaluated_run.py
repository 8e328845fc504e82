"""One small run, trained and evaluated by the commands, for all test files.

Workers of pytest-xdist are processes: the first that needs the run makes it,
under a lock, and the others wait. No test may change the run; `copy` makes a
copy for a test to change.
"""

import dataclasses
import fcntl
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile

from tests.support import testing_data

MODEL_FLAGS = (
  '--preset=quick',
  '--memory_size=5',
  '--word_size=4',
  '--num_read_heads=2',
  '--hidden_size=8',
  '--batch_size=2',
  '--rollouts_per_epoch=8',
  '--min_length=20',
  '--max_length=30',
  '--tbptt_length=10',
  '--report_interval=2',
)
EVALUATION_FLAGS = (
  '--num_rollouts=12',
  '--num_isolated=0',
  '--num_untrained=3',
  '--num_seeds=1',
  '--offsets=5,0,-1',
  '--lags=1,0',
  '--num_sequences=3',
  '--rollout_length=15',
  '--num_lesioned=5',
  '--num_intervened=2',
)
_OUTPUTS_FILE = 'outputs.json'

# A folder that all processes of a session share; see tests/conftest.py.
session_folder: str | None = None


@dataclasses.dataclass(frozen=True)
class Output:
  """What a command wrote, and its exit status."""

  returncode: int
  stdout: str
  stderr: str


@dataclasses.dataclass(frozen=True)
class SharedRun:
  """The shared run.

  Attributes:
    root: the folder that the commands ran in; holds `runs/`.
    trained: what train.py wrote.
    evaluated: what evaluate.py wrote.
  """

  root: str
  trained: Output
  evaluated: Output

  @property
  def model_dir(self) -> str:
    """The run's folder."""
    (name,) = os.listdir(os.path.join(self.root, 'runs'))
    return os.path.join(self.root, 'runs', name)

  @property
  def folder(self) -> str:
    """The folder of its evaluation."""
    return os.path.join(self.model_dir, 'evaluation')

  def copy(self, root: str) -> 'SharedRun':
    """Copies it, so that a test may change it."""
    shutil.copytree(self.root, root, dirs_exist_ok=True)
    return dataclasses.replace(self, root=root)


def command(script: str, *flags: str) -> list[str]:
  """The words of a command, with the tests' data."""
  return [
    sys.executable,
    os.path.join(testing_data.ROOT, script),
    f'--data_dir={testing_data.data_dir()}',
    *flags,
  ]


def _run(root: str, script: str, *flags: str) -> dict:
  result = subprocess.run(
    command(script, *flags),
    cwd=root,
    env={**os.environ, 'PYTHONPATH': testing_data.ROOT},
    capture_output=True,
    text=True,
    check=False,
  )
  return {
    field.name: getattr(result, field.name)
    for field in dataclasses.fields(Output)
  }


@functools.cache
def _own_folder() -> tempfile.TemporaryDirectory:
  return tempfile.TemporaryDirectory()


@functools.cache
def get() -> SharedRun:
  """Returns the run; makes it if no process has."""
  folder = os.path.join(session_folder or _own_folder().name, 'evaluated_run')
  root, path = os.path.join(folder, 'root'), os.path.join(folder, _OUTPUTS_FILE)
  os.makedirs(root, exist_ok=True)
  with open(os.path.join(folder, 'lock'), 'w') as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    if not os.path.exists(path):
      outputs = [
        _run(root, 'train.py', *MODEL_FLAGS),
        _run(root, 'evaluate.py', *EVALUATION_FLAGS),
      ]
      with open(path, 'w') as file:
        json.dump(outputs, file)
  with open(path) as file:
    trained, evaluated = (Output(**fields) for fields in json.load(file))
  return SharedRun(root, trained, evaluated)

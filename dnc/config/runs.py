"""A run's folder: its config and its lock; the latest run."""

from collections.abc import Iterator
from collections.abc import Sequence
import contextlib
import dataclasses
import glob
import operator
import os
from typing import Any

from dnc import tasks
from dnc.config import checks
from dnc.config import training
from dnc.system import errors
from dnc.system import files
from dnc.system import paths

CONFIG_FILE = 'config.json'
# A line of JSON for each report and each validation.
METRICS_FILE = 'metrics.jsonl'
# The scores of the last validation; written when a run is finished.
RESULT_FILE = 'training.json'
# Where train.py puts runs and evaluate.py looks for the latest.
RUNS_DIR = 'runs'
CHECKPOINT_DIR = 'checkpoints'
# The results of evaluate.py.
EVALUATION_DIR = 'evaluation'


def folder(model_dir: str | os.PathLike[str]) -> str:
  """The path of a run's folder, by the rule of `paths.local`."""
  return paths.local(model_dir, '--model_dir')


def save(config: training.Config, model_dir: str) -> None:
  """Writes the task and its settings to `config.json` in the run's folder."""
  files.write_json(
    os.path.join(model_dir, CONFIG_FILE),
    dict(task=config.TASK, **dataclasses.asdict(config)),
  )


def is_finished(model_dir: str) -> bool:
  """Whether a run was trained to its end."""
  return os.path.exists(os.path.join(model_dir, RESULT_FILE))


def _from_json(task: str, **fields: Any) -> training.Config:
  return tasks.get(task).config_class(**fields)


def load(
  model_dir: str | os.PathLike[str], task: str | None = None
) -> training.Config:
  """Reads `config.json` from a run's folder.

  Args:
    model_dir: the run's folder.
    task: name of the task that the run must have; None for any.

  Raises:
    UsageError: if the file is missing, unreadable or of another task.
  """
  model_dir = folder(model_dir)
  path = os.path.join(model_dir, CONFIG_FILE)
  try:
    config = _from_json(**files.read_json(path))
  except FileNotFoundError as e:
    raise errors.UsageError(
      f'--model_dir={model_dir}: no {CONFIG_FILE} there; give a folder that '
      'train.py made'
    ) from e
  except (OSError, TypeError, ValueError) as e:
    raise errors.UsageError(f'{path} cannot be read: {e}') from e
  if task not in (None, config.TASK):
    raise errors.UsageError(
      f'--model_dir={model_dir}: a run of --task={config.TASK}; give the '
      f'folder of a run of --task={task}'
    )
  return config


def latest() -> str:
  """Returns the folder of the run with the newest checkpoint in `runs/`.

  Raises:
    UsageError: if there is none.
  """
  # Names with other characters are of unfinished checkpoints.
  pattern = os.path.join(RUNS_DIR, '*', CHECKPOINT_DIR, '*')
  finished = [x for x in glob.glob(pattern) if os.path.basename(x).isdecimal()]
  newest = max(finished, key=os.path.getmtime, default=None)
  if newest is None:
    raise errors.UsageError(
      f'no run to evaluate in {RUNS_DIR}/: train one with '
      'python train.py --preset=quick, or name one with --model_dir'
    )
  return os.path.dirname(os.path.dirname(newest))


def check_same(
  config: training.Config, found: training.Config, model_dir: str
) -> None:
  """Checks that a folder's run is the requested one.

  Args:
    config: the requested run.
    found: the run in the folder.
    model_dir: the folder.

  Raises:
    UsageError: if the runs differ; the message names the flags that differ.
  """
  wanted, there = config.identity(), found.identity()
  differ = [
    f'--{name}={checks.shown(getattr(found, name)) or "none"} there, '
    f'{checks.shown(getattr(config, name)) or "none"} asked for'
    for name in wanted
    if wanted[name] != there[name]
  ]
  if differ:
    raise errors.UsageError(
      f'--model_dir={model_dir} holds another run ({"; ".join(differ)}); '
      'give the same flags to resume it, or another folder'
    )


def load_seeds(model_dirs: Sequence[str]) -> list[training.Config]:
  """Reads the configs of runs that differ by their seeds alone.

  Raises:
    UsageError: if a run cannot be read, two runs differ in another field, or
      have the same seed and so are the same run.
  """
  model_dirs = [folder(model_dir) for model_dir in model_dirs]
  configs = [load(model_dir) for model_dir in model_dirs]
  shown = f'--model_dir={",".join(model_dirs)}'
  first, by_seed = _fields(configs[0]), {}
  for model_dir, config in zip(model_dirs, configs):
    for name, value in _fields(config).items():
      if name != 'seed' and value != first.get(name):
        raise errors.UsageError(
          f'{shown}: runs must differ by --seed alone; {model_dir} has '
          f'--{name}={checks.shown(value)}, {model_dirs[0]} '
          f'{checks.shown(first.get(name))}'
        )
    if config.seed in by_seed:
      raise errors.UsageError(
        f'{shown}: {by_seed[config.seed]} and {model_dir} are the same run, of '
        f'--seed={config.seed}; give each run once'
      )
    by_seed[config.seed] = model_dir
  return configs


def _fields(config: training.Config) -> dict[str, Any]:
  """Task and settings that decide a run's numbers."""
  return {'task': config.TASK, **config.identity()}


def pooled_dir(model_dirs: Sequence[str]) -> str:
  """The folder of the pooled report of several seeds, beside the first run."""
  configs = load_seeds(model_dirs)
  name = dataclasses.replace(configs[0], seed=0).name().replace('_seed0', '')
  seeds = '-'.join(str(config.seed) for config in configs)
  beside = os.path.normpath(os.path.join(model_dirs[0], os.pardir))
  return os.path.join(beside, f'pooled_{name}_seeds{seeds}')


@contextlib.contextmanager
def opened(config: training.Config, model_dir: str) -> Iterator[None]:
  """Makes a run's folder, and locks it against other processes.

  Raises:
    UsageError: if the folder cannot be used, is in use or holds another run.
  """
  with files.explained_errors(model_dir):
    os.makedirs(model_dir, exist_ok=True)
    with files.only_writer(model_dir):
      if os.path.exists(os.path.join(model_dir, CONFIG_FILE)):
        check_same(config, load(model_dir, config.TASK), model_dir)
      yield


def read_metrics(model_dir: str | os.PathLike[str]) -> list[dict[str, Any]]:
  """Reads the rows of a run's `metrics.jsonl`; none if there is no such file.

  Ignores a last line that was cut off when a process died.

  Raises:
    UsageError: if another line is damaged.
  """
  model_dir = folder(model_dir)
  rows, path = [], os.path.join(model_dir, METRICS_FILE)
  with (
    files.explained_errors(path),
    contextlib.suppress(FileNotFoundError, NotADirectoryError),
  ):
    with open(path, 'rb') as file:
      lines = [line for line in file if line.endswith(b'\n')]
    for number, line in enumerate(lines):
      try:
        row = files.parse_json(line)
        # Every row has these two.
        rows.append(
          dict(kind=row['kind'], update=operator.index(row['update'])) | row
        )
      except (KeyError, TypeError, ValueError) as e:
        raise errors.UsageError(
          f'{path}: line {number + 1} is damaged ({e}); restore or remove it'
        ) from e
  return rows

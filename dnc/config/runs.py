"""A run's folder: whose it is, who may write to it, which is the latest.

Light to import, as `config.py` is.
"""

from collections.abc import Iterator
import contextlib
import dataclasses
import glob
import json
import os
from typing import Any

from dnc import config as config_lib
from dnc import tasks
from dnc.config import checks as config_checks
from dnc.system import errors
from dnc.system import files

CONFIG_FILE = 'config.json'
# What the last validation found, once a run is through.
RESULT_FILE = 'training.json'
# Where train.py puts runs and evaluate.py looks for the latest.
RUNS_DIR = 'runs'
CHECKPOINT_DIR = 'checkpoints'


def save(config: config_lib.Config, model_dir: str) -> None:
  """Writes `config.json`, the task and its settings, in the run's folder."""
  files.write_json(
    os.path.join(model_dir, CONFIG_FILE),
    dict(task=config.TASK, **dataclasses.asdict(config)),
  )


def _from_json(task: str, **fields: Any) -> config_lib.Config:
  return tasks.get(task).config_class(**fields)


def load(
  model_dir: str, task: str | None = config_lib.DSPRITES
) -> config_lib.Config:
  """Reads `config.json` from a run's folder.

  Args:
    model_dir: the run's folder.
    task: what it must have been trained on; None for any.

  Returns:
    The config.

  Raises:
    UsageError: if it is not there, is not one or is of another task.
  """
  path = os.path.join(model_dir, CONFIG_FILE)
  try:
    with open(path, encoding='utf-8') as file:
      config = _from_json(**json.load(file))
  except FileNotFoundError as e:
    raise errors.UsageError(
      f'--model_dir={model_dir}: no {CONFIG_FILE} there; it must be a folder '
      'that train.py made'
    ) from e
  except (OSError, TypeError, ValueError) as e:
    raise errors.UsageError(f'{path} cannot be read: {e}') from e
  if task not in (None, config.TASK):
    raise errors.UsageError(
      f'--model_dir={model_dir}: a run of --task={config.TASK}; this is for '
      f'runs of --task={task}: give the folder of one'
    )
  return config


def latest() -> str:
  """Finds the run of the newest checkpoint under `runs/`.

  Returns:
    The run's folder.

  Raises:
    UsageError: if there is none.
  """
  pattern = os.path.join(RUNS_DIR, '*', CHECKPOINT_DIR, '[0-9]*')
  newest = max(glob.glob(pattern), key=os.path.getmtime, default=None)
  if newest is None:
    raise errors.UsageError(
      f'no run to evaluate in {RUNS_DIR}/: train one with '
      'python train.py --preset=quick, or name one with --model_dir'
    )
  return os.path.dirname(os.path.dirname(newest))


def _differences(
  config: config_lib.Config, found: config_lib.Config
) -> list[str]:
  """How `config` is another run than `found`: flag by flag, for a person."""
  wanted, there = config.identity(), found.identity()
  return [
    f'--{k}={config_checks.shown(getattr(found, k)) or "none"} there, '
    f'{config_checks.shown(getattr(config, k)) or "none"} asked for'
    for k in wanted
    if wanted[k] != there[k]
  ]


def check_same(
  config: config_lib.Config, found: config_lib.Config, model_dir: str
) -> None:
  """Refuses to go on with a run under other settings.

  Args:
    config: what is asked for.
    found: what the folder holds.
    model_dir: the folder.

  Raises:
    UsageError: names the flags that differ.
  """
  differ = _differences(config, found)
  if differ:
    raise errors.UsageError(
      f'--model_dir={model_dir} holds another run ({"; ".join(differ)}); '
      'give the same flags to resume it or another folder'
    )


@contextlib.contextmanager
def opened(config: config_lib.Config, model_dir: str) -> Iterator[None]:
  """Makes a run's folder, and holds it for this process alone.

  Args:
    config: the run.
    model_dir: its folder.

  Yields:
    None.

  Raises:
    UsageError: if the folder cannot be used, is in use or holds another run.
  """
  with files.explained_errors(model_dir):
    os.makedirs(model_dir, exist_ok=True)
    with files.only_writer(model_dir):
      if os.path.exists(os.path.join(model_dir, CONFIG_FILE)):
        check_same(config, load(model_dir, config.TASK), model_dir)
      yield

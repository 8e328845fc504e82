"""The checkpoints of a run: the newest few and the best, each whole or absent.

A checkpoint is a folder, `checkpoints/<updates>/`, with the files of
`tf.train.Checkpoint.write` and a checksum of each. It is written under a
temporary name, synced and renamed. Checksums are verified before reading.
"""

import contextlib
import glob
import hashlib
import os
import re
import shutil

import sonnet as snt
import tensorflow as tf

from dnc import config as config_lib
from dnc.config import runs
from dnc.system import errors
from dnc.system import files
from dnc.system import paths
from dnc.system import progress
from dnc.system import wording
from dnc.training import tally as tally_lib
from dnc.training import trainer as trainer_lib

_PREFIX = 'trainer'
_CHECKSUMS = 'checksums.json'
_BEST = 'best_'


def _checksum(path: str) -> str:
  with open(path, 'rb') as file:
    return hashlib.file_digest(file, 'blake2b').hexdigest()


def fingerprint(model: snt.Module) -> str:
  """Hexadecimal checksum of a model's weights; equal models have equal ones."""
  digest = hashlib.blake2b(digest_size=16)
  for variable in model.variables:
    digest.update(f'{variable.name} {variable.shape}'.encode())
    digest.update(variable.numpy().tobytes())
  return digest.hexdigest()


def write(folder: str, trackable: snt.Module) -> None:
  """Writes a checkpoint, whole or not at all; its folder must not exist."""
  with files.atomic_directory(folder) as partial:
    checkpoint = tf.train.Checkpoint(trainer=trackable)
    checkpoint.write(os.path.join(partial, _PREFIX))
    checksums = {
      name: _checksum(os.path.join(partial, name))
      for name in sorted(os.listdir(partial))
    }
    files.write_json(os.path.join(partial, _CHECKSUMS), checksums)


def _damage(folder: str) -> str | None:
  """Says what is wrong with a checkpoint's files; None if they are sound."""
  try:
    checksums = files.read_json(os.path.join(folder, _CHECKSUMS))
    for name, checksum in checksums.items():
      if _checksum(os.path.join(folder, name)) != checksum:
        return f'{name} has changed since it was written'
  except FileNotFoundError as e:
    return f'{os.path.basename(e.filename)} is missing'
  except (OSError, AttributeError, ValueError) as e:
    return f'it cannot be read: {e}'
  return None


def read(
  folder: str,
  config: config_lib.Config,
  trackable: trainer_lib.Trainer | tf.train.Checkpoint,
  partially: bool = False,
) -> None:
  """Restores a checkpoint whose files are sound.

  Args:
    folder: the checkpoint's folder.
    config: the config of the run that must have written it.
    trackable: what to restore; has `run_name`.
    partially: whether the checkpoint may hold more than `trackable`.

  Raises:
    UsageError: if another run wrote it, or it does not fit `trackable`.
  """
  checkpoint = tf.train.Checkpoint(trainer=trackable)
  problem = None
  try:
    with paths.without_wildcards(folder) as name:
      status = checkpoint.read(os.path.join(name, _PREFIX))
      if partially:
        status.expect_partial().assert_existing_objects_matched()
      else:
        status.assert_consumed()
    found = trackable.run_name.numpy().decode()
    if found != config.name():
      problem = f'it belongs to {found}, {runs.CONFIG_FILE} to {config.name()}'
  # TensorFlow's reader raises all of these.
  except (AssertionError, IndexError, ValueError, tf.errors.OpError) as e:
    problem = wording.one_line(e, 200)
  if problem:
    raise errors.UsageError(
      f"{folder}: does not fit the run's {runs.CONFIG_FILE} ({problem}); "
      'restore the files or train in another --model_dir'
    )


def _parent(model_dir: str) -> str:
  return os.path.join(model_dir, runs.CHECKPOINT_DIR)


def _numbered(model_dir: str, prefix: str = '') -> list[tuple[int, str]]:
  """Checkpoints as (updates, folder), the newest first."""
  parent = _parent(model_dir)
  found = []
  with contextlib.suppress(FileNotFoundError):
    for name in os.listdir(parent):
      match = re.fullmatch(rf'{prefix}(\d+)', name)
      if match:
        found.append((int(match[1]), os.path.join(parent, name)))
  return sorted(found, reverse=True)


def sound(
  model_dir: str, log: progress.Log, kind: str = 'newest'
) -> str | None:
  """Finds the newest sound checkpoint of a run.

  Args:
    model_dir: the run's folder.
    log: takes a line for each damaged checkpoint that is skipped.
    kind: one of `config.CHECKPOINTS`.

  Returns:
    The checkpoint's folder; None if there are no checkpoints.

  Raises:
    UsageError: if all checkpoints are damaged.
    ValueError: if there is no such kind.
  """
  if kind not in config_lib.CHECKPOINTS:
    raise ValueError(
      f'checkpoint {kind!r}: must be one of {", ".join(config_lib.CHECKPOINTS)}'
    )
  folders = _numbered(model_dir, _BEST if kind == 'best' else '')
  for _, folder in folders:
    damage = _damage(folder)
    if not damage:
      return folder
    log(f'{folder} is damaged ({damage}): skipped')
  if folders:
    raise errors.UsageError(
      f'{_parent(model_dir)}: every checkpoint is damaged; restore the files '
      'or train in another --model_dir'
    )
  return None


def num_updates(model_dir: str) -> int:
  """Updates of a run's newest sound checkpoint; 0 if there are none.

  Raises:
    UsageError: if all checkpoints are damaged, or cannot be read.
  """
  with files.explained_errors(model_dir):
    folder = sound(model_dir, lambda line: None)
  return int(os.path.basename(folder)) if folder else 0


def restore_parts(
  model_dir: str,
  config: config_lib.Config,
  kind: str,
  log: progress.Log,
  **parts: snt.Module,
) -> int:
  """Restores parts of a run's trainer from a checkpoint.

  Args:
    model_dir: the run's folder.
    config: the run.
    kind: one of `config.CHECKPOINTS`.
    log: takes a line for each damaged checkpoint that is skipped.
    **parts: attributes of the trainer, by name.

  Returns:
    How many updates they were trained for.

  Raises:
    UsageError: if there is no sound checkpoint, or it does not fit.
  """
  with files.explained_errors(model_dir):
    folder = sound(model_dir, log, kind)
    if not folder:
      raise errors.UsageError(
        f'--model_dir={model_dir}: no checkpoint there yet; let train.py run '
        'until its first checkpoint'
      )
    tally = tally_lib.Tally()
    trackable = tf.train.Checkpoint(
      run_name=tf.Variable(''), tally=tally, **parts
    )
    read(folder, config, trackable, partially=True)
  return int(tally.num_updates.numpy())


class Checkpoints:
  """Saves a run's progress, and restores it."""

  def __init__(
    self,
    model_dir: str,
    config: config_lib.Config,
    trainer: trainer_lib.Trainer,
    log: progress.Log,
  ):
    """Constructs the object; reads and writes nothing yet.

    Args:
      model_dir: the run's folder.
      config: the run.
      trainer: the run's trainer, with all its variables.
      log: takes a line for each damaged checkpoint that is skipped.
    """
    self._model_dir = model_dir
    self._config = config
    self._trainer = trainer
    self._log = log

  def restore(self) -> bool:
    """Restores the newest sound checkpoint; returns whether there is one.

    Raises:
      UsageError: if all are damaged, another run wrote it, or it does not fit
        the trainer.
    """
    folder = sound(self._model_dir, self._log)
    if folder:
      read(folder, self._config, self._trainer)
    return folder is not None

  def remove_partial(self) -> None:
    """Removes the half-written checkpoints of killed processes."""
    for path in glob.glob(_parent(glob.escape(self._model_dir)) + '/*.partial'):
      shutil.rmtree(path)

  def save(self, num_updates: int) -> None:
    """Saves a checkpoint; keeps the newest three."""
    self._write(num_updates, '', max_to_keep=3)

  def save_best(self, num_updates: int) -> None:
    """Saves a checkpoint as the best; removes the previous best."""
    self._write(num_updates, _BEST, max_to_keep=1)

  def _write(self, num_updates: int, prefix: str, max_to_keep: int) -> None:
    parent = _parent(self._model_dir)
    folder = os.path.join(parent, f'{prefix}{num_updates:08}')
    # A resumed run reaches updates that already have a checkpoint.
    if os.path.exists(folder) and _damage(folder):
      shutil.rmtree(folder)
    if not os.path.exists(folder):
      write(folder, self._trainer)
    for _, old in _numbered(self._model_dir, prefix)[max_to_keep:]:
      shutil.rmtree(old)

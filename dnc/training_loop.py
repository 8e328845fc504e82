"""The loop around any training: updates, reports, checkpoints, an end.

What is trained is handed in: a trainer that holds the variables, an iterator
that makes one update for every item, and what reports on them.
"""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
import contextlib
import os
import signal
import threading
from typing import Any
from typing import Protocol

import sonnet as snt
import tensorflow as tf

from dnc import config as config_lib
from dnc import errors
from dnc import files

RESULT_FILE = 'training.json'

Log = Callable[[str], None]


class Trainer(Protocol):
  """What is trained.

  Attributes:
    num_updates: int64 variable, updates so far.
    run_name: string variable, tells whose checkpoint it is.
  """

  num_updates: tf.Variable
  run_name: tf.Variable


class Progress(Protocol):
  """Sums up the updates since the last report."""

  @property
  def pending(self) -> bool:
    """Whether there are updates that were not reported."""

  def add(self, metrics: Mapping[str, Any]) -> None:
    """Takes in what an update returned."""


def duration(seconds: float) -> str:
  """Hours, minutes and seconds for a person."""
  minutes, seconds = divmod(round(seconds), 60)
  hours, minutes = divmod(minutes, 60)
  return f'{hours}:{minutes:02}:{seconds:02}'


def checkpoint_manager(
  trainer: snt.Module, model_dir: str
) -> tf.train.CheckpointManager:
  """The manager of a run's checkpoints."""
  return tf.train.CheckpointManager(
    tf.train.Checkpoint(trainer=trainer),
    os.path.join(model_dir, config_lib.CHECKPOINT_DIR),
    max_to_keep=3,
    checkpoint_name='checkpoint',
  )


@contextlib.contextmanager
def run_folder(config: config_lib.Config, model_dir: str) -> Iterator[None]:
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
      if os.path.exists(os.path.join(model_dir, config_lib.CONFIG_FILE)):
        found = config_lib.load(model_dir, config.TASK)
        config_lib.check_same_run(config, found, model_dir)
      yield


def resume(
  trainer: Trainer, config: config_lib.Config, model_dir: str
) -> tf.train.CheckpointManager:
  """Restores the newest checkpoint, if there is one.

  Args:
    trainer: what is trained, with all its variables.
    config: the run.
    model_dir: its folder.

  Returns:
    The manager of the run's checkpoints.

  Raises:
    UsageError: if the checkpoint is damaged or another run's.
  """
  manager = checkpoint_manager(trainer, model_dir)
  newest = manager.latest_checkpoint
  if newest:
    with restoring(newest, config, trainer.run_name):
      manager.checkpoint.restore(newest).assert_consumed()
  return manager


@contextlib.contextmanager
def restoring(
  checkpoint: str, config: config_lib.Config, run_name: tf.Variable
) -> Iterator[None]:
  """Wraps a restore; a checkpoint that is no good takes one line.

  Raises:
    UsageError: if it is damaged or another run's.
  """
  problem = None
  try:
    yield
    found = run_name.numpy().decode()
    if found != config.name():
      problem = f'it is of {found}, {config_lib.CONFIG_FILE} of {config.name()}'
  # TensorFlow's reader raises whatever its parts do.
  except (AssertionError, IndexError, ValueError, tf.errors.OpError) as e:
    problem = ' '.join(str(e).split())[:200]
  if problem:
    raise errors.UsageError(
      f'{checkpoint}: damaged, or does not fit {config_lib.CONFIG_FILE} beside '
      f'it ({problem}); restore the files or train in another --model_dir'
    )


@contextlib.contextmanager
def stop_requests(log: Log) -> Iterator[threading.Event]:
  """Turns Ctrl-C and SIGTERM into an event; a second one acts as ever."""
  requested = threading.Event()
  if threading.current_thread() is not threading.main_thread():
    yield requested  # Only the main thread gets signals.
    return
  previous = {}

  def request(number, frame):
    del frame
    requested.set()
    signal.signal(number, previous[number])
    log('stopping after this update')

  for number in (signal.SIGINT, signal.SIGTERM):
    previous[number] = signal.signal(number, request)
  try:
    yield requested
  finally:
    for number, handler in previous.items():
      signal.signal(number, handler)


def _check_finite(metrics: Mapping[str, Any], num_updates: int) -> None:
  if not metrics['finite']:
    raise errors.UsageError(
      f'training diverged after update {num_updates}: loss '
      f'{float(metrics["loss"])}, gradient norm '
      f'{float(metrics["grad_norm"])}; the last checkpoint still stands; try '
      'a lower --learning_rate or --max_grad_norm'
    )


def run(
  config: config_lib.Config,
  trainer: Trainer,
  updates: Iterator[Mapping[str, Any]],
  manager: tf.train.CheckpointManager,
  progress: Progress,
  report: Callable[[], None],
  stop_requested: threading.Event,
) -> None:
  """Trains until there are no more updates or somebody wants it to stop.

  Args:
    config: the run; says how often to report and to save.
    trainer: what is trained.
    updates: makes an update for each item; gives `loss`, `grad_norm`, `finite`
      (if not, the update changed nothing) and what else `progress` takes.
    manager: saves the trainer.
    progress: takes in every update.
    report: tells of what `progress` took in.
    stop_requested: once set, the update under way is the last; its progress is
      saved.

  Raises:
    UsageError: if the loss or its gradient is not finite.
  """
  updates_before = int(trainer.num_updates)
  while not stop_requested.is_set():
    metrics = next(updates, None)
    if metrics is None:
      break
    number = int(trainer.num_updates)
    _check_finite(metrics, number)
    progress.add(metrics)
    if number % config.report_interval == 0:
      report()
    if number % config.checkpoint_interval == 0:
      manager.save(number)
  number = int(trainer.num_updates)
  if number > updates_before or not updates_before:
    manager.save(number)
  if progress.pending and not stop_requested.is_set():
    report()

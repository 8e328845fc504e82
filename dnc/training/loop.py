"""The training loop of all tasks: updates, reports, checkpoints, the end."""

from collections.abc import Iterator
from collections.abc import Mapping
import contextlib
import os
import shlex
import shutil
import signal
import threading
from typing import Any

from dnc.config import runs
from dnc.system import errors
from dnc.system import files
from dnc.system import json_values
from dnc.system import progress
from dnc.system import wording
from dnc.training import checkpoints as checkpoints_lib
from dnc.training import distribution
from dnc.training import session as session_lib

DIVERGED_DIR = 'diverged'
CAUSE_FILE = 'cause.json'


@contextlib.contextmanager
def stop_requests(log: progress.Log) -> Iterator[threading.Event]:
  """Turns the first Ctrl-C or SIGTERM into an event.

  A second signal goes to the previous handler.

  Args:
    log: takes a line at the first signal.

  Yields:
    The event; never set outside the main thread, which gets all signals.
  """
  requested = threading.Event()
  if threading.current_thread() is not threading.main_thread():
    yield requested
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


def train(
  session: session_lib.Session, checkpoints: checkpoints_lib.Checkpoints
) -> dict[str, float] | None:
  """Trains to the last update, or until asked to stop.

  The files written after an update depend only on its number. So a run that was
  stopped or killed, and resumed, leaves the same files as an uninterrupted one.

  Args:
    session: the session; its trainer is restored if there was a checkpoint.
    checkpoints: the checkpoints of the same trainer.

  Returns:
    The last scores, also written to `training.json`. None if Ctrl-C or SIGTERM
    ended the training early; its progress is saved.

  Raises:
    UsageError: if the loss or its gradient is not finite.
    LostWorkerError: if another worker is gone; the progress is saved.
  """
  trainer, model_dir = session.trainer, session.model_dir
  log = session.console
  was_finished = session.is_finished()
  if was_finished:
    intro = f'{model_dir} is already trained'
  elif trainer.num_updates:
    log(f'resuming {model_dir} after {trainer.num_updates:,} updates')
  else:
    watch = shlex.join(['tensorboard', f'--logdir={model_dir}'])
    log(f'training in {model_dir}; to watch: {watch}')
  try:
    with stop_requests(log) as stop_requested:
      stopped = _update(session, checkpoints, stop_requested)
    if stopped:
      log(
        f'stopped after {trainer.num_updates:,} updates; the same command '
        'resumes it'
      )
      return None
    result = session.result()
  except distribution.LostWorkerError:
    checkpoints.save(trainer.num_updates)
    log(f'saved after {trainer.num_updates:,} updates')
    raise
  finally:
    session.close()
  files.write_json(
    os.path.join(model_dir, runs.RESULT_FILE), json_values.clean(result)
  )
  if not was_finished:
    intro = f'trained {model_dir}'
  log(
    f'{intro}: {trainer.num_updates:,} updates; on unseen data loss '
    f'{wording.number(result["loss"])}, {session.quality_text(result)}'
  )
  return result


def _update(
  session: session_lib.Session,
  checkpoints: checkpoints_lib.Checkpoints,
  stop_requested: threading.Event,
) -> bool:
  """Makes the remaining updates; returns whether it was stopped early."""
  config, trainer = session.config, session.trainer
  for metrics in session.updates(stop_requested):
    if not metrics['finite']:
      _tell_diverged(session, metrics)
    number = trainer.num_updates
    session.show_status(metrics)
    last = session.is_finished()
    if last or number % config.report_interval == 0:
      session.report()
    if last or number % config.checkpoint_interval == 0:
      if session.validate():
        checkpoints.save_best(number)
      checkpoints.save(number)
    # Several workers stop after the same update: `stop` says which.
    if metrics['stop'] if 'stop' in metrics else stop_requested.is_set():
      checkpoints.save(number)
      # After the last update there is nothing left to stop.
      return not last
  return False


def _tell_diverged(
  session: session_lib.Session, metrics: Mapping[str, Any]
) -> None:
  """Saves the state and data of a diverged update; raises `UsageError`."""
  trainer = session.trainer
  number = trainer.num_updates
  loss, norm = float(metrics['loss']), float(metrics['grad_norm'])
  folder = os.path.join(session.model_dir, DIVERGED_DIR)
  if os.path.exists(folder):
    shutil.rmtree(folder)
  checkpoints_lib.write(folder, trainer)
  files.write_json(
    os.path.join(folder, CAUSE_FILE),
    dict(
      num_updates=number,
      # As text: JSON has no NaN.
      loss=str(loss),
      grad_norm=str(norm),
      **session.data_of(metrics),
    ),
  )
  raise errors.UsageError(
    f'training diverged: update {number + 1} has loss {loss} and gradient norm '
    f'{norm} and was not applied; {folder} has the state before it and names '
    f'its data; dnc.training.replay({session.model_dir!r}) or the same command '
    'repeats it; try a lower --learning_rate or --max_grad_norm in another '
    '--model_dir'
  )


def diverged(model_dir: str) -> tuple[str, dict[str, Any]]:
  """Finds the state of a run before the update that diverged.

  Returns:
    The folder of the checkpoint before that update; and a dict about the
    update: `num_updates`, the number of updates before it; its `loss` and
    `grad_norm`, as text; and what `Session.data_of` returned.

  Raises:
    UsageError: if no run diverged in `model_dir`.
  """
  folder = os.path.join(model_dir, DIVERGED_DIR)
  path = os.path.join(folder, CAUSE_FILE)
  try:
    with files.explained_damage(path, 'train the run again'):
      return folder, dict(files.read_json(path))
  except FileNotFoundError as e:
    raise errors.UsageError(f'{folder}: no run diverged there') from e

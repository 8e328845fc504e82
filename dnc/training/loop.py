"""The loop around any training: updates, reports, checkpoints, an end."""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
import contextlib
import json
import os
import shutil
import signal
import threading
from typing import Any

from dnc.config import runs
from dnc.system import errors
from dnc.system import files
from dnc.system import json_values
from dnc.system import progress
from dnc.training import checkpoints as checkpoints_lib
from dnc.training import distribution
from dnc.training import session as session_lib

DIVERGED_DIR = 'diverged'
CAUSE_FILE = 'cause.json'


@contextlib.contextmanager
def stop_requests(log: progress.Log) -> Iterator[threading.Event]:
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


def _check_finite(
  session: session_lib.Session, metrics: Mapping[str, Any], model_dir: str
) -> None:
  """Ends a run that diverged, and leaves what it takes to see it again."""
  if metrics['finite']:
    return
  number = int(session.trainer.tally.num_updates.numpy())
  loss, norm = float(metrics['loss']), float(metrics['grad_norm'])
  folder = os.path.join(model_dir, DIVERGED_DIR)
  if os.path.exists(folder):
    shutil.rmtree(folder)
  checkpoints_lib.write(folder, session.trainer)
  files.write_json(
    os.path.join(folder, CAUSE_FILE),
    dict(
      num_updates=number,
      # JSON knows no such numbers.
      loss=str(loss),
      grad_norm=str(norm),
      **session.cause(metrics),
    ),
  )
  raise errors.UsageError(
    f'training diverged: update {number + 1} has loss {loss} and gradient norm '
    f'{norm} and was not made; the state before it and which data it was of '
    f'are in {folder}: {session.REPLAY} makes it again, as does the same '
    'command; try a lower --learning_rate or --max_grad_norm in another '
    '--model_dir'
  )


def _run(
  session: session_lib.Session,
  model_dir: str,
  checkpoints: checkpoints_lib.Checkpoints,
  stop_requested: threading.Event,
) -> bool:
  """Trains until there are no more updates or somebody wants it to stop.

  Returns:
    Whether somebody did before the last.
  """
  config = session.config
  for metrics in session.updates(stop_requested):
    _check_finite(session, metrics, model_dir)
    number = int(session.trainer.tally.num_updates.numpy())
    session.status(metrics)
    last = session.is_finished()
    if last or number % config.report_interval == 0:
      session.report()
    if last or number % config.checkpoint_interval == 0:
      if session.validate():
        checkpoints.save_best(number)
      checkpoints.save(number)
    # Where there are several workers, they stop after the same update.
    if metrics['stop'] if 'stop' in metrics else stop_requested.is_set():
      checkpoints.save(number)
      # Asked during the last validation: there is nothing left to stop.
      return not last
  return False


def run(
  trainer: session_lib.Trainer,
  make_session: Callable[[], session_lib.Session],
  checkpoints: checkpoints_lib.Checkpoints,
  model_dir: str,
  console: progress.Console,
) -> dict[str, float] | None:
  """Trains, or goes on with training, to the end or until told to stop.

  What is written at an update is a function of its number alone: a run that was
  stopped or killed, and went on, leaves what one leaves that never was.

  Args:
    trainer: what is trained, with all its variables.
    make_session: makes the session of the trainer once it is restored.
    checkpoints: of the trainer.
    model_dir: the run's folder.
    console: shows how far it is.

  Returns:
    The last scores, which are in `training.json`, too. None if Ctrl-C or
    SIGTERM ended it early: its progress is saved.

  Raises:
    UsageError: if the loss or its gradient is not finite.
    LostWorkerError: if another worker is gone; the progress is saved.
  """
  if checkpoints.restore():
    number = int(trainer.tally.num_updates.numpy())
    console(f'resuming {model_dir} after {number:,} updates')
  else:
    console(
      f'training in {model_dir}; to watch: tensorboard --logdir={model_dir}'
    )
  session = make_session()
  try:
    with stop_requests(console) as stop_requested:
      stopped = _run(session, model_dir, checkpoints, stop_requested)
    number = int(trainer.tally.num_updates.numpy())
    if stopped:
      console(
        f'stopped after {number:,} updates; the same command goes on from there'
      )
      return None
    result = session.result()
  except distribution.LostWorkerError:
    number = int(trainer.tally.num_updates.numpy())
    checkpoints.save(number)
    console(f'saved after {number:,} updates')
    raise
  finally:
    session.summaries.close()
    console.finish()
  files.write_json(
    os.path.join(model_dir, runs.RESULT_FILE), json_values.clean(result)
  )
  console(
    f'trained: {number:,} updates, {model_dir}; on unseen data loss '
    f'{session_lib.shown(result["loss"])}, {session.quality(result)}'
  )
  return result


def diverged(model_dir: str) -> tuple[str, dict[str, Any]]:
  """What a run left that diverged.

  Args:
    model_dir: the run's folder.

  Returns:
    The folder of the checkpoint of its state before the update that diverged,
    and what the update was of: the number of updates before it, its `loss` and
    `grad_norm`, and what `Session.cause` says.

  Raises:
    UsageError: if no run diverged there.
  """
  folder = os.path.join(model_dir, DIVERGED_DIR)
  try:
    with open(os.path.join(folder, CAUSE_FILE), encoding='utf-8') as file:
      return folder, json.load(file)
  except FileNotFoundError as e:
    raise errors.UsageError(f'{folder}: no run diverged there') from e

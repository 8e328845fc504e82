"""A training under way: what every task reports, measures and leaves."""

import abc
from collections.abc import Iterator
from collections.abc import Mapping
import contextlib
import json
import math
import os
import threading
import time
from typing import Any
from typing import ClassVar
from typing import Protocol

import tensorflow as tf

from dnc import config as config_lib
from dnc.system import errors
from dnc.system import files
from dnc.system import json_values
from dnc.system import progress
from dnc.training import summaries as summaries_lib
from dnc.training import tally as tally_lib

METRICS_FILE = 'metrics.jsonl'


class Trainer(Protocol):
  """What is trained: a module with these.

  Attributes:
    tally: how far the training has come.
    run_name: string variable, tells whose checkpoint it is.
  """

  tally: tally_lib.Tally
  run_name: tf.Variable


def shown(loss: float) -> str:
  """A loss for a person: four digits, or one after the point."""
  return f'{loss:.1f}' if abs(loss) >= 100 else f'{loss:.4g}'


class _Speed:
  """Work per second of wall-clock time."""

  def __init__(self):
    self._begin()
    self._last: tuple[float, float] | None = None

  def _begin(self) -> None:
    self._start, self._steps, self._updates = time.monotonic(), 0, 0

  def add(self, num_steps: int) -> None:
    """Counts an update."""
    self._steps += num_steps
    self._updates += 1

  def _now(self) -> tuple[float, float]:
    seconds = time.monotonic() - self._start
    return self._steps / seconds, self._updates / seconds

  def finish_report(self) -> float:
    """Steps a second since the last call."""
    self._last = self._now()
    self._begin()
    return self._last[0]

  def recent(self) -> tuple[float, float]:
    """Steps and updates a second: of the last report or, before it, so far."""
    return self._last or self._now()


class MetricsFile:
  """`metrics.jsonl`: a line of JSON for every report and validation, in order.

  A run that goes on from a checkpoint makes again what it had reported since:
  those lines are dropped first.
  """

  def __init__(self, model_dir: str, num_updates: int):
    """Opens the file and drops what is later than `num_updates`."""
    self._path = os.path.join(model_dir, METRICS_FILE)
    kept = [
      row for row in read_metrics(model_dir) if row['update'] <= num_updates
    ]
    files.write_text(self._path, ''.join(json.dumps(x) + '\n' for x in kept))

  def append(self, row: Mapping[str, Any]) -> None:
    """Adds a row; a number that is not finite becomes null."""
    line = json.dumps(json_values.clean(row), allow_nan=False)
    with open(self._path, 'a', encoding='utf-8') as file:
      file.write(line + '\n')
      file.flush()
      os.fsync(file.fileno())


def read_metrics(model_dir: str) -> list[dict[str, Any]]:
  """The rows of a run's `metrics.jsonl`; none where there is no such file.

  A last line that was cut off when a process died is no row.

  Raises:
    UsageError: if another line is no row.
  """
  rows, path = [], os.path.join(model_dir, METRICS_FILE)
  with contextlib.suppress(FileNotFoundError):
    with open(path, 'rb') as file:
      lines = [line for line in file if line.endswith(b'\n')]
    for number, line in enumerate(lines):
      try:
        row = json.loads(line)
        # What no row is without.
        rows.append(dict(kind=row['kind'], update=row['update']) | row)
      except (KeyError, TypeError, ValueError) as e:
        raise errors.UsageError(
          f'{path}: line {number + 1} is damaged ({e}); restore or remove it'
        ) from e
  return rows


class Session(abc.ABC):
  """A training under way, for `training_loop.run`.

  What it writes at an update depends on nothing but the updates before (and, of
  the steps per second, on the clock).

  Attributes:
    REPLAY: the function that makes an update again that diverged.
    config: the run.
    trainer: what is trained.
  """

  REPLAY: ClassVar[str]

  def __init__(
    self,
    config: config_lib.Config,
    model_dir: str,
    trainer: Trainer,
    console: progress.Console,
  ):
    """Constructs the session of a trainer that is where it goes on from.

    Args:
      config: the run.
      model_dir: its folder.
      trainer: what is trained, restored if there was something to restore.
      console: takes the reports.
    """
    self.config = config
    self.trainer = trainer
    self.summaries = summaries_lib.Summaries(
      model_dir, config.identity(), int(trainer.tally.num_updates.numpy())
    )
    self._console = console
    self._metrics = MetricsFile(
      model_dir, int(trainer.tally.num_updates.numpy())
    )
    self._speed = _Speed()
    # Scores, and the number of updates at which they were measured.
    self._measured: tuple[int, dict[str, float]] = (-1, {})
    self._inspected = self._measured

  @abc.abstractmethod
  def updates(
    self, stop_requested: threading.Event
  ) -> Iterator[Mapping[str, Any]]:
    """Makes an update for each item.

    Args:
      stop_requested: whether this process is to stop; who has to ask others
        asks them.

    Yields:
      What it returned: `loss`, `grad_norm`, `num_steps`, `finite` (if not, the
      update changed nothing), what else `cause` takes and, where others are
      asked, `stop`, whether all stop after this update.
    """

  @abc.abstractmethod
  def is_finished(self) -> bool:
    """Whether the last update of the run was made."""

  @abc.abstractmethod
  def measure(self) -> dict[str, float]:
    """Scores the model on the same unseen data each time; `loss` is one."""

  def inspect(self) -> dict[str, float]:
    """More of them, which take longer."""
    return {}

  def draw(self) -> None:  # noqa: B027 (nothing to draw is fine)
    """Draws what the model does, for TensorBoard."""

  def settings(self) -> dict[str, float]:
    """What changes as training goes on and is reported, by name."""
    return {}

  @abc.abstractmethod
  def cause(self, metrics: Mapping[str, Any]) -> Mapping[str, Any]:
    """What is needed to make an update again, for JSON."""

  @abc.abstractmethod
  def place(self) -> str:
    """How far the training is, for a person."""

  @abc.abstractmethod
  def left(self, steps_per_second: float, updates_per_second: float) -> float:
    """Seconds to the end at such a speed."""

  @abc.abstractmethod
  def quality(self, scores: Mapping[str, float]) -> str:
    """How good the model is, for a person; `scores` are `measure`'s."""

  def scores(self) -> dict[str, float]:
    """`measure` of the model as it is now; measured once."""
    number = int(self.trainer.tally.num_updates.numpy())
    if self._measured[0] != number:
      self._measured = (number, self.measure())
    return self._measured[1]

  def _line(self, loss: float) -> str:
    speed = self._speed.recent()
    scores = self._measured[1]
    return '  '.join(
      [
        self.place(),
        f'loss {shown(loss)}',
        *([self.quality(scores)] if scores else []),
        f'{speed[0]:,.0f} steps/s',
        f'{progress.duration(max(0.0, self.left(*speed)))} left',
      ]
    )

  def status(self, metrics: Mapping[str, Any]) -> None:
    """Shows how far the training is, after an update."""
    self._speed.add(int(metrics['num_steps']))
    if self._console.is_terminal:
      self._console.status(self._line(float(metrics['loss'])))

  def report(self) -> None:
    """Tells of the updates since the last report, and measures the model."""
    number = int(self.trainer.tally.num_updates.numpy())
    training = {
      **self.trainer.tally.finish_report(),
      **self.settings(),
      'steps_per_second': self._speed.finish_report(),
    }
    scores = self.scores()
    if not self._console.is_terminal:
      self._console(f'update {number}  {self._line(training["loss"])}')
    self.summaries.training(number, training)
    self.summaries.validation(number, scores)
    self._metrics.append(
      dict(
        kind='report',
        update=number,
        num_steps=int(self.trainer.tally.num_steps.numpy()),
        training=training,
        validation=scores,
      )
    )

  def validate(self) -> bool:
    """Measures the model closely; returns whether it is the best so far."""
    scores = self.result()
    # There is nothing to see of a model that has diverged; the next update
    # says so.
    if math.isfinite(scores['loss']):
      self.draw()
    number = int(self.trainer.tally.num_updates.numpy())
    self.summaries.validation(number, scores)
    self._metrics.append(
      dict(
        kind='validation',
        update=number,
        num_steps=int(self.trainer.tally.num_steps.numpy()),
        validation=scores,
      )
    )
    return self.trainer.tally.validate(scores['loss'])

  def result(self) -> dict[str, float]:
    """All scores of the model as it is now."""
    number = int(self.trainer.tally.num_updates.numpy())
    if self._inspected[0] != number:
      self._inspected = (number, {**self.scores(), **self.inspect()})
    return self._inspected[1]

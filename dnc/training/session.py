"""A running training: what it measures, reports and writes.

Each task has its own `Session`; `loop.train` does not depend on the task.
"""

import abc
from collections.abc import Iterator
from collections.abc import Mapping
import json
import math
import os
import threading
import time
from typing import Any

from dnc import config as config_lib
from dnc.config import runs
from dnc.system import files
from dnc.system import json_values
from dnc.system import progress
from dnc.system import wording
from dnc.training import summaries as summaries_lib
from dnc.training import trainer as trainer_lib


class _Speed:
  """Steps and updates per second of wall-clock time."""

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
    """Steps per second since the last call."""
    self._last = self._now()
    self._begin()
    return self._last[0]

  def recent(self) -> tuple[float, float]:
    """Steps and updates per second: of the last report, or else so far."""
    return self._last or self._now()


class MetricsFile:
  """`metrics.jsonl`: a line of JSON for every report and validation, in order.

  A resumed run repeats its reports since the last checkpoint, so their lines
  are dropped first.
  """

  def __init__(self, model_dir: str, num_updates: int):
    """Opens the file and drops lines of updates after `num_updates`."""
    self._path = os.path.join(model_dir, runs.METRICS_FILE)
    kept = [
      row
      for row in runs.read_metrics(model_dir)
      if row['update'] <= num_updates
    ]
    files.write_text(self._path, ''.join(json.dumps(x) + '\n' for x in kept))

  def append(self, row: Mapping[str, Any]) -> None:
    """Adds a row; numbers that are not finite become null."""
    line = json.dumps(json_values.clean(row), allow_nan=False)
    with open(self._path, 'a', encoding='utf-8') as file:
      file.write(line + '\n')
      file.flush()
      files.sync(file)


class Session(abc.ABC):
  """A running training, for `loop.train`.

  What it writes at an update depends only on the updates so far, except for the
  steps per second.

  Attributes:
    config: the run.
    model_dir: the run's folder.
    trainer: the run's trainer.
    console: takes the reports.
    summaries: the run's TensorBoard summaries.
  """

  # Descriptions of the scores of `result` for TensorBoard, by name.
  SCORES: Mapping[str, str]

  def __init__(
    self,
    config: config_lib.Config,
    model_dir: str,
    trainer: trainer_lib.Trainer,
    console: progress.Console,
  ):
    """Constructs the session; call it after restoring `trainer`."""
    self.config = config
    self.model_dir = model_dir
    self.trainer = trainer
    self.console = console
    self.summaries = summaries_lib.Summaries(
      model_dir, config.identity(), self.SCORES, trainer.num_updates
    )
    self._metrics = MetricsFile(model_dir, trainer.num_updates)
    self._speed = _Speed()
    # The number of updates, and the scores measured after them.
    self._scored: tuple[int, dict[str, float]] = (-1, {})
    self._scored_closely = self._scored

  @abc.abstractmethod
  def updates(
    self, stop_requested: threading.Event
  ) -> Iterator[Mapping[str, Any]]:
    """Makes the remaining updates, one for each item.

    Args:
      stop_requested: whether this process should stop. Multi-worker runs agree
        on it first.

    Yields:
      The results of an update: `loss`, `grad_norm`, `num_steps`, `finite` (if
      False, the update changed nothing), whatever else `data_of` needs and, in
      multi-worker runs, `stop`: whether all stop after this update.
    """

  @abc.abstractmethod
  def is_finished(self) -> bool:
    """Whether the run has made its last update."""

  @abc.abstractmethod
  def _score(self) -> dict[str, float]:
    """Scores the model on the same unseen data each time; includes `loss`."""

  def _score_closely(self) -> dict[str, float]:
    """Further scores, which take longer to compute."""
    return {}

  def _draw(self) -> None:  # noqa: B027 (a task may have nothing to draw)
    """Draws what the model does, for TensorBoard."""

  def _settings(self) -> dict[str, float]:
    """Settings that change during training, by name."""
    return {}

  @abc.abstractmethod
  def data_of(self, metrics: Mapping[str, Any]) -> Mapping[str, Any]:
    """What identifies the data of the update with these metrics, for JSON."""

  @abc.abstractmethod
  def _position_text(self) -> str:
    """The progress of the training, for the status line."""

  @abc.abstractmethod
  def _seconds_left(
    self, steps_per_second: float, updates_per_second: float
  ) -> float:
    """Seconds to the end of the run at this speed."""

  @abc.abstractmethod
  def quality_text(self, scores: Mapping[str, float]) -> str:
    """Describes how good the model is, from its scores."""

  def _loss_text(self, losses: Mapping[str, Any]) -> str:
    """Formats the losses of an update or of a report."""
    return f'loss {wording.number(float(losses["loss"]))}'

  def _status_text(self, losses: Mapping[str, Any]) -> str:
    speed = self._speed.recent()
    scores = self._scored[1]
    return '  '.join(
      [
        self._position_text(),
        self._loss_text(losses),
        *([self.quality_text(scores)] if scores else []),
        f'{speed[0]:,.0f} steps/s',
        f'{progress.duration(max(0.0, self._seconds_left(*speed)))} left',
      ]
    )

  def show_status(self, metrics: Mapping[str, Any]) -> None:
    """Counts an update's steps; on a terminal, updates the status line."""
    self._speed.add(int(metrics['num_steps']))
    if self.console.is_terminal:
      self.console.status(self._status_text(metrics))

  def report(self) -> None:
    """Reports the updates since the last report, and scores the model."""
    training = {
      **self.trainer.finish_report(),
      **self._settings(),
      'steps_per_second': self._speed.finish_report(),
    }
    scores = self._scores_now()
    number = self.trainer.num_updates
    if not self.console.is_terminal:
      self.console(f'update {number}  {self._status_text(training)}')
    self.summaries.training(number, training)
    self.summaries.validation(number, scores)
    self._append('report', training=training, validation=scores)

  def validate(self) -> bool:
    """Computes all scores and draws; returns whether the loss is the lowest."""
    scores = self.result()
    # A diverged model is not drawn; the next update reports it.
    if math.isfinite(scores['loss']):
      self._draw()
    self.summaries.validation(self.trainer.num_updates, scores)
    self._append('validation', validation=scores)
    return self.trainer.tally.validate(scores['loss'])

  def _append(self, kind: str, **scores: Mapping[str, float]) -> None:
    """Adds a row to `metrics.jsonl`."""
    self._metrics.append(
      dict(
        kind=kind,
        update=self.trainer.num_updates,
        num_steps=int(self.trainer.tally.num_steps.numpy()),
        **scores,
      )
    )

  def _scores_now(self) -> dict[str, float]:
    """`_score` of the current model, computed once per update."""
    number = self.trainer.num_updates
    if self._scored[0] != number:
      self._scored = (number, self._score())
    return self._scored[1]

  def result(self) -> dict[str, float]:
    """All scores of the current model, computed once per update."""
    number = self.trainer.num_updates
    if self._scored_closely[0] != number:
      scores = {**self._scores_now(), **self._score_closely()}
      self._scored_closely = (number, scores)
    return self._scored_closely[1]

  def close(self) -> None:
    """Closes the summaries and ends the status line."""
    self.summaries.close()
    self.console.finish()

"""Training on repeat-copy, with reports on unseen sequences."""

from collections.abc import Iterator
from collections.abc import Mapping
import os
import threading
from typing import Any

import tensorflow as tf

from dnc import config as config_lib
from dnc import tasks
from dnc.config import runs
from dnc.repeat_copy import data
from dnc.repeat_copy import trainer as trainer_lib
from dnc.system import own_settings
from dnc.system import progress
from dnc.training import checkpoints as checkpoints_lib
from dnc.training import loop
from dnc.training import machine
from dnc.training import session


class CopySession(session.Session):
  """A running training on repeat-copy."""

  SCORES = {
    'loss': (
      'Sigmoid cross-entropy of a sequence in nats, summed over its bits, '
      'averaged over validation sequences.'
    ),
    'bit_accuracy': 'Share of correct bits; guessing gives 0.5.',
    'sequence_accuracy': 'Share of sequences without a wrong bit.',
  }

  def updates(
    self, stop_requested: threading.Event
  ) -> Iterator[Mapping[str, Any]]:
    """Makes the remaining updates; no other process needs to know of a stop."""
    del stop_requested
    while not self.is_finished():
      yield self.trainer.update()

  def _num_left(self) -> int:
    return self.config.num_training_iterations - self.trainer.num_updates

  def is_finished(self) -> bool:
    """Whether the last update was made."""
    return self._num_left() <= 0

  def _score(self) -> dict[str, float]:
    return {k: float(v) for k, v in self.trainer.score().items()}

  def data_of(self, metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The seed; together with the number of updates it determines the batch."""
    del metrics
    return dict(seed=self.config.seed)

  def _position_text(self) -> str:
    done = self.trainer.num_updates / self.config.num_training_iterations
    return f'{done:.0%}'

  def _seconds_left(
    self, steps_per_second: float, updates_per_second: float
  ) -> float:
    del steps_per_second
    return self._num_left() / updates_per_second

  def quality_text(self, scores: Mapping[str, float]) -> str:
    """How good the model is."""
    return (
      f'{scores["bit_accuracy"]:.2%} of bits right, '
      f'{scores["sequence_accuracy"]:.2%} of sequences'
    )


@own_settings.computing()
def train(
  config: config_lib.RepeatCopyConfig,
  model_dir: str | os.PathLike[str],
  data_dir: str | os.PathLike[str] | None = None,
  log: progress.Log = print,
  strategy: tf.distribute.Strategy | None = None,
) -> dict[str, float] | None:
  """Trains a DNC on repeat-copy, or resumes it; see `tasks.Task.train`.

  Returns:
    The last scores on unseen sequences: `loss`, `bit_accuracy` and
    `sequence_accuracy`. None if the training was stopped early.
  """
  del data_dir, strategy  # Sequences are drawn in the graph, on one device.
  model_dir = runs.folder(model_dir)
  console = progress.as_console(log)
  machine.check_memory(
    config,
    data.observation_size(config),
    data.target_size(config),
    data.max_steps(config),
    'max_length',
  )
  with runs.opened(config, model_dir):
    runs.save(config, model_dir)
    trainer = trainer_lib.CopyTrainer(config)
    checkpoints = checkpoints_lib.Checkpoints(
      model_dir, config, trainer, console
    )
    checkpoints.remove_partial()
    checkpoints.restore()
    return loop.train(
      CopySession(config, model_dir, trainer, console), checkpoints
    )


def restore(
  model_dir: str | os.PathLike[str],
  checkpoint: str = 'newest',
  log: progress.Log = print,
) -> tasks.TrainedModel:
  """Rebuilds the core of a run; see `tasks.Task.restore`."""
  model_dir = runs.folder(model_dir)
  config = runs.load(model_dir, tasks.REPEAT_COPY)
  core = trainer_lib.make_core(config)
  num_updates = checkpoints_lib.restore_parts(
    model_dir, config, checkpoint, log, core=core
  )
  return tasks.TrainedModel(config, core, core, num_updates)


@own_settings.computing()
def replay(
  model_dir: str | os.PathLike[str],
  data_dir: str | os.PathLike[str] | None = None,
) -> dict[str, Any]:
  """Repeats the update at which a run diverged; see `tasks.Task.replay`."""
  del data_dir
  model_dir = runs.folder(model_dir)
  config = runs.load(model_dir, tasks.REPEAT_COPY)
  folder = loop.diverged(model_dir)[0]
  trainer = trainer_lib.CopyTrainer(config)
  checkpoints_lib.read(folder, config, trainer)
  metrics = {k: v.numpy() for k, v in trainer.update().items()}
  return {**metrics, 'trainer': trainer}

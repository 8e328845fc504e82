"""Trains the predictor on rollouts; writes weights, reports and pictures."""

from collections.abc import Iterator
from collections.abc import Mapping
import os
import threading
from typing import Any

import numpy as np
import tensorflow as tf

from dnc import config as config_lib
from dnc import tasks
from dnc.config import runs
from dnc.dsprites import table as table_lib
from dnc.next_sprite import model as model_lib
from dnc.next_sprite import rollouts
from dnc.next_sprite import scoring
from dnc.next_sprite import trainer as trainer_lib
from dnc.system import errors
from dnc.system import files
from dnc.system import own_settings
from dnc.system import progress
from dnc.system import wording
from dnc.training import checkpoints as checkpoints_lib
from dnc.training import cores
from dnc.training import distribution
from dnc.training import loop
from dnc.training import machine
from dnc.training import session as session_lib

_NUM_VALIDATION_ROLLOUTS = 8


def updates(
  config: config_lib.TrainingConfig,
  table: table_lib.SpriteTable,
  trainer: trainer_lib.SpriteTrainer,
  stop_requested: threading.Event,
) -> Iterator[dict[str, Any]]:
  """Trains on the remaining batches of the run; see `Session.updates`."""
  spec = rollouts.training_spec(config)
  num_done = int(trainer.num_batches.numpy())
  per_epoch = config.batches_per_epoch
  for epoch in range(num_done // per_epoch, config.num_epochs):
    indices = rollouts.batch_indices(
      spec,
      config.rollouts_per_epoch,
      config.batch_size,
      first_index=epoch * config.rollouts_per_epoch,
    )
    done = max(0, num_done - epoch * per_epoch)
    for batch in rollouts.dataset(table, spec, indices[done:]):
      finished = False
      while not finished:
        metrics = trainer.update(batch, stop_requested.is_set())
        finished = bool(metrics['finished'])
        yield {**metrics, 'batch': batch}


_NEAREST = ' The prediction counts as the sprite whose image is nearest to it.'


class SpriteSession(session_lib.Session):
  """A running training of the predictor."""

  SCORES = {
    'loss': (
      'Sigmoid cross-entropy of an image in nats or, with '
      '--loss=mean_squared_error, squared error of its probabilities; summed '
      'over 4096 pixels, averaged over validation steps.'
    ),
    'pixel_error': 'Share of the pixels on the wrong side of 0.5, from 0 to 1.',
    'iou': (
      'Intersection over union of the pixels of true and predicted sprite '
      '(probability above 0.5), mean over images; 1 is perfect.'
    ),
    'shape_error': 'Share of images with a wrong shape, from 0 to 1.'
    + _NEAREST,
    'scale_error': (
      'Mean absolute error of the scale, which is from 0.5 to 1.' + _NEAREST
    ),
    'orientation_error': (
      'Mean angle between true and predicted orientation in degrees, up to the '
      'symmetry of the true shape (90 for squares, 180 for ellipses, 360 for '
      'hearts).' + _NEAREST
    ),
    'position_error': (
      'Mean Euclidean distance in pixels; the image is 64 wide.' + _NEAREST
    ),
  }

  def __init__(
    self,
    config: config_lib.TrainingConfig,
    model_dir: str,
    trainer: trainer_lib.SpriteTrainer,
    console: progress.Console,
    table: table_lib.SpriteTable,
  ):
    """Constructs the session; `table` has the sprites."""
    super().__init__(config, model_dir, trainer, console)
    self._table = table
    self._scorer = scoring.PredictionScorer(
      trainer.predictor,
      table,
      rollouts.training_spec(config, 'validation'),
      _NUM_VALIDATION_ROLLOUTS,
    )

  def updates(
    self, stop_requested: threading.Event
  ) -> Iterator[Mapping[str, Any]]:
    """Makes the remaining updates."""
    return updates(self.config, self._table, self.trainer, stop_requested)

  def is_finished(self) -> bool:
    """Whether the last update was made."""
    return int(self.trainer.num_batches.numpy()) >= self.config.num_batches

  def _score(self) -> dict[str, float]:
    return self._scorer.score()

  def _score_closely(self) -> dict[str, float]:
    return self._scorer.sprite_errors()

  def _draw(self) -> None:
    memory = seen = None
    if self.config.core == config_lib.DNC:
      memory, seen = self._scorer.trace_memory()
    self.summaries.pictures(
      self.trainer.num_updates, self._scorer.picture(), memory, seen
    )

  def _settings(self) -> dict[str, float]:
    return dict(learning_rate=float(self.trainer.learning_rate.numpy()))

  def data_of(self, metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The rollouts and steps of an update."""
    return dict(
      seed=self.config.seed,
      rollouts=[int(index) for index in metrics['batch'].index],
      first_step=int(self.trainer.start.numpy()),
      num_steps=self.config.segment_length,
    )

  def _position_text(self) -> str:
    config = self.config
    done = int(self.trainer.num_batches.numpy())
    epoch = min(done // config.batches_per_epoch, config.num_epochs - 1)
    rollout = (done - epoch * config.batches_per_epoch) * config.batch_size
    rollout = min(rollout, config.rollouts_per_epoch)
    return (
      f'epoch {epoch + 1}/{config.num_epochs}  '
      f'rollout {rollout:,}/{config.rollouts_per_epoch:,}'
    )

  def _seconds_left(
    self, steps_per_second: float, updates_per_second: float
  ) -> float:
    del updates_per_second
    config = self.config
    # The steps before there is a target do not count.
    mean_length = (config.min_length + config.max_length) / 2
    mean_length -= config.recall or 0
    done = int(self.trainer.tally.num_steps.numpy())
    return (config.num_rollouts * mean_length - done) / steps_per_second

  def _loss_text(self, losses: Mapping[str, Any]) -> str:
    text = super()._loss_text(losses)
    if 'expose_loss' in losses:
      text += f'  expose loss {wording.number(float(losses["expose_loss"]))}'
    return text

  def quality_text(self, scores: Mapping[str, float]) -> str:
    """How good the model is."""
    return f'IoU {scores["iou"]:.3f}'


@own_settings.computing()
def train(
  config: config_lib.TrainingConfig,
  model_dir: str | os.PathLike[str],
  data_dir: str | os.PathLike[str] | None = None,
  log: progress.Log = print,
  strategy: tf.distribute.Strategy | None = None,
) -> dict[str, float] | None:
  """Trains a predictor, or resumes its training; see `tasks.Task.train`.

  A strategy changes the numbers only by rounding. Among several workers, only
  the chief reports and writes, but all must see the same `model_dir`.

  Returns:
    The last validation: `loss`, `pixel_error` and `iou`, means over the steps
    of the validation rollouts, and `PredictionScorer.sprite_errors`. Empty for
    a worker that is not the chief. None if the training was stopped early.

  Raises:
    UsageError: also if the data cannot be read, another worker is lost, or the
      workers differ in their flags or in the updates they find.
  """
  model_dir = runs.folder(model_dir)
  strategy = strategy or tf.distribute.get_strategy()
  machine.check_memory(
    config,
    rollouts.INPUT_SIZE,
    rollouts.NUM_PIXELS,
    min(config.segment_length, config.max_length),
    'tbptt_length',
    config.core,
    distribution.num_workers(strategy),
    cores.widths(config, config.core)[config.expose] if config.expose else 0,
  )
  distribution.check_batch_size(config.batch_size, strategy)
  try:
    if not distribution.same_everywhere(strategy, config.name()):
      raise errors.UsageError(
        'the workers were given different flags; give all of them the same'
      )
    return _work(
      config, model_dir, data_dir, progress.as_console(log), strategy
    )
  except distribution.LostWorkerError as e:
    raise errors.UsageError(
      f'a worker is lost ({e}); start all workers again to resume from the '
      f'last checkpoint in {model_dir}'
    ) from e


def _work(
  config: config_lib.TrainingConfig,
  model_dir: str,
  data_dir: str | None,
  console: progress.Console,
  strategy: tf.distribute.Strategy,
) -> dict[str, float] | None:
  """Runs `train` in one worker; the chief reports and writes."""
  leads = distribution.is_chief(strategy)
  with (
    runs.opened(config, model_dir)
    if leads
    else files.explained_errors(model_dir)
  ):
    table = table_lib.load_table(config.dataset, data_dir)
    trainer = trainer_lib.SpriteTrainer(config, table, strategy)
    checkpoints = checkpoints_lib.Checkpoints(
      model_dir, config, trainer, console
    )
    if leads:
      runs.save(config, model_dir)
      checkpoints.remove_partial()
    checkpoints.restore()
    number = trainer.num_updates
    if not distribution.same_everywhere(strategy, str(number)):
      raise errors.UsageError(
        f'--model_dir={model_dir}: this worker finds {number:,} updates, '
        'others a different number; all workers must see the same folder'
      )
    if leads:
      session = SpriteSession(config, model_dir, trainer, console, table)
      return loop.train(session, checkpoints)
    return _follow(config, table, trainer, console)


def _follow(
  config: config_lib.TrainingConfig,
  table: table_lib.SpriteTable,
  trainer: trainer_lib.SpriteTrainer,
  log: progress.Log,
) -> dict[str, float] | None:
  """Makes the same updates as the chief, and does nothing else."""
  log(f'following the chief after {trainer.num_updates:,} updates')
  with loop.stop_requests(log) as stop_requested:
    for metrics in updates(config, table, trainer, stop_requested):
      if not metrics['finite']:
        raise errors.UsageError("training diverged; see the chief's output")
      if metrics['stop']:
        log('stopped; the same command on all workers resumes it')
        return None
  log("done; see the chief's output for the result")
  return {}


def restore(
  model_dir: str | os.PathLike[str],
  checkpoint: str = 'newest',
  log: progress.Log = print,
) -> tasks.TrainedModel:
  """Rebuilds the predictor of a run; see `tasks.Task.restore`."""
  model_dir = runs.folder(model_dir)
  config = runs.load(model_dir, tasks.NEXT_SPRITE)
  predictor = model_lib.SpritePredictor(config)
  num_updates = checkpoints_lib.restore_parts(
    model_dir, config, checkpoint, log, predictor=predictor
  )
  return tasks.TrainedModel(config, predictor, predictor.core, num_updates)


@own_settings.computing()
def replay(
  model_dir: str | os.PathLike[str],
  data_dir: str | os.PathLike[str] | None = None,
) -> dict[str, Any]:
  """Repeats the update at which a run diverged; see `tasks.Task.replay`."""
  model_dir = runs.folder(model_dir)
  config = runs.load(model_dir, tasks.NEXT_SPRITE)
  folder, cause = loop.diverged(model_dir)
  table = table_lib.load_table(config.dataset, data_dir)
  trainer = trainer_lib.SpriteTrainer(config, table)
  checkpoints_lib.read(folder, config, trainer)
  batch = rollouts.make_batch(
    table, rollouts.training_spec(config), np.array(cause['rollouts'])
  )
  metrics = {k: v.numpy() for k, v in trainer.update(batch).items()}
  return {**metrics, 'trainer': trainer, 'batch': batch}

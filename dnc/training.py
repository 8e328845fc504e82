"""Training of the predictor: one update, the loop, checkpoints, summaries.

An update is one segment of `tbptt_length` steps of a batch of rollouts. The
state is carried over to the next segment, without its gradient, and starts
again from zeros with the next batch. All of a run's progress (weights,
optimizer, place in the data, carried state) is in its checkpoints.
"""

from collections.abc import Iterator
import os
import time
from typing import Any

import numpy as np
import sonnet as snt
import tensorflow as tf

from dnc import config as config_lib
from dnc import errors
from dnc import evaluation
from dnc import files
from dnc import optimizers
from dnc import predictor as predictor_lib
from dnc import rollouts
from dnc import training_loop
from dnc.dsprites import sprites

SUMMARY_DIR = 'summaries'

_NUM_VALIDATION_ROLLOUTS = 8


def rollout_spec(
  config: config_lib.TrainingConfig, stream: str
) -> rollouts.RolloutSpec:
  """The rollouts that a run trains on, or its `validation` ones."""
  return rollouts.RolloutSpec(
    seed=config.seed,
    stream=stream,
    min_length=config.min_length,
    max_length=config.max_length,
    varying=config.varying,
    fixed=config.fixed,
  )


def _remaining_batches(
  config: config_lib.TrainingConfig,
  table: sprites.SpriteTable,
  first_batch: int,
) -> Iterator[tuple[int, rollouts.RolloutBatch]]:
  """The run's batches from `first_batch` on, each with its epoch's number."""
  spec = rollout_spec(config, 'train')
  per_epoch = config.batches_per_epoch
  for epoch in range(first_batch // per_epoch, config.num_epochs):
    batches = rollouts.batch_indices(
      spec,
      config.rollouts_per_epoch,
      config.batch_size,
      first_index=epoch * config.rollouts_per_epoch,
    )
    done = max(0, first_batch - epoch * per_epoch)
    for batch in rollouts.dataset(table, spec, batches[done:]):
      yield epoch, batch


class Trainer(snt.Module):
  """The predictor, its optimizer, and how far the run has come.

  Attributes:
    predictor: the `SpritePredictor`.
    optimizer: Adam.
    learning_rate: float32 variable, of the optimizer; falls with every batch.
    num_updates: int64 variable, updates so far.
    num_batches: int64 variable, batches of rollouts finished so far.
    start: int32 variable, steps of the current batch trained on so far.
    num_steps: int64 variable, real steps trained on so far.
    run_name: string variable, tells whose checkpoint it is.
  """

  def __init__(
    self,
    config: config_lib.TrainingConfig,
    table: sprites.SpriteTable,
    name: str = 'trainer',
  ):
    """Constructs the model and its optimizer, with all variables.

    Args:
      config: the run.
      table: the sprites; gives the mean image that the output starts from.
      name: name of the module.
    """
    super().__init__(name=name)
    self.predictor = predictor_lib.SpritePredictor(config, table.mean_image())
    self.learning_rate = tf.Variable(config.learning_rate, trainable=False)
    self.optimizer = optimizers.Adam(self.learning_rate)
    # An update by nothing makes Adam's variables now, not while the graph is
    # traced: that would trace it twice.
    variables = self.predictor.trainable_variables
    self.optimizer.apply([tf.zeros_like(v) for v in variables], variables)
    self.optimizer.step.assign(0)
    self.num_updates = tf.Variable(0, dtype=tf.int64, trainable=False)
    self.num_batches = tf.Variable(0, dtype=tf.int64, trainable=False)
    self.start = tf.Variable(0, dtype=tf.int32, trainable=False)
    self.num_steps = tf.Variable(0, dtype=tf.int64, trainable=False)
    self.run_name = tf.Variable(config.name(), trainable=False)
    self._config = config
    self._initial_state = self.predictor.initial_state(config.batch_size)
    self._carried = [
      tf.Variable(x, trainable=False)
      for x in tf.nest.flatten(self._initial_state)
    ]
    # One graph for every length: the signature's time is None.
    self.update = tf.function(
      self._update,
      input_signature=[rollouts.batch_spec(config.batch_size)],
    )

  def _scheduled_learning_rate(self) -> tf.Tensor:
    """Linear from the first batch of the run to the last."""
    config = self._config
    last = max(1, config.num_batches - 1)
    done = tf.minimum(1.0, tf.cast(self.num_batches, tf.float32) / last)
    return config.learning_rate + done * (
      config.final_learning_rate - config.learning_rate
    )

  def _update(self, batch: rollouts.RolloutBatch) -> dict[str, tf.Tensor]:
    """Trains on the next segment of `batch`.

    Args:
      batch: the current batch of rollouts, whole.

    Returns:
      Scalars: `loss`, mean cross-entropy per image in nats over the segment's
      real steps; `grad_norm`, before clipping; `num_steps`, real steps;
      `finite`, whether both are finite: if not, nothing was changed;
      `finished`, whether this was the batch's last segment.
    """
    end = tf.reduce_max(batch.length)
    start = self.start.read_value()
    stop = tf.minimum(start + self._config.segment_length, end)
    segment = rollouts.segment(batch, start, stop)
    mask = rollouts.mask(batch.length, stop - start, offset=start)
    num_steps = tf.reduce_sum(mask)
    state = tf.nest.pack_sequence_as(
      self._initial_state, [x.read_value() for x in self._carried]
    )
    variables = self.predictor.trainable_variables
    with tf.GradientTape() as tape:
      logits, state, _ = self.predictor(rollouts.model_inputs(segment), state)
      losses = predictor_lib.image_loss(logits, rollouts.model_targets(segment))
      loss = tf.reduce_sum(losses * mask) / num_steps
    gradients, norm = tf.clip_by_global_norm(
      tape.gradient(loss, variables), self._config.max_grad_norm
    )
    finite = tf.math.is_finite(loss) & tf.math.is_finite(norm)

    def advance():
      self.learning_rate.assign(self._scheduled_learning_rate())
      self.optimizer.apply(gradients, variables)
      # With the weights: an interrupt cannot come in between.
      for variable, value in zip(self._carried, tf.nest.flatten(state)):
        variable.assign(tf.where(finished, tf.zeros_like(value), value))
      self.num_updates.assign_add(1)
      self.num_batches.assign_add(tf.cast(finished, tf.int64))
      self.start.assign(tf.where(finished, 0, stop))
      self.num_steps.assign_add(tf.cast(num_steps, tf.int64))

    finished = tf.equal(stop, end)
    tf.cond(finite, advance, lambda: None)
    return dict(
      loss=loss,
      grad_norm=norm,
      num_steps=num_steps,
      finite=finite,
      finished=finished,
    )


class _Summaries:
  """What TensorBoard shows of a run, by number of updates."""

  def __init__(self, model_dir: str):
    self._writer = tf.summary.create_file_writer(
      os.path.join(model_dir, SUMMARY_DIR)
    )

  def write(
    self,
    update: int,
    training: dict[str, float],
    validation: dict[str, float],
    picture: np.ndarray,
  ) -> None:
    """Writes one report."""
    descriptions = {
      'loss': 'Sigmoid cross-entropy per image, nats summed over pixels.',
      'pixel_error': 'Share of pixels on the wrong side of 0.5.',
      'iou': 'Intersection over union of true and predicted sprite.',
      'learning_rate': 'Of Adam.',
      'grad_norm': 'Global norm of the gradient before clipping.',
      'steps_per_second': 'Steps (batch x time, padding not counted).',
    }
    with self._writer.as_default(step=update):
      for group, scalars in dict(
        training=training, validation=validation
      ).items():
        for name, value in scalars.items():
          tf.summary.scalar(
            f'{group}/{name}', value, description=descriptions[name]
          )
      tf.summary.image(
        'validation/true_beside_predicted',
        picture[tf.newaxis],
        description='True sprites above, predicted below.',
      )
    self._writer.flush()


class _Progress:
  """Sums up the updates since the last report."""

  def __init__(self, config: config_lib.TrainingConfig, trainer: Trainer):
    self._config = config
    self._trainer = trainer
    self._begin()

  def _begin(self) -> None:
    self._time = time.monotonic()
    self._loss = self._steps = self._grad_norm = self._updates = 0.0

  @property
  def pending(self) -> bool:
    """Whether there are updates that were not reported."""
    return self._updates > 0

  def add(self, metrics: dict[str, tf.Tensor]) -> None:
    """Takes in what an update returned."""
    steps = float(metrics['num_steps'])
    self._epoch = int(metrics['epoch'])
    self._loss += float(metrics['loss']) * steps
    self._grad_norm += float(metrics['grad_norm'])
    self._steps += steps
    self._updates += 1

  def finish(self) -> dict[str, float]:
    """Means since the last call."""
    seconds = time.monotonic() - self._time
    result = dict(
      loss=self._loss / self._steps,
      grad_norm=self._grad_norm / self._updates,
      steps_per_second=self._steps / seconds,
      learning_rate=float(self._trainer.learning_rate),
    )
    self._begin()
    return result

  def line(
    self, training: dict[str, float], validation: dict[str, float]
  ) -> str:
    """One line for a person."""
    config, trainer = self._config, self._trainer
    mean_length = (config.min_length + config.max_length) / 2
    total = config.num_rollouts * mean_length
    done = int(trainer.num_steps)
    left = max(0.0, total - done) / training['steps_per_second']
    return (
      f'update {int(trainer.num_updates)}  '
      f'epoch {self._epoch + 1}/{config.num_epochs}  '
      f'{min(1.0, done / total):.0%}  '
      f'loss {training["loss"]:.1f}  IoU {validation["iou"]:.3f}  '
      f'{training["steps_per_second"]:,.0f} steps/s  '
      f'{training_loop.duration(left)} left'
    )


def restore_predictor(
  model_dir: str,
) -> tuple[config_lib.TrainingConfig, predictor_lib.SpritePredictor, int]:
  """Rebuilds the model of a run.

  Args:
    model_dir: the run's folder.

  Returns:
    The run's config, its predictor with the weights of the newest checkpoint,
    and the number of updates it was trained for.

  Raises:
    UsageError: if the folder holds no run or no sound checkpoint.
  """
  config = config_lib.load(model_dir)
  newest = tf.train.latest_checkpoint(
    os.path.join(model_dir, config_lib.CHECKPOINT_DIR)
  )
  if newest is None:
    raise errors.UsageError(
      f'--model_dir={model_dir}: no checkpoint there yet; let train.py run '
      'until its first checkpoint'
    )
  predictor = predictor_lib.SpritePredictor(config)
  num_updates = tf.Variable(0, dtype=tf.int64)
  run_name = tf.Variable('')
  with training_loop.restoring(newest, config, run_name):
    tf.train.Checkpoint(
      trainer=tf.train.Checkpoint(
        predictor=predictor, num_updates=num_updates, run_name=run_name
      )
    ).restore(newest).expect_partial().assert_existing_objects_matched()
  return config, predictor, int(num_updates)


def train(
  config: config_lib.TrainingConfig,
  model_dir: str,
  data_dir: str | None = None,
  log: training_loop.Log = print,
) -> dict[str, float] | None:
  """Trains a predictor, or goes on with training it.

  Args:
    config: the run.
    model_dir: its folder, made if need be: `config.json`, `checkpoints/`,
      `summaries/` for TensorBoard and, at the end, `training.json`.
    data_dir: where the table of sprites is kept; TFDS's folder by default.
    log: takes each line of the report.

  Returns:
    The last validation: `loss`, `pixel_error` and `iou`, means over the
    validation rollouts' steps. None if Ctrl-C or SIGTERM ended it early: its
    progress is saved.

  Raises:
    UsageError: if the folder holds another run, the data cannot be had, or
      the loss is not finite.
  """
  with training_loop.run_folder(config, model_dir):
    table = sprites.load_table(config.dataset, data_dir)
    config_lib.save(config, model_dir)
    return _train(config, model_dir, table, log)


def _train(
  config: config_lib.TrainingConfig,
  model_dir: str,
  table: sprites.SpriteTable,
  log: training_loop.Log,
) -> dict[str, float] | None:
  """`train`, once nothing stands in its way."""
  trainer = Trainer(config, table)
  validator = evaluation.Scorer(
    trainer.predictor,
    table,
    rollout_spec(config, 'validation'),
    _NUM_VALIDATION_ROLLOUTS,
  )
  manager = training_loop.resume(trainer, config, model_dir)
  if manager.latest_checkpoint:
    log(f'resuming {model_dir} after {int(trainer.num_updates)} updates')
  else:
    log(f'training in {model_dir}; to watch: tensorboard --logdir={model_dir}')
  summaries = _Summaries(model_dir)
  progress = _Progress(config, trainer)

  def report() -> None:
    training, validation = progress.finish(), validator.score()
    log(progress.line(training, validation))
    summaries.write(
      int(trainer.num_updates), training, validation, validator.picture()
    )

  updates = _updates(config, trainer, table)
  with training_loop.stop_requests(log) as stop_requested:
    training_loop.run(
      config, trainer, updates, manager, progress, report, stop_requested
    )
  if stop_requested.is_set():
    log(
      f'stopped after {int(trainer.num_updates)} updates; the same command '
      'goes on from there'
    )
    return None
  result = validator.score()
  files.write_json(os.path.join(model_dir, training_loop.RESULT_FILE), result)
  log(
    f'trained: {int(trainer.num_updates)} updates, {model_dir}; on unseen '
    f'rollouts loss {result["loss"]:.1f}, IoU {result["iou"]:.3f}'
  )
  return result


def _updates(
  config: config_lib.TrainingConfig,
  trainer: Trainer,
  table: sprites.SpriteTable,
) -> Iterator[dict[str, Any]]:
  """Trains on what is left of the run; yields what each update returned."""
  done = int(trainer.num_batches)
  for epoch, batch in _remaining_batches(config, table, done):
    finished = False
    while not finished:
      metrics = trainer.update(batch)
      finished = bool(metrics['finished'])
      yield {**metrics, 'epoch': epoch}

"""Training on repeat-copy: one update, reports on unseen sequences.

An update is one batch of whole sequences. The batches are drawn where they are
used, from the number of updates; a checkpoint is all of a run's progress.
"""

from collections.abc import Iterator
from collections.abc import Mapping
import os
import time
from typing import Any

import numpy as np
import sonnet as snt
import tensorflow as tf

from dnc import config as config_lib
from dnc import files
from dnc import optimizers
from dnc import predictor as predictor_lib
from dnc import repeat_copy
from dnc import training_loop
from dnc import unroll

# Sequences that each report scores.
_NUM_VALIDATION_SEQUENCES = 1_000


class Trainer(snt.Module):
  """The core, its optimizer, and how far the run has come.

  Attributes:
    core: the `DNC`.
    optimizer: Adam.
    num_updates: int64 variable, updates so far.
    run_name: string variable, tells whose checkpoint it is.
  """

  def __init__(
    self, config: config_lib.RepeatCopyConfig, name: str = 'trainer'
  ):
    """Constructs the model and its optimizer, with all variables."""
    super().__init__(name=name)
    self.core = predictor_lib.make_core(
      config,
      input_size=repeat_copy.observation_size(config),
      output_size=repeat_copy.target_size(config),
    )
    self.optimizer = optimizers.Adam(config.learning_rate)
    # An update by nothing makes Adam's variables before the graph is traced.
    variables = self.core.trainable_variables
    self.optimizer.apply([tf.zeros_like(v) for v in variables], variables)
    self.optimizer.step.assign(0)
    self.num_updates = tf.Variable(0, dtype=tf.int64, trainable=False)
    self.run_name = tf.Variable(config.name(), trainable=False)
    self._config = config
    self.update = tf.function(self._update, input_signature=[])
    self.score = tf.function(self._score, input_signature=[])

  def _logits(self, batch: repeat_copy.Batch) -> tf.Tensor:
    state = self.core.initial_state(tf.shape(batch.mask)[1])
    return unroll.unroll(self.core, batch.observations, state)[0]

  def _update(self) -> dict[str, tf.Tensor]:
    """Trains on the next batch.

    Returns:
      Scalars: `loss`, nats per sequence; `grad_norm`, before clipping;
      `num_steps`, of the batch, padding too; `finite`, whether loss and norm
      are: if not, nothing was changed.
    """
    batch = repeat_copy.make_batch(
      self._config, 'train', self.num_updates.read_value()
    )
    variables = self.core.trainable_variables
    with tf.GradientTape() as tape:
      loss = repeat_copy.masked_sigmoid_cross_entropy(
        self._logits(batch), batch.target, batch.mask
      )
    gradients, norm = tf.clip_by_global_norm(
      tape.gradient(loss, variables), self._config.max_grad_norm
    )
    finite = tf.math.is_finite(loss) & tf.math.is_finite(norm)

    def advance():
      self.optimizer.apply(gradients, variables)
      self.num_updates.assign_add(1)

    tf.cond(finite, advance, lambda: None)
    return dict(
      loss=loss, grad_norm=norm, num_steps=tf.size(batch.mask), finite=finite
    )

  def _score(self) -> dict[str, tf.Tensor]:
    """Scores sequences that are not trained on, always the same ones.

    Returns:
      Scalars: `loss`, nats per sequence; `bit_accuracy` and
      `sequence_accuracy`, as in `repeat_copy.Score`.
    """
    batch = repeat_copy.make_batch(
      self._config, 'validation', 0, _NUM_VALIDATION_SEQUENCES
    )
    logits = self._logits(batch)
    right = repeat_copy.score(logits, batch.target, batch.mask)
    return dict(
      loss=repeat_copy.masked_sigmoid_cross_entropy(
        logits, batch.target, batch.mask
      ),
      bit_accuracy=right.bits,
      sequence_accuracy=right.sequences,
    )


class _Progress:
  """Sums up the updates since the last report."""

  def __init__(self, config: config_lib.RepeatCopyConfig, trainer: Trainer):
    self._config = config
    self._trainer = trainer
    self._begin()

  def _begin(self) -> None:
    self._time = time.monotonic()
    self._losses, self._steps = [], 0

  @property
  def pending(self) -> bool:
    """Whether there are updates that were not reported."""
    return bool(self._losses)

  def add(self, metrics: Mapping[str, Any]) -> None:
    """Takes in what an update returned."""
    self._losses.append(float(metrics['loss']))
    self._steps += int(metrics['num_steps'])

  def line(self) -> str:
    """One line for a person, on what came in since the last one."""
    seconds = time.monotonic() - self._time
    done, total = (
      int(self._trainer.num_updates),
      self._config.num_training_iterations,
    )
    left = (total - done) * seconds / len(self._losses)
    line = (
      f'update {done}/{total}  loss {np.mean(self._losses):.4f}  '
      f'{_unseen(self._trainer.score())}  '
      f'{self._steps / seconds:,.0f} steps/s  '
      f'{training_loop.duration(left)} left'
    )
    self._begin()
    return line


def _unseen(scores: Mapping[str, tf.Tensor]) -> str:
  return (
    f'on unseen sequences loss {float(scores["loss"]):.4f}, '
    f'{float(scores["bit_accuracy"]):.2%} of bits right, '
    f'{float(scores["sequence_accuracy"]):.2%} of sequences'
  )


def _updates(
  config: config_lib.RepeatCopyConfig, trainer: Trainer
) -> Iterator[dict[str, tf.Tensor]]:
  while trainer.num_updates < config.num_training_iterations:
    yield trainer.update()


def train(
  config: config_lib.RepeatCopyConfig,
  model_dir: str,
  log: training_loop.Log = print,
) -> dict[str, float] | None:
  """Trains a DNC on repeat-copy, or goes on with training it.

  Args:
    config: the run.
    model_dir: its folder, made if need be: `config.json`, `checkpoints/` and,
      at the end, `training.json`.
    log: takes each line of the report.

  Returns:
    The last scores on unseen sequences: `loss`, `bit_accuracy` and
    `sequence_accuracy`. None if Ctrl-C or SIGTERM ended it early: its progress
    is saved.

  Raises:
    UsageError: if the folder holds another run or cannot be used, or the loss
      is not finite.
  """
  with training_loop.run_folder(config, model_dir):
    config_lib.save(config, model_dir)
    return _train(config, model_dir, log)


def _train(
  config: config_lib.RepeatCopyConfig, model_dir: str, log: training_loop.Log
) -> dict[str, float] | None:
  """`train`, once nothing stands in its way."""
  trainer = Trainer(config)
  manager = training_loop.resume(trainer, config, model_dir)
  if manager.latest_checkpoint:
    log(f'resuming {model_dir} after {int(trainer.num_updates)} updates')
  else:
    log(f'training in {model_dir}')
  progress = _Progress(config, trainer)
  with training_loop.stop_requests(log) as stop_requested:
    training_loop.run(
      config,
      trainer,
      _updates(config, trainer),
      manager,
      progress,
      lambda: log(progress.line()),
      stop_requested,
    )
  number = int(trainer.num_updates)
  if stop_requested.is_set():
    log(f'stopped after {number} updates; the same command goes on from there')
    return None
  result = {k: float(v) for k, v in trainer.score().items()}
  files.write_json(os.path.join(model_dir, training_loop.RESULT_FILE), result)
  log(f'trained: {number} updates, {model_dir}; {_unseen(result)}')
  return result

"""Training on repeat-copy: one update, reports on unseen sequences.

An update is one batch of whole sequences. The batches are drawn where they are
used, from the number of updates; a checkpoint is all of a run's progress.
"""

from collections.abc import Iterator
from collections.abc import Mapping
import threading
from typing import Any

import sonnet as snt
import tensorflow as tf

from dnc import config as config_lib
from dnc import dnc
from dnc import tasks
from dnc import unroll
from dnc.config import runs
from dnc.next_sprite import model as predictor_lib
from dnc.repeat_copy import data as repeat_copy
from dnc.system import progress
from dnc.training import checkpoints as checkpoints_lib
from dnc.training import loop as training_loop
from dnc.training import machine
from dnc.training import optimizers
from dnc.training import session as session_lib
from dnc.training import tally as tally_lib

# Sequences that each report scores.
_NUM_VALIDATION_SEQUENCES = 1_000


def _make_core(config: config_lib.RepeatCopyConfig) -> dnc.DNC:
  return predictor_lib.make_core(
    config,
    input_size=repeat_copy.observation_size(config),
    output_size=repeat_copy.target_size(config),
  )


class Trainer(snt.Module):
  """The core, its optimizer, and how far the run has come.

  Attributes:
    core: the `DNC`.
    optimizer: Adam.
    tally: `Tally` of updates and steps.
    run_name: string variable, tells whose checkpoint it is.
  """

  def __init__(
    self, config: config_lib.RepeatCopyConfig, name: str = 'trainer'
  ):
    """Constructs the model and its optimizer, with all variables."""
    super().__init__(name=name)
    self.core = _make_core(config)
    self.optimizer = optimizers.make(
      config_lib.ADAM, config.learning_rate, self.core.trainable_variables
    )
    self.tally = tally_lib.Tally()
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
      self._config, 'train', self.tally.num_updates.read_value()
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

    num_steps = tf.size(batch.mask)

    def advance():
      self.optimizer.apply(gradients, variables)
      self.tally.add(loss, norm, num_steps)

    tf.cond(finite, advance, lambda: None)
    return dict(loss=loss, grad_norm=norm, num_steps=num_steps, finite=finite)

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


class _Session(session_lib.Session):
  """A training on repeat-copy under way."""

  REPLAY = 'dnc.repeat_copy_training.replay(model_dir)'

  def updates(
    self, stop_requested: threading.Event
  ) -> Iterator[Mapping[str, Any]]:
    del stop_requested  # There is nobody to ask.
    while not self.is_finished():
      yield self.trainer.update()

  def is_finished(self) -> bool:
    done = int(self.trainer.tally.num_updates)
    return done >= self.config.num_training_iterations

  def measure(self) -> dict[str, float]:
    return {k: float(v) for k, v in self.trainer.score().items()}

  def cause(self, metrics: Mapping[str, Any]) -> dict[str, Any]:
    # The sequences are drawn from the number of updates, which is saved.
    del metrics
    return dict(seed=self.config.seed)

  def place(self) -> str:
    done = int(self.trainer.tally.num_updates)
    return f'{done / self.config.num_training_iterations:.0%}'

  def left(self, steps_per_second: float, updates_per_second: float) -> float:
    del steps_per_second
    done = int(self.trainer.tally.num_updates)
    return (self.config.num_training_iterations - done) / updates_per_second

  def quality(self, scores: Mapping[str, float]) -> str:
    return (
      f'{scores["bit_accuracy"]:.2%} of bits right, '
      f'{scores["sequence_accuracy"]:.2%} of sequences'
    )


def restore(
  model_dir: str, checkpoint: str = 'newest', log: progress.Log = print
) -> tasks.TrainedModel:
  """Rebuilds the core of a run; see `tasks.Task.restore`."""
  config = runs.load(model_dir, tasks.REPEAT_COPY)
  core, tally = _make_core(config), tally_lib.Tally()
  checkpoints_lib.restore_parts(
    model_dir, config, checkpoint, log, core=core, tally=tally
  )
  return tasks.TrainedModel(config, core, core, int(tally.num_updates.numpy()))


def train(
  config: config_lib.RepeatCopyConfig,
  model_dir: str,
  log: progress.Log = print,
) -> dict[str, float] | None:
  """Trains a DNC on repeat-copy, or goes on with training it.

  Args:
    config: the run.
    model_dir: its folder, made if need be: `config.json`, `checkpoints/`,
      `metrics.jsonl`, `summaries/` for TensorBoard and, at the end,
      `training.json`.
    log: takes each line of the report; where it is a `progress.Console` it is
      told of every update, too.

  Returns:
    The last scores on unseen sequences: `loss`, `bit_accuracy` and
    `sequence_accuracy`. None if Ctrl-C or SIGTERM ended it early: its progress
    is saved.

  Raises:
    UsageError: if the folder holds another run or cannot be used, or the loss
      is not finite.
  """
  console = progress.as_console(log)
  machine.check_memory(
    config,
    machine.training_memory(
      config,
      repeat_copy.observation_size(config),
      repeat_copy.target_size(config),
      repeat_copy.max_steps(config),
    ),
  )
  with runs.opened(config, model_dir):
    runs.save(config, model_dir)
    trainer = Trainer(config)
    return training_loop.run(
      trainer,
      lambda: _Session(config, model_dir, trainer, console),
      checkpoints_lib.Checkpoints(model_dir, config, trainer, console),
      model_dir,
      console,
    )


def replay(model_dir: str) -> dict[str, Any]:
  """Makes the update again at which a run diverged, as `training.replay`."""
  config = runs.load(model_dir, tasks.REPEAT_COPY)
  folder = training_loop.diverged(model_dir)[0]
  trainer = Trainer(config)
  checkpoints_lib.read(folder, config, trainer)
  metrics = {k: v.numpy() for k, v in trainer.update().items()}
  return {**metrics, 'trainer': trainer}

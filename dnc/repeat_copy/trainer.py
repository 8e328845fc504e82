"""One update on repeat-copy: one batch of whole sequences.

Batches are drawn in the graph and depend on the number of updates, so a
checkpoint holds all of a run's progress.
"""

import tensorflow as tf

from dnc import config as config_lib
from dnc import dnc
from dnc import unroll
from dnc.repeat_copy import data
from dnc.training import cores
from dnc.training import optimizers
from dnc.training import tally as tally_lib
from dnc.training import trainer

# Sequences scored for each report.
_NUM_VALIDATION_SEQUENCES = 1_000


def make_core(config: config_lib.RepeatCopyConfig) -> dnc.DNC:
  """Makes the core of a run, with all its variables."""
  return cores.make_core(
    config,
    input_size=data.observation_size(config),
    output_size=data.target_size(config),
  )


class CopyTrainer(trainer.Trainer):
  """The core, its optimizer, and the progress of the run.

  Attributes:
    core: the `DNC`.
    optimizer: Adam.
    update: trains on the next batch: `_update` as a `tf.function`.
    score: scores validation sequences: `_score` as a `tf.function`.
  """

  def __init__(self, config: config_lib.RepeatCopyConfig):
    """Constructs the model and its optimizer, with all variables."""
    super().__init__(config)
    self._config = config
    self.core = make_core(config)
    self.optimizer = optimizers.make(
      config_lib.ADAM, config.learning_rate, self.core.trainable_variables
    )
    self.tally = tally_lib.Tally()
    self.update = tf.function(self._update, input_signature=[], autograph=False)
    self.score = tf.function(self._score, input_signature=[], autograph=False)

  def _logits(self, batch: data.CopyBatch) -> tf.Tensor:
    state = self.core.initial_state(tf.shape(batch.mask)[1])
    return unroll.unroll(self.core, batch.observations, state)[0]

  def _update(self) -> dict[str, tf.Tensor]:
    """Trains on the next batch: loss, gradient, new weights.

    Returns:
      Scalars: `loss`, nats per sequence; `grad_norm`, before clipping;
      `num_steps`, of the batch, with padding; `finite`, whether loss and norm
      are finite: if not, nothing was changed.
    """
    batch = data.make_batch(
      self._config, 'train', self.tally.num_updates.read_value()
    )
    variables = self.core.trainable_variables
    with tf.GradientTape() as tape:
      loss = data.masked_sigmoid_cross_entropy(
        self._logits(batch), batch.target, batch.mask
      )
    gradients, norm = tf.clip_by_global_norm(
      tape.gradient(loss, variables), self._config.max_grad_norm
    )
    finite = tf.math.is_finite(loss) & tf.math.is_finite(norm)
    num_steps = tf.size(batch.mask)

    def change():
      self.optimizer.apply(gradients, variables)
      self.tally.add(loss, norm, num_steps)

    tf.cond(finite, change, lambda: None)
    return dict(loss=loss, grad_norm=norm, num_steps=num_steps, finite=finite)

  def _score(self) -> dict[str, tf.Tensor]:
    """Scores validation sequences, the same ones each time.

    Returns:
      Scalars: `loss`, nats per sequence; `bit_accuracy` and
      `sequence_accuracy`, as in `data.CopyScore`.
    """
    batch = data.make_batch(
      self._config, 'validation', 0, _NUM_VALIDATION_SEQUENCES
    )
    logits = self._logits(batch)
    right = data.score(logits, batch.target, batch.mask)
    return dict(
      loss=data.masked_sigmoid_cross_entropy(logits, batch.target, batch.mask),
      bit_accuracy=right.bits,
      sequence_accuracy=right.sequences,
    )

"""One update of the predictor, and the state carried to the next update.

An update trains on one segment of `tbptt_length` steps of a batch of rollouts.
The core's state is carried over to the next segment, without its gradient, and
is reset to zeros for the next batch.
"""

import functools
from typing import NamedTuple

import tensorflow as tf

from dnc import config as config_lib
from dnc.dsprites import table as table_lib
from dnc.next_sprite import exposing
from dnc.next_sprite import model as model_lib
from dnc.next_sprite import rollouts
from dnc.training import cores
from dnc.training import distribution
from dnc.training import optimizers
from dnc.training import tally as tally_lib
from dnc.training import trainer

# Adam's beta2; the model learns faster than with 0.999, see docs/RESULTS.md.
_BETA2 = 0.99


_variable = functools.partial(tf.Variable, trainable=False)


class _ReplicaSegment(NamedTuple):
  """A replica's part of the steps of an update.

  Attributes:
    steps: these steps of its rollouts.
    counted: `rollouts.counted` of them.
    num_steps: how many steps count in the whole batch.
    labels: the targets of `SpriteTrainer.reader`; None without a reader.
    state: the core's state before the first step.
    stop_at: the step after the last.
  """

  steps: rollouts.RolloutBatch
  counted: tf.Tensor
  num_steps: tf.Tensor
  labels: exposing.ExposedLabels | None
  state: cores.State
  stop_at: tf.Tensor


class SpriteTrainer(trainer.Trainer):
  """The predictor, its optimizer, and the progress of the run.

  Attributes:
    predictor: the `SpritePredictor`.
    reader: the linear layer of --expose; None without --expose.
    optimizer: of `learned_variables`.
    learning_rate: float32 variable; the optimizer's, falls with every batch.
    num_batches: int64 variable, batches of rollouts finished so far.
    start: int32 variable, steps of the current batch trained on so far.
    update_graph: `update` as a `tf.function`.
  """

  def __init__(
    self,
    config: config_lib.TrainingConfig,
    table: table_lib.SpriteTable,
    strategy: tf.distribute.Strategy | None = None,
  ):
    """Constructs the model and its optimizer, with all variables.

    Args:
      config: the run.
      table: the sprites; the output starts from their mean image.
      strategy: its replicas share the work, and their number must divide the
        batch size; by default there is one replica.

    Raises:
      LostWorkerError: if another worker is lost.
    """
    super().__init__(config)
    self._config = config
    self._strategy = strategy or tf.distribute.get_strategy()
    with distribution.lost_workers_told(), self._strategy.scope():
      self.predictor = model_lib.SpritePredictor(config, table.mean_image())
      self.reader = None
      if config.expose:
        width = cores.widths(config, config.core)[config.expose]
        self.reader = exposing.LatentReader(width, len(config.expose_offsets))
      self.learning_rate = _variable(config.learning_rate)
      self.optimizer = optimizers.make(
        config.optimizer,
        self.learning_rate,
        self.learned_variables,
        beta2=_BETA2,
      )
      self.num_batches = _variable(0, dtype=tf.int64)
      self.start = _variable(0)
      self.tally = tally_lib.Tally()
      self._initial_state = self.predictor.initial_state(config.batch_size)
      self._carried = [
        _variable(x) for x in tf.nest.flatten(self._initial_state)
      ]
    # One graph for every length: the signature's time is None.
    self.update_graph = tf.function(
      self._update,
      input_signature=[
        rollouts.batch_spec(config.batch_size),
        tf.TensorSpec([], tf.bool),
      ],
      autograph=False,
    )

  @property
  def learned_variables(self) -> tuple[tf.Variable, ...]:
    """The predictor's, then the reader's."""
    variables = self.predictor.learned_variables
    if self.reader:
      variables += self.reader.trainable_variables
    return variables

  def update(
    self, batch: rollouts.RolloutBatch, stop: bool = False
  ) -> dict[str, tf.Tensor]:
    """Trains on the next segment of `batch`.

    Args:
      batch: the current batch of rollouts, whole.
      stop: whether this process wants to stop.

    Returns:
      Scalars: `loss`, mean per image over the segment's steps that count; with
      a `reader`, `expose_loss`, its loss before weighting; `grad_norm`, of the
      gradient of the total loss, before clipping; `num_steps`, the number of
      steps that count; `finite`, whether `loss` and `grad_norm` are finite (if
      not, nothing was changed); `finished`, whether this was the batch's last
      segment; and, with several replicas, `stop`, whether any process wants to
      stop.

    Raises:
      LostWorkerError: if another worker is lost; nothing was changed.
    """
    with distribution.lost_workers_told():
      return self.update_graph(batch, tf.constant(stop))

  def _update(
    self, batch: rollouts.RolloutBatch, stop: tf.Tensor
  ) -> dict[str, tf.Tensor]:
    """`update` in graph: loss and gradient, then the new weights."""

    def apply(metrics, gradients, state, stop_at, finite):
      """Changes all variables in one graph call, safe from interrupts."""

      def change():
        distribution.assign(self.learning_rate, self._scheduled_learning_rate())
        self.optimizer.apply(gradients, self.learned_variables)
        self._carry(state, stop_at, metrics['finished'])
        self.tally.add(
          metrics['loss'], metrics['grad_norm'], metrics['num_steps']
        )
        if self.reader:
          self.reader.add(metrics['expose_loss'])

      tf.cond(finite, change, lambda: None)

    local = self._strategy.experimental_local_results
    found = self._strategy.run(self._find, args=(batch, stop))
    # No variable changes before every replica has the sums over all replicas.
    finite = tf.reduce_all(local(found[0]['finite']))
    self._strategy.run(apply, args=(*found, finite))
    return {name: local(value)[0] for name, value in found[0].items()}

  def _find(
    self, batch: rollouts.RolloutBatch, stop: tf.Tensor
  ) -> tuple[dict[str, tf.Tensor], list[tf.Tensor], list[tf.Tensor], tf.Tensor]:
    """Runs in each replica on its part of a batch; all return the same.

    Returns:
      What `update` returns; the clipped gradients; and for the next segment the
      state, flat, and the step at which it starts.
    """
    part = distribution.Part()
    segment = self._next_segment(batch, part)
    variables = self.learned_variables
    # No gradient is computed for frozen variables.
    with tf.GradientTape(watch_accessed_variables=False) as tape:
      tape.watch(variables)
      losses, state = self._losses(segment)
      minimised = losses['loss']
      if self.reader:
        minimised += self._config.expose_weight * losses['expose_loss']
    gradients, losses, stop = part.sum(
      (
        list(tape.gradient(minimised, variables)),
        losses,
        tf.cast(stop, tf.float32),
      )
    )
    state = part.join(tf.nest.flatten(state))
    gradients, norm = tf.clip_by_global_norm(
      gradients, self._config.max_grad_norm
    )
    with tf.control_dependencies([*gradients, *state, stop]):
      finite = tf.math.is_finite(losses['loss']) & tf.math.is_finite(norm)
    metrics = dict(
      **losses,
      grad_norm=norm,
      num_steps=segment.num_steps,
      finite=finite,
      finished=tf.equal(segment.stop_at, tf.reduce_max(batch.length)),
    )
    if self._strategy.num_replicas_in_sync > 1:
      metrics['stop'] = stop > 0
    return metrics, gradients, state, segment.stop_at

  def _next_segment(
    self, batch: rollouts.RolloutBatch, part: distribution.Part
  ) -> _ReplicaSegment:
    """A replica's part of the next segment."""
    start = self.start.read_value()
    stop_at = tf.minimum(
      start + self._config.segment_length, tf.reduce_max(batch.length)
    )
    segment = rollouts.segment(batch, start, stop_at)
    counted = rollouts.counted(segment)
    segment = rollouts.RolloutBatch(
      *(part.take(x, axis=min(x.shape.rank - 1, 1)) for x in segment)
    )
    state = tf.nest.pack_sequence_as(
      self._initial_state,
      [part.take(x.read_value(), axis=0) for x in self._carried],
    )
    labels = None
    if self.reader:
      labels = exposing.find_labels(
        batch, self._config.expose_offsets, start, stop_at
      )
      labels = exposing.ExposedLabels(*(part.take(x, axis=1) for x in labels))
    return _ReplicaSegment(
      steps=segment,
      counted=part.take(counted, axis=1),
      num_steps=tf.reduce_sum(counted),
      labels=labels,
      state=state,
      stop_at=stop_at,
    )

  def _losses(
    self, segment: _ReplicaSegment
  ) -> tuple[dict[str, tf.Tensor], cores.State]:
    """A replica's shares of the losses of the whole batch.

    Returns:
      `loss` and `expose_loss` as in `update`, to be summed over replicas; and
      the state after the segment.
    """
    exposed = (self._config.expose,) if self.reader else ()
    logits, state, held = self.predictor(
      rollouts.model_inputs(segment.steps),
      segment.state,
      exposed,
      for_gradient=True,
    )
    losses = self.predictor.loss(logits, rollouts.model_targets(segment.steps))
    loss = tf.reduce_sum(losses * segment.counted) / segment.num_steps
    shares = dict(loss=loss)
    if self.reader:
      shares['expose_loss'] = self.reader.loss(held[exposed[0]], segment.labels)
    return shares, state

  def finish_report(self) -> dict[str, float]:
    """Adds `expose_loss`, mean over updates, if there is a reader."""
    found = {}
    if self.reader:
      number = int(self.tally.updates_since.numpy())
      found['expose_loss'] = self.reader.finish_report(number)
    return {**super().finish_report(), **found}

  def _scheduled_learning_rate(self) -> tf.Tensor:
    """The learning rate, linear from the first batch of the run to the last."""
    config = self._config
    last = max(1, config.num_batches - 1)
    done = tf.minimum(1.0, tf.cast(self.num_batches, tf.float32) / last)
    return config.learning_rate + done * (
      config.final_learning_rate - config.learning_rate
    )

  def _carry(
    self, state: list[tf.Tensor], stop_at: tf.Tensor, finished: tf.Tensor
  ) -> None:
    """Carries state and position to the next segment, or starts a new batch."""
    for variable, value in zip(self._carried, state):
      value = tf.where(finished, tf.zeros_like(value), value)
      distribution.assign(variable, value)
    distribution.assign(self.start, tf.where(finished, 0, stop_at))
    num_batches = self.num_batches + tf.cast(finished, tf.int64)
    distribution.assign(self.num_batches, num_batches)

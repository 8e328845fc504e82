"""The next-sprite predictor: a core whose output is the logits of an image.

Source: the post, section "Experiment Setup". The model gets the current image
and the action, and gives the next image; there is no autoencoder and no mixture
density head.
"""

from collections.abc import Callable
import functools
from typing import NamedTuple

import numpy as np
import sonnet as snt
import tensorflow as tf

from dnc import config as config_lib
from dnc import dnc
from dnc import lstm
from dnc import unroll
from dnc.next_sprite import rollouts
from dnc.recurrence import plain as recurrence

Core = dnc.DNC | lstm.LSTMCore
State = dnc.DNCState | snt.LSTMState

# The one of `config.EXPORTS` that is not of the core's state.
LOSS = 'loss'
# Pixels that are never on start at this probability, not at logit -inf.
_MIN_PROBABILITY = 1e-3


class Prediction(NamedTuple):
  """Sums over the real steps of a batch; means are theirs over `num_steps`.

  Attributes:
    loss: of the training, summed over an image's pixels; scalar.
    pixel_error: share of pixels on the wrong side of probability 0.5; scalar.
    iou: intersection over union of the sprite's pixels, true and predicted
      (probability above 0.5); scalar.
    num_steps: number of real steps; scalar.
  """

  loss: tf.Tensor
  pixel_error: tf.Tensor
  iou: tf.Tensor
  num_steps: tf.Tensor


def widths(config: config_lib.TrainingConfig) -> dict[str, int]:
  """Numbers per step of each of `config.EXPORTS` that the core has."""
  controller = {
    'controller_hidden': config.hidden_size,
    'controller_cell': config.hidden_size,
  }
  loss = {LOSS: 1}
  if config.core == config_lib.LSTM:
    return {**controller, **loss}
  return {
    'read_words': config.num_read_heads * config.word_size,
    'memory': config.memory_size * config.word_size,
    **controller,
    'usage': config.memory_size,
    'read_weights': config.num_read_heads * config.memory_size,
    'write_weights': config.num_write_heads * config.memory_size,
    **loss,
  }


def represent(state: State, name: str) -> tf.Tensor:
  """One of `config.EXPORTS` but the loss, float tensor `[batch, width]`.

  Read words and all weights are head by head, the memory is slot by slot.
  """
  if name.startswith('controller_'):
    controller = getattr(state, 'controller_state', state)
    return getattr(controller, name.removeprefix('controller_'))
  if name == 'read_words':
    value = state.access_output
  else:
    value = getattr(state.access_state, name)
  width = value.shape[1:].num_elements()
  return tf.reshape(value, [-1, width])


@functools.cache
def _recorder(names: tuple[str, ...]) -> recurrence.Record:
  """Records representations; one function, so that it is compiled once."""
  return lambda state: {name: represent(state, name) for name in names}


@tf.custom_gradient
def image_loss(logits: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
  """Sigmoid cross-entropy of images.

  `tf.nn.sigmoid_cross_entropy_with_logits` in half the passes over the pixels.

  Args:
    logits: float tensor `[time, batch, pixels]`.
    targets: float tensor `[time, batch, pixels]` of 0 and 1.

  Returns:
    Float tensor `[time, batch]`: nats, summed over the pixels.
  """

  def gradient(upstream):
    upstream = upstream[:, :, tf.newaxis]
    return upstream * (tf.sigmoid(logits) - targets), -upstream * logits

  nats = tf.nn.softplus(logits) - logits * targets
  return tf.reduce_sum(nats, axis=2), gradient


def squared_error(logits: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
  """Squared error of images: of the probabilities `sigmoid(logits)`.

  Args:
    logits: float tensor `[time, batch, pixels]`.
    targets: float tensor `[time, batch, pixels]` of 0 and 1.

  Returns:
    Float tensor `[time, batch]`: summed over the pixels.
  """
  return tf.reduce_sum(tf.square(tf.sigmoid(logits) - targets), axis=2)


# What a training minimises, by the config's name for it.
LOSSES = {
  config_lib.SIGMOID_CROSS_ENTROPY: image_loss,
  config_lib.MEAN_SQUARED_ERROR: squared_error,
}


def step_scores(
  logits: tf.Tensor,
  targets: tf.Tensor,
  loss: Callable[[tf.Tensor, tf.Tensor], tf.Tensor] = image_loss,
) -> dict[str, tf.Tensor]:
  """Compares each predicted image with the true one.

  Args:
    logits: float tensor `[time, batch, pixels]`.
    targets: float tensor `[time, batch, pixels]` of 0 and 1.
    loss: one of `LOSSES`.

  Returns:
    `loss`, `pixel_error` and `iou` as in `Prediction`, float tensors
    `[time, batch]`.
  """
  predicted, true = logits > 0, targets > 0.5

  def count(x):
    return tf.reduce_sum(tf.cast(x, tf.float32), axis=2)

  union = count(predicted | true)
  # No sprite, and none predicted: right.
  iou = tf.where(
    union > 0, count(predicted & true) / tf.maximum(union, 1.0), 1.0
  )
  return dict(
    loss=loss(logits, targets),
    pixel_error=count(predicted ^ true) / logits.shape[2],
    iou=iou,
  )


def score(
  logits: tf.Tensor,
  targets: tf.Tensor,
  mask: tf.Tensor,
  loss: Callable[[tf.Tensor, tf.Tensor], tf.Tensor] = image_loss,
) -> Prediction:
  """Compares predicted images with true ones.

  Args:
    logits: float tensor `[time, batch, pixels]`.
    targets: float tensor `[time, batch, pixels]` of 0 and 1.
    mask: float tensor `[time, batch]`, 1 for real steps.
    loss: one of `LOSSES`.

  Returns:
    The sums over the real steps.
  """
  scores = step_scores(logits, targets, loss)
  # Padded steps may hold anything, even what is not a number.
  sums = {
    name: tf.reduce_sum(tf.where(mask > 0, value, 0.0))
    for name, value in scores.items()
  }
  return Prediction(**sums, num_steps=tf.reduce_sum(mask))


def means(sums: Prediction) -> dict[str, float]:
  """Means over steps: `loss`, `pixel_error`, `iou`."""
  num_steps = float(sums.num_steps)
  return {
    name: float(value) / num_steps
    for name, value in sums._asdict().items()
    if name != 'num_steps'
  }


class SpritePredictor(snt.Module):
  """A DNC, or its controller alone, that predicts the next sprite.

  Attributes:
    core: the core.
    loss: what its training minimises, one of the functions of `LOSSES`.

  >>> config = config_lib.TrainingConfig(hidden_size=32)
  >>> predictor = SpritePredictor(config)
  >>> inputs = tf.zeros([5, 2, rollouts.INPUT_SIZE])  # [time, batch, ...]
  >>> logits, state, _ = predictor(inputs, predictor.initial_state(2))
  >>> logits.shape
  TensorShape([5, 2, 4096])
  """

  def __init__(
    self,
    config: config_lib.TrainingConfig,
    mean_image: np.ndarray | None = None,
    name: str = 'sprite_predictor',
  ):
    """Constructs the model and creates its variables.

    Args:
      config: sizes, and the seed of the weights.
      mean_image: float `[64, 64]` in [0, 1]; where given, the output bias
        starts at its logit, so that training does not begin by learning that
        most pixels are black.
      name: name of the module.
    """
    super().__init__(name=name)
    self.core = make_core(
      config, rollouts.INPUT_SIZE, rollouts.NUM_PIXELS, config.core
    )
    self.loss = LOSSES[config.loss]
    self._frozen = config.freeze_core
    if mean_image is not None:
      mean = np.clip(mean_image, _MIN_PROBABILITY, 1 - _MIN_PROBABILITY)
      logit = np.log(mean) - np.log1p(-mean)
      self.core.output_linear.b.assign(logit.reshape(-1).astype(np.float32))

  @property
  def learned_variables(self) -> tuple[tf.Variable, ...]:
    """What a training changes: all, or the output layer of a frozen core."""
    if self._frozen:
      return self.core.output_linear.trainable_variables
    return self.trainable_variables

  def initial_state(self, batch_size: int) -> State:
    """The state before a rollout's first step: zeros."""
    return self.core.initial_state(batch_size)

  def __call__(
    self,
    inputs: tf.Tensor,
    state: State,
    record: tuple[str, ...] = (),
  ) -> tuple[tf.Tensor, State, dict[str, tf.Tensor]]:
    """Predicts the images that follow.

    Args:
      inputs: float tensor `[time, batch, 4096 + 5]`: current images, actions.
      state: the state before the first step.
      record: which of `config.EXPORTS` but the loss to return.

    Returns:
      Logits of the next images, float tensor `[time, batch, 4096]`; the state
      after the last step; and what was recorded after each step, by name,
      float tensors `[time, batch, width]`.
    """
    return unroll.unroll(
      self.core,
      inputs,
      state,
      record=_recorder(tuple(record)),
    )


def make_core(
  config: config_lib.Config,
  input_size: int,
  output_size: int,
  kind: str = config_lib.DNC,
) -> Core:
  """Makes a core with all its variables, a function of the config alone.

  The distributions of the weights are Sonnet 2's defaults: truncated normal
  with standard deviation 1 / sqrt(rows), biases 0 and 1 for the forget gate.

  Args:
    config: sizes, and the seed of the weights.
    input_size: size of the inputs.
    output_size: size of the outputs.
    kind: one of `config.CORES`.

  Returns:
    The core.
  """
  common = dict(
    controller_config=dict(hidden_size=config.hidden_size),
    output_size=output_size,
    clip_value=config.clip_value,
  )
  if kind == config_lib.LSTM:
    core = lstm.LSTMCore(**common)
  else:
    core = dnc.DNC(
      access_config=dict(
        memory_size=config.memory_size,
        word_size=config.word_size,
        num_reads=config.num_read_heads,
        num_writes=config.num_write_heads,
      ),
      **common,
    )
  core(tf.zeros([1, input_size]), core.initial_state(1))
  matrices = [v for v in core.trainable_variables if v.shape.rank == 2]
  for number, variable in enumerate(matrices):
    variable.assign(
      tf.random.stateless_truncated_normal(
        variable.shape,
        seed=[config.seed, number],
        stddev=variable.shape[0] ** -0.5,
        dtype=variable.dtype,
      )
    )
  return core

"""The next-sprite predictor: a core whose output is the logits of an image.

Source: the post, section "Experiment Setup". The model takes the current image
and the action, and predicts the next image. There is no autoencoder and no
mixture density head.
"""

import functools

import numpy as np
import sonnet as snt
import tensorflow as tf

from dnc import config as config_lib
from dnc import unroll
from dnc.next_sprite import rollouts
from dnc.recurrence import plain
from dnc.training import cores

# Pixels that are never on start at this probability, not at logit -inf.
_MIN_PROBABILITY = 1e-3


@functools.cache
def _recorder(names: tuple[str, ...]) -> plain.Record:
  """Makes a recorder of representations; cached, so XLA compiles it once."""
  return lambda state: {name: cores.represent(state, name) for name in names}


@tf.custom_gradient
def image_loss(logits: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
  """Sigmoid cross-entropy of images.

  As `tf.nn.sigmoid_cross_entropy_with_logits`, in half as many passes over the
  pixels.

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
  """Squared error of `sigmoid(logits)`, summed over the pixels.

  Shapes as in `image_loss`.
  """
  return tf.reduce_sum(tf.square(tf.sigmoid(logits) - targets), axis=2)


# By their names in the config.
LOSSES = {
  config_lib.SIGMOID_CROSS_ENTROPY: image_loss,
  config_lib.MEAN_SQUARED_ERROR: squared_error,
}


class SpritePredictor(snt.Module):
  """A DNC, or an LSTM without a memory, that predicts the next sprite.

  Attributes:
    core: the recurrent core.
    loss: the training loss, one of the functions in `LOSSES`.

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
  ):
    """Constructs the model and creates its variables.

    Args:
      config: the run's settings.
      mean_image: float `[64, 64]` in [0, 1]. If given, the output bias starts
        at its logit, so the model need not first learn that most pixels are
        black.
    """
    super().__init__(name='sprite_predictor')
    self.core = cores.make_core(
      config,
      rollouts.INPUT_SIZE,
      rollouts.NUM_PIXELS,
      config.core,
      config.reset_controller,
    )
    self.loss = LOSSES[config.loss]
    self._frozen = config.freeze_core
    if mean_image is not None:
      mean = np.clip(mean_image, _MIN_PROBABILITY, 1 - _MIN_PROBABILITY)
      logit = np.log(mean) - np.log1p(-mean)
      self.core.output_linear.b.assign(logit.reshape(-1).astype(np.float32))

  @property
  def learned_variables(self) -> tuple[tf.Variable, ...]:
    """The variables that are trained: all, or the output layer's if frozen."""
    if self._frozen:
      return self.core.output_linear.trainable_variables
    return self.trainable_variables

  def initial_state(self, batch_size: int) -> cores.State:
    """The state before a rollout's first step: zeros."""
    return self.core.initial_state(batch_size)

  def __call__(
    self,
    inputs: tf.Tensor,
    state: cores.State,
    record: tuple[str, ...] = (),
    for_gradient: bool = False,
  ) -> tuple[tf.Tensor, cores.State, dict[str, tf.Tensor]]:
    """Predicts the next images.

    Args:
      inputs: float tensor `[time, batch, 4096 + 5]`: current images, actions.
      state: the state before the first step.
      record: names of representations to return, keys of `cores.widths`.
      for_gradient: whether the gradient will be computed, which is then faster.
        See `sparse_inputs` and `keep_states` of `unroll.unroll`.

    Returns:
      Logits of the next images, float tensor `[time, batch, 4096]`; the state
      after the last step; and the representations after each step by name,
      float tensors `[time, batch, width]`.
    """
    outputs, state, recorded = unroll.unroll(
      self.core,
      inputs,
      state,
      record=_recorder(tuple(record)) if record else None,
      sparse_inputs=for_gradient,
      keep_states=for_gradient,
    )
    return outputs, state, recorded or {}

"""The exposing loss: the loss of a linear layer that reads latents in training.

PROTOCOL, "Exposing". After each step, the layer reads the latents of the
sprites at some offsets from one representation. Its loss, times a weight, is
added to the loss of the prediction. So the model learns to make the latents
linearly readable. The layer is trained with the model and saved with the run,
but is not part of the model.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import sonnet as snt
import tensorflow as tf

from dnc.dsprites import latents
from dnc.next_sprite import rollouts
from dnc.training import distribution

_NUM_SHAPES = latents.SIZES[0]
# For each offset: logits of the shapes, and the other latents.
_NUM_OUTPUTS = _NUM_SHAPES + latents.NUM_LATENTS - 1


class ExposedLabels(NamedTuple):
  """The targets of the layer, for each step of a segment.

  Attributes:
    classes: int32 `[time, batch, offsets, 5]`, classes of the sprite that was
      the current one `offset` steps before; arbitrary where there is none.
    weights: float32 `[time, batch, offsets]`, equal for all steps of the batch
      that have such a sprite, with the sum 1 for each offset; else 0.
  """

  classes: tf.Tensor
  weights: tf.Tensor


def find_labels(
  batch: rollouts.RolloutBatch,
  offsets: Sequence[int],
  start: int | tf.Tensor,
  stop: int | tf.Tensor,
) -> ExposedLabels:
  """Finds the labels of steps [start, stop), from all steps of the batch.

  Args:
    batch: whole rollouts.
    offsets: steps back to the sprite; -1 is the next one. As in traces, the
      last step of a rollout has no label for it.
    start: the first step.
    stop: the step after the last.
  """
  steps = tf.range(start, stop)[:, tf.newaxis]
  last = tf.shape(batch.classes)[0] - 1
  classes, weights = [], []
  for offset in offsets:
    asked = steps - offset
    is_there = (asked >= 0) & (tf.maximum(asked, steps) < batch.length)
    is_there = tf.cast(is_there, tf.float32)
    asked = tf.clip_by_value(asked[:, 0], 0, last)
    classes.append(tf.gather(batch.classes, asked))
    weights.append(tf.math.divide_no_nan(is_there, tf.reduce_sum(is_there)))
  return ExposedLabels(tf.stack(classes, axis=2), tf.stack(weights, axis=2))


class LatentReader(snt.Module):
  """The linear layer, and the sum of its losses since the last report.

  Attributes:
    w: float32 variable `[width, offsets * 7]`; for each offset the logits of
      three shapes and the standardised values of the other latents.
    b: float32 variable `[offsets * 7]`.
    loss_sum: float64 variable, not trained.

  >>> reader = LatentReader(width=3, num_offsets=1)
  >>> classes = tf.zeros([2, 4, 1, 5], tf.int32)  # [time, batch, offsets, 5]
  >>> reader.losses(tf.ones([2, 4, 3]), classes).shape
  TensorShape([2, 4, 1])
  """

  def __init__(self, width: int, num_offsets: int):
    """Constructs the layer, which at first predicts the means.

    Args:
      width: size of the representation that the layer reads.
      num_offsets: number of sprites to read for each step.
    """
    super().__init__(name='latent_reader')
    self._num_offsets = num_offsets
    size = num_offsets * _NUM_OUTPUTS
    self.w = tf.Variable(tf.zeros([width, size]), name='w')
    self.b = tf.Variable(tf.zeros([size]), name='b')
    self.loss_sum = tf.Variable(0, dtype=tf.float64, trainable=False)

  def losses(self, held: tf.Tensor, classes: tf.Tensor) -> tf.Tensor:
    """Computes the losses of all steps.

    Args:
      held: float tensor `[time, batch, width]`.
      classes: as in `ExposedLabels`.

    Returns:
      Float tensor `[time, batch, offsets]`: softmax cross-entropy of the shape
      in nats, plus the squared errors of the other latents, each divided by the
      latent's variance over all sprites.
    """
    outputs = tf.tensordot(held, self.w, 1) + self.b
    shape = [*tf.unstack(tf.shape(held)[:2]), self._num_offsets, _NUM_OUTPUTS]
    outputs = tf.reshape(outputs, shape)
    shape_loss = tf.nn.sparse_softmax_cross_entropy_with_logits(
      labels=classes[..., 0], logits=outputs[..., :_NUM_SHAPES]
    )
    values = tf.stack(
      [
        tf.gather(_standardised(grid), classes[..., number])
        for number, grid in enumerate(latents.VALUES)
        if number > 0
      ],
      axis=-1,
    )
    squares = tf.math.squared_difference(outputs[..., _NUM_SHAPES:], values)
    return shape_loss + tf.reduce_sum(squares, axis=-1)

  def loss(self, held: tf.Tensor, labels: ExposedLabels) -> tf.Tensor:
    """The loss, a scalar: the mean over steps, summed over offsets."""
    return tf.reduce_sum(labels.weights * self.losses(held, labels.classes))

  def add(self, loss: tf.Tensor) -> None:
    """Adds an update's loss to the sum, in the update's graph."""
    loss = tf.cast(loss, self.loss_sum.dtype)
    distribution.assign(self.loss_sum, self.loss_sum + loss)

  def finish_report(self, num_updates: int) -> float:
    """Mean over the updates since the last call."""
    mean = float(self.loss_sum.numpy()) / num_updates
    self.loss_sum.assign(tf.zeros_like(self.loss_sum))
    return mean


def _standardised(grid: np.ndarray) -> np.ndarray:
  """The values of a latent's classes, with mean 0 and deviation 1."""
  return ((grid - grid.mean()) / grid.std()).astype(np.float32)

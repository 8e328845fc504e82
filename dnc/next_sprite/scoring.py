"""Scores a predictor, on images and on whole rollouts.

Rollouts run in segments with the state carried over, so that memory use does
not grow with their length.
"""

from collections.abc import Callable
from collections.abc import Iterator
import functools
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from dnc.dsprites import latent_errors
from dnc.dsprites import latents
from dnc.dsprites import nearest
from dnc.dsprites import render
from dnc.dsprites import table as table_lib
from dnc.next_sprite import model as model_lib
from dnc.next_sprite import rollouts
from dnc.training import cores
from dnc.visualize import memory_trace

SEGMENT_LENGTH = 100
_IMAGE_SHAPE = (render.IMAGE_SIZE, render.IMAGE_SIZE)
# Pixels between the sprites of a picture, and the steps it shows.
_GAP = 2
_NUM_SHOWN = 10
# Steps of each rollout whose predictions are read back as sprites.
_STEPS_READ_BACK = 50

Loss = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


class ScoreSums(NamedTuple):
  """Scores of images, summed over the steps of a batch that count; scalars.

  Attributes:
    loss: summed over an image's pixels.
    pixel_error: share of pixels on the wrong side of probability 0.5.
    iou: intersection over union of the sprite's pixels, true and predicted
      (probability above 0.5).
    num_steps: number of steps that count.
  """

  loss: tf.Tensor
  pixel_error: tf.Tensor
  iou: tf.Tensor
  num_steps: tf.Tensor

  def means(self) -> dict[str, float]:
    """Means over steps: `loss`, `pixel_error`, `iou`."""
    sums = self._asdict()
    num_steps = float(sums.pop('num_steps'))
    return {name: float(value) / num_steps for name, value in sums.items()}


def step_scores(
  logits: tf.Tensor, targets: tf.Tensor, loss: Loss = model_lib.image_loss
) -> dict[str, tf.Tensor]:
  """Compares each predicted image with the true one.

  Args:
    logits: float tensor `[time, batch, pixels]`.
    targets: float tensor `[time, batch, pixels]` of 0 and 1.
    loss: one of `model.LOSSES`.

  Returns:
    `loss`, `pixel_error`, `iou` as in `ScoreSums`, float `[time, batch]`.
  """
  # Sums of ones and zeros are exact.
  predicted = tf.cast(logits > 0, targets.dtype)
  both = tf.reduce_sum(predicted * targets, axis=2)
  either = tf.reduce_sum(predicted + targets, axis=2) - both
  # If there is no sprite, predicting none is right.
  iou = tf.where(either > 0, both / tf.maximum(either, 1.0), 1.0)
  return dict(
    loss=loss(logits, targets),
    pixel_error=(either - both) / logits.shape[2],
    iou=iou,
  )


def sum_scores(
  logits: tf.Tensor,
  targets: tf.Tensor,
  counted: tf.Tensor,
  loss: Loss = model_lib.image_loss,
) -> ScoreSums:
  """Sums `step_scores` over the steps with 1 in `counted`."""
  # Padded steps may hold anything, even NaN.
  sums = {
    name: tf.reduce_sum(tf.where(counted > 0, value, 0.0))
    for name, value in step_scores(logits, targets, loss).items()
  }
  return ScoreSums(**sums, num_steps=tf.reduce_sum(counted))


def _predict(
  predictor: model_lib.SpritePredictor,
  segment: rollouts.RolloutBatch,
  state: cores.State,
) -> tuple[ScoreSums, tf.Tensor, cores.State]:
  """Scores, logits and last state of a segment."""
  logits, state, _ = predictor(rollouts.model_inputs(segment), state)
  targets = rollouts.model_targets(segment)
  counted = rollouts.counted(segment)
  sums = sum_scores(logits, targets, counted, predictor.loss)
  return sums, logits, state


class PredictionScorer:
  """Scores a predictor repeatedly, each time on the same rollouts."""

  def __init__(
    self,
    predictor: model_lib.SpritePredictor,
    table: table_lib.SpriteTable,
    spec: rollouts.RolloutSpec,
    num_rollouts: int,
  ):
    """Constructs the scorer.

    Args:
      predictor: the model; each call uses its current weights.
      table: the sprites.
      spec: the kind of rollouts.
      num_rollouts: number of rollouts, indices from 0, all in one batch.
    """
    self._predictor = predictor
    self._table = table
    self._spec = spec
    self._batch = rollouts.make_batch(table, spec, range(num_rollouts))
    shortest = self._batch.length.min()
    asked, _ = rollouts.asked_sprites(shortest, spec.show_every, spec.recall)
    self._first_asked = spec.recall or 0
    steps = np.linspace(self._first_asked, shortest - 1, _STEPS_READ_BACK)
    self._steps_read_back = np.unique(steps.astype(np.int64))
    self._true_classes = np.stack(
      [
        rollouts.sample_classes(spec, index)[asked[self._steps_read_back]]
        for index in range(num_rollouts)
      ],
      axis=1,
    )
    # One graph for every length.
    self._predict = tf.function(
      functools.partial(_predict, predictor),
      input_signature=[
        rollouts.batch_spec(),
        tf.nest.map_structure(
          lambda x: tf.TensorSpec([None, *x.shape[1:]], x.dtype),
          predictor.initial_state(1),
        ),
      ],
      autograph=False,
    )

  def fewer(self, num_rollouts: int) -> 'PredictionScorer':
    """Returns a scorer of the first rollouts, which shares the graph."""
    scorer = PredictionScorer(
      self._predictor, self._table, self._spec, num_rollouts
    )
    scorer._predict = self._predict
    return scorer

  def _segments(
    self, batch: rollouts.RolloutBatch
  ) -> Iterator[tuple[int, ScoreSums, tf.Tensor]]:
    """Yields each segment's first step, scores and logits."""
    state = self._predictor.initial_state(len(batch.length))
    for start in range(0, len(batch.image), SEGMENT_LENGTH):
      segment = rollouts.segment(batch, start, start + SEGMENT_LENGTH)
      sums, logits, state = self._predict(segment, state)
      yield start, sums, logits

  def score(self) -> dict[str, float]:
    """`ScoreSums.means` over all steps."""
    sums = [sums for _, sums, _ in self._segments(self._batch)]
    return ScoreSums(*(float(np.sum(x)) for x in zip(*sums))).means()

  def sprite_errors(self) -> dict[str, float]:
    """Compares the sprites nearest to predicted images with the true ones.

    Returns:
      `latent_errors.mean_errors` over evenly spaced steps of every rollout.
    """
    steps = self._steps_read_back
    images = []
    for start, _, logits in self._segments(self._batch):
      if start > steps[-1]:
        break
      here = steps[(steps >= start) & (steps < start + SEGMENT_LENGTH)]
      images.append(tf.gather(logits, here - start) > 0)
    images = np.concatenate(images).reshape([-1, *_IMAGE_SHAPE])
    index, _ = nearest.find_nearest(self._table, images)
    return latent_errors.mean_errors(
      self._true_classes.reshape([-1, latents.NUM_LATENTS]),
      latents.index_to_classes(index),
    )

  @functools.cached_property
  def _tracer(self) -> memory_trace.Tracer:
    return memory_trace.Tracer(self._predictor.core, rollouts.INPUT_SIZE)

  def trace_memory(self) -> tuple[memory_trace.MemoryTrace, np.ndarray]:
    """Traces the memory in the first steps of the first rollout.

    Returns:
      The memory trace, and the input sprites, float32 `[time, 64, 64]` of 0 and
      1.
    """
    num_steps = min(memory_trace.NUM_STEPS, self._batch.length[0])
    steps = rollouts.segment(self._batch, 0, num_steps)
    inputs = rollouts.model_inputs(steps)[:, 0]
    sprites = inputs[:, : rollouts.NUM_PIXELS].numpy()
    return self._tracer(inputs), sprites.reshape([-1, *_IMAGE_SHAPE])

  def picture(self) -> np.ndarray:
    """Draws the first steps of the first rollout that have a target.

    Returns:
      uint8 `[height, width, 1]`: true sprites above, predicted ones below, one
      column per step, separated by grey.
    """
    drawn = slice(self._first_asked, self._first_asked + _NUM_SHOWN)
    batch = rollouts.segment(self._batch, 0, drawn.stop)
    logits = [logits[:, 0] for _, _, logits in self._segments(batch)]
    targets = rollouts.model_targets(batch)[:, 0]
    rows = np.stack([targets, tf.sigmoid(tf.concat(logits, 0))])[:, drawn]
    sprites = (255 * rows).astype(np.uint8)
    framed = np.pad(
      sprites.reshape([*rows.shape[:2], *_IMAGE_SHAPE]),
      [(0, 0), (0, 0), (0, _GAP), (0, _GAP)],
      constant_values=128,
    )
    return np.block([list(row) for row in framed])[:-_GAP, :-_GAP, np.newaxis]

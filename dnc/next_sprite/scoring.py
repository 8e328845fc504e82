"""A predictor over whole rollouts: how well it predicts, and what it holds.

Rollouts run in segments with the state carried over, so that memory does not
grow with their length.
"""

from collections.abc import Iterator
import dataclasses
import functools
import hashlib

import numpy as np
import tensorflow as tf

from dnc.dsprites import latent_errors
from dnc.dsprites import latents
from dnc.dsprites import nearest
from dnc.dsprites import render
from dnc.dsprites import table as table_lib
from dnc.next_sprite import model as predictor_lib
from dnc.next_sprite import rollouts
from dnc.visualize import memory_trace

_SEGMENT_LENGTH = 100
# Pixels between the sprites of a picture, and steps it shows.
_GAP = 2
# Steps of each rollout whose predictions are read back as sprites.
_STEPS_READ_BACK = 50
_NUM_SHOWN = 10


class Evaluator:
  """Runs a predictor over batches of rollouts, from zero state."""

  def __init__(
    self,
    predictor: predictor_lib.SpritePredictor,
    record: tuple[str, ...] = (),
    batch_size: int | None = None,
  ):
    """Constructs the evaluator.

    Args:
      predictor: the model.
      record: which of `config.EXPORTS` to return of each step.
      batch_size: of all batches; None for any, which on a CPU is slower.
    """
    self._predictor = predictor
    self._record = record
    state = predictor.initial_state(1)
    state_spec = tf.nest.map_structure(
      lambda x: tf.TensorSpec([batch_size, *x.shape[1:]], x.dtype), state
    )
    # One graph for every length.
    signature = [
      rollouts.batch_spec(batch_size),
      state_spec,
      tf.TensorSpec([], tf.int32),
    ]
    self._run_segment = tf.function(self._segment, input_signature=signature)
    # Without what is only scored.
    self._record_segment = tf.function(
      lambda *inputs: self._segment(*inputs)[1:3], input_signature=signature
    )

  def _segment(self, segment, state, start):
    """Predicts a segment that begins with step `start` of its rollouts."""
    of_state = tuple(x for x in self._record if x != predictor_lib.LOSS)
    logits, state, recorded = self._predictor(
      rollouts.model_inputs(segment), state, of_state
    )
    targets = rollouts.model_targets(segment)
    if predictor_lib.LOSS in self._record:
      loss = self._predictor.loss(logits, targets)
      recorded = {**recorded, predictor_lib.LOSS: loss[:, :, tf.newaxis]}
    mask = rollouts.mask(segment.length, tf.shape(logits)[0], offset=start)
    sums = predictor_lib.score(logits, targets, mask, self._predictor.loss)
    return sums, recorded, state, logits

  def run(
    self, batch: rollouts.RolloutBatch
  ) -> tuple[predictor_lib.Prediction, dict[str, np.ndarray]]:
    """Predicts every step of `batch`.

    Args:
      batch: rollouts.

    Returns:
      Sums of the scores over the real steps, and what was recorded: float32
      arrays `[time, batch, width]` by name, meaningless past a rollout's end.
    """
    state = self._predictor.initial_state(len(batch.length))
    sums, recorded = [], []
    for start in range(0, len(batch.image), _SEGMENT_LENGTH):
      segment = rollouts.segment(batch, start, start + _SEGMENT_LENGTH)
      scores, records, state, _ = self._run_segment(segment, state, start)
      sums.append(scores)
      recorded.append(records)
    return (
      predictor_lib.Prediction(*(float(np.sum(x)) for x in zip(*sums))),
      {
        name: np.concatenate([records[name] for records in recorded])
        for name in self._record
      },
    )

  def record(
    self, batch: rollouts.RolloutBatch
  ) -> Iterator[dict[str, np.ndarray]]:
    """Records every step of `batch`, and scores none.

    Args:
      batch: rollouts, of the size that this evaluator is for.

    Yields:
      What was recorded of successive segments, as from `run`; not a copy, and
      not to be written to.
    """
    state = self._predictor.initial_state(len(batch.length))
    for start in range(0, len(batch.image), _SEGMENT_LENGTH):
      segment = rollouts.segment(batch, start, start + _SEGMENT_LENGTH)
      recorded, state = self._record_segment(segment, state, start)
      yield {x: np.asarray(memoryview(recorded[x])) for x in self._record}

  def predicted_images(
    self, batch: rollouts.RolloutBatch, steps: np.ndarray
  ) -> np.ndarray:
    """Predicts some steps of `batch`.

    Args:
      batch: rollouts.
      steps: which, ascending.

    Returns:
      Bool `[len(steps), batch, 64, 64]`: probability above 0.5.
    """
    state = self._predictor.initial_state(len(batch.length))
    found = []
    for start in range(0, steps[-1] + 1, _SEGMENT_LENGTH):
      segment = rollouts.segment(batch, start, start + _SEGMENT_LENGTH)
      _, _, state, logits = self._run_segment(segment, state, start)
      here = steps[(steps >= start) & (steps < start + _SEGMENT_LENGTH)]
      found.append(tf.gather(logits, here - start) > 0)
    shape = [len(steps), -1, render.IMAGE_SIZE, render.IMAGE_SIZE]
    return np.concatenate(found).reshape(shape)

  def picture(self, batch: rollouts.RolloutBatch) -> np.ndarray:
    """Draws the first rollout of a batch: true sprites above, predicted below.

    Args:
      batch: rollouts of a few steps.

    Returns:
      uint8 `[height, width, 1]`: a column for each step, grey between them.
    """
    state = self._predictor.initial_state(len(batch.length))
    logits = self._run_segment(batch, state, 0)[-1]
    rows = np.stack(
      [rollouts.model_targets(batch)[:, 0], tf.sigmoid(logits[:, 0])]
    )
    size = render.IMAGE_SIZE
    sprites = (
      (255 * rows).astype(np.uint8).reshape([*rows.shape[:2], size, size])
    )
    framed = np.pad(
      sprites, [(0, 0), (0, 0), (0, _GAP), (0, _GAP)], constant_values=128
    )
    return np.concatenate(
      [np.concatenate(list(row), axis=1) for row in framed]
    )[:-_GAP, :-_GAP, np.newaxis]


@dataclasses.dataclass(frozen=True)
class Split:
  """Some rollouts of a trace.

  Attributes:
    spec: what kind of rollouts.
    first: index of the first.
    num_rollouts: how many.
  """

  spec: rollouts.RolloutSpec
  first: int
  num_rollouts: int


def fingerprint(predictor: predictor_lib.SpritePredictor) -> str:
  """Hexadecimal checksum of a model's weights; equal models have equal ones."""
  digest = hashlib.blake2b(digest_size=16)
  for variable in predictor.variables:
    digest.update(f'{variable.name} {variable.shape}'.encode())
    digest.update(variable.numpy().tobytes())
  return digest.hexdigest()


class Scorer:
  """Measures a model on the same rollouts, again and again."""

  def __init__(
    self,
    predictor: predictor_lib.SpritePredictor,
    table: table_lib.SpriteTable,
    spec: rollouts.RolloutSpec,
    num_rollouts: int,
  ):
    """Constructs the scorer.

    Args:
      predictor: the model.
      table: the sprites.
      spec: the rollouts.
      num_rollouts: how many of the first, all in one batch.
    """
    self._predictor = predictor
    self._evaluator = Evaluator(predictor)
    self._table = table
    self._batch = rollouts.make_batch(table, spec, range(num_rollouts))
    steps = np.linspace(0, self._batch.length.min() - 1, _STEPS_READ_BACK)
    self._steps_read_back = np.unique(steps.astype(np.int64))
    self._true_classes = np.stack(
      [
        rollouts.sample_classes(spec, index)[self._steps_read_back]
        for index in range(num_rollouts)
      ],
      axis=1,
    )

  def score(self) -> dict[str, float]:
    """Means over all steps, as `predictor.means`."""
    return predictor_lib.means(self._evaluator.run(self._batch)[0])

  def sprite_errors(self) -> dict[str, float]:
    """Reads predicted images back as the sprites that they are nearest to.

    Returns:
      As `latent_errors.mean_errors`, over some steps of every rollout, evenly
      spread.
    """
    images = self._evaluator.predicted_images(
      self._batch, self._steps_read_back
    )
    index, _ = nearest.find_nearest(
      self._table, images.reshape([-1, *images.shape[2:]])
    )
    return latent_errors.mean_errors(
      self._true_classes.reshape([-1, latents.NUM_LATENTS]),
      latents.index_to_classes(index),
    )

  @functools.cached_property
  def _tracer(self) -> memory_trace.Tracer:
    return memory_trace.Tracer(self._predictor.core, rollouts.INPUT_SIZE)

  def trace_memory(self) -> tuple[memory_trace.MemoryTrace, np.ndarray]:
    """What the memory does in the first rollout.

    Returns:
      Of its first `memory_trace.NUM_STEPS` steps; and the sprites that go in at
      these steps, float32 `[time, 64, 64]` of 0 and 1.
    """
    num_steps = min(memory_trace.NUM_STEPS, self._batch.length[0])
    steps = rollouts.segment(self._batch, 0, num_steps)
    inputs = rollouts.model_inputs(steps)[:, 0]
    size = render.IMAGE_SIZE
    sprites = inputs[:, : rollouts.NUM_PIXELS].numpy()
    return self._tracer(inputs), sprites.reshape([-1, size, size])

  def picture(self) -> np.ndarray:
    """The first steps of the first rollout, as `Evaluator.picture`."""
    return self._evaluator.picture(rollouts.segment(self._batch, 0, _NUM_SHOWN))

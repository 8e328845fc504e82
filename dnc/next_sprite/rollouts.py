"""Rollouts of sprites: what the predictor is trained on and evaluated with.

PROTOCOL, "Rollouts": a rollout of T steps is T sprites c_0 .. c_{T-1}. With
a_t the difference of latent values between sprites t and t - 1, and a_0 = 0,

    step 0:      (image_0, a_0)     -> image_0
    step t >= 1: (image_{t-1}, a_t) -> image_t

The current sprite of a step is the one whose image goes in.

A rollout is a pure function of (seed, stream, index): its numbers are the raw
output of the counter-based generator Philox-4x64 under the key (seed, index),
with the stream in the highest word of the counter. They are turned into
integers here, because NumPy keeps raw output stable between versions but not
what its distributions make of it.

From rollouts to tensors: `batch_indices` says which rollouts go together,
`make_batch` builds a batch, `dataset` builds batches in the background, and
`model_inputs`, `model_targets` and `mask` unpack them in graph.
"""

from collections.abc import Sequence
import dataclasses
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from dnc import config as config_lib
from dnc.dsprites import latents
from dnc.dsprites import render
from dnc.dsprites import table as table_lib
from dnc.dsprites import variation
from dnc.system import errors

# Their numbers are part of every rollout's identity: append, never reorder.
STREAMS = ('train', 'validation', 'evaluation', 'mutual_information')
# What varies in Test 2's sequences.
MOVING = ('x_position',)
NUM_PIXELS = render.IMAGE_SIZE**2
INPUT_SIZE = NUM_PIXELS + latents.NUM_LATENTS

# Batches are chosen among this many batches' worth of successive rollouts.
_WINDOW = 32
# What the numbers are for, in the second-highest word of the counter.
_ROLLOUT, _BATCH_ORDER = 0, 1


@dataclasses.dataclass(frozen=True)
class RolloutSpec:
  """Which rollouts: with an index it names one and all its numbers.

  Attributes:
    seed: in [0, 2^64).
    stream: one of `STREAMS`; rollouts of different streams are independent.
    min_length: least number of steps.
    max_length: greatest number of steps; lengths are uniform in between.
    varying: names of the latents that are drawn anew for every sprite; None
      for all that are not fixed, and it reads as these. What is neither varying
      nor fixed is drawn once for the whole rollout.
    fixed: names and classes of the latents that are never drawn, as a mapping
      or pairs; it reads as pairs.

  Raises:
    UsageError: if the seed or a length is not allowed, or `varying` and `fixed`
      are not what `variation.resolve` takes.
    ValueError: if the stream is unknown.
  """

  seed: int
  stream: str
  min_length: int
  max_length: int
  varying: variation.Varying | None = None
  fixed: variation.Fixed = ()

  def __post_init__(self):
    if not 0 <= self.seed < 2**64:
      raise errors.UsageError(f'--seed={self.seed} must be in 0 to 2^64 - 1')
    if self.min_length < 1:
      raise errors.UsageError(f'--min_length={self.min_length} must be >= 1')
    if self.max_length < self.min_length:
      raise errors.UsageError(
        f'--max_length={self.max_length} must be at least --min_length='
        f'{self.min_length}'
      )
    if self.stream not in STREAMS:
      raise ValueError(f'stream must be one of {STREAMS}, got {self.stream!r}')
    resolved = variation.resolve(self.varying, self.fixed)
    for name, value in zip(('varying', 'fixed'), resolved):
      object.__setattr__(self, name, value)


def training_spec(
  config: config_lib.TrainingConfig, stream: str = 'train'
) -> RolloutSpec:
  """The rollouts that a run trains on, or its `validation` rollouts."""
  return RolloutSpec(
    seed=config.seed,
    stream=stream,
    min_length=config.min_length,
    max_length=config.max_length,
    varying=config.varying,
    fixed=config.fixed,
  )


def evaluation_spec(config: config_lib.EvaluationConfig) -> RolloutSpec:
  """The rollouts of Tests 1 and 3."""
  return RolloutSpec(
    seed=config.seed,
    stream='evaluation',
    min_length=config.rollout_length,
    max_length=config.rollout_length,
    varying=config.varying,
    fixed=config.fixed,
  )


def moving_spec(config: config_lib.EvaluationConfig) -> RolloutSpec:
  """The sequences of Test 2, in which `MOVING` alone varies.

  They have from `rollout_length` to twice as many steps.
  """
  return RolloutSpec(
    seed=config.seed,
    stream='mutual_information',
    min_length=config.rollout_length,
    max_length=2 * config.rollout_length,
    varying=MOVING,
    fixed=[pair for pair in config.fixed if pair[0] not in MOVING],
  )


@dataclasses.dataclass(frozen=True)
class RolloutRange:
  """Successive rollouts of one kind.

  Attributes:
    spec: what kind.
    first: index of the first.
    num_rollouts: how many.
  """

  spec: RolloutSpec
  first: int
  num_rollouts: int


class RolloutBatch(NamedTuple):
  """Rollouts side by side, padded with zeros to the longest.

  Arrays or tensors. A batch that was not filled has rollouts of length 0 and
  index -1.

  Attributes:
    image: uint8 [time, batch, 64, 8], packed image of the current sprite.
    action: float32 [time, batch, 5], latent values of the sprite to predict
      minus those of the current one.
    target: uint8 [time, batch, 64, 8], packed image to predict.
    classes: int32 [time, batch, 5], classes of the current sprite.
    values: float32 [time, batch, 5], latent values of the current sprite.
    length: int32 [batch], number of steps.
    index: int64 [batch], which rollout of the stream.
  """

  image: np.ndarray | tf.Tensor
  action: np.ndarray | tf.Tensor
  target: np.ndarray | tf.Tensor
  classes: np.ndarray | tf.Tensor
  values: np.ndarray | tf.Tensor
  length: np.ndarray | tf.Tensor
  index: np.ndarray | tf.Tensor


def _raw(spec: RolloutSpec, index: int, use: int, size: int) -> np.ndarray:
  """`size` random 64-bit numbers, the same for the same arguments."""
  bits = np.random.Philox(
    key=np.array([spec.seed, index], np.uint64),
    counter=np.array([0, 0, use, STREAMS.index(spec.stream)], np.uint64),
  )
  return bits.random_raw(size)


def _below(raw: np.ndarray, bound: int) -> np.ndarray:
  """Maps 64-bit numbers to [0, bound): uniform within bound / 2^64."""
  return (raw % np.uint64(bound)).astype(np.int64)


def _length(spec: RolloutSpec, raw: np.ndarray) -> int:
  span = spec.max_length - spec.min_length + 1
  return spec.min_length + int(_below(raw, span))


def length(spec: RolloutSpec, index: int) -> int:
  """The number of steps of rollout `index`."""
  if spec.min_length == spec.max_length:
    return spec.max_length
  return _length(spec, _raw(spec, index, _ROLLOUT, 1)[0])


def sample_classes(spec: RolloutSpec, index: int) -> np.ndarray:
  """Draws the sprites of a rollout, each uniform over all 737,280.

  A latent that varies is the same whatever the others do.

  Args:
    spec: which rollouts.
    index: which of them, in [0, 2^63).

  Returns:
    int64 [length, 5], the classes of sprites 0 .. length - 1.
  """
  # The first number is the length, the second a sprite that gives the latents
  # that are drawn once, and then there is one for each sprite.
  raw = _raw(spec, index, _ROLLOUT, 2 + spec.max_length)
  drawn = latents.index_to_classes(
    _below(raw[1 : 2 + _length(spec, raw[0])], latents.NUM_SPRITES)
  )
  still = [name not in spec.varying for name in latents.NAMES]
  drawn[1:, still] = drawn[0, still]
  for name, number in spec.fixed:
    drawn[:, latents.NAMES.index(name)] = number
  return drawn[1:]


def batch_from_classes(
  table: table_lib.SpriteTable,
  rollouts: Sequence[np.ndarray],
  index: Sequence[int] | None = None,
) -> RolloutBatch:
  """Lays out given rollouts as a batch.

  Args:
    table: the images.
    rollouts: for each rollout the classes of its sprites, int [length, 5];
      lengths may differ and be 0.
    index: for each rollout its index; by default they are numbered from 0.

  Returns:
    A batch of NumPy arrays, as long as the longest rollout.
  """
  lengths = np.array([len(classes) for classes in rollouts], np.int32)
  steps, size = lengths.max(initial=0), len(rollouts)
  packed = (steps, size, render.IMAGE_SIZE, render.ROW_BYTES)
  batch = RolloutBatch(
    image=np.zeros(packed, np.uint8),
    action=np.zeros([steps, size, latents.NUM_LATENTS], np.float32),
    target=np.zeros(packed, np.uint8),
    classes=np.zeros([steps, size, latents.NUM_LATENTS], np.int32),
    values=np.zeros([steps, size, latents.NUM_LATENTS], np.float32),
    length=lengths,
    index=np.asarray(np.arange(size) if index is None else index, np.int64),
  )
  for i, (classes, end) in enumerate(zip(rollouts, lengths)):
    if not end:
      continue
    # Step 0 has sprite 0 for both its input and its target.
    current = np.maximum(np.arange(end) - 1, 0)
    bits = table.bits[latents.classes_to_index(classes)]
    values = latents.class_values(classes)
    batch.image[:end, i] = bits[current]
    batch.action[:end, i] = values - values[current]
    batch.target[:end, i] = bits
    batch.classes[:end, i] = classes[current]
    batch.values[:end, i] = values[current]
  return batch


def make_batch(
  table: table_lib.SpriteTable, spec: RolloutSpec, indices: Sequence[int]
) -> RolloutBatch:
  """Draws rollouts and lays them out as a batch.

  Args:
    table: the images.
    spec: which rollouts.
    indices: int [batch], which of them; -1 gives a rollout of length 0.

  Returns:
    A batch of NumPy arrays.
  """
  nothing = np.zeros([0, latents.NUM_LATENTS], np.int64)
  rollouts = [
    nothing if index < 0 else sample_classes(spec, int(index))
    for index in indices
  ]
  return batch_from_classes(table, rollouts, indices)


def batch_indices(
  spec: RolloutSpec,
  num_rollouts: int,
  batch_size: int,
  first_index: int = 0,
) -> np.ndarray:
  """Decides which rollouts share a batch, in order of use.

  Rollouts of near-equal length go together, so that little is padding: those
  of every 32 successive batches are sorted by length and cut into batches,
  which are then put in random order. Rollouts of equal lengths keep theirs.

  Args:
    spec: which rollouts.
    num_rollouts: how many of them.
    batch_size: rollouts in a batch.
    first_index: index of the first.

  Returns:
    int64 [num_batches, batch_size]: every index in [first_index, first_index +
    num_rollouts) once, the last batch filled up with -1.

  Raises:
    ValueError: if `num_rollouts` or `batch_size` is not positive.
  """
  if num_rollouts < 1 or batch_size < 1:
    raise ValueError(
      'num_rollouts and batch_size must be positive, got '
      f'{num_rollouts} and {batch_size}'
    )
  num_batches = -(-num_rollouts // batch_size)
  indices = np.full([num_batches * batch_size], -1, np.int64)
  indices[:num_rollouts] = first_index + np.arange(num_rollouts)
  if spec.min_length == spec.max_length:
    return indices.reshape(num_batches, batch_size)
  window = _WINDOW * batch_size
  for start in range(0, num_rollouts, window):
    stop = min(start + window, num_rollouts)
    own = indices[start:stop]
    lengths = [length(spec, int(index)) for index in own]
    indices[start:stop] = own[np.argsort(lengths, kind='stable')]
  batches = indices.reshape(num_batches, batch_size)
  num_full = num_rollouts // batch_size
  for start in range(0, num_full, _WINDOW):
    stop = min(start + _WINDOW, num_full)
    first = first_index + start * batch_size
    raw = _raw(spec, first, _BATCH_ORDER, stop - start)
    batches[start:stop] = batches[start:stop][np.argsort(raw)]
  return batches


def batch_spec(batch_size: int | None = None) -> RolloutBatch:
  """The `tf.TensorSpec` of each field; any number of steps.

  A `batch_size` of None stands for any, too.
  """
  packed = [None, batch_size, render.IMAGE_SIZE, render.ROW_BYTES]
  vector = [None, batch_size, latents.NUM_LATENTS]
  return RolloutBatch(
    image=tf.TensorSpec(packed, tf.uint8),
    action=tf.TensorSpec(vector, tf.float32),
    target=tf.TensorSpec(packed, tf.uint8),
    classes=tf.TensorSpec(vector, tf.int32),
    values=tf.TensorSpec(vector, tf.float32),
    length=tf.TensorSpec([batch_size], tf.int32),
    index=tf.TensorSpec([batch_size], tf.int64),
  )


def dataset(
  table: table_lib.SpriteTable, spec: RolloutSpec, batches: np.ndarray
) -> tf.data.Dataset:
  """Batches of rollouts, built while the previous ones are being used.

  Args:
    table: the images.
    spec: which rollouts.
    batches: int64 [num_batches, batch], as from `batch_indices`.

  Returns:
    A dataset of `RolloutBatch` in this order; only the batches in flight are in
    memory.
  """
  spec_of_batch = batch_spec(batches.shape[1])

  def build(indices: tf.Tensor) -> RolloutBatch:
    arrays = tf.numpy_function(
      lambda indices: tuple(make_batch(table, spec, indices)),
      [indices],
      tuple(field.dtype for field in spec_of_batch),
    )
    return RolloutBatch(
      *(
        tf.ensure_shape(array, field.shape)
        for array, field in zip(arrays, spec_of_batch)
      )
    )

  return tf.data.Dataset.from_tensor_slices(batches).map(build).prefetch(2)


def unpack(bits: tf.Tensor) -> tf.Tensor:
  """Unpacks images: uint8 [..., 64, 8] -> float32 [..., 4096] of 0 and 1."""
  bits = tf.convert_to_tensor(bits)
  # Looking up a byte's eight pixels is much faster than shifting and masking.
  pixels = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=-1)
  floats = tf.gather(tf.constant(pixels, tf.float32), tf.cast(bits, tf.int32))
  shape = tf.concat([tf.shape(bits)[:-2], [NUM_PIXELS]], axis=0)
  return tf.ensure_shape(
    tf.reshape(floats, shape), bits.shape[:-2] + [NUM_PIXELS]
  )


def model_inputs(batch: RolloutBatch) -> tf.Tensor:
  """The model's input: image and action, float32 [time, batch, 4096 + 5]."""
  return tf.concat([unpack(batch.image), batch.action], axis=-1)


def model_targets(batch: RolloutBatch) -> tf.Tensor:
  """The images to predict: float32 [time, batch, 4096] of 0 and 1."""
  return unpack(batch.target)


def mask(
  lengths: tf.Tensor, num_steps: int | tf.Tensor, offset: int | tf.Tensor = 0
) -> tf.Tensor:
  """Tells real steps from padding.

  Args:
    lengths: int32 [batch], number of steps of each rollout.
    num_steps: how many steps.
    offset: the first of them.

  Returns:
    float32 [num_steps, batch]: 1 where offset + step < length, else 0.
  """
  steps = tf.range(offset, offset + num_steps)
  return tf.cast(steps[:, None] < lengths[None, :], tf.float32)


def segment(
  batch: RolloutBatch, start: int | tf.Tensor, stop: int | tf.Tensor
) -> RolloutBatch:
  """Cuts out steps [start, stop).

  `length` and `index` are still those of the whole rollouts: the mask of the
  segment is `mask(batch.length, stop - start, offset=start)`.
  """
  *time_major, lengths, index = batch
  return RolloutBatch(*(x[start:stop] for x in time_major), lengths, index)

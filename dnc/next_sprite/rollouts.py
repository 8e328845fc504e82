"""Rollouts of sprites, for training and evaluating the predictor.

PROTOCOL, "Rollouts": a rollout of T steps is T sprites c_0 .. c_{T-1}. With
a_t the difference of latent values between sprites t and t - 1, and a_0 = 0,

    step 0:      (image_0, a_0)     -> image_0
    step t >= 1: (image_{t-1}, a_t) -> image_t

The current sprite of a step is the one whose image is the input.

PROTOCOL, "Twins": two twins of this task need a memory. With `show_every` k,
the input has the image at every k-th step only, and zeros between. With
`recall` k, the target is the image that was the input k steps before; the first
k steps do not count.

A rollout is a pure function of (seed, stream, index): its numbers are the raw
output of the counter-based generator Philox-4x64 under the key (seed, index),
with the stream in the highest word of the counter. They are turned into
integers here, because NumPy keeps the raw output stable across versions, but
not the output of its distributions.

From rollouts to tensors: `batch_indices` groups rollouts into batches,
`make_batch` builds a batch, `dataset` builds batches in the background, and
`model_inputs`, `model_targets` and `counted` unpack them in graph.
"""

from collections.abc import Sequence
import dataclasses
from typing import Any
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from dnc import config as config_lib
from dnc.config import checks
from dnc.dsprites import latents
from dnc.dsprites import render
from dnc.dsprites import table as table_lib
from dnc.dsprites import variation

# A rollout depends on its stream's position here: append, never reorder.
STREAMS = ('train', 'validation', 'evaluation', 'mutual_information')
# The latents that vary in Test 2's sequences.
MOVING = ('x_position',)
NUM_PIXELS = render.IMAGE_SIZE**2
INPUT_SIZE = NUM_PIXELS + latents.NUM_LATENTS

# Rollouts are sorted by length within windows of this many batches.
_WINDOW = 32
# The purpose of the numbers, in the second-highest word of the counter.
_ROLLOUT, _BATCH_ORDER = 0, 1


@dataclasses.dataclass(frozen=True)
class RolloutSpec:
  """A kind of rollouts; together with an index it determines one rollout.

  Attributes:
    seed: in [0, 2^64).
    stream: one of `STREAMS`; rollouts of different streams are independent.
    min_length: least number of steps.
    max_length: greatest number of steps; lengths are uniform in between.
    varying: names of the latents redrawn for every sprite; None means all that
      are not fixed, and is replaced by their names. Latents that are neither
      varying nor fixed are drawn once per rollout.
    fixed: names and classes of the latents that are never drawn; a mapping or
      pairs, stored as pairs.
    show_every: the image is shown at steps that are multiples of this.
    recall: how many steps before the target was shown; None: the target is the
      next sprite.

  Raises:
    UsageError: if the seed or a length is not allowed, or if
      `variation.resolve` refuses `varying` or `fixed`.
    ValueError: if the stream is unknown, or `show_every` or `recall` is out of
      range, or both are given.
  """

  seed: int
  stream: str
  min_length: int
  max_length: int
  varying: variation.Varying | None = None
  fixed: variation.Fixed = ()
  show_every: int = 1
  recall: int | None = None

  @property
  def is_twin(self) -> bool:
    """Whether this is a twin of the post's task."""
    return self.show_every > 1 or self.recall is not None

  def __post_init__(self):
    checks.require(self, 'seed', 0 <= self.seed < 2**64, 'in 0 to 2^64 - 1')
    checks.require(self, 'min_length', self.min_length >= 1, 'at least 1')
    checks.require_order(self, 'min_length', 'max_length')
    if self.stream not in STREAMS:
      raise ValueError(f'stream must be one of {STREAMS}, got {self.stream!r}')
    if self.show_every < 1:
      raise ValueError(f'show_every must be at least 1, got {self.show_every}')
    if self.recall is not None and (
      self.show_every > 1 or not 0 <= self.recall < self.min_length
    ):
      raise ValueError(
        f'recall must be in 0 to min_length - 1 = {self.min_length - 1}, '
        f'without show_every; got {self.recall}, {self.show_every}'
      )
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
    **_shown_and_asked(config),
  )


def evaluation_spec(
  config: config_lib.EvaluationConfig, training: config_lib.TrainingConfig
) -> RolloutSpec:
  """The rollouts of Tests 1, 3 and 4, for a model of a training."""
  return RolloutSpec(
    seed=config.seed,
    stream='evaluation',
    min_length=config.rollout_length,
    max_length=config.rollout_length,
    varying=config.varying,
    fixed=config.fixed,
    **_shown_and_asked(training),
  )


def moving_spec(
  config: config_lib.EvaluationConfig, training: config_lib.TrainingConfig
) -> RolloutSpec:
  """The sequences of Test 2, in which only `MOVING` varies.

  Their lengths are between `rollout_length` and twice that.
  """
  return RolloutSpec(
    seed=config.seed,
    stream='mutual_information',
    min_length=config.rollout_length,
    max_length=2 * config.rollout_length,
    varying=MOVING,
    fixed=[pair for pair in config.fixed if pair[0] not in MOVING],
    **_shown_and_asked(training),
  )


def _shown_and_asked(training: config_lib.TrainingConfig) -> dict[str, Any]:
  """The fields of `RolloutSpec` that say which twin of the task this is."""
  return dict(show_every=training.show_every, recall=training.recall)


@dataclasses.dataclass(frozen=True)
class RolloutRange:
  """Successive rollouts of one kind.

  Attributes:
    spec: the kind.
    first: index of the first rollout.
    num_rollouts: number of rollouts.
  """

  spec: RolloutSpec
  first: int
  num_rollouts: int

  def described(self) -> dict[str, Any]:
    """Returns a dict for metadata; twins' fields are left out unless used."""
    found = dataclasses.asdict(self)
    if self.spec.show_every == 1:
      del found['spec']['show_every']
    if self.spec.recall is None:
      del found['spec']['recall']
    return found


class RolloutBatch(NamedTuple):
  """Rollouts side by side, padded with zeros to the longest.

  The fields are arrays or tensors. A batch that is not full is filled up with
  rollouts of length 0 and index -1.

  Attributes:
    image: uint8 [time, batch, 64, 8], packed image of the current sprite; zeros
      where it is not shown.
    action: float32 [time, batch, 5], latent values of the sprite to predict
      minus those of the current one.
    target: uint8 [time, batch, 64, 8], packed image to predict.
    classes: int32 [time, batch, 5], classes of the current sprite.
    values: float32 [time, batch, 5], latent values of the current sprite.
    since_shown: int32 [time, batch], number of steps since the image that
      determines the target was shown; -1 where the step does not count, because
      it has no target or is padding.
    length: int32 [batch], number of steps.
    index: int64 [batch], which rollout of the stream.
  """

  image: np.ndarray | tf.Tensor
  action: np.ndarray | tf.Tensor
  target: np.ndarray | tf.Tensor
  classes: np.ndarray | tf.Tensor
  values: np.ndarray | tf.Tensor
  since_shown: np.ndarray | tf.Tensor
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
  """Maps 64-bit numbers to [0, bound): uniform up to a bias of bound / 2^64."""
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
  """Draws the sprites of a rollout, each uniform over all that `spec` allows.

  A varying latent takes the same values whether or not other latents vary.

  Args:
    spec: the kind of rollouts.
    index: index of the rollout, in [0, 2^63).

  Returns:
    int64 [length, 5], the classes of sprites 0 .. length - 1.
  """
  # The first number decides the length, the second the latents drawn once; the
  # others, one per sprite, decide the varying latents.
  raw = _raw(spec, index, _ROLLOUT, 2 + spec.max_length)
  drawn = latents.index_to_classes(
    _below(raw[1 : 2 + _length(spec, raw[0])], latents.NUM_SPRITES)
  )
  still = [name not in spec.varying for name in latents.NAMES]
  drawn[1:, still] = drawn[0, still]
  for name, number in spec.fixed:
    drawn[:, latents.NAMES.index(name)] = number
  return drawn[1:]


def asked_sprites(
  num_steps: int, show_every: int = 1, recall: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
  """Finds the sprite whose image is the target of each step.

  Args:
    num_steps: steps of the rollout.
    show_every: see `RolloutSpec`.
    recall: see `RolloutSpec`.

  Returns:
    int64 [num_steps] each: the number of the sprite in the rollout, and
    `RolloutBatch.since_shown`. Both are -1 where a step has no target.
  """
  steps = np.arange(num_steps)
  if recall is None:
    return steps, steps % show_every
  # In step 0, sprite 0 is both the input and the next sprite.
  asked = np.maximum(steps - recall - 1, 0)
  is_asked = steps >= recall
  return np.where(is_asked, asked, -1), np.where(is_asked, recall, -1)


def batch_from_classes(
  table: table_lib.SpriteTable,
  rollouts: Sequence[np.ndarray],
  index: Sequence[int] | None = None,
  show_every: int = 1,
  recall: int | None = None,
) -> RolloutBatch:
  """Lays out given rollouts as a batch.

  Args:
    table: the images.
    rollouts: for each rollout the classes of its sprites, int [length, 5];
      lengths may differ and be 0.
    index: index of each rollout; by default they are numbered from 0.
    show_every: see `RolloutSpec`.
    recall: see `RolloutSpec`.

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
    since_shown=np.full([steps, size], -1, np.int32),
    length=lengths,
    index=np.asarray(np.arange(size) if index is None else index, np.int64),
  )
  for i, (classes, end) in enumerate(zip(rollouts, lengths)):
    if not end:
      continue
    # In step 0, sprite 0 is both the input and the next sprite.
    current = np.maximum(np.arange(end) - 1, 0)
    asked, since_shown = asked_sprites(end, show_every, recall)
    bits = table.bits[latents.classes_to_index(classes)]
    values = latents.class_values(classes)
    shown = slice(0, end, show_every)
    batch.image[shown, i] = bits[current[shown]]
    batch.action[:end, i] = values - values[current]
    is_asked = asked >= 0
    batch.target[:end, i][is_asked] = bits[asked[is_asked]]
    batch.classes[:end, i] = classes[current]
    batch.values[:end, i] = values[current]
    batch.since_shown[:end, i] = since_shown
  return batch


def make_batch(
  table: table_lib.SpriteTable, spec: RolloutSpec, indices: Sequence[int]
) -> RolloutBatch:
  """Draws rollouts and lays them out as a batch.

  Args:
    table: the images.
    spec: the kind of rollouts.
    indices: int [batch], their indices; -1 means a rollout of length 0.

  Returns:
    A batch of NumPy arrays.
  """
  nothing = np.zeros([0, latents.NUM_LATENTS], np.int64)
  rollouts = [
    nothing if index < 0 else sample_classes(spec, int(index))
    for index in indices
  ]
  return batch_from_classes(
    table, rollouts, indices, spec.show_every, spec.recall
  )


def batch_indices(
  spec: RolloutSpec,
  num_rollouts: int,
  batch_size: int,
  first_index: int = 0,
) -> np.ndarray:
  """Groups rollouts into batches, in order of use.

  Rollouts of similar length share a batch, which keeps padding low: every 32
  batches' worth of successive rollouts is sorted by length and cut into
  batches, and the full batches are shuffled. If all rollouts have the same
  length, they keep their order.

  Args:
    spec: the kind of rollouts.
    num_rollouts: number of rollouts.
    batch_size: number of rollouts in a batch.
    first_index: index of the first rollout.

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
  """The `tf.TensorSpec` of each field, for any number of steps.

  A `batch_size` of None allows batches of any size.
  """
  packed = [None, batch_size, render.IMAGE_SIZE, render.ROW_BYTES]
  vector = [None, batch_size, latents.NUM_LATENTS]
  return RolloutBatch(
    image=tf.TensorSpec(packed, tf.uint8),
    action=tf.TensorSpec(vector, tf.float32),
    target=tf.TensorSpec(packed, tf.uint8),
    classes=tf.TensorSpec(vector, tf.int32),
    values=tf.TensorSpec(vector, tf.float32),
    since_shown=tf.TensorSpec([None, batch_size], tf.int32),
    length=tf.TensorSpec([batch_size], tf.int32),
    index=tf.TensorSpec([batch_size], tf.int64),
  )


def dataset(
  table: table_lib.SpriteTable, spec: RolloutSpec, batches: np.ndarray
) -> tf.data.Dataset:
  """Batches of rollouts, built while the previous ones are being used.

  Args:
    table: the images.
    spec: the kind of rollouts.
    batches: int64 [num_batches, batch], as from `batch_indices`.

  Returns:
    A dataset of `RolloutBatch` in this order; only the batches in flight are in
    memory.
  """
  spec_of_batch = batch_spec(batches.shape[1])

  @tf.autograph.experimental.do_not_convert
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


def counted(batch: RolloutBatch) -> tf.Tensor:
  """Marks the steps that count: those with a target, without padding.

  Returns:
    float32 [time, batch]: 1 where the step counts, else 0.
  """
  return tf.cast(batch.since_shown >= 0, tf.float32)


def segment(
  batch: RolloutBatch, start: int | tf.Tensor, stop: int | tf.Tensor
) -> RolloutBatch:
  """Cuts out steps [start, stop).

  `length` and `index` remain those of the whole rollouts.
  """
  *time_major, lengths, index = batch
  return RolloutBatch(*(x[start:stop] for x in time_major), lengths, index)

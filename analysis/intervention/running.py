"""Runs a predictor up to some steps, then predicts from a changed state.

XLA compiles nothing, so that intact and changed predictions are computed in the
same way.
"""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
import dataclasses
from typing import Any

import numpy as np
import tensorflow as tf

from analysis.common import orders
from dnc import unroll
from dnc.next_sprite import model as model_lib
from dnc.next_sprite import rollouts
from dnc.recurrence import plain

WORDS, MEMORY = 'read_words', 'memory'
# The memory with fixed slots, and with its slots sorted.
MEMORIES = (
  MEMORY,
  f'{MEMORY}{orders.BY_WRITING}',
  f'{MEMORY}{orders.BY_READING}',
)
# The largest width of what is changed: the size of its covariance grows with
# the square of the width.
MAX_WIDTH = 1024
# Steps whose images are in memory at once.
_SEGMENT_LENGTH = 50


@dataclasses.dataclass(frozen=True)
class Snapshots:
  """What the outputs depend on, at some steps of some rollouts.

  Attributes:
    hidden: h_t, float32 `[n, hidden_size]`.
    read_words: r_t, float32 `[n, num_reads * W]`.
    memory: M_t, after the writing of the step, float32 `[n, N * W]`.
    prev_read_weights: w_{t-1}^r, float32 `[n, num_reads, N]`.
    link: L_t, float32 `[n, num_writes, N, N]`.
    slots_by_writing: int `[n, num_sorted]`, the last written slot first.
    slots_by_reading: int `[n, num_sorted]`, the most read slot first.
    targets: the images to be predicted, float32 `[n, 4096]` of 0 and 1.
    classes: of the sprite at each offset, int `[n, offset, 5]`.
    steps: t, int `[n]`.
    rollouts: index of each rollout, int `[n]`.
  """

  hidden: np.ndarray
  read_words: np.ndarray
  memory: np.ndarray
  prev_read_weights: np.ndarray
  link: np.ndarray
  slots_by_writing: np.ndarray
  slots_by_reading: np.ndarray
  targets: np.ndarray
  classes: np.ndarray
  steps: np.ndarray
  rollouts: np.ndarray

  def __getitem__(self, rows: np.ndarray) -> 'Snapshots':
    """Selects snapshots; `rows` are indices or bool `[n]`."""
    return Snapshots(**{k: x[rows] for k, x in vars(self).items()})

  @property
  def _memory_size(self) -> int:
    return self.link.shape[-1]

  def held(self, name: str) -> np.ndarray:
    """Returns a representation, float32 `[n, width]`."""
    if name in (WORDS, MEMORY):
      return getattr(self, name)
    return orders.taken(self.memory, self._slots(name), self._memory_size)

  def _slots(self, name: str) -> np.ndarray:
    return getattr(self, f'slots{name.removeprefix(MEMORY)}')

  def whole_memory(self, name: str, changed: np.ndarray) -> np.ndarray:
    """Returns M_t with a changed one of `MEMORIES`, `[n, N * W]`."""
    if name == MEMORY:
      return changed
    slots = self._slots(name)
    words = np.array(self.memory, changed.dtype)
    words = words.reshape([len(words), self._memory_size, -1])
    rows = np.arange(len(words))[:, np.newaxis]
    words[rows, slots] = changed.reshape([*slots.shape, -1])
    return words.reshape([len(words), -1])


class Runner:
  """Runs a predictor that has a memory, and changes what it holds.

  Attributes:
    widths: numbers of the words read and of each of `MEMORIES`.
    num_sorted: number of sorted slots that are changed: as many of the first as
      `MAX_WIDTH` allows.
  """

  def __init__(self, predictor: model_lib.SpritePredictor):
    self._core = core = predictor.core
    state = core.initial_state(1)
    _, num_slots, word_size = state.access_state.memory.shape
    self._memory_size = num_slots
    self.num_sorted = min(num_slots, MAX_WIDTH // word_size)
    self.widths = {
      WORDS: state.access_output.shape[1:].num_elements(),
      MEMORY: num_slots * word_size,
      **dict.fromkeys(MEMORIES[1:], self.num_sorted * word_size),
    }
    # One graph serves any number of steps and rollouts.
    self._scan = tf.function(
      self._run,
      input_signature=[
        tf.TensorSpec([None, None, rollouts.INPUT_SIZE]),
        tf.nest.map_structure(
          lambda x: tf.TensorSpec([None, *x.shape[1:]], x.dtype), state
        ),
      ],
      autograph=False,
    )

  def _run(self, inputs, state):
    projected, weights = unroll.project_inputs(self._core, inputs)
    state, kept = plain.scan(
      self._core,
      weights,
      projected,
      state,
      record=lambda state: (
        state.access_state.memory,
        state.access_state.read_weights,
        state.access_state.write_weights,
      ),
    )
    return kept, state

  def _sorter(self) -> Callable[[Any], tuple[np.ndarray, np.ndarray]]:
    """Makes a function that sorts the slots of a sequence, part by part.

    Returns:
      From the kept weights of the next steps, `[time, batch, head, slot]`, to
      slots by writing and by reading, `[time, batch, num_sorted]`.
    """
    of_order = {
      order: orders.Sorter(order, self._memory_size)
      for order in (orders.BY_WRITING, orders.BY_READING)
    }

    def slots(kept):
      _, read_weights, write_weights = kept.recorded
      of_weights = zip(of_order.values(), (write_weights, read_weights))
      return tuple(
        sort.slots(_flat(weights))[..., : self.num_sorted]
        for sort, weights in of_weights
      )

    return slots

  def representations(
    self, batch: rollouts.RolloutBatch
  ) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
    """Runs rollouts of equal length from the zero state.

    Yields:
      For each segment its steps, int `[time]`, and by name what is held after
      each of them, float32 `[time, batch, width]`.
    """
    state, slots = self._core.initial_state(len(batch.length)), self._sorter()
    for start in range(0, len(batch.image), _SEGMENT_LENGTH):
      part = rollouts.segment(batch, start, start + _SEGMENT_LENGTH)
      kept, state = self._scan(rollouts.model_inputs(part), state)
      words, memory = _flat(kept.read_words), _flat(kept.recorded[0])
      memories = [memory] + [
        orders.taken(memory, own, self._memory_size) for own in slots(kept)
      ]
      yield (
        start + np.arange(len(part.image)),
        {WORDS: words, **dict(zip(MEMORIES, memories))},
      )

  def snapshots(
    self,
    batch: rollouts.RolloutBatch,
    steps: Sequence[int],
    offsets: Sequence[int],
  ) -> Snapshots:
    """Runs rollouts of equal length up to some steps.

    Args:
      batch: the rollouts.
      steps: the steps, ascending.
      offsets: of the sprites in `Snapshots.classes`, in steps before each of
        these steps; every step must have a sprite at each offset.

    Returns:
      These steps of all rollouts, step by step.
    """
    found = []
    state, slots = self._core.initial_state(len(batch.length)), self._sorter()
    start = 0
    for step in steps:
      while start < step:
        stop = min(step, start + _SEGMENT_LENGTH)
        part = rollouts.segment(batch, start, stop)
        kept, state = self._scan(rollouts.model_inputs(part), state)
        slots(kept)
        start = stop
      prev_read_weights = state.access_state.read_weights
      part = rollouts.segment(batch, step, step + 1)
      kept, state = self._scan(rollouts.model_inputs(part), state)
      (by_writing,), (by_reading,) = slots(kept)
      start = step + 1
      number = len(batch.length)
      sprites = [batch.classes[step - offset] for offset in offsets]
      snapshots = Snapshots(
        hidden=state.controller_state.hidden.numpy(),
        read_words=state.access_output.numpy().reshape([number, -1]),
        memory=state.access_state.memory.numpy().reshape([number, -1]),
        prev_read_weights=prev_read_weights.numpy(),
        link=state.access_state.linkage.link.numpy(),
        slots_by_writing=by_writing,
        slots_by_reading=by_reading,
        targets=rollouts.model_targets(part)[0].numpy(),
        classes=np.stack(sprites, axis=1),
        steps=np.full([number], step),
        rollouts=np.asarray(batch.index),
      )
      found.append(snapshots)
    return Snapshots(
      **{
        k: np.concatenate([getattr(each, k) for each in found])
        for k in vars(found[0])
      }
    )

  def logits(
    self, snapshots: Snapshots, name: str | None = None, changed: object = None
  ) -> tf.Tensor:
    """Predicts images, with one representation changed.

    Args:
      snapshots: the steps.
      name: one of `MEMORIES`, which the same heads then read again, or `WORDS`;
        None for neither.
      changed: what to use in place of this representation, float `[n, width]`.

    Returns:
      Logits, float32 tensor `[n, 4096]`.
    """
    words = snapshots.read_words
    if name == WORDS:
      words = changed
    elif name is not None:
      words = self._read(snapshots, snapshots.whole_memory(name, changed))
    words = tf.reshape(tf.cast(words, tf.float32), [len(snapshots.hidden), -1])
    features = tf.concat([snapshots.hidden, words], axis=1)
    return unroll.apply_output_layer(self._core, features[tf.newaxis])[0]

  def _read(self, snapshots: Snapshots, memory: np.ndarray) -> tf.Tensor:
    """The words that the heads read from a changed memory."""
    access = self._core.access
    interface = [layer(snapshots.hidden) for layer in access.interface.values()]
    sizes = access.sizes
    shape = [-1, sizes['memory_size'], sizes['word_size']]
    words, _ = access.read(
      access.split_interface(tf.concat(interface, axis=1)),
      tf.reshape(tf.cast(memory, tf.float32), shape),
      tf.constant(snapshots.prev_read_weights),
      tf.constant(snapshots.link),
    )
    return words


def _flat(x: tf.Tensor) -> np.ndarray:
  """Joins all but the first two dimensions: `[time, batch, width]`."""
  return x.numpy().reshape([*x.shape[:2], -1])

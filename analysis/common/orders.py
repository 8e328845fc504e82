"""The memory with its slots sorted by writing or by reading.

A model may write the sprite of each step to a different slot. A linear probe of
fixed slots then finds next to nothing, although the memory holds the sprites.
With slots sorted by when they were last written, the sprite of five steps ago
is always in the same place.
"""

import numpy as np

# Suffixes of the name of a memory whose slots are sorted.
BY_WRITING = '_by_writing'
BY_READING = '_by_reading'
# By order, the weights that it needs.
WEIGHTS = {
  BY_WRITING: 'write_weights',
  BY_READING: 'read_weights',
}


def ages(weights: np.ndarray, before: np.ndarray | float = 0.0) -> np.ndarray:
  """Returns how many steps ago each slot was last written: its age.

  A head that writes to a slot with weight w reduces the slot's age by this
  share: age_t = (age_{t-1} + 1) (1 - w_t). Further heads do the same in turn.

  Args:
    weights: write weights, float `[time, ..., head, slot]`.
    before: the ages before the first step, float `[..., slot]`.

  Returns:
    float64 `[time, ..., slot]`.
  """
  kept = np.prod(1 - weights.astype(np.float64), axis=-2)
  found, age = np.empty_like(kept), before
  for step, share in enumerate(kept):
    age = (age + 1) * share
    found[step] = age
  return found


class Sorter:
  """Sorts the slots of a memory, some steps at a time.

  Slots with equal ages, or with equal weights, keep their order.
  """

  def __init__(self, order: str, num_slots: int):
    """Constructs the sorter, for the first step of a sequence.

    Args:
      order: a key of `WEIGHTS`. By writing, the slot that was last written
        comes first; by reading, the slot with the most weight of all heads.
      num_slots: number of slots.
    """
    self._order = order
    self._num_slots = num_slots
    self._ages: np.ndarray | float = 0.0

  def __call__(self, memory: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Sorts the slots in the next steps.

    Args:
      memory: `[time, ..., slot * word]`, slot by slot.
      weights: the weights that the order needs, `[time, ..., head * slot]`,
        head by head.

    Returns:
      As `memory`.
    """
    return taken(memory, self.slots(weights), self._num_slots)

  def slots(self, weights: np.ndarray) -> np.ndarray:
    """Returns the sorted slots of the next steps, int `[time, ..., slot]`.

    Args:
      weights: as in `__call__`.
    """
    weights = weights.reshape((*weights.shape[:-1], -1, self._num_slots))
    if self._order == BY_READING:
      return np.argsort(-weights.sum(axis=-2), axis=-1, kind='stable')
    found = ages(weights, self._ages)
    self._ages = found[-1]
    return np.argsort(found, axis=-1, kind='stable')


def taken(memory: np.ndarray, slots: np.ndarray, num_slots: int) -> np.ndarray:
  """Takes some slots of a memory.

  Args:
    memory: `[..., num_slots * word]`, slot by slot.
    slots: int `[..., some]`, numbers of the slots.
    num_slots: number of all slots.

  Returns:
    `[..., some * word]`.
  """
  # Whole words are copied, ten times as fast as by `np.take_along_axis`.
  steps = memory.shape[:-1]
  firsts = num_slots * np.arange(np.prod(steps)).reshape((*steps, 1))
  words = memory.reshape((-1, memory.shape[-1] // num_slots))
  return words.take(firsts + slots, axis=0).reshape((*steps, -1))


def reordered(
  order: str, memory: np.ndarray, weights: np.ndarray, num_slots: int
) -> np.ndarray:
  """Sorts the slots of whole sequences; see `Sorter`."""
  return Sorter(order, num_slots)(memory, weights)

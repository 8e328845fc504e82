"""The memory with its slots sorted by writing or by reading.

A model may write the sprite of each step to a different slot. A linear probe of
fixed slots then finds next to nothing, although the memory holds the sprites.
With slots sorted by when they were last written, the sprite of five steps ago
is always in the same place.
"""

from collections.abc import Callable
from collections.abc import Mapping

import numpy as np

from analysis.probe import naming


def ages(weights: np.ndarray) -> np.ndarray:
  """Returns how many steps ago each slot was last written: its age.

  A head that writes to a slot with weight w reduces the slot's age by this
  share: age_t = (age_{t-1} + 1) (1 - w_t). Further heads do the same in turn.
  Ages start from 0.

  Args:
    weights: write weights, float `[time, head, slot]`.

  Returns:
    float64 `[time, slot]`.
  """
  kept = np.prod(1 - weights.astype(np.float64), axis=1)
  found, age = np.empty_like(kept), np.zeros(kept.shape[1:])
  for step, share in enumerate(kept):
    age = (age + 1) * share
    found[step] = age
  return found


def by_writing(weights: np.ndarray) -> np.ndarray:
  """Sorts slots, the last written first: int `[time, slot]`.

  Slots of equal age keep their order.

  Args:
    weights: write weights, float `[time, head, slot]`.
  """
  return np.argsort(ages(weights), axis=1, kind='stable')


def by_reading(weights: np.ndarray) -> np.ndarray:
  """Sorts slots, the most read first: int `[time, slot]`.

  The weights are summed over the heads. Slots with equal sums keep their order.

  Args:
    weights: read weights, float `[time, head, slot]`.
  """
  return np.argsort(-weights.sum(axis=1), axis=1, kind='stable')


# By order: the weights that it needs, and the function that sorts.
_ORDERS: Mapping[str, tuple[str, Callable[[np.ndarray], np.ndarray]]] = {
  naming.BY_WRITING: ('write_weights', by_writing),
  naming.BY_READING: ('read_weights', by_reading),
}
# By order, the weights that it needs.
WEIGHTS = {order: weights for order, (weights, _) in _ORDERS.items()}


def reordered(
  order: str, memory: np.ndarray, weights: np.ndarray, num_slots: int
) -> np.ndarray:
  """Sorts the slots of a memory.

  Args:
    order: a key of `WEIGHTS`.
    memory: `[time, slot * word]`, slot by slot.
    weights: the weights that the order needs, `[time, head * slot]`, head by
      head.
    num_slots: number of slots.

  Returns:
    `[time, slot * word]`.
  """
  num_steps = len(memory)
  _, sort = _ORDERS[order]
  slots = sort(weights.reshape([num_steps, -1, num_slots]))
  words = memory.reshape([num_steps, num_slots, -1])
  words = np.take_along_axis(words, slots[:, :, np.newaxis], axis=1)
  return words.reshape(memory.shape)

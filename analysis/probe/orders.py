"""The memory with its slots in another order: by writing, or by reading.

A model may keep a sprite in another slot at every step. A linear probe of fixed
slots then finds next to nothing, although all is there. Sorted by when slots
were last written, the sprite of five steps ago is always in the same place.
"""

from collections.abc import Callable
from collections.abc import Mapping

import numpy as np

from analysis.probe import naming


def ages(weights: np.ndarray) -> np.ndarray:
  """How many steps ago each slot was last written.

  A head that writes a slot with weight w makes it younger by this share: age_t
  = (age_{t-1} + 1) (1 - w_t), for all heads in turn. Ages start from 0.

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
  """The slots from the last written to the first: int `[time, slot]`.

  Args:
    weights: write weights, float `[time, head, slot]`. Of slots of one age, the
      first comes first.
  """
  return np.argsort(ages(weights), axis=1, kind='stable')


def by_reading(weights: np.ndarray) -> np.ndarray:
  """The slots from the most read to the least: int `[time, slot]`.

  Args:
    weights: read weights, float `[time, head, slot]`. Those of all heads add
      up; of slots that are read alike, the first comes first.
  """
  return np.argsort(-weights.sum(axis=1), axis=1, kind='stable')


# By order: the weights that it needs, and the function that makes it.
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
    weights: the weights that it needs, `[time, head * slot]`, head by head.
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

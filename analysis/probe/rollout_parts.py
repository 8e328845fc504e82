"""Parts of the rollouts, each of which is summed by itself.

They depend on the number of rollouts alone, not on who sums them. So sums of
parts, added up in order, are the same to the last bit.
"""

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

# How many rollouts are one part at least, and the most parts.
_ROLLOUTS, _MOST = 32, 32


class RolloutPart(NamedTuple):
  """Successive rollouts of a split.

  Attributes:
    split: their split.
    rollouts: their positions in it.
  """

  split: str
  rollouts: range


def of_split(num_rollouts: Mapping[str, int], split: str) -> list[RolloutPart]:
  """The parts of a split, in order; they are of equal size but for the last.

  Args:
    num_rollouts: by split.
    split: one of these; there are no parts of any other.
  """
  number = num_rollouts.get(split, 0)
  size = max(_ROLLOUTS, -(-number // _MOST))
  return [
    RolloutPart(split, range(first, min(first + size, number)))
    for first in range(0, number, size)
  ]


def in_order(
  found: Iterable[tuple[RolloutPart, Any]], parts: Sequence[RolloutPart]
) -> Iterator[Any]:
  """Yields what was found of parts.

  Raises:
    ValueError: if it is not of these parts, each once and in this order.
  """
  for (part, sums), expected in zip(found, parts, strict=True):
    if part != expected:
      raise ValueError(f'{part} in place of {expected}')
    yield sums

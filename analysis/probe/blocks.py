"""Collects steps into blocks: summing large blocks costs less."""

from typing import Any


class Blocks:
  """Collects arrays of steps until they fill a block."""

  def __init__(self, num_steps: int):
    """Constructs it, empty.

    Args:
      num_steps: how many steps fill a block.
    """
    self._num_steps = num_steps
    self._parts, self._num_waiting = [], 0

  def __bool__(self) -> bool:
    """Whether any steps wait."""
    return bool(self._parts)

  def put(self, num_steps: int, *parts: Any) -> bool:
    """Adds arrays of `num_steps` steps; returns whether the block is full."""
    self._parts.append(parts)
    self._num_waiting += num_steps
    return self._num_waiting >= self._num_steps

  def take(self) -> tuple[tuple[Any, ...], ...]:
    """Empties the block; returns all its arrays, by argument of `put`."""
    parts, self._parts, self._num_waiting = self._parts, [], 0
    return tuple(zip(*parts))

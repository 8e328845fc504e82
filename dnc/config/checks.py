"""Allowed values of settings, and the error for a wrong one."""

from collections.abc import Callable
from typing import Any
from typing import NamedTuple

from dnc.dsprites import variation
from dnc.system import errors

# The largest float setting: float32 holds it and its inverse.
_MOST = 1e30


class Allowed(NamedTuple):
  """The values that a setting may have.

  Attributes:
    holds: whether a value is allowed.
    text: the allowed values in words, put after 'must be' in the error.
    names: all allowed values, if they are a few names.
  """

  holds: Callable[[Any], bool]
  text: str
  names: tuple[str, ...] = ()


def at_least(least: int) -> Allowed:
  """Numbers of at least `least`."""
  return Allowed(lambda value: value >= least, f'at least {least}')


def one_of(*names: str) -> Allowed:
  """One of a few names."""
  return Allowed(
    lambda value: value in names, f'one of {", ".join(names)}', names
  )


def some_of(*names: str) -> Allowed:
  """One or more of a few names."""
  return Allowed(
    lambda value: len(value) > 0 and set(value) <= set(names),
    f'some of {", ".join(names)}',
  )


def is_each_once(values: tuple[int, ...]) -> bool:
  """Whether there is a value, and none occurs twice."""
  return 0 < len(values) == len(set(values))


POSITIVE = Allowed(
  lambda value: 1 / _MOST <= value <= _MOST, f'in {1 / _MOST:g} to {_MOST:g}'
)
# 0 means no bound.
BOUND = Allowed(lambda value: 0 <= value <= _MOST, f'in 0 to {_MOST:g}')
SEED = Allowed(lambda value: 0 <= value < 2**63, 'in 0 to 2^63 - 1')
EACH_ONCE = Allowed(is_each_once, 'one or more numbers, each once')


def require(config: Any, name: str, holds: bool, allowed: str) -> None:
  """Raises a `UsageError` about the field `name` unless a condition holds.

  Args:
    config: the config.
    name: name of the field and of its flag.
    holds: whether the condition holds.
    allowed: the allowed values in words, put after 'must be' in the error.
  """
  if not holds:
    value = shown(getattr(config, name))
    raise errors.UsageError(f'--{name}={value}: must be {allowed}')


def require_order(config: Any, least: str, most: str) -> None:
  """Raises a `UsageError` if the field `most` is below the field `least`."""
  bound = getattr(config, least)
  require(
    config, most, getattr(config, most) >= bound, f'at least --{least}={bound}'
  )


def shown(value: Any) -> str:
  """Formats a field's value as in its flag."""
  if not isinstance(value, tuple | list):
    return str(value)
  # Names, pairs of name and class, or numbers.
  return variation.shown(str(x) if isinstance(x, int) else x for x in value)

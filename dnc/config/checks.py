"""Checks of a config's fields: each mistake is told by the name of its flag."""

from typing import Any

from dnc.dsprites import variation
from dnc.system import errors

# Of settings that are not whole numbers: float32 holds it and its inverse.
_MOST = 1e30


def require(config: Any, name: str, holds: bool, allowed: str) -> None:
  """Checks that something holds of a field.

  Args:
    config: the config.
    name: the field, which is called as its flag.
    holds: whether it does.
    allowed: what is allowed, after 'must be'.

  Raises:
    UsageError: if it does not hold; the functions below raise it as well.
  """
  if not holds:
    value = shown(getattr(config, name))
    raise errors.UsageError(f'--{name}={value}: must be {allowed}')


def require_at_least(config: Any, least: int, *names: str) -> None:
  """Checks that numbers are no smaller."""
  for name in names:
    require(config, name, getattr(config, name) >= least, f'at least {least}')


def require_choice(config: Any, name: str, allowed: tuple[str, ...]) -> None:
  """Checks that a field is one of a few names."""
  holds = getattr(config, name) in allowed
  require(config, name, holds, f'one of {", ".join(allowed)}')


def require_positive(config: Any, *names: str) -> None:
  """Checks that numbers are more than 0 and can be computed with."""
  for name in names:
    holds = 0 < getattr(config, name) <= _MOST
    require(config, name, holds, f'more than 0, at most {_MOST:g}')


def require_bound(config: Any, name: str) -> None:
  """Checks that a number is 0, for no bound, or can be computed with."""
  holds = 0 <= getattr(config, name) <= _MOST
  require(config, name, holds, f'in 0 to {_MOST:g}')


def require_order(config: Any, least: str, most: str) -> None:
  """Checks that the field `most` is no smaller than the field `least`."""
  bound = getattr(config, least)
  require(
    config, most, getattr(config, most) >= bound, f'at least --{least}={bound}'
  )


def require_seed(config: Any) -> None:
  """Checks the seed."""
  require(config, 'seed', 0 <= config.seed < 2**63, 'in 0 to 2^63 - 1')


def shown(value: Any) -> str:
  """A field's value as it is given to its flag."""
  if not isinstance(value, tuple):
    return str(value)
  # Names, pairs of name and class, or numbers.
  return variation.shown(str(x) if isinstance(x, int) else x for x in value)

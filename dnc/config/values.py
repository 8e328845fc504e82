"""Converts the values of settings to the plain types of their fields.

Sweeps give NumPy scalars, 16.0 for 16, and lists for tuples. The names of runs,
`config.json` and the JSON of results need one form of each value.
"""

from collections.abc import Callable
from collections.abc import Mapping
import numbers
import os
import types
import typing
from typing import Any

import numpy as np

from dnc.dsprites import variation

# Exact in all that reads them: int64 of NumPy and of TensorFlow.
_END = 2**63


def without_none(hint: Any) -> Any:
  """The type T of a hint `T` or `T | None`."""
  if isinstance(hint, types.UnionType):
    (hint,) = (t for t in typing.get_args(hint) if t is not types.NoneType)
  return hint


def convert(value: Any, hint: Any) -> Any:
  """Converts a value to the type of a field.

  Args:
    value: the value.
    hint: the field's type, a key of `_CONVERTERS`, or that or None. Values of
      other types are returned as they are.

  Raises:
    ValueError: if it is not a value of that type; its text is to follow 'must
      be'.
  """
  plain = without_none(hint)
  if plain not in _CONVERTERS or (value is None and plain is not hint):
    return value
  function, text = _CONVERTERS[plain]
  try:
    return function(_unpacked(value))
  except TypeError as e:
    if plain in (int, float, bool, str):
      # A text looks like the number in it.
      text = f'{text}, not of type {type(value).__name__}'
    raise ValueError(text) from e
  except OverflowError as e:
    kind = 'float64' if plain is float else 'int64'
    raise ValueError(f'{text} that {kind} holds') from e
  except ValueError as e:
    raise ValueError(text) from e


def _unpacked(value: Any) -> Any:
  """Takes values out of arrays: of NumPy or, if they are scalars, of others."""
  if isinstance(value, np.ndarray):
    return value.tolist()
  if getattr(value, 'ndim', None) == 0 and hasattr(value, 'item'):
    return value.item()
  return value


def _whole(value: Any) -> int:
  if isinstance(value, bool) or not isinstance(value, numbers.Real):
    raise TypeError
  number = int(value)
  if number != value:
    raise ValueError
  if not -_END <= number < _END:
    raise OverflowError
  return number


def _real(value: Any) -> float:
  if isinstance(value, bool) or not isinstance(value, numbers.Real):
    raise TypeError
  return float(value) + 0.0  # Not -0.0, which has a name of its own.


def _truth(value: Any) -> bool:
  if not isinstance(value, bool):
    raise TypeError
  return value


def _text(value: Any) -> str:
  value = os.fspath(value)
  if not isinstance(value, str):
    raise TypeError
  return str.__str__(value)  # A plain one, also of members of an enumeration.


def _items(value: Any) -> list[Any]:
  # Not of a set, which has no order, nor of a text.
  if not isinstance(value, list | tuple | range):
    raise TypeError
  return [_unpacked(item) for item in value]


def _pairs(value: Any) -> variation.Fixed:
  items = value.items() if isinstance(value, Mapping) else _items(value)
  pairs = [_items(item) for item in items]
  return tuple((_text(name), _whole(number)) for name, number in pairs)


# By type: what converts a value, and what it may be.
_CONVERTERS: dict[Any, tuple[Callable[[Any], Any], str]] = {
  int: (_whole, 'a whole number'),
  float: (_real, 'a number'),
  bool: (_truth, 'true or false'),
  str: (_text, 'text'),
  tuple[str, ...]: (lambda x: tuple(map(_text, _items(x))), 'a list of names'),
  tuple[int, ...]: (
    lambda x: tuple(map(_whole, _items(x))),
    'a list of whole numbers',
  ),
  variation.Fixed: (_pairs, 'latents and their classes'),
}

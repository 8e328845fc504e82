"""Converts the values of settings to the plain types of their fields.

Hyperparameter sweeps pass NumPy scalars, 16.0 for 16, and lists for tuples. The
names of runs, `config.json` and the JSON of results need one form of each
value.
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

# Whole numbers must fit int64, for NumPy and TensorFlow.
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
    hint: the field's type: T or `T | None`, where T is a key of `_CONVERTERS`.
      With any other hint, the value is returned as it is.

  Raises:
    ValueError: if it is not a value of that type. Its message is the allowed
      values in words, to be put after 'must be'.
  """
  plain = without_none(hint)
  if plain not in _CONVERTERS or (value is None and plain is not hint):
    return value
  function, text = _CONVERTERS[plain]
  try:
    return function(_unpacked(value))
  except TypeError as e:
    if plain in (int, float, bool, str):
      # In a message, the text '5' looks like the number 5.
      text = f'{text}, not of type {type(value).__name__}'
    raise ValueError(text) from e
  except OverflowError as e:
    kind = 'float64' if plain is float else 'int64'
    raise ValueError(f'{text} that {kind} holds') from e
  except ValueError as e:
    raise ValueError(text) from e


def _unpacked(value: Any) -> Any:
  """Converts NumPy arrays, and scalars of all array libraries, to Python's."""
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
  return float(value) + 0.0  # Never -0.0: its run would have another name.


def _truth(value: Any) -> bool:
  if not isinstance(value, bool):
    raise TypeError
  return value


def _text(value: Any) -> str:
  value = os.fspath(value)
  if not isinstance(value, str):
    raise TypeError
  return str.__str__(value)  # Also makes enum members plain text.


def _items(value: Any) -> list[Any]:
  # A set has no order, and the items of a text are letters.
  if not isinstance(value, list | tuple | range):
    raise TypeError
  return [_unpacked(item) for item in value]


def _pairs(value: Any) -> variation.Fixed:
  items = value.items() if isinstance(value, Mapping) else _items(value)
  pairs = [_items(item) for item in items]
  return tuple((_text(name), _whole(number)) for name, number in pairs)


# By type: the function that converts a value, and the allowed values in words.
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

"""Checks of the arrays and numbers that a caller passes to a test.

Any fault raises a one-line `ValueError` that names the argument and the
position.
"""

from collections.abc import Sequence
import numbers as numbers_lib
import operator
from typing import Any

import numpy as np

# Squares of larger numbers, summed, could overflow.
_LARGEST = 1e100
# TensorFlow takes int64.
_LARGEST_WHOLE = 2**63 - 1
_NUMBER = f'a number between -{_LARGEST:g} and {_LARGEST:g}'
_WHOLE = 'a whole number that float64 holds exactly; subtract the mean first'
# float64 holds all whole numbers up to this one.
_FIRST_ROUNDED = 2**53
# Up to this many different labels count as classes, however few the steps.
_FEW_CLASSES = 64


def listed(what: str, values: Any) -> list[Any]:
  """Returns the rollouts or sequences of an argument.

  Raises:
    ValueError: if there are none.
  """
  is_ours = isinstance(values, list | tuple | np.ndarray)
  if not is_ours and hasattr(values, '__array__'):  # Of another library.
    values = np.asarray(values)
  found = list(values) if np.iterable(values) else []
  if not found:
    raise ValueError(f'{what}: must be one or more arrays, in a list or array')
  return found


def _array(what: str, values: Any, axes: Sequence[str]) -> np.ndarray:
  """Reads `values` as an array with these axes, none of them empty."""
  try:
    array = np.asarray(values)
    if array.dtype == object:
      array = np.array(array.tolist())
    if array.dtype.name == 'bfloat16':  # Not a type of NumPy's own.
      array = array.astype(np.float32)
  except (TypeError, ValueError, RuntimeError) as error:
    raise ValueError(f'{what}: is not an array: {error}') from error
  if array.ndim != len(axes) or not array.size:
    raise ValueError(
      f'{what}: has shape {list(array.shape)}: must be [{", ".join(axes)}], '
      'and not empty'
    )
  parts = values if isinstance(values, list | tuple) else [values]
  if any(map(np.ma.is_masked, parts)):
    raise ValueError(f'{what}: has masked values, which cannot be left out')
  return array


def _require(
  what: str,
  array: np.ndarray,
  axes: Sequence[str],
  allowed: np.ndarray,
  wanted: str,
) -> None:
  """Raises a `ValueError` about the first number that is not allowed."""
  if allowed.all():
    return
  where = np.argwhere(~allowed)[0]
  place = ', '.join(f'{axis} {i}' for axis, i in zip(axes, where))
  raise ValueError(
    f'{what}, {place}: is {array[tuple(where)]}: must be {wanted}'
  )


def numbers(what: str, values: Any, *axes: str) -> np.ndarray:
  """Returns an array of finite real numbers.

  Args:
    what: the argument and which of its arrays this is, for messages.
    values: the array, of any real type.
    *axes: a name for each axis.

  Returns:
    float32 where this holds the numbers exactly, else float64.

  Raises:
    ValueError: if the shape is wrong, a value is not a finite number, or
      float64 would round a whole number.
  """
  array = _array(what, values, axes)
  if array.dtype.kind not in 'biuf':
    raise ValueError(f'{what}: is of type {array.dtype}: must be real numbers')
  exact = np.result_type(array.dtype, np.float32) == np.float32
  found = array.astype(np.float32 if exact else np.float64, copy=False)
  allowed = np.isfinite(found)
  if not exact:
    allowed &= np.abs(found) <= _LARGEST
  _require(what, array, axes, allowed, _NUMBER)
  if array.dtype.kind in 'iu' and np.abs(found).max() >= _FIRST_ROUNDED:
    # An extended float holds them exactly.
    kept = found.astype(np.longdouble) == array.astype(np.longdouble)
    _require(what, array, axes, kept, _WHOLE)
  return found


def classes(what: str, values: Any) -> np.ndarray:
  """Returns the labels of steps, numbers or text, `[step]`.

  Raises:
    ValueError: if the shape is wrong or a label is missing.
  """
  array = _array(what, values, ['step'])
  kind = array.dtype.kind
  if kind == 'f':
    _require(what, array, ['step'], np.isfinite(array), _NUMBER)
  elif kind in 'USO':
    # NumPy would turn a missing label into text, too.
    allowed = str | bytes if kind in 'US' else numbers_lib.Real
    for i, label in enumerate(values):
      if not isinstance(label, allowed):
        raise ValueError(
          f'{what}, step {i}: is {label!r}: must be all numbers or all text'
        )
      if kind in 'US' and label[-1:] in ('\0', b'\0'):
        raise ValueError(
          f'{what}, step {i}: is {label!r}: must not end in NUL, which NumPy '
          'drops'
        )
  elif kind not in 'biu':
    raise ValueError(
      f'{what}: is of type {array.dtype}: must be numbers or text'
    )
  return array


def joined_classes(what: str, rollouts: Sequence[np.ndarray]) -> np.ndarray:
  """Joins labels from `classes`; different ones stay different.

  Raises:
    ValueError: if some are numbers and others text.
  """
  kinds = [array.dtype.kind for array in rollouts]
  is_text = [kind in 'SU' for kind in kinds]
  if any(is_text) and not all(is_text):
    other = is_text.index(not is_text[0])
    raise ValueError(
      f'{what}, rollout {other}: must be all numbers or all text, like '
      'rollout 0'
    )
  if not any(is_text) and len(set(kinds)) > 1:
    # NumPy would round large whole numbers to join them with others.
    rollouts = [array.astype(object) for array in rollouts]
  return np.concatenate(rollouts)


def names(what: str, values: Any) -> None:
  """Raises a `ValueError` unless `values` are names of arrays."""
  for name in values:
    if not isinstance(name, str):
      raise ValueError(f'{what} {name!r}: its name must be text')


def require_recurring(
  what: str, labels: np.ndarray, num_classes: int, advice: str
) -> None:
  """Raises a `ValueError` if labels are too many to be classes.

  If hardly any label occurs twice, nothing can be said about them: neither a
  probe nor mutual information finds even a perfect copy.

  Args:
    what: the argument, for the message.
    labels: all labels.
    num_classes: how many of them differ.
    advice: what to do with real numbers.
  """
  is_real = labels.dtype.kind == 'f' and (labels != np.trunc(labels)).any()
  most = max(len(labels) / 2, 0 if is_real else _FEW_CLASSES)
  if num_classes > most:
    raise ValueError(
      f'{what}: has {num_classes} different labels at {len(labels)} steps: '
      f'must be classes that recur; {advice}'
    )


def whole_number(what: str, value: Any, least: int | None = None) -> int:
  """Returns an int.

  Raises:
    ValueError: if the value is not a whole number, below `least`, or too large
      for int64.
  """
  try:
    number = operator.index(value)
  except TypeError:
    raise ValueError(f'{what}: is {value!r}: must be a whole number') from None
  if least is not None and number < least:
    raise ValueError(f'{what}: is {number}: must be at least {least}')
  if abs(number) > _LARGEST_WHOLE:
    raise ValueError(f'{what}: is {number}: must be at most {_LARGEST_WHOLE}')
  return number


def positive(what: str, value: Any) -> float:
  """Returns a number above 0.

  Raises:
    ValueError: if the value is not such a number.
  """
  is_real = isinstance(value, numbers_lib.Real)
  if not (is_real and 0 < float(value) <= _LARGEST):
    raise ValueError(f'{what}: is {value!r}: must be a number above 0')
  return float(value)


def whole_numbers(what: str, values: Any) -> tuple[int, ...]:
  """Returns one or more ints, each once.

  Raises:
    ValueError: if there are none, or some are not whole numbers or occur twice.
  """
  if np.ndim(values) != 1 or not len(values):
    raise ValueError(
      f'{what}: is {values!r}: there must be at least one number, in a list'
    )
  found = tuple(
    whole_number(f'{what}, number {i}', x) for i, x in enumerate(values)
  )
  if len(set(found)) < len(found):
    raise ValueError(f'{what}: is {found}: no number may occur twice')
  return found

"""Tensor operations that the memory needs and TensorFlow lacks.

Source: the functions of the same names in google-deepmind/dnc, `dnc/util.py`.
`ZeroStateCore`, `size` and `dtype` serve the cores.
"""

import operator
from typing import Any

import numpy as np
import sonnet as snt
import tensorflow as tf


def batch_invert_permutation(permutations: tf.Tensor) -> tf.Tensor:
  """Inverts each row of an int tensor `[batch, n]`, a permutation of 0..n-1.

  Returns:
    int32 tensor `[batch, n]` with `inverse[b, permutations[b, i]] == i`.
  """
  return tf.argsort(permutations, axis=1)


def batch_gather(values: tf.Tensor, indices: tf.Tensor) -> tf.Tensor:
  """Gathers from each row of `values` at the same row of `indices`.

  Args:
    values: tensor `[batch, n]`.
    indices: int tensor `[batch, k]` of columns of `values`.

  Returns:
    Tensor `[batch, k]` with `gathered[b, i] == values[b, indices[b, i]]`.
  """
  return tf.gather(values, indices, axis=1, batch_dims=1)


def reduce_prod(x: tf.Tensor, axis: int) -> tf.Tensor:
  """Product over one axis, with the gradient of the reference.

  The reference takes the last entry of `tf.cumprod`. Its gradient divides the
  product by each factor, and is 0 where the factor is exactly 0. The gradient
  of `tf.reduce_prod` is not 0 there.
  """

  @tf.custom_gradient
  def product(x):
    result = tf.reduce_prod(x, axis=axis, keepdims=True)

    def gradient(upstream):
      return tf.math.divide_no_nan(tf.expand_dims(upstream, axis) * result, x)

    return tf.squeeze(result, axis=[axis]), gradient

  return product(x)


class ZeroStateCore(snt.RNNCore):
  """An `RNNCore` that starts from zeros: nothing is read, written or used yet.

  Subclasses set `_dtype`, the dtype of the state.
  """

  _dtype: tf.DType

  def initial_state(
    self, batch_size: tf.Tensor | int, dtype: tf.DType | None = None
  ) -> Any:
    """Returns zeros.

    Args:
      batch_size: how many sequences.
      dtype: of the state; None: the module's.

    Raises:
      ValueError: if the batch size is no whole number.
    """
    if not tf.is_tensor(batch_size):
      batch_size = size('batch_size', batch_size, least=0)
    elif not (
      batch_size.dtype.is_integer and batch_size.shape.rank in (0, None)
    ):
      raise ValueError(
        f'batch_size must be one whole number, not a {batch_size.dtype.name} '
        f'tensor of shape {batch_size.shape}'
      )
    return tf.nest.map_structure(
      lambda shape: tf.zeros([batch_size, *shape], dtype or self._dtype),
      self.state_size,
    )


def size(name: str, value: Any, least: int = 1) -> int:
  """Returns a size as an int; sweeps may pass 16.0 or NumPy's numbers.

  Raises:
    ValueError: if it is not a whole number, or below `least`.
  """
  is_float = isinstance(value, float | np.floating)
  try:
    number = operator.index(
      int(value) if is_float and value.is_integer() else value
    )
  except TypeError:
    raise ValueError(f'{name} must be a whole number, not {value!r}') from None
  if number < least:
    raise ValueError(f'{name} must be at least {least}, not {number}')
  return number


def dtype(value: Any) -> tf.DType:
  """Returns a core's `dtype`, which may be a name such as 'float32'.

  Raises:
    ValueError: if it is not a floating-point type.
  """
  try:
    found = tf.as_dtype(value)
  except TypeError:
    found = None
  if found is None or not found.is_floating:
    raise ValueError(f'dtype must be a floating-point type, not {value!r}')
  return found

"""Tensor operations that the memory needs and TensorFlow lacks.

Source: the functions of the same names in google-deepmind/dnc, `dnc/util.py`;
`zero_state` is of the same kind as Sonnet 1's.
"""

from typing import Any

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


def zero_state(
  state_size: Any, batch_size: tf.Tensor | int, dtype: tf.DType
) -> Any:
  """Makes zeros of a core's `state_size`, a nest of `tf.TensorShape`s."""
  return tf.nest.map_structure(
    lambda shape: tf.zeros([batch_size, *shape], dtype), state_size
  )

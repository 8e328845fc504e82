"""The product of inputs that are mostly zeros with their weights.

Needs Numba; see `sparse_kernel.py`. Each processor core computes a part of the
columns. The numbers do not depend on the parts.
"""

import numpy as np
import tensorflow as tf

from dnc.recurrence import jit


def _multiply(x: np.ndarray, matrix: np.ndarray) -> np.ndarray:
  """The product of two float32 matrices, the first mostly zeros."""
  from dnc.recurrence import sparse_kernel

  x, matrix = jit.usable(x), jit.usable(matrix)
  product = np.empty([len(x), matrix.shape[1]], np.float32)
  starts, where = sparse_kernel.find(x)
  jit.in_parts(
    sparse_kernel.multiply,
    matrix.shape[1],
    x,
    starts,
    where,
    matrix,
    product,
  )
  return product


@tf.autograph.experimental.do_not_convert
def project(inputs: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
  """`tf.tensordot(inputs, weights, 1)`, with first derivatives only.

  It runs in Python: XLA cannot compile a function that calls this, and a
  SavedModel cannot hold it.

  Args:
    inputs: float32 tensor `[time, batch, input_size]`, mostly zeros.
    weights: float32 tensor `[input_size, n]`.

  Returns:
    Float32 tensor `[time, batch, n]`.
  """

  def multiply(x, matrix):
    return tf.numpy_function(_multiply, [x, matrix], tf.float32, stateful=False)

  @tf.custom_gradient
  def project_rows(rows, weights):
    def gradient(upstream):
      d_weights = multiply(tf.transpose(rows), upstream)
      return (
        tf.matmul(upstream, weights, transpose_b=True),
        tf.ensure_shape(d_weights, weights.shape),
      )

    # Otherwise an eager tape would record the product.
    projected = multiply(tf.stop_gradient(rows), tf.stop_gradient(weights))
    return tf.ensure_shape(projected, [None, weights.shape[1]]), gradient

  rows = tf.reshape(inputs, [-1, inputs.shape[2]])
  shape = [*tf.unstack(tf.shape(inputs))[:2], weights.shape[1]]
  projected = tf.reshape(
    project_rows(rows, tf.convert_to_tensor(weights)), shape
  )
  return tf.ensure_shape(projected, [*inputs.shape[:2], weights.shape[1]])

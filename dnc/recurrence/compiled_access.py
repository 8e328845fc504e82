"""`MemoryAccess` in the forms that XLA makes fast on a CPU.

The interface is that of `access.py`; results are equal up to rounding. The
state differs in one shape: `fold` joins the batch and write head axes of the
link matrices, which makes them one batch of matrices. Call everything here in a
`tf.function(jit_compile=True)`.

What differs, and why (on the CPU backend of TensorFlow 2.21's XLA):

*   Multiplying by a transposed right-hand matrix is several times slower than
    multiplying a matrix by one vector after another, as `_rows` does.
*   Sorting is slower than comparing every slot with every other, so allocation
    weights are computed from these comparisons.
*   Automatic gradients keep and add several matrices as large as the link
    matrix. The gradients written here compute each of them once.
"""

import tensorflow as tf

from dnc import access
from dnc import addressing


def _barrier(x: tf.Tensor) -> tf.Tensor:
  """Returns `x`, as a value that XLA computes once, as written here."""
  # TensorFlow's public interface has no function for this operation.
  types = tf.compat.v1.AttrValue.ListValue(type=[x.dtype.as_datatype_enum])
  barrier = tf.compat.v1.get_default_graph().create_op(
    'XlaOptimizationBarrier',
    [x],
    [x.dtype],
    attrs={'T': tf.compat.v1.AttrValue(list=types)},
  )
  return barrier.outputs[0]


def _outer(left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
  """Products U^T V: `[b, k, n]`, `[b, k, m]` -> `[b, n, m]`."""
  # Without the barrier XLA would undo the transposition.
  return tf.matmul(_barrier(tf.linalg.matrix_transpose(left)), right)


def _matrix_by_vectors(matrix: tf.Tensor, vectors: tf.Tensor) -> tf.Tensor:
  """The products that `_rows` returns, without its gradient."""
  products = [
    tf.matmul(matrix, vector, transpose_b=True)
    for vector in tf.split(vectors, vectors.shape[1], axis=1)
  ]
  return tf.linalg.matrix_transpose(tf.concat(products, axis=2))


@tf.custom_gradient
def _rows(matrix: tf.Tensor, vectors: tf.Tensor):
  """Products V M^T: `[b, n, m]`, `[b, k, m]` -> `[b, k, n]`."""

  def gradient(upstream):
    return _outer(upstream, vectors), tf.matmul(upstream, matrix)

  return _matrix_by_vectors(matrix, vectors), gradient


@tf.custom_gradient
def _columns(matrix: tf.Tensor, vectors: tf.Tensor):
  """Products V M: `[b, n, m]`, `[b, k, n]` -> `[b, k, m]`."""

  def gradient(upstream):
    return _outer(vectors, upstream), _matrix_by_vectors(matrix, upstream)

  return tf.matmul(vectors, matrix), gradient


@tf.custom_gradient
def _move(link: tf.Tensor, read_weights: tf.Tensor):
  """The paper's f_t = L_t w_{t-1}^r and b_t = L_t^T w_{t-1}^r.

  Args:
    link: L_t, float tensor `[b, N, N]`.
    read_weights: w_{t-1}^r, float tensor `[b, num_reads, N]`.

  Returns:
    f_t and b_t, float tensors `[b, num_reads, N]`.
  """

  def gradient(d_forward, d_backward):
    d_link = _outer(
      tf.concat([d_forward, read_weights], axis=1),
      tf.concat([read_weights, d_backward], axis=1),
    )
    d_read_weights = tf.matmul(d_forward, link) + _matrix_by_vectors(
      link, d_backward
    )
    return d_link, d_read_weights

  moved = (
    _matrix_by_vectors(link, read_weights),
    tf.matmul(read_weights, link),
  )
  return moved, gradient


def _without_diagonal(matrix: tf.Tensor) -> tf.Tensor:
  slots = tf.range(tf.shape(matrix)[1])
  elsewhere = slots[:, tf.newaxis] != slots
  return tf.where(elsewhere, matrix, tf.zeros_like(matrix))


@tf.custom_gradient
def _update_link(
  link: tf.Tensor, precedence: tf.Tensor, write_weights: tf.Tensor
):
  """The paper's L_t.

  Args:
    link: L_{t-1}, float tensor `[b, N, N]`.
    precedence: p_{t-1}, float tensor `[b, N]`.
    write_weights: w_t^w, float tensor `[b, N]`.

  Returns:
    L_t, float tensor `[b, N, N]`.
  """
  to_slot = write_weights[:, :, tf.newaxis]
  from_slot = write_weights[:, tf.newaxis, :]
  written_after = precedence[:, tf.newaxis, :]
  # (1 - w[i] - w[j]) L[i, j] + w[i] p[j]
  new_link = _without_diagonal(
    link - (to_slot * (link - written_after) + from_slot * link)
  )

  def gradient(upstream):
    # Without the barrier XLA would compute it again for each use.
    d_new = _barrier(_without_diagonal(upstream))
    ones = tf.ones_like(write_weights)
    # sum_i D[i, j] and sum_i w[i] D[i, j]
    sums = tf.matmul(tf.stack([ones, write_weights], axis=1), d_new)
    column_sums, d_precedence = tf.unstack(sums, axis=1)
    difference = d_new * (written_after - link)
    row_sums = tf.matmul(difference, ones[:, :, tf.newaxis])[:, :, 0]
    # sum_i D[i, j] L[i, j]
    #   = sum_i D[i, j] p[j] - sum_i D[i, j] (p[j] - L[i, j])
    d_write_weights = (
      row_sums
      - precedence * column_sums
      + tf.matmul(ones[:, tf.newaxis, :], difference)[:, 0]
    )
    d_link = d_new - (to_slot + from_slot) * d_new
    return d_link, d_precedence, d_write_weights

  return new_link, gradient


@tf.custom_gradient
def _single_factor(x: tf.Tensor):
  """`util.reduce_prod` of one factor: no gradient where it is exactly 0."""
  return x, lambda upstream: tf.where(x == 0, tf.zeros_like(x), upstream)


class _CompiledCosineWeights(addressing.CosineWeights):
  """Compares keys with words through `_rows`."""

  def _dot(self, memory: tf.Tensor, keys: tf.Tensor) -> tf.Tensor:
    return _rows(memory, keys)

  def _memory_norms(self, memory: tf.Tensor) -> tf.Tensor:
    ones = tf.ones_like(memory[:, :1])
    return addressing.soften_norms(_rows(memory * memory, ones))


class _CompiledTemporalLinkage(addressing.TemporalLinkage):
  """Has link matrices `[batch * num_writes, N, N]`."""

  def move(
    self, link: tf.Tensor, prev_read_weights: tf.Tensor
  ) -> tuple[tf.Tensor, tf.Tensor]:
    heads = self._num_writes
    read_weights = prev_read_weights
    if heads > 1:
      read_weights = tf.repeat(read_weights, heads, axis=0)
    shape = [-1, heads, *read_weights.shape[1:]]
    return tuple(
      tf.transpose(tf.reshape(moved, shape), [0, 2, 1, 3])
      for moved in _move(link, read_weights)
    )

  def _link(
    self,
    prev_link: tf.Tensor,
    prev_precedence_weights: tf.Tensor,
    write_weights: tf.Tensor,
  ) -> tf.Tensor:
    slots = [-1, self._memory_size]
    return _update_link(
      prev_link,
      tf.reshape(prev_precedence_weights, slots),
      tf.reshape(write_weights, slots),
    )


class _CompiledFreeness(addressing.Freeness):
  """Allocates by comparing every slot with every other."""

  def _allocation(self, usage: tf.Tensor) -> tf.Tensor:
    usage = addressing.soften_usage(usage)
    nonusage = 1 - usage
    mine, other = nonusage[:, :, tf.newaxis], nonusage[:, tf.newaxis, :]
    slots = tf.range(self._memory_size)
    lower_index = slots < slots[:, tf.newaxis]
    served_before = tf.where(lower_index, other >= mine, other > mine)
    # Not log(usage): as in `addressing.py`, multiplies the compared values.
    log_usage = tf.math.log(1 - nonusage)[:, tf.newaxis, :]
    used_so_far = tf.exp(_rows(tf.cast(served_before, usage.dtype), log_usage))
    return nonusage * used_so_far[:, 0]


class CompiledMemoryAccess(access.MemoryAccess):
  """`read_and_write` and `split_interface` of a `MemoryAccess`, for XLA.

  It has no variables; the layers of a `MemoryAccess` make its interface.
  """

  def __init__(self, **sizes: int):
    """Constructs the module.

    Args:
      **sizes: `memory_size`, `word_size`, `num_reads` and `num_writes`.
    """
    super().__init__(**sizes)
    self._write_content_weights_mod = _CompiledCosineWeights(
      self._num_writes, self._word_size
    )
    self._read_content_weights_mod = _CompiledCosineWeights(
      self._num_reads, self._word_size
    )
    self._linkage = _CompiledTemporalLinkage(
      self._memory_size, self._num_writes
    )
    self._freeness = _CompiledFreeness(self._memory_size)

  def fold(self, state: access.AccessState) -> access.AccessState:
    """Joins the first two axes of links `[batch, num_writes, N, N]`."""
    return self._with_link_shape(state, [-1])

  def unfold(self, state: access.AccessState) -> access.AccessState:
    """The inverse of `fold`."""
    return self._with_link_shape(state, [-1, self._num_writes])

  def _with_link_shape(
    self, state: access.AccessState, batch_shape: list[int]
  ) -> access.AccessState:
    shape = [*batch_shape, self._memory_size, self._memory_size]
    link = tf.reshape(state.linkage.link, shape)
    return state._replace(linkage=state.linkage._replace(link=link))

  def _write(
    self,
    memory: tf.Tensor,
    address: tf.Tensor,
    reset_weights: tf.Tensor,
    values: tf.Tensor,
  ) -> tf.Tensor:
    if self._num_writes > 1:
      return super()._write(memory, address, reset_weights, values)
    address = tf.linalg.matrix_transpose(address)
    return memory * _single_factor(1 - address * reset_weights) + (
      address * values
    )

  def _read(self, memory: tf.Tensor, read_weights: tf.Tensor) -> tf.Tensor:
    return _columns(memory, read_weights)

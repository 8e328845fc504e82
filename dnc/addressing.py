"""Addressing of the memory: by content, by time, by free space.

  CosineWeights    by content: slots that resemble a key
  TemporalLinkage  by time: slots written just before or after those read last
  Freeness         by free space: slots that are not in use

Source: the modules of the same names in google-deepmind/dnc,
`dnc/addressing.py`, and Graves et al., "Hybrid computing using a neural network
with dynamic external memory", Nature 538 (2016), Methods, cited below as "the
paper". Symbols: N memory_size, W word_size; t the step, i a head. The paper has
one write head; here, as in the reference, there may be several.
"""

from collections.abc import Callable
from typing import NamedTuple

import sonnet as snt
import tensorflow as tf

from dnc import util

# Keeps norms and usage away from 0, as in the reference.
EPSILON = 1e-6
# In half precision, both need a larger epsilon: norms, because gradients are
# divided by it, and usage, because 1 - epsilon must be below 1.
_NORM_EPSILON = {tf.float16: 2.0**-13}
_USAGE_EPSILON = {tf.float16: 2.0**-11, tf.bfloat16: 2.0**-8}


class TemporalLinkageState(NamedTuple):
  """State of `TemporalLinkage`.

  Attributes:
    link: L_t, `[batch, num_writes, N, N]`; `link[b, h, i, j]` is the degree to
      which head h wrote to slot i directly after slot j.
    precedence_weights: p_t, `[batch, num_writes, N]`; the degree to which a
      slot was the last one that head h wrote to.
  """

  link: tf.Tensor
  precedence_weights: tf.Tensor


def soften_norms(squared_norms: tf.Tensor) -> tf.Tensor:
  """Square roots, kept above 0, so that their gradient is finite."""
  epsilon = _NORM_EPSILON.get(squared_norms.dtype, EPSILON)
  return tf.sqrt(squared_norms + epsilon)


def soften_usage(usage: tf.Tensor) -> tf.Tensor:
  """Keeps usage above 0, so that a product of usages keeps its gradient."""
  epsilon = _USAGE_EPSILON.get(usage.dtype, EPSILON)
  return epsilon + (1 - epsilon) * usage


def _vector_norms(vectors: tf.Tensor) -> tf.Tensor:
  """Euclidean norms, kept above 0: `[batch, n, W]` -> `[batch, n, 1]`."""
  return soften_norms(tf.reduce_sum(vectors * vectors, axis=2, keepdims=True))


def weighted_softmax(
  activations: tf.Tensor,
  strengths: tf.Tensor,
  strengths_op: Callable[[tf.Tensor], tf.Tensor],
) -> tf.Tensor:
  """Softmax over the slots, sharpened by a strength for each head.

  softmax(beta * activations), with beta = strengths_op(strengths).

  Args:
    activations: float tensor `[batch, num_heads, N]`.
    strengths: float tensor `[batch, num_heads]`.
    strengths_op: applied to the strengths, elementwise.

  Returns:
    Float tensor `[batch, num_heads, N]`; sums to 1 over the slots.
  """
  sharpness = tf.expand_dims(strengths_op(strengths), -1)
  return tf.nn.softmax(activations * sharpness)


class CosineWeights(snt.Module):
  """Content-based addressing: the paper's C(M, k, beta).

  C(M, k, beta)[j] = exp(beta D(k, M[j])) / sum_l exp(beta D(k, M[l])), where
  D(k, m) = k . m / (|k| |m|) is the cosine similarity of a key and a word.
  """

  def __init__(
    self,
    num_heads: int,
    word_size: int,
    strength_op: Callable[[tf.Tensor], tf.Tensor] = tf.nn.softplus,
    name: str = 'cosine_weights',
  ):
    """Constructs the module.

    Args:
      num_heads: number of heads, each with a key.
      word_size: size of a word and of a key, W.
      strength_op: maps raw strengths to sharpness; softplus in the reference.
      name: name of the module.
    """
    super().__init__(name=name)
    self._num_heads = num_heads
    self._word_size = word_size
    self._strength_op = strength_op

  def __call__(
    self, memory: tf.Tensor, keys: tf.Tensor, strengths: tf.Tensor
  ) -> tf.Tensor:
    """Compares keys with words.

    Args:
      memory: M, float tensor `[batch, N, W]`.
      keys: k, float tensor `[batch, num_heads, W]`.
      strengths: beta before `strength_op`, float tensor `[batch, num_heads]`.

    Returns:
      The weights c, float tensor `[batch, num_heads, N]`; sum to 1.

    Raises:
      ValueError: if the number of keys or a word size is wrong.
    """
    keys.shape.assert_is_compatible_with(
      [None, self._num_heads, self._word_size]
    )
    memory.shape.assert_is_compatible_with([None, None, self._word_size])
    # D(k, M[j])
    norms = _vector_norms(keys) * self._memory_norms(memory)
    epsilon = _NORM_EPSILON.get(norms.dtype, EPSILON)
    similarity = self._dot(memory, keys) / (norms + epsilon)
    return weighted_softmax(similarity, strengths, self._strength_op)

  def _dot(self, memory: tf.Tensor, keys: tf.Tensor) -> tf.Tensor:
    """k_i . M[j]: `[batch, N, W]`, `[batch, n, W]` -> `[batch, n, N]`."""
    return tf.matmul(keys, memory, transpose_b=True)

  def _memory_norms(self, memory: tf.Tensor) -> tf.Tensor:
    """Norms |M[j]|: `[batch, N, W]` -> `[batch, 1, N]`."""
    return tf.linalg.matrix_transpose(_vector_norms(memory))


class TemporalLinkage(util.ZeroStateCore):
  """Tracks the order in which slots are written: the paper's link matrix L_t.

  Each write head has its own link matrix and precedence weights p_t.
  """

  def __init__(
    self,
    memory_size: int,
    num_writes: int,
    name: str = 'temporal_linkage',
    dtype: tf.DType = tf.float32,
  ):
    """Constructs the module; `memory_size` is N, `dtype` the state's dtype."""
    super().__init__(name=name)
    self._memory_size = memory_size
    self._num_writes = num_writes
    self._dtype = dtype

  def __call__(
    self, write_weights: tf.Tensor, prev_state: TemporalLinkageState
  ) -> TemporalLinkageState:
    """Updates link and precedence after a write.

    Args:
      write_weights: w_t^w of this step, float tensor `[batch, num_writes, N]`.
      prev_state: L_{t-1} and p_{t-1}.

    Returns:
      L_t and p_t. (The module has no output besides its state.)
    """
    link = self._link(
      prev_state.link, prev_state.precedence_weights, write_weights
    )
    precedence_weights = self._precedence_weights(
      prev_state.precedence_weights, write_weights
    )
    return TemporalLinkageState(link, precedence_weights)

  @property
  def state_size(self) -> TemporalLinkageState:
    """Shapes of the state, `tf.TensorShape`s without the batch."""
    slots = [self._num_writes, self._memory_size]
    return TemporalLinkageState(
      link=tf.TensorShape([*slots, self._memory_size]),
      precedence_weights=tf.TensorShape(slots),
    )

  def directional_read_weights(
    self, link: tf.Tensor, prev_read_weights: tf.Tensor, forward: bool
  ) -> tf.Tensor:
    """Moves each read head one step along the order of writing.

    The paper's f_t^i = L_t w_{t-1}^{r,i} and b_t^i = L_t^T w_{t-1}^{r,i}, for
    every pair of a read head and a write head.

    Args:
      link: L_t, float tensor `[batch, num_writes, N, N]`.
      prev_read_weights: w_{t-1}^r, float tensor `[batch, num_reads, N]`.
      forward: True for f_t, to the slot written next; False for b_t, to the one
        written before.

    Returns:
      Float tensor `[batch, num_reads, num_writes, N]`.
    """
    read_weights = tf.expand_dims(prev_read_weights, 1)
    moved = tf.matmul(read_weights, link, transpose_b=forward)
    return tf.transpose(moved, [0, 2, 1, 3])

  def move(
    self, link: tf.Tensor, prev_read_weights: tf.Tensor
  ) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns f_t and b_t; see `directional_read_weights`."""
    return (
      self.directional_read_weights(link, prev_read_weights, forward=True),
      self.directional_read_weights(link, prev_read_weights, forward=False),
    )

  def _link(
    self,
    prev_link: tf.Tensor,
    prev_precedence_weights: tf.Tensor,
    write_weights: tf.Tensor,
  ) -> tf.Tensor:
    """The paper's L_t.

    L_t[i, j] = (1 - w_t^w[i] - w_t^w[j]) L_{t-1}[i, j] + w_t^w[i] p_{t-1}[j]
    L_t[i, i] = 0
    """
    to_slot = tf.expand_dims(write_weights, 3)
    from_slot = tf.expand_dims(write_weights, 2)
    kept = (1 - to_slot - from_slot) * prev_link
    added = to_slot * tf.expand_dims(prev_precedence_weights, 2)
    return tf.linalg.set_diag(kept + added, tf.zeros_like(write_weights))

  def _precedence_weights(
    self, prev_precedence_weights: tf.Tensor, write_weights: tf.Tensor
  ) -> tf.Tensor:
    """The paper's p_t = (1 - sum_i w_t^w[i]) p_{t-1} + w_t^w."""
    written = tf.reduce_sum(write_weights, axis=2, keepdims=True)
    return (1 - written) * prev_precedence_weights + write_weights


class Freeness(util.ZeroStateCore):
  """Tracks which slots are in use, and allocates free ones.

  The state is the usage u_t of each slot, in [0, 1].
  """

  def __init__(
    self,
    memory_size: int,
    name: str = 'freeness',
    dtype: tf.DType = tf.float32,
  ):
    """Constructs the module; `memory_size` is N, `dtype` the state's dtype."""
    super().__init__(name=name)
    self._memory_size = memory_size
    self._dtype = dtype

  def __call__(
    self,
    write_weights: tf.Tensor,
    free_gate: tf.Tensor,
    read_weights: tf.Tensor,
    prev_usage: tf.Tensor,
  ) -> tf.Tensor:
    """Updates the usage: written slots are in use, freed slots are not.

    The paper's u_t = (u_{t-1} + w_{t-1}^w - u_{t-1} w_{t-1}^w) psi_t. As in the
    reference, no gradient flows to the write weights.

    Args:
      write_weights: w_{t-1}^w, float tensor `[batch, num_writes, N]`.
      free_gate: f_t^i, float tensor `[batch, num_reads]` in [0, 1].
      read_weights: w_{t-1}^r, float tensor `[batch, num_reads, N]`.
      prev_usage: u_{t-1}, float tensor `[batch, N]` in [0, 1].

    Returns:
      u_t, float tensor `[batch, N]` in [0, 1].
    """
    usage = self._usage_after_write(prev_usage, tf.stop_gradient(write_weights))
    return self._usage_after_read(usage, free_gate, read_weights)

  @property
  def state_size(self) -> tf.TensorShape:
    """Shape of the state, without the batch."""
    return tf.TensorShape([self._memory_size])

  def write_allocation_weights(
    self, usage: tf.Tensor, write_gates: tf.Tensor, num_writes: int
  ) -> tf.Tensor:
    """Allocates different free slots to each write head.

    Heads are served in turn. Slots that one head is about to write count as in
    use for the next.

    Args:
      usage: u_t, float tensor `[batch, N]`.
      write_gates: g_t^a g_t^w, float tensor `[batch, num_writes]` in [0, 1]:
        how much each head will write to the slots allocated to it.
      num_writes: number of write heads.

    Returns:
      The allocation weights a_t, float tensor `[batch, num_writes, N]`.
    """
    allocations = []
    for head in range(num_writes):
      allocations.append(self._allocation(usage))
      gate = write_gates[:, head, tf.newaxis]
      usage += (1 - usage) * gate * allocations[-1]
    return tf.stack(allocations, axis=1)

  def _usage_after_write(
    self, prev_usage: tf.Tensor, write_weights: tf.Tensor
  ) -> tf.Tensor:
    """Usage u + w - u w, where w = 1 - prod_i (1 - w_{t-1}^{w,i})."""
    written = 1 - util.reduce_prod(1 - write_weights, 1)
    return prev_usage + (1 - prev_usage) * written

  def _usage_after_read(
    self,
    prev_usage: tf.Tensor,
    free_gate: tf.Tensor,
    read_weights: tf.Tensor,
  ) -> tf.Tensor:
    """Usage u psi_t, where psi_t = prod_i (1 - f_t^i w_{t-1}^{r,i})."""
    freed = tf.expand_dims(free_gate, -1) * read_weights
    return prev_usage * util.reduce_prod(1 - freed, 1)

  def _allocation(self, usage: tf.Tensor) -> tf.Tensor:
    """The paper's a_t: allocates free space, in the least used slots first.

    a_t[phi_t[j]] = (1 - u_t[phi_t[j]]) prod_{l < j} u_t[phi_t[l]], where phi_t
    lists the slots by rising usage. Among equal usages, the lower index is
    first.

    Args:
      usage: u_t, float tensor `[batch, N]`.

    Returns:
      a_t, float tensor `[batch, N]`; sums to at most 1.
    """
    usage = soften_usage(usage)
    # Sorts by 1 - u_t, as the reference does: rounding decides some ties.
    sorted_nonusage, order = tf.math.top_k(1 - usage, k=self._memory_size)
    sorted_usage = 1 - sorted_nonusage
    used_so_far = tf.math.cumprod(sorted_usage, axis=1, exclusive=True)
    sorted_allocation = sorted_nonusage * used_so_far
    return util.batch_gather(
      sorted_allocation, util.batch_invert_permutation(order)
    )

"""The memory of the DNC: a matrix of words, read and written by soft heads.

Source: `dnc/access.py` of google-deepmind/dnc, and the paper (see
`addressing.py`). Symbols: N memory_size, W word_size; t the step, i a head, r
for reading, w for writing.
"""

from typing import NamedTuple

import sonnet as snt
import tensorflow as tf

from dnc import addressing
from dnc import util


class AccessState(NamedTuple):
  """State of `MemoryAccess`.

  Attributes:
    memory: M_t, `[batch, N, W]`.
    read_weights: w_t^r, `[batch, num_reads, N]`.
    write_weights: w_t^w, `[batch, num_writes, N]`.
    linkage: L_t and p_t.
    usage: u_t, `[batch, N]`.
  """

  memory: tf.Tensor
  read_weights: tf.Tensor
  write_weights: tf.Tensor
  linkage: addressing.TemporalLinkageState
  usage: tf.Tensor


def _erase_and_write(
  memory: tf.Tensor,
  address: tf.Tensor,
  reset_weights: tf.Tensor,
  values: tf.Tensor,
) -> tf.Tensor:
  """The paper's M_t = M_{t-1} o (1 - w_t^w e_t^T) + w_t^w v_t^T.

  With several write heads, multiplies their erase factors and adds their write
  terms.

  Args:
    memory: M_{t-1}, float tensor `[batch, N, W]`.
    address: w_t^w, float tensor `[batch, num_writes, N]`.
    reset_weights: e_t, float tensor `[batch, num_writes, W]` in [0, 1].
    values: v_t, float tensor `[batch, num_writes, W]`.

  Returns:
    M_t, float tensor `[batch, N, W]`.
  """
  erased = tf.expand_dims(address, 3) * tf.expand_dims(reset_weights, 2)
  kept = memory * util.reduce_prod(1 - erased, 1)
  return kept + tf.matmul(address, values, transpose_a=True)


def _interface_shapes(
  word_size: int, num_reads: int, num_writes: int
) -> dict[str, list[int]]:
  """The parts of xi_t: names as in the reference, shapes without the batch."""
  return {
    # v_t^i: the vector to write, for each write head.
    'write_vectors': [num_writes, word_size],
    # e_t^i: how much to erase before writing, for each write head.
    'erase_vectors': [num_writes, word_size],
    # f_t^i: how far the slots read at the previous step are freed, for each
    # read head.
    'free_gate': [num_reads],
    # g_t^{a,i}: whether to write by content (0) or to allocated slots (1),
    # for each write head.
    'allocation_gate': [num_writes],
    # g_t^{w,i}: how much to write at all, for each write head.
    'write_gate': [num_writes],
    # pi_t^i: the mixture of backward (for each write head), forward (for
    # each write head) and content weights, for each read head.
    'read_mode': [num_reads, 1 + 2 * num_writes],
    # k_t^{w,i}: the key that each write head looks up.
    'write_keys': [num_writes, word_size],
    # beta_t^{w,i}: how sharply it looks up the key.
    'write_strengths': [num_writes],
    # k_t^{r,i}: the key that each read head looks up.
    'read_keys': [num_reads, word_size],
    # beta_t^{r,i}: how sharply it looks up the key.
    'read_strengths': [num_reads],
  }


class MemoryAccess(util.ZeroStateCore):
  """Reads and writes the memory as a controller directs.

  Linear layers map the input to the interface xi_t: the keys, strengths,
  vectors and gates of every head.
  """

  def __init__(
    self,
    memory_size: int = 128,
    word_size: int = 20,
    num_reads: int = 1,
    num_writes: int = 1,
    name: str = 'memory_access',
    dtype: tf.DType = tf.float32,
  ):
    """Constructs the module.

    Args:
      memory_size: number of slots, N.
      word_size: size of a word, W.
      num_reads: number of read heads.
      num_writes: number of write heads.
      name: name of the module.
      dtype: dtype of the state; the weights have the dtype of the inputs.

    Raises:
      ValueError: if a size is not a positive whole number, or `dtype` is not a
        floating-point type.
    """
    super().__init__(name=name)
    sizes = dict(
      memory_size=memory_size,
      word_size=word_size,
      num_reads=num_reads,
      num_writes=num_writes,
    )
    memory_size, word_size, num_reads, num_writes = (
      util.size(argument, value) for argument, value in sizes.items()
    )
    dtype = util.dtype(dtype)
    self._memory_size = memory_size
    self._word_size = word_size
    self._num_reads = num_reads
    self._num_writes = num_writes
    self._dtype = dtype

    self._write_content_weights_mod = addressing.CosineWeights(
      num_writes, word_size, name='write_content_weights'
    )
    self._read_content_weights_mod = addressing.CosineWeights(
      num_reads, word_size, name='read_content_weights'
    )
    self._linkage = addressing.TemporalLinkage(
      memory_size, num_writes, dtype=dtype
    )
    self._freeness = addressing.Freeness(memory_size, dtype=dtype)
    self._interface_shapes = _interface_shapes(word_size, num_reads, num_writes)
    self._interface = {
      key: snt.Linear(tf.TensorShape(shape).num_elements(), name=key)
      for key, shape in self._interface_shapes.items()
    }

  @property
  def sizes(self) -> dict[str, int]:
    """memory_size, word_size, num_reads and num_writes."""
    return dict(
      memory_size=self._memory_size,
      word_size=self._word_size,
      num_reads=self._num_reads,
      num_writes=self._num_writes,
    )

  @property
  def interface(self) -> dict[str, snt.Linear]:
    """The linear layers from the input to each part of the interface."""
    return dict(self._interface)

  def __call__(
    self, inputs: tf.Tensor, prev_state: AccessState
  ) -> tuple[tf.Tensor, AccessState]:
    """Writes, then reads.

    Args:
      inputs: float tensor `[batch, input_size]`.
      prev_state: the state before the step.

    Returns:
      r_t, float tensor `[batch, num_reads, W]`, and the state after the step.
    """
    return self.read_and_write(self._read_inputs(inputs), prev_state)

  @property
  def state_size(self) -> AccessState:
    """Shapes of the state, `tf.TensorShape`s without the batch."""
    slots = self._memory_size
    return AccessState(
      memory=tf.TensorShape([slots, self._word_size]),
      read_weights=tf.TensorShape([self._num_reads, slots]),
      write_weights=tf.TensorShape([self._num_writes, slots]),
      linkage=self._linkage.state_size,
      usage=self._freeness.state_size,
    )

  @property
  def output_size(self) -> tf.TensorShape:
    """Shape of r_t, without the batch."""
    return tf.TensorShape([self._num_reads, self._word_size])

  def read_and_write(
    self, inputs: dict[str, tf.Tensor], prev_state: AccessState
  ) -> tuple[tf.Tensor, AccessState]:
    """Does one step, given the interface from `split_interface`."""
    usage = self._freeness(
      write_weights=prev_state.write_weights,
      free_gate=inputs['free_gate'],
      read_weights=prev_state.read_weights,
      prev_usage=prev_state.usage,
    )
    write_weights = self._write_weights(inputs, prev_state.memory, usage)
    memory = self._write(
      prev_state.memory,
      address=write_weights,
      reset_weights=inputs['erase_vectors'],
      values=inputs['write_vectors'],
    )
    linkage = self._linkage(write_weights, prev_state.linkage)
    read_words, read_weights = self.read(
      inputs,
      memory=memory,
      prev_read_weights=prev_state.read_weights,
      link=linkage.link,
    )
    return read_words, AccessState(
      memory=memory,
      read_weights=read_weights,
      write_weights=write_weights,
      linkage=linkage,
      usage=usage,
    )

  def read(
    self,
    inputs: dict[str, tf.Tensor],
    memory: tf.Tensor,
    prev_read_weights: tf.Tensor,
    link: tf.Tensor,
  ) -> tuple[tf.Tensor, tf.Tensor]:
    """Reads the memory after the write.

    Args:
      inputs: the interface.
      memory: M_t, float tensor `[batch, N, W]`.
      prev_read_weights: w_{t-1}^r, float tensor `[batch, num_reads, N]`.
      link: L_t, float tensor `[batch, num_writes, N, N]`.

    Returns:
      r_t, float tensor `[batch, num_reads, W]`, and w_t^r, `[batch, num_reads,
      N]`.
    """
    read_weights = self._read_weights(inputs, memory, prev_read_weights, link)
    return self._read(memory, read_weights), read_weights

  def split_interface(self, flat: tf.Tensor) -> dict[str, tf.Tensor]:
    """Splits an interface vector xi_t and bounds its gates.

    Args:
      flat: float tensor `[batch, interface_size]`: the outputs of the layers of
        `interface`, in that order.

    Returns:
      Dict of float tensors:
        write_vectors: v_t^i, `[batch, num_writes, W]`.
        erase_vectors: e_t^i, `[batch, num_writes, W]` in [0, 1].
        free_gate: f_t^i, `[batch, num_reads]` in [0, 1].
        allocation_gate: g_t^{a,i}, `[batch, num_writes]` in [0, 1].
        write_gate: g_t^{w,i}, `[batch, num_writes]` in [0, 1].
        read_mode: pi_t^i, `[batch, num_reads, 1 + 2 num_writes]`: backward
          modes, forward modes, content mode; sums to 1.
        write_content_keys: k_t^{w,i}, `[batch, num_writes, W]`.
        write_content_strengths: `[batch, num_writes]`; `CosineWeights` turns
          them into beta_t^{w,i}.
        read_content_keys: k_t^{r,i}, `[batch, num_reads, W]`.
        read_content_strengths: `[batch, num_reads]`; likewise beta_t^{r,i}.
    """
    sizes = [layer.output_size for layer in self._interface.values()]
    raw = {
      key: tf.reshape(part, [-1, *self._interface_shapes[key]])
      for key, part in zip(self._interface, tf.split(flat, sizes, axis=1))
    }
    return {
      'write_vectors': raw['write_vectors'],
      'erase_vectors': tf.sigmoid(raw['erase_vectors']),
      'free_gate': tf.sigmoid(raw['free_gate']),
      'allocation_gate': tf.sigmoid(raw['allocation_gate']),
      'write_gate': tf.sigmoid(raw['write_gate']),
      'read_mode': tf.nn.softmax(raw['read_mode']),
      'write_content_keys': raw['write_keys'],
      'write_content_strengths': raw['write_strengths'],
      'read_content_keys': raw['read_keys'],
      'read_content_strengths': raw['read_strengths'],
    }

  def _read_inputs(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
    """Makes the interface from `inputs` `[batch, input_size]`."""
    outputs = [layer(inputs) for layer in self._interface.values()]
    return self.split_interface(tf.concat(outputs, axis=1))

  # `CompiledMemoryAccess` overrides this.
  _write = staticmethod(_erase_and_write)

  def _read(self, memory: tf.Tensor, read_weights: tf.Tensor) -> tf.Tensor:
    """The paper's r_t^i = M_t^T w_t^{r,i}: `[batch, num_reads, W]`."""
    return tf.matmul(read_weights, memory)

  def _write_weights(
    self,
    inputs: dict[str, tf.Tensor],
    memory: tf.Tensor,
    usage: tf.Tensor,
  ) -> tf.Tensor:
    """The paper's w_t^w = g_t^w [g_t^a a_t + (1 - g_t^a) c_t^w].

    Args:
      inputs: the interface.
      memory: M_{t-1}, float tensor `[batch, N, W]`.
      usage: u_t, float tensor `[batch, N]`.

    Returns:
      w_t^w, float tensor `[batch, num_writes, N]`; sums to at most 1.
    """
    # c_t^w = C(M_{t-1}, k_t^w, beta_t^w)
    content_weights = self._write_content_weights_mod(
      memory,
      inputs['write_content_keys'],
      inputs['write_content_strengths'],
    )
    # a_t
    allocation_weights = self._freeness.write_allocation_weights(
      usage=usage,
      write_gates=inputs['allocation_gate'] * inputs['write_gate'],
      num_writes=self._num_writes,
    )
    allocation_gate = tf.expand_dims(inputs['allocation_gate'], -1)
    write_gate = tf.expand_dims(inputs['write_gate'], -1)
    return write_gate * (
      allocation_gate * allocation_weights
      + (1 - allocation_gate) * content_weights
    )

  def _read_weights(
    self,
    inputs: dict[str, tf.Tensor],
    memory: tf.Tensor,
    prev_read_weights: tf.Tensor,
    link: tf.Tensor,
  ) -> tf.Tensor:
    """The paper's w_t^r = pi_t[1] b_t + pi_t[2] c_t^r + pi_t[3] f_t.

    The modes have the order of the reference: backward, forward, content. With
    several write heads, b_t and f_t have a mode for each.

    Args and shapes are those of `read`.

    Returns:
      w_t^r, float tensor `[batch, num_reads, N]`; sums to at most 1.
    """
    # c_t^r = C(M_t, k_t^r, beta_t^r)
    content_weights = self._read_content_weights_mod(
      memory, inputs['read_content_keys'], inputs['read_content_strengths']
    )
    # f_t and b_t
    forward_weights, backward_weights = self._linkage.move(
      link, prev_read_weights
    )
    backward_mode, forward_mode, content_mode = tf.split(
      tf.expand_dims(inputs['read_mode'], 3),
      [self._num_writes, self._num_writes, 1],
      axis=2,
    )
    return (
      tf.squeeze(content_mode, 2) * content_weights
      + tf.reduce_sum(forward_mode * forward_weights, axis=2)
      + tf.reduce_sum(backward_mode * backward_weights, axis=2)
    )

"""The recurrence of a DNC over time, compiled by XLA for a CPU.

Time is cut into chunks of `CHUNK_STEPS`. Two compiled functions serve sequences
of any length: a chunk forward and a chunk backward. The forward pass keeps the
state before each chunk. The backward pass recomputes all states of a chunk from
it, and goes through them in reverse. With `keep_states`, the forward pass
keeps all states of the last chunk, where the backward pass starts; a segment of
a training is one chunk. The gradients of the weights are products over all
steps, computed after the loop.

XLA's loop uses one processor core, so the batch is cut into equal parts, which
TensorFlow computes in parallel.

Symbols are those of `plain.py`; `d_x` is the gradient of x.
"""

from collections.abc import Sequence
import os
from typing import Any

import tensorflow as tf

from dnc import dnc
from dnc.recurrence import compiled_chunk
from dnc.recurrence import plain


def num_cores() -> int:
  """Returns how many processor cores this process may use."""
  if hasattr(os, 'sched_getaffinity'):  # Not on macOS.
    return len(os.sched_getaffinity(0))
  return os.cpu_count() or 1


def _num_parts(batch_size: int | None) -> int:
  """Returns the largest number of equal parts, at most one per CPU core."""
  if not batch_size:  # Unknown, or empty.
    return 1
  most = min(batch_size, num_cores())
  return next(n for n in range(most, 0, -1) if batch_size % n == 0)


def _split(values: Any, num_parts: int, axis: int) -> list[Any]:
  """Splits each tensor of a nest into equal parts."""
  flat = tf.nest.flatten(values)
  parts = zip(*(tf.split(value, num_parts, axis=axis) for value in flat))
  return [tf.nest.pack_sequence_as(values, part) for part in parts]


def _join(parts: Sequence[Any], axis: int) -> Any:
  """The inverse of `_split`."""
  return tf.nest.map_structure(
    lambda *tensors: tf.concat(tensors, axis=axis), *parts
  )


class _BatchPart:
  """All chunks of a part of the batch, one after another."""

  def __init__(
    self,
    chunk: compiled_chunk.Chunk,
    projected: tf.Tensor,
    state: dnc.DNCState,
    weights: plain.Weights,
    sequence_length: tf.Tensor | None,
  ):
    self._chunk = chunk
    self._num_steps = tf.shape(projected)[0]
    # With zero steps there is one chunk, which does nothing.
    self._num_chunks = tf.maximum(
      1, -(-self._num_steps // compiled_chunk.CHUNK_STEPS)
    )
    self._projected = self._pad(projected)
    self._state = state
    self._weights = weights
    self._sequence_length = sequence_length

  def _pad(self, sequence: tf.Tensor) -> tf.Tensor:
    """Pads `[time, ...]` to a whole number of chunks."""
    missing = self._num_chunks * compiled_chunk.CHUNK_STEPS - self._num_steps
    rest = [[0, 0]] * (sequence.shape.rank - 1)
    padded = tf.pad(sequence, [[0, missing], *rest])
    return tf.ensure_shape(padded, [None, *sequence.shape[1:]])

  def _steps_of(self, number: tf.Tensor, sequence: tf.Tensor) -> tf.Tensor:
    """Returns the steps of one chunk of a padded sequence."""
    start = number * compiled_chunk.CHUNK_STEPS
    # Not `sequence[start:end]`: XLA needs a static size.
    rest = [0] * (sequence.shape.rank - 1)
    steps = tf.slice(
      sequence,
      tf.stack([start, *rest]),
      [compiled_chunk.CHUNK_STEPS, *(-1 for _ in rest)],
    )
    return tf.ensure_shape(
      steps, [compiled_chunk.CHUNK_STEPS, *sequence.shape[1:]]
    )

  def _lengths(self, number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor | None]:
    """Returns `num_steps` and `steps_left` of a chunk."""
    start = number * compiled_chunk.CHUNK_STEPS
    steps_left = self._sequence_length
    if steps_left is not None:
      steps_left = steps_left - start
    return tf.minimum(
      self._num_steps - start, compiled_chunk.CHUNK_STEPS
    ), steps_left

  def _arguments(self, number: tf.Tensor) -> tuple:
    """Returns `projected`, `num_steps` and `steps_left` of a chunk."""
    return self._steps_of(number, self._projected), *self._lengths(number)

  def _make_arrays(self, values: Any) -> Any:
    """Makes arrays for values like these at each step of every chunk."""
    return tf.nest.map_structure(
      lambda value: tf.TensorArray(
        value.dtype,
        self._num_chunks,
        element_shape=[compiled_chunk.CHUNK_STEPS, *value.shape],
      ),
      values,
    )

  def _all_steps(self, arrays: Any) -> Any:
    """Joins the contents of `_make_arrays`: `[time, ...]`."""
    return tf.nest.map_structure(
      lambda array: array.concat()[: self._num_steps], arrays
    )

  def forward(
    self, record: plain.Record | None, keep_states: bool
  ) -> tuple[dnc.DNCState, plain.Kept, dnc.DNCState, Any]:
    """Runs all steps.

    Returns:
      The state after the last step; what was kept, `[time, batch, ...]`; the
      states before each chunk, `[chunks, batch, ...]`; and, with `keep_states`,
      what `Chunk.reverse` needs of the last chunk, or else None.
    """
    last = self._num_chunks - 1

    def body(number, state, states, arrays):
      states = plain.write(states, number, state)
      new_state, kept = self._chunk.forward(
        *self._arguments(number), state, self._weights
      )
      arrays = plain.write(arrays, number, kept)
      return number + 1, _shaped(new_state, state), states, arrays

    arrays = self._make_arrays(plain.kept_of(self._state, record))
    _, state, states, arrays = tf.while_loop(
      lambda number, *_: number < (last if keep_states else last + 1),
      body,
      (
        0,
        self._state,
        plain.make_arrays(self._state, self._num_chunks),
        arrays,
      ),
      parallel_iterations=1,
    )
    last_states = None
    if keep_states:
      states = plain.write(states, last, state)
      state, kept, last_states = self._chunk.forward_keeping(
        *self._arguments(last), state, self._weights
      )
      state = _shaped(state, self._state)
      arrays = plain.write(arrays, last, kept)
    # Stacked, because a SavedModel cannot hold the arrays.
    return state, self._all_steps(arrays), plain.stack(states), last_states

  def backward(
    self,
    chunk_states: dnc.DNCState,
    last_states: Any,
    transposed: plain.Weights,
    d_state: dnc.DNCState,
    d_kept: plain.Kept,
  ) -> tuple[dnc.DNCState, tf.Tensor, tf.Tensor]:
    """Goes through all steps in reverse.

    Args:
      chunk_states: the states before each chunk, from `forward`.
      last_states: what `forward` kept of the last chunk, or None.
      transposed: the weights, transposed.
      d_state: the gradient of the state after the last step.
      d_kept: the gradient of what was kept.

    Returns:
      The gradients of the state before the first step, and of gates_t and xi_t,
      `[time, batch, ...]`.
    """
    d_kept = tf.nest.map_structure(self._pad, d_kept)

    def d_kept_of(number):
      return tf.nest.map_structure(lambda x: self._steps_of(number, x), d_kept)

    def body(number, d_state, arrays):
      d_before, *d_inner = self._chunk.backward(
        *self._arguments(number),
        compiled_chunk.at(number, chunk_states),
        self._weights,
        transposed,
        d_state,
        d_kept_of(number),
      )
      arrays = plain.write(arrays, number, d_inner)
      return number - 1, _shaped(d_before, d_state), arrays

    interface = tf.matmul(
      self._state.controller_state.hidden, self._weights.interface
    )
    arrays = self._make_arrays([self._projected[0], interface])
    number = self._num_chunks - 1
    if last_states is not None:
      d_before, *d_inner = self._chunk.reverse(
        last_states,
        *self._lengths(number),
        transposed,
        d_state,
        d_kept_of(number),
      )
      d_state = _shaped(d_before, d_state)
      arrays = plain.write(arrays, number, d_inner)
      number -= 1
    _, d_state, arrays = tf.while_loop(
      lambda number, *_: number >= 0,
      body,
      (number, d_state, arrays),
      parallel_iterations=1,
    )
    return d_state, *self._all_steps(arrays)


def weight_gradients(
  state: dnc.DNCState,
  kept: plain.Kept,
  d_gates: tf.Tensor,
  d_interface: tf.Tensor,
) -> plain.Weights:
  """The gradients of the weights: products over all steps and sequences.

  Args:
    state: the state before the first step.
    kept: what was kept of all steps.
    d_gates: the gradient of gates_t, `[time, batch, 4 hidden_size]`.
    d_interface: the gradient of xi_t, `[time, batch, interface_size]`.
  """

  def before(first, rest):
    # With zero steps there is no first one.
    first = first[tf.newaxis][: tf.shape(rest)[0]]
    return tf.concat([first, rest[:-1]], axis=0)

  inputs = plain.words_and_hidden(
    before(state.access_output, kept.read_words),
    before(state.controller_state.hidden, kept.hidden),
  )
  return plain.Weights(
    recurrent=tf.tensordot(inputs, d_gates, [[0, 1], [0, 1]]),
    interface=tf.tensordot(kept.hidden, d_interface, [[0, 1], [0, 1]]),
    interface_bias=tf.reduce_sum(d_interface, [0, 1]),
  )


@tf.autograph.experimental.do_not_convert
def scan(
  core: dnc.DNC,
  weights: plain.Weights,
  projected: tf.Tensor,
  state: dnc.DNCState,
  sequence_length: tf.Tensor | None = None,
  record: plain.Record | None = None,
  keep_states: bool = False,
) -> tuple[dnc.DNCState, plain.Kept]:
  """`plain.scan`, compiled; results are equal up to rounding.

  The core's access must be a `MemoryAccess`, not an instance of a subclass. The
  results have first derivatives only. `keep_states` is that of `unroll.unroll`.
  """
  num_parts = _num_parts(projected.shape[1])
  chunk = compiled_chunk.chunk_for(
    tuple(core.access.sizes.items()), core.clip_value, record
  )
  structure = (projected, state, weights)

  @tf.custom_gradient
  def scan_parts(*flat):
    # Otherwise an eager tape would record the operations in here.
    flat = [tf.stop_gradient(x) for x in flat]
    projected, state, weights = tf.nest.pack_sequence_as(structure, flat)
    lengths = [None] * num_parts
    if sequence_length is not None:
      lengths = tf.split(sequence_length, num_parts)
    parts = [
      _BatchPart(chunk, *part, weights, length)
      for *part, length in zip(
        _split(projected, num_parts, axis=1),
        _split(state, num_parts, axis=0),
        lengths,
      )
    ]
    ends, kept, chunk_states, last_states = zip(
      *(part.forward(record, keep_states) for part in parts)
    )
    last_state, kept = _join(ends, axis=0), _join(kept, axis=1)

    def gradient(*d_flat):
      d_state, d_kept = tf.nest.pack_sequence_as((last_state, kept), d_flat)
      transposed = tf.nest.map_structure(tf.transpose, weights)
      d_states, d_gates, d_interfaces = zip(
        *(
          part.backward(*states, transposed, *d_part)
          for part, states, *d_part in zip(
            parts,
            zip(chunk_states, last_states),
            _split(d_state, num_parts, axis=0),
            _split(d_kept, num_parts, axis=1),
          )
        )
      )
      d_gates = tf.concat(d_gates, axis=1)
      d_weights = weight_gradients(
        state, kept, d_gates, tf.concat(d_interfaces, axis=1)
      )
      return tf.nest.flatten((d_gates, _join(d_states, axis=0), d_weights))

    return tf.nest.flatten((last_state, kept)), gradient

  flat = scan_parts(*tf.nest.flatten(structure))
  return tf.nest.pack_sequence_as((state, plain.kept_of(state, record)), flat)


def _shaped(values: Any, like: Any) -> Any:
  """Gives `values` the static shapes of `like`.

  A chunk traced for an unknown batch size is reused for known ones; its results
  then lack the static batch size.
  """
  return tf.nest.map_structure(
    lambda value, one: tf.ensure_shape(value, one.shape), values, like
  )

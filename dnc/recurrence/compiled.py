"""The recurrence of a DNC over time, compiled by XLA for a CPU.

Time is cut into chunks of `CHUNK_STEPS`, for which two functions are compiled,
once for sequences of any length: a chunk forward and a chunk backward. The
forward pass keeps the state before each chunk; the backward pass runs a chunk
from there again, keeping all its states, and goes through them in reverse. The
gradients of the weights are products over all steps, made afterwards.

XLA's loop runs on one processor core, so the batch is cut into shards, which
TensorFlow runs side by side.
"""

import functools
import os
from typing import Any

import sonnet as snt
import tensorflow as tf

from dnc import dnc
from dnc.recurrence import compiled_access as fast_access
from dnc.recurrence import plain as recurrence

CHUNK_STEPS = 25


class _Chunk:
  """A chunk of steps, forward and backward, for cores of some sizes.

  In what follows, `projected` is `[CHUNK_STEPS, batch, 4 hidden_size]`, the
  first `num_steps` of which are run; `steps_left`, int32 `[batch]` or None, is
  how many more steps each sequence has from the start of the chunk.
  """

  def __init__(
    self,
    sizes: dict[str, int],
    clip_value: float,
    record: recurrence.Record | None,
  ):
    self._access = fast_access.FastMemoryAccess(**sizes)
    self._clip_value = clip_value
    self._record = record
    self.forward = tf.function(self._forward, jit_compile=True)
    self.backward = tf.function(self._backward, jit_compile=True)

  def _fold(self, state: dnc.DNCState) -> dnc.DNCState:
    return state._replace(access_state=self._access.fold(state.access_state))

  def _unfold(self, state: dnc.DNCState) -> dnc.DNCState:
    return state._replace(access_state=self._access.unfold(state.access_state))

  def _freeze(self, running, new_state, state):
    return self._fold(
      recurrence.freeze(running, self._unfold(new_state), self._unfold(state))
    )

  def _kept_of(self, state: dnc.DNCState) -> recurrence.Kept:
    record = self._record
    return recurrence.kept_of(
      state, record and (lambda folded: record(self._unfold(folded)))
    )

  def _step(self, t, steps_left, weights, projected, state):
    new_state, gates, interface = recurrence.step(
      self._access, self._clip_value, weights, projected[t], state
    )
    if steps_left is not None:
      new_state = self._freeze(t < steps_left, new_state, state)
    return new_state, gates, interface

  def _forward(self, projected, num_steps, steps_left, state, weights):
    """Returns the state after the chunk and what was kept of its steps."""

    def body(t, state, arrays):
      new_state, _, _ = self._step(t, steps_left, weights, projected, state)
      kept = self._kept_of(new_state)
      return t + 1, new_state, recurrence.write(arrays, t, kept)

    state = self._fold(state)
    arrays = recurrence.make_arrays(self._kept_of(state), CHUNK_STEPS)
    _, state, arrays = tf.while_loop(
      lambda t, *_: t < num_steps,
      body,
      (0, state, arrays),
      maximum_iterations=CHUNK_STEPS,
    )
    return self._unfold(state), recurrence.stack(arrays)

  def _states(self, projected, num_steps, steps_left, state, weights):
    """Runs the chunk again, for what its gradient needs.

    Returns:
      The states before each step and after the last,
      `[CHUNK_STEPS + 1, batch, ...]`; and the gates and interfaces,
      `[CHUNK_STEPS, batch, ...]`.
    """

    def body(t, state, states, inner):
      new_state, *step_inner = self._step(
        t, steps_left, weights, projected, state
      )
      states = recurrence.write(states, t + 1, new_state)
      return t + 1, new_state, states, recurrence.write(inner, t, step_inner)

    states = recurrence.make_arrays(state, CHUNK_STEPS + 1)
    states = recurrence.write(states, 0, state)
    interface = tf.matmul(state.controller_state.hidden, weights.interface)
    inner = recurrence.make_arrays([projected[0], interface], CHUNK_STEPS)
    _, _, states, inner = tf.while_loop(
      lambda t, *_: t < num_steps,
      body,
      (0, state, states, inner),
      maximum_iterations=CHUNK_STEPS,
    )
    return recurrence.stack(states), recurrence.stack(inner)

  def _backward(
    self,
    projected,
    num_steps,
    steps_left,
    state,
    weights,
    transposed,
    d_state,
    d_kept,
  ):
    """The gradient of `_forward`.

    Args:
      projected: as in `_forward`.
      num_steps: as in `_forward`.
      steps_left: as in `_forward`.
      state: before the chunk.
      weights: the recurrent weights.
      transposed: the same, transposed: XLA is slow to multiply by a transpose.
      d_state: gradient of the state after the chunk.
      d_kept: gradients of what was kept.

    Returns:
      Gradients of the state before the chunk, of the gates and of the
      interfaces (`[CHUNK_STEPS, batch, ...]`, zeros past `num_steps`).
    """
    state, d_state = self._fold(state), self._fold(d_state)
    states, inner = self._states(
      projected, num_steps, steps_left, state, weights
    )

    def body(step, d_state, arrays):
      t = num_steps - 1 - step
      before, after = _at(t, states), _at(t + 1, states)
      gates, interface = _at(t, inner)
      d_state = _add(d_state, self._kept_gradient(after, _at(t, d_kept)))
      d_before = tf.nest.map_structure(tf.zeros_like, d_state)
      if steps_left is not None:
        running = t < steps_left
        d_before = self._freeze(running, d_before, d_state)
        zeros = tf.nest.map_structure(tf.zeros_like, d_state)
        d_state = self._freeze(running, d_state, zeros)
      d_step, d_gates, d_interface = self._step_gradient(
        before, gates, interface, transposed, d_state
      )
      arrays = recurrence.write(arrays, t, [d_gates, d_interface])
      return step + 1, _add(d_before, d_step), arrays

    arrays = recurrence.make_arrays([x[0] for x in inner], CHUNK_STEPS)
    _, d_state, arrays = tf.while_loop(
      lambda step, *_: step < num_steps,
      body,
      (0, d_state, arrays),
      maximum_iterations=CHUNK_STEPS,
    )
    return self._unfold(d_state), *recurrence.stack(arrays)

  def _kept_gradient(self, state, d_kept):
    """Gradient of the state from those of what was kept of it."""
    with tf.GradientTape() as tape:
      tape.watch(state)
      kept = self._kept_of(state)
    return tape.gradient(
      kept,
      state,
      output_gradients=d_kept,
      unconnected_gradients=tf.UnconnectedGradients.ZERO,
    )

  def _step_gradient(self, before, gates, interface, transposed, d_after):
    """Gradients of the state before a step, of its gates and its interface."""
    with tf.GradientTape() as tape:
      tape.watch([interface, before.access_state])
      after = self._access.read_and_write(
        self._access.split_interface(interface), before.access_state
      )
    d_interface, d_access_state = tape.gradient(
      after,
      [interface, before.access_state],
      output_gradients=(d_after.access_output, d_after.access_state),
      unconnected_gradients=tf.UnconnectedGradients.ZERO,
    )
    cell = before.controller_state.cell
    with tf.GradientTape() as tape:
      tape.watch([gates, cell])
      after = recurrence.controller_step(gates, cell, self._clip_value)
    d_hidden, d_cell = d_after.controller_state
    d_hidden += tf.matmul(d_interface, transposed.interface)
    d_gates, d_cell = tape.gradient(
      after, [gates, cell], output_gradients=snt.LSTMState(d_hidden, d_cell)
    )
    d_inputs = tf.matmul(d_gates, transposed.recurrent)
    hidden_size = cell.shape[1]
    d_before = dnc.DNCState(
      access_output=tf.reshape(
        d_inputs[:, :-hidden_size], tf.shape(before.access_output)
      ),
      access_state=d_access_state,
      controller_state=snt.LSTMState(d_inputs[:, -hidden_size:], d_cell),
    )
    return d_before, d_gates, d_interface


@functools.lru_cache(maxsize=32)
def chunk_for(
  sizes: tuple[tuple[str, int], ...],
  clip_value: float,
  record: recurrence.Record | None,
) -> _Chunk:
  """One for all cores of the same sizes, so that each is compiled once."""
  return _Chunk(dict(sizes), clip_value, record)


def _num_cores() -> int:
  """How many processor cores this process may use."""
  if hasattr(os, 'sched_getaffinity'):  # Not on macOS.
    return len(os.sched_getaffinity(0))
  return os.cpu_count() or 1


def _num_shards(batch_size: int | None) -> int:
  """The most equal shards of a batch that keep a processor core each."""
  if batch_size is None:
    return 1
  most = min(batch_size, _num_cores())
  return next(n for n in range(most, 0, -1) if batch_size % n == 0)


def _shards(values: Any, num_shards: int, axis: int) -> list[Any]:
  """Cuts each tensor of a nest into equal parts."""
  flat = tf.nest.flatten(values)
  parts = zip(*(tf.split(value, num_shards, axis=axis) for value in flat))
  return [tf.nest.pack_sequence_as(values, part) for part in parts]


def _join(shards: list[Any], axis: int) -> Any:
  """The inverse of `_shards`."""
  return tf.nest.map_structure(
    lambda *parts: tf.concat(parts, axis=axis), *shards
  )


class _Shard:
  """All chunks of a shard of the batch, one after the other."""

  def __init__(self, chunk, projected, state, weights, sequence_length):
    self._chunk = chunk
    self._num_steps = tf.shape(projected)[0]
    # One at least, which does nothing for a sequence of no steps.
    self._num_chunks = tf.maximum(1, -(-self._num_steps // CHUNK_STEPS))
    self._projected = self._pad(projected)
    self._state = state
    self._weights = weights
    self._sequence_length = sequence_length

  def _pad(self, sequence: tf.Tensor) -> tf.Tensor:
    """Makes a whole number of chunks of `[time, ...]`."""
    missing = self._num_chunks * CHUNK_STEPS - self._num_steps
    rest = [[0, 0]] * (sequence.shape.rank - 1)
    padded = tf.pad(sequence, [[0, missing], *rest])
    return tf.ensure_shape(padded, [None, *sequence.shape[1:]])

  def _steps_of(self, number: tf.Tensor, sequence: tf.Tensor) -> tf.Tensor:
    """The steps of one chunk of a padded sequence."""
    start = number * CHUNK_STEPS
    # Not a slice with an end: the size must be known where XLA compiles this.
    rest = [0] * (sequence.shape.rank - 1)
    steps = tf.slice(
      sequence, tf.stack([start, *rest]), [CHUNK_STEPS, *(-1 for _ in rest)]
    )
    return tf.ensure_shape(steps, [CHUNK_STEPS, *sequence.shape[1:]])

  def _arguments(self, number: tf.Tensor) -> tuple:
    """The first arguments of `_Chunk.forward` and `_Chunk.backward`."""
    start = number * CHUNK_STEPS
    steps_left = self._sequence_length
    if steps_left is not None:
      steps_left = steps_left - start
    return (
      self._steps_of(number, self._projected),
      tf.minimum(self._num_steps - start, CHUNK_STEPS),
      steps_left,
    )

  def _make_arrays(self, values: Any) -> Any:
    """Room for what is like `values` at each step of every chunk."""
    return tf.nest.map_structure(
      lambda value: tf.TensorArray(
        value.dtype,
        self._num_chunks,
        element_shape=[CHUNK_STEPS, *value.shape],
      ),
      values,
    )

  def _all_steps(self, arrays: Any) -> Any:
    """Puts together what `_make_arrays` made room for: `[time, ...]`."""
    return tf.nest.map_structure(
      lambda array: array.concat()[: self._num_steps], arrays
    )

  def forward(
    self, record: recurrence.Record | None
  ) -> tuple[dnc.DNCState, recurrence.Kept]:
    """Returns the last state and what was kept, `[time, batch, ...]`."""

    def body(number, state, states, arrays):
      states = recurrence.write(states, number, state)
      new_state, kept = self._chunk.forward(
        *self._arguments(number), state, self._weights
      )
      arrays = recurrence.write(arrays, number, kept)
      return number + 1, _shaped(new_state, state), states, arrays

    arrays = self._make_arrays(recurrence.kept_of(self._state, record))
    _, state, states, arrays = tf.while_loop(
      lambda number, *_: number < self._num_chunks,
      body,
      (
        0,
        self._state,
        recurrence.make_arrays(self._state, self._num_chunks),
        arrays,
      ),
      parallel_iterations=1,
    )
    # Not the arrays: what a gradient holds must go into a SavedModel.
    self._states = recurrence.stack(states)
    return state, self._all_steps(arrays)

  def backward(
    self,
    transposed: recurrence.Weights,
    d_state: dnc.DNCState,
    d_kept: recurrence.Kept,
  ) -> tuple[dnc.DNCState, tf.Tensor, tf.Tensor]:
    """Returns gradients of the first state, of gates and of interfaces."""
    d_kept = tf.nest.map_structure(self._pad, d_kept)

    def body(number, d_state, arrays):
      d_before, *d_inner = self._chunk.backward(
        *self._arguments(number),
        _at(number, self._states),
        self._weights,
        transposed,
        d_state,
        tf.nest.map_structure(lambda x: self._steps_of(number, x), d_kept),
      )
      arrays = recurrence.write(arrays, number, d_inner)
      return number - 1, _shaped(d_before, d_state), arrays

    interface = tf.matmul(
      self._state.controller_state.hidden, self._weights.interface
    )
    arrays = self._make_arrays([self._projected[0], interface])
    _, d_state, arrays = tf.while_loop(
      lambda number, *_: number >= 0,
      body,
      (self._num_chunks - 1, d_state, arrays),
      parallel_iterations=1,
    )
    return d_state, *self._all_steps(arrays)


def _weight_gradients(
  state: dnc.DNCState,
  kept: recurrence.Kept,
  d_gates: tf.Tensor,
  d_interface: tf.Tensor,
) -> recurrence.Weights:
  """Gradients of the weights: products over all steps and sequences."""

  def before(first, rest):
    return tf.concat([first[tf.newaxis], rest[:-1]], axis=0)

  inputs = recurrence.recurrent_inputs(
    before(state.access_output, kept.read_words),
    before(state.controller_state.hidden, kept.hidden),
  )
  return recurrence.Weights(
    recurrent=tf.tensordot(inputs, d_gates, [[0, 1], [0, 1]]),
    interface=tf.tensordot(kept.hidden, d_interface, [[0, 1], [0, 1]]),
    interface_bias=tf.reduce_sum(d_interface, [0, 1]),
  )


def run(
  core: dnc.DNC,
  weights: recurrence.Weights,
  projected: tf.Tensor,
  state: dnc.DNCState,
  sequence_length: tf.Tensor | None = None,
  record: recurrence.Record | None = None,
) -> tuple[dnc.DNCState, recurrence.Kept]:
  """`recurrence.run`, compiled; the same arguments, and results to rounding.

  A second derivative is not to be had from it.
  """
  num_shards = _num_shards(projected.shape[1])
  chunk = chunk_for(tuple(core.access.sizes.items()), core.clip_value, record)
  structure = (projected, state, weights)

  @tf.custom_gradient
  def recur(*flat):
    # Keeps an eager tape from looking inside.
    flat = [tf.stop_gradient(x) for x in flat]
    projected, state, weights = tf.nest.pack_sequence_as(structure, flat)
    lengths = [None] * num_shards
    if sequence_length is not None:
      lengths = tf.split(sequence_length, num_shards)
    shards = [
      _Shard(chunk, *shard, weights, length)
      for *shard, length in zip(
        _shards(projected, num_shards, axis=1),
        _shards(state, num_shards, axis=0),
        lengths,
      )
    ]
    results = [shard.forward(record) for shard in shards]
    last_state = _join([state for state, _ in results], axis=0)
    kept = _join([kept for _, kept in results], axis=1)

    def gradient(*d_flat):
      d_state, d_kept = tf.nest.pack_sequence_as((last_state, kept), d_flat)
      transposed = tf.nest.map_structure(tf.transpose, weights)
      d_results = [
        shard.backward(transposed, *d_shard)
        for shard, *d_shard in zip(
          shards,
          _shards(d_state, num_shards, axis=0),
          _shards(d_kept, num_shards, axis=1),
        )
      ]
      d_states, d_gates, d_interfaces = zip(*d_results)
      d_gates = tf.concat(d_gates, axis=1)
      d_weights = _weight_gradients(
        state, kept, d_gates, tf.concat(d_interfaces, axis=1)
      )
      return tf.nest.flatten((d_gates, _join(d_states, axis=0), d_weights))

    return tf.nest.flatten((last_state, kept)), gradient

  flat = recur(*tf.nest.flatten(structure))
  kept_structure = recurrence.kept_of(state, record)
  return tf.nest.pack_sequence_as((state, kept_structure), flat)


def _at(index: tf.Tensor, values: Any) -> Any:
  """Each tensor of a nest at an index that is not known to the compiler."""
  # Not value[index]: XLA would compile anew for every index.
  return tf.nest.map_structure(lambda value: tf.gather(value, index), values)


def _shaped(values: Any, like: Any) -> Any:
  """`values` with the static shapes of `like`.

  A chunk that was traced for batches of any size is taken for others, too, and
  then does not tell the size.
  """
  return tf.nest.map_structure(
    lambda value, one: tf.ensure_shape(value, one.shape), values, like
  )


def _add(left: Any, right: Any) -> Any:
  return tf.nest.map_structure(tf.add, left, right)

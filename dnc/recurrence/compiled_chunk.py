"""A chunk of the steps of a DNC, forward and in reverse, compiled by XLA.

`compiled.py` joins chunks to sequences of any length. Symbols are those of
`plain.py`; `d_x` is the gradient of x.
"""

import functools
from typing import Any

import sonnet as snt
import tensorflow as tf

from dnc import dnc
from dnc.recurrence import compiled_access
from dnc.recurrence import plain

CHUNK_STEPS = 25


class Chunk:
  """A chunk of steps, forward and backward, for all cores of the same sizes.

  Arguments that several methods share:
    projected: `[CHUNK_STEPS, batch, 4 hidden_size]`.
    num_steps: int32; only the first `num_steps` of the chunk are computed.
    steps_left: int32 `[batch]`, the remaining steps of each sequence at the
      start of the chunk. None: no sequence ends.
    state: the state before the chunk.
    weights: the weights of the loop.
  """

  def __init__(
    self,
    sizes: dict[str, int],
    clip_value: float,
    record: plain.Record | None,
  ):
    self._access = compiled_access.CompiledMemoryAccess(**sizes)
    self._clip_value = clip_value
    self._record = record
    self.forward, self.forward_keeping, self.backward, self.reverse = (
      tf.function(method, jit_compile=True, autograph=False)
      for method in (
        self._forward,
        self._forward_keeping,
        self._backward,
        self._reverse,
      )
    )

  def _fold(self, state: dnc.DNCState) -> dnc.DNCState:
    return state._replace(access_state=self._access.fold(state.access_state))

  def _unfold(self, state: dnc.DNCState) -> dnc.DNCState:
    return state._replace(access_state=self._access.unfold(state.access_state))

  def _where_running(self, running, new_state, state):
    return self._fold(
      plain.where_running(running, self._unfold(new_state), self._unfold(state))
    )

  def _kept_of(self, state: dnc.DNCState) -> plain.Kept:
    return plain.kept_of(self._unfold(state), self._record)

  def _step(self, t, steps_left, weights, projected, state):
    new_state, gates, interface = plain.step(
      self._access, self._clip_value, weights, projected[t], state
    )
    if steps_left is not None:
      new_state = self._where_running(t < steps_left, new_state, state)
    return new_state, gates, interface

  def _forward(self, projected, num_steps, steps_left, state, weights):
    """Returns the state after the chunk, and what is kept of its steps."""

    def body(t, state, arrays):
      new_state, _, _ = self._step(t, steps_left, weights, projected, state)
      kept = self._kept_of(new_state)
      return t + 1, new_state, plain.write(arrays, t, kept)

    state = self._fold(state)
    arrays = plain.make_arrays(self._kept_of(state), CHUNK_STEPS)
    _, state, arrays = tf.while_loop(
      lambda t, *_: t < num_steps,
      body,
      (0, state, arrays),
      maximum_iterations=CHUNK_STEPS,
    )
    return self._unfold(state), plain.stack(arrays)

  def _forward_keeping(self, projected, num_steps, steps_left, state, weights):
    """Returns what `_forward` does, and what `_reverse` needs."""
    states, inner = self._states(
      projected, num_steps, steps_left, self._fold(state), weights
    )
    after = tf.nest.map_structure(
      lambda x: tf.reshape(x[1:], [-1, *x.shape[2:]]), states
    )
    kept = tf.nest.map_structure(
      lambda x: tf.reshape(x, [CHUNK_STEPS, -1, *x.shape[1:]]),
      self._kept_of(after),
    )
    return self._unfold(at(num_steps, states)), kept, (states, inner)

  def _states(self, projected, num_steps, steps_left, state, weights):
    """Computes the values that the gradient of the chunk needs.

    Returns:
      The states before each step and after the last,
      `[CHUNK_STEPS + 1, batch, ...]`; gates_t and xi_t,
      `[CHUNK_STEPS, batch, ...]`.
    """

    def body(t, state, states, inner):
      new_state, *step_inner = self._step(
        t, steps_left, weights, projected, state
      )
      states = plain.write(states, t + 1, new_state)
      return t + 1, new_state, states, plain.write(inner, t, step_inner)

    states = plain.make_arrays(state, CHUNK_STEPS + 1)
    states = plain.write(states, 0, state)
    interface = tf.matmul(state.controller_state.hidden, weights.interface)
    inner = plain.make_arrays([projected[0], interface], CHUNK_STEPS)
    _, _, states, inner = tf.while_loop(
      lambda t, *_: t < num_steps,
      body,
      (0, state, states, inner),
      maximum_iterations=CHUNK_STEPS,
    )
    return plain.stack(states), plain.stack(inner)

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
    """The gradient of `_forward`; returns what `_reverse` does."""
    states = self._states(
      projected, num_steps, steps_left, self._fold(state), weights
    )
    return self._reverse(
      states, num_steps, steps_left, transposed, d_state, d_kept
    )

  def _reverse(
    self, states, num_steps, steps_left, transposed, d_state, d_kept
  ):
    """The gradient of `_forward`, given the gradients of its results.

    Args:
      states: what `_states` returns.
      num_steps: see the class.
      steps_left: see the class.
      transposed: the transposed weights; XLA is slow to transpose a factor.
      d_state: the gradient of the state after the chunk.
      d_kept: the gradient of what was kept.

    Returns:
      The gradients of the state before the chunk, and of gates_t and xi_t,
      `[CHUNK_STEPS, batch, ...]`, zeros past `num_steps`.
    """
    states, inner = states
    d_state = self._fold(d_state)

    def body(step, d_state, arrays):
      t = num_steps - 1 - step
      before, after = at(t, states), at(t + 1, states)
      gates, interface = at(t, inner)
      d_state = add(d_state, self._kept_gradient(after, at(t, d_kept)))
      d_before = tf.nest.map_structure(tf.zeros_like, d_state)
      if steps_left is not None:
        running = t < steps_left
        d_before = self._where_running(running, d_before, d_state)
        zeros = tf.nest.map_structure(tf.zeros_like, d_state)
        d_state = self._where_running(running, d_state, zeros)
      d_step, d_gates, d_interface = self._step_gradient(
        before, gates, interface, transposed, d_state
      )
      arrays = plain.write(arrays, t, [d_gates, d_interface])
      return step + 1, add(d_before, d_step), arrays

    arrays = plain.make_arrays([x[0] for x in inner], CHUNK_STEPS)
    _, d_state, arrays = tf.while_loop(
      lambda step, *_: step < num_steps,
      body,
      (0, d_state, arrays),
      maximum_iterations=CHUNK_STEPS,
    )
    return self._unfold(d_state), *plain.stack(arrays)

  def _kept_gradient(self, state, d_kept):
    """Returns the gradient of a state through what was kept of it."""
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
    """Returns the gradients of the state before a step, gates_t and xi_t."""
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
      after = plain.controller_step(gates, cell, self._clip_value)
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
  record: plain.Record | None,
) -> Chunk:
  """Returns one chunk for all cores of the same sizes, so it compiles once."""
  return Chunk(dict(sizes), clip_value, record)


def at(index: tf.Tensor, values: Any) -> Any:
  """Returns each tensor of a nest at an index."""
  # Not `value[index]`: XLA would compile again for every index.
  return tf.nest.map_structure(lambda value: tf.gather(value, index), values)


def add(left: Any, right: Any) -> Any:
  """Returns the sum of two nests, tensor by tensor."""
  return tf.nest.map_structure(tf.add, left, right)

"""The recurrence of a DNC over time, in a `tf.while_loop`.

The loop computes only what depends on the previous step. `unroll.py` multiplies
the inputs x_t of all steps by their weights W_x before the loop, and applies
the output layer to all steps after it. The loop, in the paper's notation with
row vectors:

  gates_t = (x_t W_x + b) + [r_{t-1}; h_{t-1}] W
  h_t, s_t = the LSTM's hidden state and cell, from gates_t and s_{t-1}
  xi_t = h_t W_xi + b_xi
  r_t = the words that `MemoryAccess` reads, given xi_t
"""

from collections.abc import Callable
from typing import Any
from typing import NamedTuple

import sonnet as snt
import tensorflow as tf

from dnc import access as access_lib
from dnc import dnc

# A function of the state after a step, and of nothing else. It returns what to
# record of the step: a nest of tensors `[batch, ...]`.
Record = Callable[[dnc.DNCState], Any]


class Weights(NamedTuple):
  """The weights of the loop.

  Attributes:
    recurrent: W, from the words read and the hidden state to the gates,
      `[num_reads word_size + hidden_size, 4 hidden_size]`.
    interface: W_xi, `[hidden_size, interface_size]`.
    interface_bias: b_xi, `[interface_size]`.
  """

  recurrent: tf.Tensor
  interface: tf.Tensor
  interface_bias: tf.Tensor


class Kept(NamedTuple):
  """What is kept of the state after one step, or after all steps.

  Attributes:
    hidden: h_t, `[(time,) batch, hidden_size]`.
    read_words: r_t, `[(time,) batch, num_reads, W]`.
    recorded: what `Record` returned, `[(time,) batch, ...]`.
  """

  hidden: tf.Tensor
  read_words: tf.Tensor
  recorded: Any


def kept_of(state: dnc.DNCState, record: Record | None) -> Kept:
  """What is kept of one state."""
  return Kept(
    hidden=state.controller_state.hidden,
    read_words=state.access_output,
    recorded=record(state) if record else (),
  )


def words_and_hidden(read_words: tf.Tensor, hidden: tf.Tensor) -> tf.Tensor:
  """[r_t; h_t], the input of `Weights.recurrent`, of one or all steps."""
  flatten = snt.Flatten(preserve_dims=hidden.shape.rank - 1)
  return tf.concat([flatten(read_words), hidden], axis=-1)


def controller_step(
  gates: tf.Tensor, cell: tf.Tensor, clip_value: float
) -> snt.LSTMState:
  """A step of Sonnet 2's LSTM, with clipping.

  s_t = sigmoid(f) s_{t-1} + sigmoid(i) tanh(g)
  h_t = sigmoid(o) tanh(s_t)

  Args:
    gates: i, f, g and o before their nonlinearities, float tensor
      `[batch, 4 hidden_size]`.
    cell: s_{t-1}, float tensor `[batch, hidden_size]`.
    clip_value: the core's clip_value; 0 for none.

  Returns:
    h_t and s_t.
  """
  i, f, g, o = tf.split(gates, 4, axis=1)
  next_cell = tf.sigmoid(f) * cell + tf.sigmoid(i) * tf.tanh(g)
  next_hidden = tf.sigmoid(o) * tf.tanh(next_cell)
  return snt.LSTMState(
    hidden=dnc.clip(next_hidden, clip_value),
    cell=dnc.clip(next_cell, clip_value),
  )


def step(
  access: access_lib.MemoryAccess,
  clip_value: float,
  weights: Weights,
  projected: tf.Tensor,
  state: dnc.DNCState,
) -> tuple[dnc.DNCState, tf.Tensor, tf.Tensor]:
  """One step of a DNC.

  Args:
    access: reads and writes the memory; its variables are not used.
    clip_value: the core's clip_value; 0 for none.
    weights: the weights of the loop.
    projected: x_t W_x + b, float tensor `[batch, 4 hidden_size]`.
    state: the state before the step.

  Returns:
    The state after the step; gates_t, `[batch, 4 hidden_size]`; and xi_t,
    `[batch, interface_size]`.
  """
  hidden, cell = state.controller_state
  inputs = words_and_hidden(state.access_output, hidden)
  gates = projected + tf.matmul(inputs, weights.recurrent)
  controller_state = controller_step(gates, cell, clip_value)
  interface = (
    tf.matmul(controller_state.hidden, weights.interface)
    + weights.interface_bias
  )
  access_output, access_state = access.read_and_write(
    access.split_interface(interface), state.access_state
  )
  new_state = dnc.DNCState(access_output, access_state, controller_state)
  return new_state, gates, interface


def scan(
  core: dnc.DNC,
  weights: Weights,
  projected: tf.Tensor,
  state: dnc.DNCState,
  sequence_length: tf.Tensor | None = None,
  record: Record | None = None,
) -> tuple[dnc.DNCState, Kept]:
  """Runs all steps of a DNC.

  Args:
    core: a `DNC`.
    weights: the weights of the loop.
    projected: x_t W_x + b, float tensor `[time, batch, 4 hidden_size]`.
    state: the state before the first step.
    sequence_length: int32 tensor `[batch]`, number of real steps of each
      sequence; after them its state does not change. None: all are real.
    record: what to record of each step.

  Returns:
    The state after the last step, and what was kept, `[time, batch, ...]`.
  """
  num_steps = tf.shape(projected)[0]

  def body(t, state, arrays):
    new_state, _, _ = step(
      core.access, core.clip_value, weights, projected[t], state
    )
    if sequence_length is not None:
      new_state = where_running(t < sequence_length, new_state, state)
    return t + 1, new_state, write(arrays, t, kept_of(new_state, record))

  _, state, arrays = tf.while_loop(
    lambda t, *_: t < num_steps,
    body,
    (0, state, make_arrays(kept_of(state, record), num_steps)),
    maximum_iterations=num_steps,
  )
  return state, stack(arrays)


def scan_controller(
  recurrent: tf.Tensor,
  clip_value: float,
  projected: tf.Tensor,
  state: snt.LSTMState,
  sequence_length: tf.Tensor | None = None,
  prev_read_words: tf.Tensor | None = None,
) -> tuple[snt.LSTMState, snt.LSTMState]:
  """Runs all steps of a controller without a memory, or with given read words.

  Args:
    recurrent: weights from the hidden state to the gates, `[hidden_size,
      4 hidden_size]`; `Weights.recurrent` if read words are given.
    clip_value: the core's clip_value; 0 for none.
    projected: as in `scan`.
    state: the state before the first step.
    sequence_length: as in `scan`.
    prev_read_words: the r_{t-1} of each step t, float tensor
      `[time, batch, num_reads, W]`. None: there are no read words.

  Returns:
    The state after the last step, and the states after every step,
    `[time, batch, ...]`.
  """
  num_steps = tf.shape(projected)[0]

  def body(t, state, arrays):
    inputs = state.hidden
    if prev_read_words is not None:
      inputs = words_and_hidden(prev_read_words[t], inputs)
    gates = projected[t] + tf.matmul(inputs, recurrent)
    new_state = controller_step(gates, state.cell, clip_value)
    if sequence_length is not None:
      new_state = where_running(t < sequence_length, new_state, state)
    return t + 1, new_state, write(arrays, t, new_state)

  _, state, arrays = tf.while_loop(
    lambda t, *_: t < num_steps,
    body,
    (0, state, make_arrays(state, num_steps)),
    maximum_iterations=num_steps,
  )
  return state, stack(arrays)


def where_running(running: tf.Tensor, new_state: Any, state: Any) -> Any:
  """Selects `new_state` where `running`, bool `[batch]`, else `state`."""

  def choose(new, old):
    shape = tf.concat(
      [tf.shape(running), tf.ones([new.shape.rank - 1], tf.int32)], 0
    )
    return tf.where(tf.reshape(running, shape), new, old)

  return tf.nest.map_structure(choose, new_state, state)


def make_arrays(values: Any, num_steps: tf.Tensor | int) -> Any:
  """Makes a `tf.TensorArray` of `num_steps` for each tensor of a nest."""
  return tf.nest.map_structure(
    lambda value: tf.TensorArray(
      value.dtype, num_steps, element_shape=value.shape, clear_after_read=False
    ),
    values,
  )


def write(arrays: Any, index: tf.Tensor, values: Any) -> Any:
  """Writes a nest of tensors to a nest of `tf.TensorArray`s."""
  return tf.nest.map_structure(
    lambda array, value: array.write(index, value), arrays, values
  )


def stack(arrays: Any) -> Any:
  """Stacks each `tf.TensorArray` of a nest: `[num_steps, ...]`."""
  return tf.nest.map_structure(lambda array: array.stack(), arrays)

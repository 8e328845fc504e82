"""A DNC over time, with the large products taken out of the loop.

`unroll` gives what `snt.dynamic_unroll` gives. Per step, only what depends on
the step before is computed: the controller's inputs are projected and the
core's outputs are made for all steps at once.
"""

from collections.abc import Callable
from typing import Any

import sonnet as snt
import tensorflow as tf

from dnc import dnc

# What to keep of each step: a function of the words read and the new state.
Record = Callable[[dnc.DNCState], Any]


def _create_variables(
  core: dnc.DNC, input_sequence: tf.Tensor, state: dnc.DNCState
) -> None:
  """Runs the core once where its variables do not exist yet."""
  if not hasattr(core.output_linear, 'w'):
    with tf.init_scope():
      example = tf.zeros([1, input_sequence.shape[-1]], input_sequence.dtype)
      core(example, core.initial_state(1))


def _lstm_cell(gates: tf.Tensor, cell: tf.Tensor) -> snt.LSTMState:
  """Sonnet 2's LSTM from its summed gates `[batch, 4 hidden_size]`."""
  i, f, g, o = tf.split(gates, 4, axis=1)
  next_cell = tf.sigmoid(f) * cell + tf.sigmoid(i) * tf.tanh(g)
  return snt.LSTMState(tf.sigmoid(o) * tf.tanh(next_cell), next_cell)


def unroll(
  core: dnc.DNC,
  input_sequence: tf.Tensor,
  initial_state: dnc.DNCState,
  sequence_length: tf.Tensor | None = None,
  record: Record | None = None,
) -> tuple:
  """Runs `core` over a sequence.

  Args:
    core: a `DNC`.
    input_sequence: float tensor `[time, batch, input_size]`; time and batch may
      be unknown.
    initial_state: the state before the first step.
    sequence_length: int tensor `[batch]`, real steps of each sequence; past
      them the state stays and the last output is repeated (zeros for a length
      of 0), as in `snt.dynamic_unroll`. None: all steps are real.
    record: called with the state after each step; returns the tensors of it,
      `[batch, ...]`, to keep in any nest.

  Returns:
    Outputs, float tensor `[time, batch, output_size]`; the state after the last
    step; and, where `record` is given, its nest with tensors
    `[time, batch, ...]`.
  """
  _create_variables(core, input_sequence, initial_state)
  record = record or (lambda state: ())
  num_steps = tf.shape(input_sequence)[0]
  input_size = input_sequence.shape[-1]
  controller, access = core.controller, core.access

  input_weights = controller.input_to_hidden[:input_size]
  recurrent_weights = tf.concat(
    [controller.input_to_hidden[input_size:], controller.hidden_to_hidden], 0
  )
  interface = access.interface.values()
  interface_weights = tf.concat([layer.w for layer in interface], axis=1)
  interface_bias = tf.concat([layer.b for layer in interface], axis=0)
  projected = tf.tensordot(input_sequence, input_weights, 1) + controller.b

  def step(t, state):
    recurrent = tf.concat(
      [
        tf.reshape(state.access_output, [tf.shape(projected)[1], -1]),
        state.controller_state.hidden,
      ],
      axis=1,
    )
    gates = projected[t] + tf.matmul(recurrent, recurrent_weights)
    controller_state = tf.nest.map_structure(
      core.clip, _lstm_cell(gates, state.controller_state.cell)
    )
    interface = access.split_interface(
      tf.matmul(controller_state.hidden, interface_weights) + interface_bias
    )
    access_output, access_state = access.read_and_write(
      interface, state.access_state
    )
    new_state = dnc.DNCState(access_output, access_state, controller_state)
    if sequence_length is None:
      return new_state
    return _freeze(t < sequence_length, new_state, state)

  def keep(state):
    return (state.controller_state.hidden, state.access_output, record(state))

  def body(t, state, arrays):
    state = step(t, state)
    arrays = tf.nest.map_structure(
      lambda array, value: array.write(t, value), arrays, keep(state)
    )
    return t + 1, state, arrays

  arrays = tf.nest.map_structure(
    lambda value: tf.TensorArray(
      value.dtype, num_steps, element_shape=value.shape
    ),
    keep(initial_state),
  )
  _, state, arrays = tf.while_loop(
    lambda t, *_: t < num_steps,
    body,
    (0, initial_state, arrays),
    maximum_iterations=num_steps,
  )
  hidden, read_words, recorded = tf.nest.map_structure(
    lambda array: array.stack(), arrays
  )
  read_words = tf.reshape(
    read_words, tf.concat([tf.shape(read_words)[:2], [-1]], 0)
  )
  output_linear = core.output_linear
  outputs = core.clip(
    tf.tensordot(tf.concat([hidden, read_words], 2), output_linear.w, 1)
    + output_linear.b
  )
  if sequence_length is not None:
    outputs = tf.where((sequence_length > 0)[:, tf.newaxis], outputs, 0)
  return outputs, state, recorded


def _freeze(running: tf.Tensor, new_state: Any, state: Any) -> Any:
  """Keeps `state` where a sequence has ended."""

  def choose(new, old):
    shape = tf.concat(
      [tf.shape(running), tf.ones([new.shape.rank - 1], tf.int32)], 0
    )
    return tf.where(tf.reshape(running, shape), new, old)

  return tf.nest.map_structure(choose, new_state, state)

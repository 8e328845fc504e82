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


def _create_variables(core: dnc.DNC, input_sequence: tf.Tensor) -> None:
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


def _recurrence(
  core: dnc.DNC, input_size: int
) -> Callable[[tf.Tensor, dnc.DNCState], dnc.DNCState]:
  """What is left of a step of `core` when its large products are taken out.

  Args:
    core: a `DNC` with variables.
    input_size: size of the core's inputs.

  Returns:
    A function from the projected input of a step, `[batch, 4 hidden_size]`, and
    the state before it, to the state after it.
  """
  access = core.access
  recurrent_weights = tf.concat(
    [
      core.controller.input_to_hidden[input_size:],
      core.controller.hidden_to_hidden,
    ],
    axis=0,
  )
  layers = access.interface.values()
  interface_weights = tf.concat([layer.w for layer in layers], axis=1)
  interface_bias = tf.concat([layer.b for layer in layers], axis=0)

  def step(projected: tf.Tensor, state: dnc.DNCState) -> dnc.DNCState:
    hidden, cell = state.controller_state
    read_words = tf.reshape(state.access_output, [tf.shape(hidden)[0], -1])
    recurrent = tf.concat([read_words, hidden], axis=1)
    gates = projected + tf.matmul(recurrent, recurrent_weights)
    controller_state = tf.nest.map_structure(core.clip, _lstm_cell(gates, cell))
    interface = access.split_interface(
      tf.matmul(controller_state.hidden, interface_weights) + interface_bias
    )
    access_output, access_state = access.read_and_write(
      interface, state.access_state
    )
    return dnc.DNCState(access_output, access_state, controller_state)

  return step


def _freeze(running: tf.Tensor, new_state: Any, state: Any) -> Any:
  """Keeps `state` where a sequence has ended."""

  def choose(new, old):
    shape = tf.concat(
      [tf.shape(running), tf.ones([new.shape.rank - 1], tf.int32)], 0
    )
    return tf.where(tf.reshape(running, shape), new, old)

  return tf.nest.map_structure(choose, new_state, state)


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
    input_sequence: float tensor `[time, batch, ...]`, flattened to
      `[time, batch, input_size]`; time and batch may be unknown.
    initial_state: the state before the first step.
    sequence_length: int tensor `[batch]`, real steps of each sequence; past
      them the state stays and the last output is repeated (zeros for a length
      of 0), as in `snt.dynamic_unroll`. None: all steps are real.
    record: called with the state after each step; returns the tensors of it,
      `[batch, ...]`, to keep in any nest.

  Returns:
    Outputs, float tensor `[time, batch, output_size]`; the state after the last
    step; and what `record` returned, `[time, batch, ...]`, `()` without it.

  Raises:
    ValueError: if the controller projects its hidden state, which the loop here
      does not do.
  """
  if (
    initial_state.controller_state.hidden.shape[1]
    != (initial_state.controller_state.cell.shape[1])
  ):
    raise ValueError(
      'unroll does not do controllers with a projection_size; '
      'snt.dynamic_unroll does'
    )
  record = record or (lambda state: ())
  inputs = snt.Flatten(preserve_dims=2)(input_sequence)
  _create_variables(core, inputs)
  num_steps, input_size = tf.shape(inputs)[0], inputs.shape[2]
  step = _recurrence(core, input_size)
  projected = (
    tf.tensordot(inputs, core.controller.input_to_hidden[:input_size], 1)
    + core.controller.b
  )

  def keep(state):
    return (state.controller_state.hidden, state.access_output, record(state))

  def body(t, state, arrays):
    new_state = step(projected[t], state)
    if sequence_length is not None:
      new_state = _freeze(t < sequence_length, new_state, state)
    arrays = tf.nest.map_structure(
      lambda array, value: array.write(t, value), arrays, keep(new_state)
    )
    return t + 1, new_state, arrays

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
  features = tf.concat(
    [hidden, snt.Flatten(preserve_dims=2)(read_words)], axis=2
  )
  outputs = core.clip(
    tf.tensordot(features, core.output_linear.w, 1) + core.output_linear.b
  )
  if sequence_length is not None:
    outputs = tf.where((sequence_length > 0)[:, tf.newaxis], outputs, 0)
  return outputs, state, recorded

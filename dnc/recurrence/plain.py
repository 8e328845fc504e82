"""What must be computed step by step of a DNC over time.

`unroll.py` takes the large products out: a controller's inputs come here
projected, and the core's outputs are made later, from what is kept of each
step.
"""

from collections.abc import Callable
from typing import Any
from typing import NamedTuple

import sonnet as snt
import tensorflow as tf

from dnc import access as access_lib
from dnc import dnc
from dnc import lstm

# What to record of each step: a function of the state after it, and of nothing
# else, to a nest of tensors `[batch, ...]`.
Record = Callable[[dnc.DNCState], Any]


class Weights(NamedTuple):
  """What the recurrence needs of a core's variables.

  Attributes:
    recurrent: from the words read and the hidden state to the gates,
      `[num_reads * W + hidden_size, 4 hidden_size]`.
    interface: from the hidden state to the memory's interface,
      `[hidden_size, interface_size]`.
    interface_bias: `[interface_size]`.
  """

  recurrent: tf.Tensor
  interface: tf.Tensor
  interface_bias: tf.Tensor


class Kept(NamedTuple):
  """What is kept of the state after each step.

  Attributes:
    hidden: of the controller, `[(time,) batch, hidden_size]`.
    read_words: `[(time,) batch, num_reads, W]`.
    recorded: what `Record` returned, `[(time,) batch, ...]`.
  """

  hidden: tf.Tensor
  read_words: tf.Tensor
  recorded: Any


def weights_of(core: dnc.DNC, input_size: int) -> tuple[tf.Tensor, Weights]:
  """A core's weights, cut where the recurrence begins.

  Args:
    core: a `DNC` with variables.
    input_size: size of the core's inputs.

  Returns:
    The weights from inputs to gates, `[input_size, 4 hidden_size]`, and those
    of the recurrence.
  """
  controller = core.controller
  layers = core.access.interface.values()
  # The gradient of a split is one concatenation, that of two slices much more.
  inputs_to_gates, words_to_gates = tf.split(
    controller.input_to_hidden, [input_size, -1]
  )
  return inputs_to_gates, Weights(
    recurrent=tf.concat([words_to_gates, controller.hidden_to_hidden], axis=0),
    interface=tf.concat([layer.w for layer in layers], axis=1),
    interface_bias=tf.concat([layer.b for layer in layers], axis=0),
  )


def kept_of(state: dnc.DNCState, record: Record | None) -> Kept:
  """What is kept of one state."""
  return Kept(
    hidden=state.controller_state.hidden,
    read_words=state.access_output,
    recorded=record(state) if record else (),
  )


def recurrent_inputs(read_words: tf.Tensor, hidden: tf.Tensor) -> tf.Tensor:
  """What `Weights.recurrent` multiplies, of one step or of many."""
  flatten = snt.Flatten(preserve_dims=hidden.shape.rank - 1)
  return tf.concat([flatten(read_words), hidden], axis=-1)


def controller_step(
  gates: tf.Tensor, cell: tf.Tensor, clip_value: float
) -> snt.LSTMState:
  """Sonnet 2's LSTM from its summed gates `[batch, 4 hidden_size]`, clipped."""
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
  """One step.

  Args:
    access: reads and writes the memory; its variables are not used.
    clip_value: of the core; 0 for none.
    weights: the recurrent weights.
    projected: the controller's inputs times their weights, plus the bias, float
      tensor `[batch, 4 hidden_size]`.
    state: the state before the step.

  Returns:
    The state after the step; the gates before their nonlinearities,
    `[batch, 4 hidden_size]`; and the flat interface, `[batch, interface_size]`.
  """
  hidden, cell = state.controller_state
  inputs = recurrent_inputs(state.access_output, hidden)
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


def run_controller(
  core: lstm.LSTMCore,
  projected: tf.Tensor,
  state: snt.LSTMState,
  sequence_length: tf.Tensor | None = None,
) -> tuple[snt.LSTMState, snt.LSTMState]:
  """All steps of a core without a memory.

  Args:
    core: an `LSTMCore`.
    projected: its inputs times their weights, plus the bias, float tensor
      `[time, batch, 4 hidden_size]`.
    state: the state before the first step.
    sequence_length: as in `run`.

  Returns:
    The state after the last step, and those after each, `[time, batch, ...]`.
  """
  num_steps = tf.shape(projected)[0]
  hidden_to_gates = tf.convert_to_tensor(core.controller.hidden_to_hidden)

  def body(t, state, arrays):
    gates = projected[t] + tf.matmul(state.hidden, hidden_to_gates)
    new_state = controller_step(gates, state.cell, core.clip_value)
    if sequence_length is not None:
      new_state = freeze(t < sequence_length, new_state, state)
    return t + 1, new_state, write(arrays, t, new_state)

  _, state, arrays = tf.while_loop(
    lambda t, *_: t < num_steps,
    body,
    (0, state, make_arrays(state, num_steps)),
    maximum_iterations=num_steps,
  )
  return state, stack(arrays)


def freeze(running: tf.Tensor, new_state: Any, state: Any) -> Any:
  """Keeps `state` where a sequence has ended: where not `running` `[batch]`."""

  def choose(new, old):
    shape = tf.concat(
      [tf.shape(running), tf.ones([new.shape.rank - 1], tf.int32)], 0
    )
    return tf.where(tf.reshape(running, shape), new, old)

  return tf.nest.map_structure(choose, new_state, state)


def make_arrays(values: Any, num_steps: tf.Tensor | int) -> Any:
  """A `tf.TensorArray` of `num_steps` for each tensor of a nest."""
  return tf.nest.map_structure(
    lambda value: tf.TensorArray(
      value.dtype, num_steps, element_shape=value.shape, clear_after_read=False
    ),
    values,
  )


def write(arrays: Any, index: tf.Tensor, values: Any) -> Any:
  """Writes one value to each `tf.TensorArray` of a nest."""
  return tf.nest.map_structure(
    lambda array, value: array.write(index, value), arrays, values
  )


def stack(arrays: Any) -> Any:
  """The values of each `tf.TensorArray` of a nest, `[num_steps, ...]`."""
  return tf.nest.map_structure(lambda array: array.stack(), arrays)


def run(
  core: dnc.DNC,
  weights: Weights,
  projected: tf.Tensor,
  state: dnc.DNCState,
  sequence_length: tf.Tensor | None = None,
  record: Record | None = None,
) -> tuple[dnc.DNCState, Kept]:
  """All steps in a `tf.while_loop`: the plain path.

  Args:
    core: a `DNC`.
    weights: those of the recurrence, from `weights_of`.
    projected: as in `step`, `[time, batch, 4 hidden_size]`.
    state: the state before the first step.
    sequence_length: int tensor `[batch]`, real steps of each sequence; past
      them its state stays. None: all are real.
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
      new_state = freeze(t < sequence_length, new_state, state)
    return t + 1, new_state, write(arrays, t, kept_of(new_state, record))

  _, state, arrays = tf.while_loop(
    lambda t, *_: t < num_steps,
    body,
    (0, state, make_arrays(kept_of(state, record), num_steps)),
    maximum_iterations=num_steps,
  )
  return state, stack(arrays)

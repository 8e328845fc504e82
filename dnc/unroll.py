"""A core over time, several times faster than by `snt.dynamic_unroll`.

`unroll` gives what `snt.dynamic_unroll` gives. Per step, only what depends on
the step before is computed, and on a CPU it is compiled; the controller's
inputs are projected and the core's outputs are made for all steps at once.
"""

import functools
from typing import Any

from absl import logging
import sonnet as snt
import tensorflow as tf

from dnc import access
from dnc import dnc
from dnc import lstm
from dnc.recurrence import compiled as fast_recurrence
from dnc.recurrence import plain as recurrence


@functools.cache
def can_compile() -> bool:
  """Whether XLA runs here; if it does not, says so once.

  Only on a CPU was compiled code found to be faster, and only there is it used.

  Returns:
    Whether `unroll` compiles unless told otherwise.
  """
  if tf.config.list_logical_devices('GPU'):
    return False
  with tf.init_scope():
    try:
      tf.function(lambda x: x + 1, jit_compile=True)(tf.zeros([]))
    except (tf.errors.OpError, NotImplementedError) as error:
      logging.warning(
        'XLA does not run here, so the DNC runs slower: %s',
        str(error).splitlines()[0],
      )
      return False
  return True


def _create_variables(
  core: dnc.DNC | lstm.LSTMCore, input_sequence: tf.Tensor
) -> None:
  """Runs the core once where its variables do not exist yet."""
  if not hasattr(core.output_linear, 'w'):
    with tf.init_scope():
      example = tf.zeros([1, input_sequence.shape[-1]], input_sequence.dtype)
      core(example, core.initial_state(1))


def _linear(
  inputs: tf.Tensor, layer: snt.Linear, clip_value: float
) -> tf.Tensor:
  """A clipped linear layer over time: `[time, batch, output_size]`.

  The outputs are the largest tensors of a run. Their gradient needs them once,
  where an automatic one keeps them before and after clipping.
  """

  @tf.custom_gradient
  def apply(inputs, w, b):
    outputs = tf.nn.bias_add(tf.matmul(inputs, w), b)
    if clip_value > 0:
      bound = tf.constant(clip_value, outputs.dtype)
      # In one pass; tf.clip_by_value takes two.
      outputs = tf.raw_ops.ClipByValue(
        t=outputs, clip_value_min=-bound, clip_value_max=bound
      )

    def gradient(upstream):
      if clip_value > 0:
        within = tf.abs(outputs) < clip_value
        upstream = tf.where(within, upstream, tf.zeros_like(upstream))
      return (
        tf.matmul(upstream, w, transpose_b=True),
        tf.matmul(inputs, upstream, transpose_a=True),
        tf.reduce_sum(upstream, axis=0),
      )

    return outputs, gradient

  flat = tf.reshape(inputs, [-1, inputs.shape[2]])
  outputs = apply(flat, *map(tf.convert_to_tensor, (layer.w, layer.b)))
  shape = [*tf.unstack(tf.shape(inputs))[:2], layer.output_size]
  outputs = tf.reshape(outputs, shape)
  return tf.ensure_shape(outputs, [*inputs.shape[:2], layer.output_size])


def _dnc_features(
  core: dnc.DNC,
  inputs: tf.Tensor,
  state: dnc.DNCState,
  sequence_length: tf.Tensor | None,
  record: recurrence.Record | None,
  compiled: bool | None,
) -> tuple[tf.Tensor, dnc.DNCState, Any]:
  """What the output layer sees of each step, the last state, what was kept."""
  hidden, cell = state.controller_state
  if hidden.shape[1] != cell.shape[1]:
    raise ValueError(
      'unroll does not do controllers with a projection_size; '
      'snt.dynamic_unroll does'
    )
  inputs_to_gates, weights = recurrence.weights_of(core, inputs.shape[2])
  projected = tf.tensordot(inputs, inputs_to_gates, 1) + core.controller.b
  # Of other kinds of access the compiled form would not know.
  is_usual = type(core.access) is access.MemoryAccess
  if compiled is None:
    compiled = is_usual and can_compile()
  if compiled and not is_usual:
    raise ValueError(
      f'no compiled form of {type(core.access).__name__}; use compiled=False'
    )
  run = fast_recurrence.run if compiled else recurrence.run
  state, kept = run(core, weights, projected, state, sequence_length, record)
  words = snt.Flatten(preserve_dims=2)(kept.read_words)
  return tf.concat([kept.hidden, words], axis=2), state, kept.recorded


def _lstm_features(
  core: lstm.LSTMCore,
  inputs: tf.Tensor,
  state: snt.LSTMState,
  sequence_length: tf.Tensor | None,
  record: recurrence.Record | None,
) -> tuple[tf.Tensor, snt.LSTMState, Any]:
  """As `_dnc_features`, of a core without a memory."""
  controller = core.controller
  projected = tf.tensordot(inputs, controller.input_to_hidden, 1) + controller.b
  state, states = recurrence.run_controller(
    core, projected, state, sequence_length
  )
  if record is None:
    return states.hidden, state, ()
  # A function of each state alone: of all steps at once.
  time_and_batch = tf.shape(states.hidden)[:2]
  recorded = record(
    tf.nest.map_structure(lambda x: tf.reshape(x, [-1, x.shape[2]]), states)
  )
  recorded = tf.nest.map_structure(
    lambda x: tf.reshape(x, tf.concat([time_and_batch, x.shape[1:]], axis=0)),
    recorded,
  )
  return states.hidden, state, recorded


def unroll(
  core: dnc.DNC | lstm.LSTMCore,
  input_sequence: tf.Tensor,
  initial_state: dnc.DNCState | snt.LSTMState,
  sequence_length: tf.Tensor | None = None,
  record: recurrence.Record | None = None,
  compiled: bool | None = None,
) -> tuple:
  """Runs `core` over a sequence.

  Args:
    core: a `DNC`, or an `LSTMCore`, which is never compiled.
    input_sequence: float tensor `[time, batch, ...]`, flattened to
      `[time, batch, input_size]`; time and batch may be unknown.
    initial_state: the state before the first step.
    sequence_length: int tensor `[batch]`, real steps of each sequence; past
      them the state stays and the last output is repeated (zeros for a length
      of 0), as in `snt.dynamic_unroll`. None: all steps are real.
    record: called with the state after each step; returns the tensors of it,
      `[batch, ...]`, to keep in any nest. Where it is compiled it must be a
      function of the state alone, and outside `tf.function` another function
      is compiled anew.
    compiled: whether XLA compiles the recurrence, which takes some seconds the
      first time and gives the same to rounding; second derivatives need False.
      None: where `can_compile()` and the core's access is a `MemoryAccess`, not
      a class derived from it.

  Returns:
    Outputs, float tensor `[time, batch, output_size]`; the state after the last
    step; and what `record` returned, `[time, batch, ...]`, `()` without it.

  Raises:
    ValueError: if the controller projects its hidden state, which the loop here
      does not do, or the core's access has no compiled form.
  """
  if sequence_length is not None:
    sequence_length = tf.cast(sequence_length, tf.int32)
  inputs = snt.Flatten(preserve_dims=2)(input_sequence)
  _create_variables(core, inputs)
  if isinstance(core, lstm.LSTMCore):
    features, state, recorded = _lstm_features(
      core, inputs, initial_state, sequence_length, record
    )
  else:
    features, state, recorded = _dnc_features(
      core, inputs, initial_state, sequence_length, record, compiled
    )
  num_steps = inputs.shape[0]
  features, recorded = tf.nest.map_structure(
    lambda x: tf.ensure_shape(x, [num_steps, *x.shape[1:]]),
    (features, recorded),
  )
  outputs = _linear(features, core.output_linear, core.clip_value)
  if sequence_length is not None:
    outputs = tf.where((sequence_length > 0)[:, tf.newaxis], outputs, 0)
  return outputs, state, recorded

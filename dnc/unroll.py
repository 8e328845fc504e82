"""A DNC over time, several times faster than by `snt.dynamic_unroll`.

`unroll` gives what `snt.dynamic_unroll` gives. Per step, only what depends on
the step before is computed, and on a CPU it is compiled; the controller's
inputs are projected and the core's outputs are made for all steps at once.
"""

import functools

from absl import logging
import sonnet as snt
import tensorflow as tf

from dnc import dnc
from dnc import fast_recurrence
from dnc import recurrence


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


def _create_variables(core: dnc.DNC, input_sequence: tf.Tensor) -> None:
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


def unroll(
  core: dnc.DNC,
  input_sequence: tf.Tensor,
  initial_state: dnc.DNCState,
  sequence_length: tf.Tensor | None = None,
  record: recurrence.Record | None = None,
  compiled: bool | None = None,
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
      `[batch, ...]`, to keep in any nest. Where it is compiled it must be a
      function of the state alone, and outside `tf.function` another function
      is compiled anew.
    compiled: whether XLA compiles the recurrence, which takes some seconds the
      first time and gives the same to rounding; second derivatives need False.
      None: where `can_compile()`.

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
  if sequence_length is not None:
    sequence_length = tf.cast(sequence_length, tf.int32)
  inputs = snt.Flatten(preserve_dims=2)(input_sequence)
  _create_variables(core, inputs)
  inputs_to_gates, weights = recurrence.weights_of(core, inputs.shape[2])
  projected = tf.tensordot(inputs, inputs_to_gates, 1) + core.controller.b
  if compiled is None:
    compiled = can_compile()
  run = fast_recurrence.run if compiled else recurrence.run
  state, kept = run(
    core,
    weights,
    projected,
    initial_state,
    sequence_length,
    record,
  )
  num_steps = inputs.shape[0]
  kept = tf.nest.map_structure(
    lambda x: tf.ensure_shape(x, [num_steps, *x.shape[1:]]), kept
  )
  features = tf.concat(
    [kept.hidden, snt.Flatten(preserve_dims=2)(kept.read_words)], axis=2
  )
  outputs = _linear(features, core.output_linear, core.clip_value)
  if sequence_length is not None:
    outputs = tf.where((sequence_length > 0)[:, tf.newaxis], outputs, 0)
  return outputs, state, kept.recorded

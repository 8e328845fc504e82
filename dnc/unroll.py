"""Runs a core over time, several times faster than `snt.dynamic_unroll`.

`unroll` computes what `snt.dynamic_unroll` does, in three stages:

  project_inputs      multiplies the inputs of all steps by their weights
  recurrence          computes what depends on the previous step; compiled on a
                      CPU
  apply_output_layer  computes the outputs of all steps
"""

from collections.abc import Sequence
import functools
from typing import Any

from absl import logging
import numpy as np
import sonnet as snt
import tensorflow as tf

from dnc import access
from dnc import dnc
from dnc import lstm
from dnc.recurrence import compiled as compiled_lib
from dnc.recurrence import jit
from dnc.recurrence import numba_scan
from dnc.recurrence import plain
from dnc.recurrence import sparse


@functools.cache
def can_compile() -> bool:
  """Whether `unroll` compiles by default; logs once if XLA does not run.

  In our measurements, compiling helps only on a CPU.
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


def _product(
  inputs: tf.Tensor, weights: tf.Tensor, is_sparse: bool
) -> tf.Tensor:
  """Multiplies the inputs of all steps by a matrix; see `unroll`."""
  if (
    is_sparse
    and jit.is_installed()
    and inputs.dtype == tf.float32
    and can_compile()
  ):
    return sparse.project(inputs, weights)
  return tf.tensordot(inputs, weights, 1)


def project_inputs(
  core: dnc.DNC, inputs: tf.Tensor, is_sparse: bool = False
) -> tuple[tf.Tensor, plain.Weights]:
  """Multiplies the inputs of all steps by their gate weights.

  Args:
    core: a `DNC` that has its variables.
    inputs: x_t of all steps, float tensor `[time, batch, input_size]`.
    is_sparse: as `sparse_inputs` of `unroll`.

  Returns:
    x_t W_x + b, float tensor `[time, batch, 4 hidden_size]`, and the weights of
    the recurrence.
  """
  controller = core.controller
  layers = core.access.interface.values()
  # The gradient of a split is one concatenation, much faster than that of two
  # slices.
  inputs_to_gates, words_to_gates = tf.split(
    controller.input_to_hidden, [inputs.shape[2], -1]
  )
  recurrent, biases = core.recurrent_weights()
  weights = plain.Weights(
    recurrent=tf.concat([words_to_gates, recurrent], axis=0),
    interface=tf.concat([layer.w for layer in layers], axis=1),
    interface_bias=tf.concat([layer.b for layer in layers], axis=0),
  )
  projected = _product(inputs, inputs_to_gates, is_sparse)
  return projected + biases, weights


def dnc_features(kept: plain.Kept) -> tf.Tensor:
  """Returns [h_t; r_t], the input of a DNC's output layer."""
  words = snt.Flatten(preserve_dims=2)(kept.read_words)
  return tf.concat([kept.hidden, words], axis=2)


def apply_output_layer(core: dnc.Core, features: tf.Tensor) -> tf.Tensor:
  """Computes the core's outputs for all steps at once.

  The outputs are the largest tensors of a training. The custom gradient stores
  them once; an automatic one would store them before and after clipping.

  Args:
    core: a core that has its variables.
    features: the output layer's input, float tensor `[time, batch, ...]`.

  Returns:
    y_t, clipped, float tensor `[time, batch, output_size]`.
  """
  layer, clip_value = core.output_linear, core.clip_value

  @tf.custom_gradient
  def apply(inputs, w, b):
    outputs = tf.nn.bias_add(tf.matmul(inputs, w), b)
    if clip_value > 0:
      bound = tf.constant(clip_value, outputs.dtype)
      # One pass over the outputs; tf.clip_by_value makes two.
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

  flat = tf.reshape(features, [-1, features.shape[2]])
  outputs = apply(flat, *map(tf.convert_to_tensor, (layer.w, layer.b)))
  shape = [*tf.unstack(tf.shape(features))[:2], layer.output_size]
  outputs = tf.reshape(outputs, shape)
  return tf.ensure_shape(outputs, [*features.shape[:2], layer.output_size])


def _scan_dnc(
  core: dnc.DNC,
  inputs: tf.Tensor,
  state: dnc.DNCState,
  sequence_length: tf.Tensor | None,
  record: plain.Record | None,
  compiled: bool | None,
  sparse_inputs: bool,
  keep_states: bool,
) -> tuple[tf.Tensor, dnc.DNCState, Any]:
  """Returns the output layer's input, the last state and the records."""
  hidden, cell = state.controller_state
  if hidden.shape[1] != cell.shape[1]:
    raise ValueError(
      'unroll does not support a controller with a projection_size; '
      'snt.dynamic_unroll does'
    )
  # Subclasses have no compiled form.
  has_compiled_form = type(core.access) is access.MemoryAccess
  is_default = compiled is None
  if compiled is None:
    compiled = has_compiled_form and can_compile()
  if compiled and not has_compiled_form:
    raise ValueError(
      f'no compiled form of {type(core.access).__name__}; use compiled=False'
    )
  projected, weights = project_inputs(core, inputs, sparse_inputs)
  arguments = core, weights, projected, state, sequence_length, record
  has_options = sequence_length is not None or record is not None
  if (
    compiled
    and is_default
    and not has_options
    and keep_states
    and numba_scan.can_scan(core)
  ):
    state, kept = numba_scan.scan(core, weights, projected, state)
  elif compiled:
    state, kept = compiled_lib.scan(*arguments, keep_states=keep_states)
  else:
    state, kept = plain.scan(*arguments)
  return dnc_features(kept), state, kept.recorded


def _scan_lstm(
  core: lstm.LSTMCore,
  inputs: tf.Tensor,
  state: snt.LSTMState,
  sequence_length: tf.Tensor | None,
  record: plain.Record | None,
  sparse_inputs: bool,
) -> tuple[tf.Tensor, snt.LSTMState, Any]:
  """`_scan_dnc` for a core without a memory."""
  controller = core.controller
  projected = _product(inputs, controller.input_to_hidden, sparse_inputs)
  recurrent, biases = core.recurrent_weights()
  state, states = plain.scan_controller(
    recurrent,
    core.clip_value,
    projected + biases,
    state,
    sequence_length,
  )
  if record is None:
    return states.hidden, state, ()
  # `record` treats each state alone, so it can take all steps as one batch.
  time_and_batch = tf.shape(states.hidden)[:2]
  recorded = record(
    tf.nest.map_structure(lambda x: tf.reshape(x, [-1, x.shape[2]]), states)
  )
  recorded = tf.nest.map_structure(
    lambda x: tf.reshape(x, tf.concat([time_and_batch, x.shape[1:]], axis=0)),
    recorded,
  )
  return states.hidden, state, recorded


def _as_lengths(
  lengths: tf.Tensor, num_steps: tf.Tensor, batch_shape: tf.Tensor
) -> tf.Tensor:
  """Returns int32 lengths; a single length applies to all sequences.

  Lengths beyond the last step, which may not fit into int32, become
  `num_steps`. So does NaN: as in `snt.dynamic_unroll`, no step reaches it.
  """
  if not (lengths.dtype.is_integer or lengths.dtype.is_floating):
    raise ValueError(
      f'sequence_length is {lengths.dtype.name}: must be whole numbers'
    )
  if lengths.dtype.is_floating:
    lengths = tf.math.ceil(lengths)
  # Compared in a type that holds lengths of all types.
  is_within = tf.cast(lengths, tf.float64) < tf.cast(num_steps, tf.float64)
  lengths = tf.where(is_within, tf.cast(lengths, tf.int32), num_steps)
  return tf.fill(batch_shape, lengths) if lengths.shape.rank == 0 else lengths


def _check_arguments(
  core: dnc.Core,
  inputs: tf.Tensor,
  values: Sequence[tf.Tensor],
  sequence_length: tf.Tensor | None,
) -> None:
  """Raises a `ValueError` if a known dtype or shape does not fit."""
  if (inputs.shape.rank or 0) < 3:
    raise ValueError(
      f'input_sequence has shape {inputs.shape}: must be [time, batch, ...]'
    )
  if inputs.dtype != core.dtype:
    raise ValueError(
      f'input_sequence is {inputs.dtype.name}: must be {core.dtype.name}, like '
      'the core'
    )
  batch = inputs.shape[1:2]
  sizes = tf.nest.flatten(core.state_size)
  if len(values) != len(sizes):
    raise ValueError(
      f'initial_state has {len(values)} tensors: must have {len(sizes)}, like '
      'core.initial_state(batch_size)'
    )
  for value, size in zip(values, sizes):
    wanted = batch.concatenate(size)
    # A lesioned core counts steps, with integers.
    is_of_dtype = value.dtype == core.dtype or size.rank == 0
    if not (is_of_dtype and value.shape.is_compatible_with(wanted)):
      raise ValueError(
        f'initial_state has a {value.dtype.name} tensor of shape '
        f'{value.shape}: must be {core.dtype.name} of shape {wanted}'
      )
  if sequence_length is not None and not (
    sequence_length.shape.is_compatible_with(batch)
  ):
    raise ValueError(
      f'sequence_length has shape {sequence_length.shape}: must have {batch}'
    )


def _as_tensor(
  name: str, value: Any, dtype_hint: tf.DType | None = None
) -> tf.Tensor:
  """Returns an argument as a tensor; `ValueError` if TensorFlow misreads it."""
  hint = ''
  if name == 'input_sequence':
    hint = '; sequence_length says where sequences end'
  for part in tf.nest.flatten(value):
    if part is None or isinstance(part, tf.RaggedTensor | tf.SparseTensor):
      raise ValueError(
        f'{name} is or has a {type(part).__name__}: must be a tensor or an '
        f'array{hint}'
      )
    if np.ma.is_masked(part):
      raise ValueError(f'{name} has masked values{hint}')
    # TensorFlow would convert these to real numbers.
    if (
      isinstance(part, np.ndarray | np.generic) and part.dtype.kind in 'cmMOSU'
    ):
      raise ValueError(f'{name} is {part.dtype}: must be real')
  return tf.convert_to_tensor(value, dtype_hint=dtype_hint)


def _as_tensors(
  core: dnc.Core, input_sequence: Any, initial_state: Any, sequence_length: Any
) -> tuple[tf.Tensor, Any, tf.Tensor | None]:
  """Returns the arguments of `unroll` as tensors that fit the core."""
  inputs = _as_tensor('input_sequence', input_sequence, core.dtype)
  values = [
    _as_tensor('initial_state', x) for x in tf.nest.flatten(initial_state)
  ]
  if sequence_length is not None:
    sizes = tf.shape(inputs)
    lengths = _as_tensor('sequence_length', sequence_length)
    sequence_length = _as_lengths(lengths, sizes[0], sizes[1:2])
  _check_arguments(core, inputs, values, sequence_length)
  state = tf.nest.pack_sequence_as(core.state_size, values)
  return inputs, state, sequence_length


def _prepare(core: dnc.Core, inputs: tf.Tensor) -> None:
  """Makes the core's variables if it has none; checks that inputs fit them."""
  if not hasattr(core.output_linear, 'w'):
    if inputs.shape[2] is None:
      raise ValueError(
        f'input_sequence has shape {inputs.shape}: its size must be known, as '
        'the core has no variables yet'
      )
    with tf.init_scope():
      example = tf.zeros([1, inputs.shape[2]], inputs.dtype)
      core(example, core.initial_state(1))
  wanted = core.controller.input_to_hidden.shape[0]
  if isinstance(core, dnc.DNC):
    wanted -= core.access.output_size.num_elements()
  if inputs.shape[2] != wanted:
    raise ValueError(
      f'input_sequence has {inputs.shape[2]} numbers a step: must have '
      f'{wanted}, the input size of the core'
    )


def unroll(
  core: dnc.Core,
  input_sequence: Any,
  initial_state: dnc.DNCState | snt.LSTMState,
  sequence_length: Any = None,
  record: plain.Record | None = None,
  compiled: bool | None = None,
  sparse_inputs: bool = False,
  keep_states: bool = False,
) -> tuple:
  """Applies `core` to every step of a sequence.

  Args:
    core: a `DNC`, or an `LSTMCore`, which is never compiled.
    input_sequence: tensor or array `[time, batch, ...]` of the core's dtype,
      flattened to `[time, batch, input_size]`; time and batch may be unknown
      or 0.
    initial_state: the state before the first step.
    sequence_length: int tensor `[batch]`, number of real steps of each
      sequence, or one number for all. After them the state does not change and
      the last output is repeated (zeros for a length of 0), as in
      `snt.dynamic_unroll`. None: all steps are real.
    record: function of the state after a step, and of nothing else, that
      returns what to record of it: any nest of tensors `[batch, ...]`. Each new
      function is compiled again.
    compiled: whether XLA compiles the recurrence, which takes some seconds the
      first time. Results are equal up to rounding; where slots are equally
      used, rounding decides which of them is written to, so the same words may
      lie in other slots. Second and forward-mode derivatives need False. None:
      compiles if `can_compile()` and the core has a compiled form: its access
      is a `MemoryAccess`, not an instance of a subclass.
    sparse_inputs: whether most inputs are 0. Then their product with the
      weights is several times faster on a CPU, if they are float32 and Numba is
      installed. It runs in Python: XLA cannot compile a function that does
      this, and a SavedModel cannot hold it.
    keep_states: whether the compiled recurrence keeps its states in the last 25
      steps. The gradient then does not compute these states again. If no
      gradient is taken, keeping them only costs time and memory. If Numba is
      installed and the memory has at least 128 slots, Numba then compiles the
      recurrence instead of XLA, unless `compiled`, `record` or
      `sequence_length` is given, there are several write heads, or the dtype is
      neither float32 nor float64. That, too, runs in Python.

  Returns:
    Outputs, float tensor `[time, batch, output_size]`; the state after the last
    step; and what `record` returned, `[time, batch, ...]`, or `()` without it.

  Raises:
    ValueError: if `core` is of another kind, if an argument is no tensor or has
      masked values, if dtypes or shapes do not fit the core or each other, if a
      DNC's controller projects its hidden state, or if `compiled` is True and
      the core has no compiled form.
  """
  if not isinstance(core, dnc.Core):
    raise ValueError(
      f'core is a {type(core).__name__}: must be a DNC or an LSTMCore; '
      'snt.dynamic_unroll takes others'
    )
  inputs, initial_state, sequence_length = _as_tensors(
    core, input_sequence, initial_state, sequence_length
  )
  inputs = snt.Flatten(preserve_dims=2)(inputs)
  _prepare(core, inputs)
  arguments = core, inputs, initial_state, sequence_length, record
  if isinstance(core, lstm.LSTMCore):
    features, state, recorded = _scan_lstm(*arguments, sparse_inputs)
  else:
    features, state, recorded = _scan_dnc(
      *arguments, compiled, sparse_inputs, keep_states
    )
  num_steps = inputs.shape[0]
  features, recorded = tf.nest.map_structure(
    lambda x: tf.ensure_shape(x, [num_steps, *x.shape[1:]]),
    (features, recorded),
  )
  outputs = apply_output_layer(core, features)
  if sequence_length is not None:
    outputs = tf.where((sequence_length > 0)[:, tf.newaxis], outputs, 0)
  return outputs, state, recorded

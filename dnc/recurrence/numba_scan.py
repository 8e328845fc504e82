"""The recurrence of a DNC in training, compiled by Numba for a CPU.

The forward pass keeps the states of the last chunk of steps, and of earlier
chunks only the first; from there the gradient computes the others again. Each
processor core computes a part of the batch. See `numba_step.py`.
"""

from collections.abc import Sequence
import functools
import itertools
import math

import numpy as np
import tensorflow as tf

from dnc import addressing
from dnc import dnc
from dnc.recurrence import compiled
from dnc.recurrence import compiled_chunk
from dnc.recurrence import jit
from dnc.recurrence import plain

# With fewer slots XLA is as fast: in trainings like those of
# training_benchmark, this took 0.79 of its time with 256 slots, 0.96 with 128,
# but 1.08 with 64 and 1.04 with 16.
LEAST_SLOTS = 128


def can_scan(core: dnc.DNC) -> bool:
  """Whether `scan` takes this core and is faster, and Numba is installed."""
  return (
    jit.is_installed()
    and core.access.sizes['memory_size'] >= LEAST_SLOTS
    and core.access.sizes['num_writes'] == 1
    and core.dtype in (tf.float32, tf.float64)
  )


def _empty(shape: Sequence[int], dtype: np.dtype) -> np.ndarray:
  """Like `np.empty`; TensorFlow takes arrays at such addresses uncopied."""
  alignment, size = 64, math.prod(shape) * np.dtype(dtype).itemsize
  room = np.empty(size + alignment, np.uint8)
  start = -room.ctypes.data % alignment
  return room[start : start + size].view(dtype).reshape(shape)


def _run(clip, projected, weights, state):
  """Runs a chunk; returns `States` and `Inner`."""
  from dnc.recurrence import numba_step

  num_steps, batch_size, num_gates = projected.shape
  dtype = projected.dtype
  states = numba_step.States(
    *(_empty([num_steps + 1, *x.shape], dtype) for x in state)
  )
  for values, first in zip(states, state):
    values[0] = first
  num_reads, size = states.reads.shape[2:]

  def empty(*shape, num_steps=num_steps, dtype=dtype):
    return _empty([num_steps, batch_size, *shape], dtype)

  inner = numba_step.Inner(
    gates=empty(num_gates),
    interface=empty(weights[-1].size),
    norms=empty(size, num_steps=num_steps + 1),
    similarity=empty(1 + num_reads, size),
    content=empty(1 + num_reads, size),
    forth=empty(num_reads, size),
    back=empty(num_reads, size),
    allocation=empty(size),
    order=empty(size, num_steps=num_steps + 1, dtype=np.int32),
  )
  jit.in_parts(
    numba_step.forward,
    batch_size,
    projected,
    *weights,
    dtype.type(clip),
    dtype.type(addressing.EPSILON),
    states,
    inner,
  )
  return states, inner


def _starts(projected: np.ndarray) -> range:
  """The first step of each chunk; without steps there is an empty chunk."""
  return range(0, max(len(projected), 1), compiled_chunk.CHUNK_STEPS)


def _forward(clip, projected, *arrays):
  """Runs all steps.

  Returns:
    h_t and r_t of all steps, `[time, batch, ...]`; the states before each
    chunk, `[chunks, batch, ...]`; and `States` and `Inner` of the last chunk.
  """
  projected, *arrays = map(jit.usable, [projected, *arrays])
  weights, state = arrays[:3], arrays[3:]
  hidden, words, before = [], [], []
  for start in _starts(projected):
    before.append(state)
    states, inner = _run(
      clip,
      projected[start : start + compiled_chunk.CHUNK_STEPS],
      weights,
      state,
    )
    # Copied: views would keep all states of the chunk.
    state = [x[-1].copy() for x in states]
    hidden.append(states.hidden[1:])
    words.append(states.words[1:])
  kept = [np.concatenate(x) for x in (hidden, words)]
  return *kept, *(np.stack(x) for x in zip(*before)), *states, *inner


def _reverse(clip, projected, *arrays):
  """Goes through all steps in reverse.

  Args:
    clip: as of `_forward`, like the following.
    projected: `[time, batch, 4 hidden_size]`.
    *arrays: the weights; two of them transposed; the states before each chunk,
      `States` and `Inner`, from `_forward`; the gradients of h_t and r_t,
      `[time, batch, ...]`; the gradient of the last state.

  Returns:
    The gradients of the first state, of gates_t and of xi_t.
  """
  from dnc.recurrence import numba_step

  projected, *arrays = map(jit.usable, [projected, *arrays])
  arrays = iter(arrays)

  def take(number):
    return [*itertools.islice(arrays, number)]

  size = len(numba_step.States._fields)
  weights, transposed, before = take(3), take(2), take(size)
  states = numba_step.States(*take(size))
  inner = numba_step.Inner(*take(len(numba_step.Inner._fields)))
  d_hidden, d_words = take(2)
  # It is changed in place.
  d_state = numba_step.States(*(x.copy() for x in arrays))
  d_gates = _empty(projected.shape, projected.dtype)
  d_interface = _empty(
    [*projected.shape[:2], weights[-1].size], projected.dtype
  )
  for chunk, start in reversed([*enumerate(_starts(projected))]):
    steps = slice(start, start + compiled_chunk.CHUNK_STEPS)
    if steps.stop < len(projected):
      states, inner = _run(
        clip, projected[steps], weights, [x[chunk] for x in before]
      )
    jit.in_parts(
      numba_step.reverse,
      projected.shape[1],
      *transposed,
      projected.dtype.type(clip),
      projected.dtype.type(addressing.EPSILON),
      states,
      inner,
      d_words[steps],
      d_hidden[steps],
      d_state,
      d_gates[steps],
      d_interface[steps],
    )
  return *d_state, d_gates, d_interface


def _of_all_steps(
  values: tf.Tensor, projected: tf.Tensor, one: tf.Tensor
) -> tf.Tensor:
  """Gives `values` its static shape: steps, batch and the rest as of `one`."""
  return tf.ensure_shape(values, [*projected.shape[:2], *one.shape[1:]])


@tf.autograph.experimental.do_not_convert
def scan(
  core: dnc.DNC,
  weights: plain.Weights,
  projected: tf.Tensor,
  state: dnc.DNCState,
) -> tuple[dnc.DNCState, plain.Kept]:
  """`plain.scan`, compiled; results are equal up to rounding.

  It has first derivatives only. The operations are Python's: XLA cannot compile
  a function that calls this, and a SavedModel cannot hold it.
  """
  from dnc.recurrence import numba_step

  of_state, of_inner = numba_step.States._fields, numba_step.Inner._fields
  clip, dtype = core.clip_value or math.inf, projected.dtype
  structure = (projected, weights, state)

  def call(function, arguments, dtypes):
    # As an argument, the bound would be rounded to float32.
    function = functools.partial(function, clip)
    return tf.numpy_function(function, arguments, dtypes, stateful=False)

  @tf.custom_gradient
  def scan_all(*flat):
    # Otherwise an eager tape would record the operations in here.
    flat = [tf.stop_gradient(x) for x in flat]
    weights, state = tf.nest.pack_sequence_as(structure, flat)[1:]
    num_state, num_inner = len(of_state), len(of_inner)
    dtypes = [dtype] * (2 + 2 * num_state + num_inner)
    dtypes[2 + 2 * num_state + of_inner.index('order')] = tf.int32
    hidden, words, *arrays = call(_forward, flat, dtypes)
    kept = plain.Kept(
      hidden=_of_all_steps(hidden, projected, state.controller_state.hidden),
      read_words=_of_all_steps(words, projected, state.access_output),
      recorded=(),
    )
    shapes = [x.shape for x in tf.nest.flatten(state)]
    last = [
      tf.ensure_shape(x[-1], shape)
      for x, shape in zip(arrays[num_state:], shapes)
    ]

    def gradient(*d_flat):
      d_last, d_kept = d_flat[:num_state], d_flat[num_state:]
      transposed = [tf.transpose(x) for x in weights[:2]]
      *d_state, d_gates, d_interface = call(
        _reverse,
        [flat[0], *weights, *transposed, *arrays, *d_kept, *d_last],
        [dtype] * (num_state + 2),
      )
      d_gates = tf.ensure_shape(d_gates, projected.shape)
      d_interface = _of_all_steps(
        d_interface, projected, weights.interface_bias[tf.newaxis]
      )
      d_state = [tf.ensure_shape(x, shape) for x, shape in zip(d_state, shapes)]
      d_weights = compiled.weight_gradients(state, kept, d_gates, d_interface)
      return [d_gates, *d_weights, *d_state]

    return [*last, kept.hidden, kept.read_words], gradient

  flat = scan_all(*tf.nest.flatten(structure))
  return tf.nest.pack_sequence_as((state, plain.kept_of(state, None)), flat)

"""Runs a DNC, intact and with every lesion, over the same sequences.

`dnc/lesions.py` describes the lesions. XLA compiles none of the models, not
even the intact one, so that all of them are computed in the same way: numbers
that a lesion does not affect are equal to the last bit.
"""

from collections.abc import Iterator
import functools
from typing import Any

import numpy as np
import tensorflow as tf

from dnc import dnc
from dnc import lesions
from dnc import unroll
from dnc.recurrence import plain

# Limit for the states of the intact and all lesioned models together.
_MAX_STATE_BYTES = 256 << 20


def batch_size(core: dnc.DNC, num_sequences: int, most: int) -> int:
  """Returns a size for equal batches: 2 to `most`, less for a large state."""
  state = tf.nest.flatten(core.initial_state(1))
  size = sum(x.shape.num_elements() * x.dtype.size for x in state)
  num_states = 1 + len(lesions.NAMES) + lesions.EARLIER
  most = max(2, min(most, _MAX_STATE_BYTES // (size * num_states)))
  num_batches = -(-num_sequences // most)
  return max(2, -(-num_sequences // num_batches))


class SideBySide:
  """A core, intact and with every lesion, over the same sequences.

  Sequences may come in segments, with the states carried over:

  >>> models = SideBySide(core, input_size=8, lesion_step=50)
  >>> states = models.initial_states(batch_size=3)
  >>> mean_words = np.zeros([4, 16])
  >>> for name, outputs, states[name] in models.unroll(
  ...     inputs, states, mean_words):
  ...   print(name, outputs.shape)  # [time, batch, output_size]
  """

  def __init__(
    self,
    core: dnc.DNC,
    input_size: int,
    lesion_step: int = 0,
    reset_interval: int = 10,
  ):
    """Constructs the graphs, each of which fits any length and batch size.

    Args:
      core: the intact core, with all its variables.
      input_size: size of its inputs.
      lesion_step: the first step of `frozen_memory`.
      reset_interval: steps between two cuts of the lesions at intervals.
    """
    self._cores = {
      **dict.fromkeys((lesions.INTACT, *lesions.OF_READ_WORDS), core),
      **{
        name: lesions.LesionedDNC(core, name, lesion_step, reset_interval)
        for name in lesions.OF_MEMORY
      },
    }
    dtype = core.controller.b.dtype
    state = core.initial_state(1)
    projected, weights = unroll.project_inputs(
      core, tf.zeros([1, 1, input_size], dtype)
    )
    kept = tf.nest.map_structure(
      lambda x: x[tf.newaxis], plain.kept_of(state, record=None)
    )
    signature = [_spec(weights, 0), _spec(projected, 2)]
    self._project = tf.function(
      functools.partial(unroll.project_inputs, core),
      input_signature=[tf.TensorSpec([None, None, input_size], dtype)],
      autograph=False,
    )
    self._scans = {
      name: tf.function(
        functools.partial(plain.scan, one),
        input_signature=[*signature, _spec(one.initial_state(1), 1)],
        autograph=False,
      )
      for name, one in self._cores.items()
      if name not in lesions.OF_READ_WORDS
    }
    self._scan_given_words = tf.function(
      functools.partial(_scan_given_words, core),
      input_signature=[*signature, _spec(state, 1), _spec(kept.read_words, 2)],
      autograph=False,
    )
    self._outputs = tf.function(
      lambda kept: unroll.apply_output_layer(core, unroll.dnc_features(kept)),
      input_signature=[_spec(kept, 2)],
      autograph=False,
    )

  def initial_states(self, batch_size: int) -> dict[str, dnc.DNCState]:
    """Zero states, for `lesions.INTACT` and each of `lesions.NAMES`."""
    return {
      name: core.initial_state(batch_size) for name, core in self._cores.items()
    }

  def read_words(
    self, inputs: tf.Tensor, state: dnc.DNCState
  ) -> tuple[tf.Tensor, dnc.DNCState]:
    """Runs the intact model over inputs `[time, batch, input_size]`.

    Returns:
      The words read, `[time, batch, num_reads, W]`, and the last state.
    """
    projected, weights = self._project(inputs)
    state, kept = self._scans[lesions.INTACT](weights, projected, state)
    return kept.read_words, state

  def unroll(
    self,
    inputs: tf.Tensor,
    states: dict[str, dnc.DNCState],
    mean_words: np.ndarray,
  ) -> Iterator[tuple[str, tf.Tensor, dnc.DNCState]]:
    """Unrolls the intact model, then each lesioned one, over a segment.

    Args:
      inputs: float tensor `[time, batch, input_size]`, at least two sequences:
        for `read_words_other` each gets the words of the next.
      states: by name, the state before the first step.
      mean_words: float `[num_reads, W]`, for `read_words_mean`.

    Yields:
      A name, first `lesions.INTACT` and then each of `lesions.NAMES`; its
      outputs `[time, batch, output_size]`; its state after the last step.
    """
    projected, weights = self._project(inputs)
    state, kept = self._scans[lesions.INTACT](
      weights, projected, states[lesions.INTACT]
    )
    yield lesions.INTACT, self._outputs(kept), state
    words = kept.read_words
    given = dict(
      read_words_zero=tf.zeros_like(words),
      read_words_mean=tf.zeros_like(words) + tf.cast(mean_words, words.dtype),
      read_words_other=tf.roll(words, -1, axis=1),
    )
    for name in lesions.NAMES:
      arguments = weights, projected, states[name]
      if name in given:
        state, kept = self._scan_given_words(*arguments, given[name])
      else:
        state, kept = self._scans[name](*arguments)
      yield name, self._outputs(kept), state


def _scan_given_words(
  core: dnc.DNC,
  weights: plain.Weights,
  projected: tf.Tensor,
  state: dnc.DNCState,
  read_words: tf.Tensor,
) -> tuple[dnc.DNCState, plain.Kept]:
  """Like `plain.scan`, but with given words in place of the memory's.

  Args:
    core: the core; its memory is not used.
    weights: see `plain.Weights`.
    projected: x_t W_x + b, `[time, batch, 4 hidden_size]`, at least one step.
    state: before the first step; `access_output` holds the words read last.
    read_words: r_t of all steps, float tensor `[time, batch, num_reads, W]`.
  """
  controller_state, states = plain.scan_controller(
    weights.recurrent,
    core.clip_value,
    projected,
    state.controller_state,
    prev_read_words=tf.concat(
      [state.access_output[tf.newaxis], read_words[:-1]], axis=0
    ),
  )
  state = state._replace(
    access_output=read_words[-1], controller_state=controller_state
  )
  return state, plain.Kept(states.hidden, read_words, ())


def _spec(values: Any, num_axes: int) -> Any:
  """Specs of tensors like `values`, their first axes of any size."""
  return tf.nest.map_structure(
    lambda x: tf.TensorSpec([*[None] * num_axes, *x.shape[num_axes:]], x.dtype),
    values,
  )

"""A DNC intact and with every lesion, over the same sequences.

`LesionedRuns` takes sequences in segments, `outputs` whole ones; `lesions.py`
says what the lesions are. Nothing here is compiled by XLA, intact runs neither:
all compute in the same way, and what a lesion does not change is equal to the
last bit.
"""

from collections.abc import Iterator
import functools

import numpy as np
import sonnet as snt
import tensorflow as tf

from dnc import dnc
from dnc import lesions
from dnc.recurrence import plain as recurrence

# Of the states of all runs together.
_MAX_STATE_BYTES = 128 << 20


def batch_size(core: dnc.DNC, num_sequences: int, most: int) -> int:
  """How many sequences to run together: equal batches, of two at least.

  Args:
    core: what is to run with all lesions.
    num_sequences: how many there are.
    most: at most so many together, and fewer of a core with a large state.

  Returns:
    The number. The last batch has room for more sequences than are left.
  """
  state = tf.nest.flatten(core.initial_state(1))
  size = sum(x.shape.num_elements() * x.dtype.size for x in state)
  most = max(
    2, min(most, _MAX_STATE_BYTES // (size * (1 + len(lesions.NAMES))))
  )
  num_batches = -(-num_sequences // most)
  return max(2, -(-num_sequences // num_batches))


class LesionedRuns:
  """A core, intact and with every lesion, over the same sequences.

  Sequences may come in segments, the states being carried over:

  >>> runs = LesionedRuns(core, input_size=8, lesion_step=50)
  >>> states = runs.initial_states(batch_size=3)
  >>> mean_words = np.zeros([4, 16])
  >>> for name, found, states[name] in runs.run(inputs, states, mean_words):
  ...   print(name, found.shape)  # [time, batch, output_size]
  """

  def __init__(
    self,
    core: dnc.DNC,
    input_size: int,
    lesion_step: int = 0,
    reset_interval: int = 10,
  ):
    """Constructs the graphs of all runs.

    Args:
      core: the core, with all its variables.
      input_size: size of its inputs.
      lesion_step: the first step of `frozen_memory`.
      reset_interval: steps from one reset of `reset_memory`, or exchange of
        `exchanged_memory`, to the next.
    """
    self._core = core
    self._input_size = input_size
    lesioned = {
      name: lesions.LesionedDNC(core, name, lesion_step, reset_interval)
      for name in lesions.OF_MEMORY
    }
    self._cores = {
      lesions.INTACT: core,
      **dict.fromkeys(lesions.OF_READ_WORDS, core),
    }
    self._cores.update(lesioned)
    dtype = core.initial_state(1).access_output.dtype
    self._project = tf.function(
      self._projected,
      input_signature=[tf.TensorSpec([None, None, input_size], dtype)],
    )
    # One graph for every length and every size of batch.
    projected = tf.TensorSpec([None, None, core.controller.b.shape[0]], dtype)
    words = core.initial_state(1).access_output.shape[1:]
    words = tf.TensorSpec([None, None, *words], dtype)
    self._run_given = tf.function(
      self._given, input_signature=[projected, _spec(core), words]
    )
    self._runs = {
      name: tf.function(
        functools.partial(self._remembered, one),
        input_signature=[projected, _spec(one)],
      )
      for name, one in {lesions.INTACT: core, **lesioned}.items()
    }
    self._read = tf.function(
      self._intact_words, input_signature=[projected, _spec(core)]
    )

  def _projected(self, inputs: tf.Tensor) -> tf.Tensor:
    inputs_to_gates, _ = recurrence.weights_of(self._core, self._input_size)
    return tf.tensordot(inputs, inputs_to_gates, 1) + self._core.controller.b

  def _weights(self) -> recurrence.Weights:
    return recurrence.weights_of(self._core, self._input_size)[1]

  def _given(self, projected, state, read_words):
    """Outputs and last state where the words are given."""
    state, kept = lesions.run_with_read_words(
      self._core, self._weights(), projected, state, read_words
    )
    return self._outputs(kept), state

  def _remembered(self, core, projected, state):
    """The same, and the words, where they come from a memory."""
    state, kept = recurrence.run(core, self._weights(), projected, state)
    return self._outputs(kept), state, kept.read_words

  def _intact_words(self, projected, state):
    """Words and last state of an intact run."""
    weights = self._weights()
    state, kept = recurrence.run(self._core, weights, projected, state)
    return kept.read_words, state

  def _outputs(self, kept: recurrence.Kept) -> tf.Tensor:
    words = snt.Flatten(preserve_dims=2)(kept.read_words)
    features = tf.concat([kept.hidden, words], axis=2)
    layer = self._core.output_linear
    return self._core.clip(tf.tensordot(features, layer.w, 1) + layer.b)

  def initial_states(self, batch_size: int) -> dict[str, dnc.DNCState]:
    """Zeros, for `lesions.INTACT` and each of `lesions.NAMES`."""
    return {
      name: core.initial_state(batch_size) for name, core in self._cores.items()
    }

  def read_words(
    self, inputs: tf.Tensor, state: dnc.DNCState
  ) -> tuple[tf.Tensor, dnc.DNCState]:
    """What an intact run reads.

    Args:
      inputs: float tensor `[time, batch, input_size]`.
      state: before the first step.

    Returns:
      The words read, `[time, batch, num_reads, W]`, and the state after the
      last step.
    """
    return self._read(self._project(inputs), state)

  def run(
    self,
    inputs: tf.Tensor,
    states: dict[str, dnc.DNCState],
    mean_words: np.ndarray,
  ) -> Iterator[tuple[str, tf.Tensor, dnc.DNCState]]:
    """Runs all of them, one after the other, over a segment of sequences.

    Args:
      inputs: float tensor `[time, batch, input_size]`, at least two sequences.
        For `read_words_other` each gets the words of the next, and the last
        those of the first.
      states: before the first step, by name.
      mean_words: float `[num_reads, W]`, for `read_words_mean`.

    Yields:
      A name, first `lesions.INTACT` and then each of `lesions.NAMES`; its
      outputs `[time, batch, output_size]`; its state after the last step.
    """
    projected = self._project(inputs)
    found, state, words = self._runs[lesions.INTACT](
      projected, states[lesions.INTACT]
    )
    yield lesions.INTACT, found, state
    given = dict(
      read_words_zero=tf.zeros_like(words),
      read_words_mean=tf.zeros_like(words) + tf.cast(mean_words, words.dtype),
      read_words_other=tf.roll(words, -1, axis=1),
    )
    for name in lesions.NAMES:
      if name in given:
        found, state = self._run_given(projected, states[name], given[name])
      else:
        found, state, _ = self._runs[name](projected, states[name])
      yield name, found, state


def _spec(core: dnc.DNC) -> dnc.DNCState:
  return tf.nest.map_structure(
    lambda x: tf.TensorSpec([None, *x.shape[1:]], x.dtype),
    core.initial_state(1),
  )


def outputs(
  core: dnc.DNC,
  inputs: np.ndarray | tf.Tensor,
  lesion_step: int | None = None,
  reset_interval: int = 10,
) -> dict[str, np.ndarray]:
  """Runs a core over sequences, intact and with every lesion.

  Args:
    core: the core, with all its variables.
    inputs: float `[time, batch, input_size]`, at least two sequences, all of
      them real.
    lesion_step: the first step of `frozen_memory`; half the time by default.
    reset_interval: steps from one reset of `reset_memory`, or exchange of
      `exchanged_memory`, to the next.

  Returns:
    Outputs `[time, batch, output_size]`, by name: `lesions.INTACT` and each of
    `lesions.NAMES`.

  Raises:
    ValueError: if there are fewer than two sequences.
  """
  dtype = core.initial_state(1).access_output.dtype
  inputs = tf.convert_to_tensor(inputs, dtype)
  num_steps, num_sequences, input_size = inputs.shape
  if num_sequences < 2:
    raise ValueError(
      f'inputs must be of two sequences at least, not {num_sequences}: one '
      'gets the words that another reads'
    )
  runs = LesionedRuns(
    core,
    input_size,
    num_steps // 2 if lesion_step is None else lesion_step,
    reset_interval,
  )
  states = runs.initial_states(num_sequences)
  words, _ = runs.read_words(inputs, states[lesions.INTACT])
  mean_words = tf.reduce_mean(words, axis=[0, 1])
  return {
    name: found.numpy()
    for name, found, _ in runs.run(inputs, states, mean_words)
  }

"""A DNC with its memory cut: whether a model uses what its memory holds.

What a memory holds need not be used. Here a core runs with one thing taken
away and all weights as they are; what it then does worse, it used that for.

  read_words_zero   nothing is read: all words read are zeros
  read_words_mean   the same is read at every step: for each read head and each
                    number of a word its mean over intact runs
  read_words_other  at each step what was read, at that step, by an intact run
                    of another sequence
  frozen_memory     nothing is written from a step on: memory, links and
                    precedence stay as they are, reading goes on
  reset_memory      every so many steps the whole state of the memory goes back
                    to zeros: contents, weights, links, usage
  no_link           the link matrices are zeros, so that forward and backward
                    weights are; what a read mode gives to them is lost, not
                    given to reading by content
  no_usage          usage is zero at every step, so that allocation does not
                    know what is in use

Words that are read go to two places, the controller at the next step and the
output layer at once; a lesion changes what both see. Where the words are given,
nothing that the memory does can matter.

`LesionedDNC` is a core for `unroll.unroll`, or `snt.dynamic_unroll`;
`run_with_read_words` gives words in place of those read; `Lesions` runs a core
intact and with every lesion over the same sequences; `outputs` does that in one
call. Nothing here is compiled by XLA, intact runs neither: all compute in the
same way, and what a lesion does not change is equal to the last bit.
"""

from collections.abc import Iterator
import functools
from typing import NamedTuple

import numpy as np
import sonnet as snt
import tensorflow as tf

from dnc import access as access_lib
from dnc import addressing
from dnc import dnc
from dnc import recurrence

INTACT = 'intact'
# Lesions that give words in place of those read, and those of the memory.
OF_READ_WORDS = ('read_words_zero', 'read_words_mean', 'read_words_other')
OF_MEMORY = ('frozen_memory', 'reset_memory', 'no_link', 'no_usage')
NAMES = (*OF_READ_WORDS, *OF_MEMORY)

# States of all lesions together, and what a step makes beside them.
_MAX_STATE_BYTES = 128 << 20


class LesionedState(NamedTuple):
  """State of `LesionedAccess`: that of `MemoryAccess`, and the step.

  Attributes:
    memory: as the others, see `access.AccessState`.
    read_weights: the same.
    write_weights: the same.
    linkage: the same.
    usage: the same.
    step: int32 `[batch]`, steps done.
  """

  memory: tf.Tensor
  read_weights: tf.Tensor
  write_weights: tf.Tensor
  linkage: addressing.TemporalLinkageState
  usage: tf.Tensor
  step: tf.Tensor


class _NoLinkage(addressing.TemporalLinkage):
  """Link matrices of zeros."""

  def _link(
    self,
    prev_link: tf.Tensor,
    prev_precedence_weights: tf.Tensor,
    write_weights: tf.Tensor,
  ) -> tf.Tensor:
    return tf.zeros_like(prev_link)


class _NoFreeness(addressing.Freeness):
  """Usage of zero. Still, several write heads get different slots."""

  def __call__(
    self,
    write_weights: tf.Tensor,
    free_gate: tf.Tensor,
    read_weights: tf.Tensor,
    prev_usage: tf.Tensor,
  ) -> tf.Tensor:
    return tf.zeros_like(prev_usage)


class LesionedAccess(access_lib.MemoryAccess):
  """Another `MemoryAccess` with a lesion; the interface's layers are its own.

  Source of what is cut: Graves et al. (see `addressing.py`), Methods.
  """

  def __init__(
    self,
    access: access_lib.MemoryAccess,
    lesion: str | None,
    lesion_step: int = 0,
    reset_interval: int = 10,
    name: str = 'lesioned_access',
  ):
    """Constructs the module.

    Args:
      access: what is lesioned; stays as it is.
      lesion: one of `OF_MEMORY`; None for none.
      lesion_step: the first step of `frozen_memory`.
      reset_interval: steps from one reset of `reset_memory` to the next.
      name: name of the module.

    Raises:
      ValueError: if the lesion is unknown, or a number out of range.
    """
    if lesion is not None and lesion not in OF_MEMORY:
      raise ValueError(f'lesion must be one of {OF_MEMORY}, not {lesion!r}')
    if lesion_step < 0 or reset_interval < 1:
      raise ValueError(
        'lesion_step must be at least 0 and reset_interval at least 1, not '
        f'{lesion_step} and {reset_interval}'
      )
    dtype = access.initial_state(1).memory.dtype
    super().__init__(**access.sizes, name=name, dtype=dtype)
    self._interface = access.interface
    self._lesion = lesion
    self._lesion_step = lesion_step
    self._reset_interval = reset_interval
    if lesion == 'no_link':
      self._linkage = _NoLinkage(
        self._memory_size, self._num_writes, dtype=dtype
      )
    if lesion == 'no_usage':
      self._freeness = _NoFreeness(self._memory_size, dtype=dtype)

  def initial_state(self, batch_size: int) -> LesionedState:
    """Zeros, as of `MemoryAccess`."""
    return LesionedState(
      *super().initial_state(batch_size), tf.zeros([batch_size], tf.int32)
    )

  def read_and_write(
    self, inputs: dict[str, tf.Tensor], prev_state: LesionedState
  ) -> tuple[tf.Tensor, LesionedState]:
    """As of `MemoryAccess`, with the lesion."""
    *parts, step = prev_state
    state = access_lib.AccessState(*parts)
    if self._lesion == 'reset_memory':
      zeros = tf.nest.map_structure(tf.zeros_like, state)
      state = recurrence.freeze(step % self._reset_interval != 0, state, zeros)
    if self._lesion == 'frozen_memory':
      gate = inputs['write_gate']
      before = tf.cast(step < self._lesion_step, gate.dtype)
      inputs = {**inputs, 'write_gate': gate * before[:, tf.newaxis]}
    read_words, state = super().read_and_write(inputs, state)
    return read_words, LesionedState(*state, step + 1)


class LesionedDNC(dnc.DNC):
  """Another core with a lesion of its memory.

  Its weights are the other core's variables, and so are its states but for
  `LesionedState`; the other core stays as it is.

  >>> lesioned = LesionedDNC(core, 'reset_memory', reset_interval=5)
  >>> outputs, state, _ = unroll.unroll(
  ...     lesioned, inputs, lesioned.initial_state(2))
  """

  def __init__(
    self,
    core: dnc.DNC,
    lesion: str | None,
    lesion_step: int = 0,
    reset_interval: int = 10,
    name: str = 'lesioned_dnc',
  ):
    """Constructs the core.

    Args:
      core: what is lesioned.
      lesion: as for `LesionedAccess`.
      lesion_step: as for `LesionedAccess`.
      reset_interval: as for `LesionedAccess`.
      name: name of the module.

    Raises:
      ValueError: as `LesionedAccess` does.
    """
    hidden = core.initial_state(1).controller_state.hidden
    # Not a copy of the core: TensorFlow would keep track of what is put into
    # the copy as if it were a part of the core.
    super().__init__(
      access_config=core.access.sizes,
      controller_config=dict(hidden_size=hidden.shape[1]),
      output_size=core.output_linear.output_size,
      clip_value=core.clip_value,
      name=name,
      dtype=hidden.dtype,
    )
    self._controller = core.controller
    self._access = LesionedAccess(
      core.access, lesion, lesion_step, reset_interval
    )
    self._output_linear = core.output_linear


def run_with_read_words(
  core: dnc.DNC,
  weights: recurrence.Weights,
  projected: tf.Tensor,
  state: dnc.DNCState,
  read_words: tf.Tensor,
) -> tuple[dnc.DNCState, recurrence.Kept]:
  """`recurrence.run` of a core that reads what it is given.

  Args:
    core: the core; its memory does nothing.
    weights: those of the recurrence.
    projected: as in `recurrence.step`, `[time, batch, 4 hidden_size]`, of at
      least one step.
    state: before the first step; `access_output` is what was read last.
    read_words: float tensor `[time, batch, num_reads, W]`, what is read at each
      step.

  Returns:
    As of `recurrence.run`; the state of the memory is as it was.
  """
  before = tf.concat([state.access_output[tf.newaxis], read_words[:-1]], axis=0)
  num_steps = tf.shape(projected)[0]

  def body(t, controller_state, hidden):
    inputs = recurrence.recurrent_inputs(before[t], controller_state.hidden)
    gates = projected[t] + tf.matmul(inputs, weights.recurrent)
    controller_state = recurrence.controller_step(
      gates, controller_state.cell, core.clip_value
    )
    return t + 1, controller_state, hidden.write(t, controller_state.hidden)

  controller_state = state.controller_state
  _, controller_state, hidden = tf.while_loop(
    lambda t, *_: t < num_steps,
    body,
    (
      0,
      controller_state,
      recurrence.make_arrays(controller_state.hidden, num_steps),
    ),
    maximum_iterations=num_steps,
  )
  state = state._replace(
    access_output=read_words[-1], controller_state=controller_state
  )
  return state, recurrence.Kept(hidden.stack(), read_words, ())


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
  most = max(2, min(most, _MAX_STATE_BYTES // (size * (1 + len(NAMES)))))
  num_batches = -(-num_sequences // most)
  return max(2, -(-num_sequences // num_batches))


class Lesions:
  """A core, intact and with every lesion, over the same sequences.

  Sequences may come in segments, the states being carried over:

  >>> lesions = Lesions(core, input_size=8, lesion_step=50)
  >>> states = lesions.initial_states(batch_size=3)
  >>> mean_words = np.zeros([4, 16])
  >>> for name, found, states[name] in lesions.run(inputs, states, mean_words):
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
      reset_interval: steps from one reset of `reset_memory` to the next.
    """
    self._core = core
    self._input_size = input_size
    lesioned = {
      name: LesionedDNC(core, name, lesion_step, reset_interval)
      for name in OF_MEMORY
    }
    self._cores = {INTACT: core, **dict.fromkeys(OF_READ_WORDS, core)}
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
      for name, one in {INTACT: core, **lesioned}.items()
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
    state, kept = run_with_read_words(
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
    """Zeros, for `INTACT` and each of `NAMES`."""
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
      A name, first `INTACT` and then each of `NAMES`; its outputs
      `[time, batch, output_size]`; its state after the last step.
    """
    projected = self._project(inputs)
    found, state, words = self._runs[INTACT](projected, states[INTACT])
    yield INTACT, found, state
    given = dict(
      read_words_zero=tf.zeros_like(words),
      read_words_mean=tf.zeros_like(words) + tf.cast(mean_words, words.dtype),
      read_words_other=tf.roll(words, -1, axis=1),
    )
    for name in NAMES:
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
    reset_interval: steps from one reset of `reset_memory` to the next.

  Returns:
    Outputs `[time, batch, output_size]`, by name: `INTACT` and each of `NAMES`.

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
  lesions = Lesions(
    core,
    input_size,
    num_steps // 2 if lesion_step is None else lesion_step,
    reset_interval,
  )
  states = lesions.initial_states(num_sequences)
  words, _ = lesions.read_words(inputs, states[INTACT])
  mean_words = tf.reduce_mean(words, axis=[0, 1])
  return {
    name: found.numpy()
    for name, found, _ in lesions.run(inputs, states, mean_words)
  }

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
  exchanged_memory  every so many steps each sequence gets the whole state of
                    the memory of the next: contents, weights, links, usage;
                    what it wrote itself is back after as many exchanges as
                    there are sequences
  reset_memory      every so many steps that state goes back to zeros
  no_link           the link matrices are zeros, so that forward and backward
                    weights are; what a read mode gives to them is lost, not
                    given to reading by content
  no_usage          usage is zero at every step, so that allocation does not
                    know what is in use

Words that are read go to two places, the controller at the next step and the
output layer at once; a lesion changes what both see. Where the words are given,
nothing that the memory does can matter.

A memory that is frozen or exchanged is still like those of the training, one of
zeros is not, but at the start of a sequence: `exchanged_memory` is to
`reset_memory` what `read_words_other` is to `read_words_zero`.

`LesionedDNC` is a core for `unroll.unroll`, or `snt.dynamic_unroll`;
`run_with_read_words` gives words in place of those read; `lesioned_runs.py` has
all lesions over the same sequences.
"""

from typing import NamedTuple

import tensorflow as tf

from dnc import access as access_lib
from dnc import addressing
from dnc import dnc
from dnc.recurrence import plain as recurrence

INTACT = 'intact'
# Lesions that give words in place of those read, and those of the memory.
OF_READ_WORDS = ('read_words_zero', 'read_words_mean', 'read_words_other')
OF_MEMORY = (
  'frozen_memory',
  'exchanged_memory',
  'reset_memory',
  'no_link',
  'no_usage',
)
NAMES = (*OF_READ_WORDS, *OF_MEMORY)

# What there is in place of the state of a memory, again and again.
_INSTEAD = {
  'exchanged_memory': lambda x: tf.roll(x, -1, axis=0),
  'reset_memory': tf.zeros_like,
}


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
      reset_interval: steps from one reset of `reset_memory`, or exchange of
        `exchanged_memory`, to the next.
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
    if self._lesion in _INSTEAD:
      instead = tf.nest.map_structure(_INSTEAD[self._lesion], state)
      keeps = (step % self._reset_interval != 0) | (step == 0)
      state = recurrence.freeze(keeps, state, instead)
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

"""A DNC with a lesion of its memory: does a model use what its memory holds?

A lesion removes one thing and leaves all weights unchanged: whatever gets worse
depended on what was removed.

  read_words_zero   All read words are zeros.
  read_words_mean   The read words are the same at every step: for each read
                    head and each number of a word, the mean over intact
                    sequences.
  read_words_other  The read words are those that the intact model reads at the
                    same step of another sequence.
  frozen_memory     From a given step on, nothing is written: memory, links and
                    precedence do not change. Reading continues.
  exchanged_memory  At regular intervals, each sequence gets the whole memory
                    state (contents, weights, links, usage) of the next
                    sequence. After as many exchanges as there are sequences, it
                    gets its own back.
  exchanged_contents
                    The same for the contents alone; each sequence keeps its
                    own weights, links and usage.
  earlier_memory    At regular intervals, each sequence gets the memory state
                    that it had `EARLIER` intervals before.
  reset_memory      At regular intervals, the memory state becomes zeros.
  no_link           The link matrices are zeros, and so are forward and backward
                    weights. Their share of a read mode is lost; it does not go
                    to reading by content.
  content_reads     All reading is by content: forward and backward modes are 0
                    and the content mode is 1.
  no_usage          The usage is zero at every step, so allocation ignores which
                    slots are in use.

The read words go to the output layer at the same step and to the controller at
the next; a lesion changes both. The `read_words_` lesions replace the read
words, so under them the memory itself has no effect.

A frozen, exchanged or earlier memory still looks like the memories that the
model was trained with. A memory of zeros does not, except at the start. So
`exchanged_memory` is a fairer test than `reset_memory`, as `read_words_other`
is a fairer one than `read_words_zero`.

`LesionedDNC` is a core with one lesion of `OF_MEMORY`, for `unroll.unroll` or
`snt.dynamic_unroll`. `analysis/lesion/side_by_side.py` applies all lesions to
the same sequences.
"""

from typing import NamedTuple

import tensorflow as tf

from dnc import access as access_lib
from dnc import addressing
from dnc import dnc
from dnc.recurrence import plain

INTACT = 'intact'
# Lesions that replace the read words, and lesions of the memory itself.
OF_READ_WORDS = ('read_words_zero', 'read_words_mean', 'read_words_other')
OF_MEMORY = (
  'frozen_memory',
  'exchanged_memory',
  'exchanged_contents',
  'earlier_memory',
  'reset_memory',
  'no_link',
  'content_reads',
  'no_usage',
)
NAMES = (*OF_READ_WORDS, *OF_MEMORY)
# Lesions that replace the memory state, or a part of it, at regular intervals.
AT_INTERVALS = (
  'exchanged_memory',
  'exchanged_contents',
  'earlier_memory',
  'reset_memory',
)
# Lesions that begin within a sequence; the others act from the first step on.
# A cut is a step at which one of these begins or replaces the memory state.
WITH_CUT = ('frozen_memory', *AT_INTERVALS)
# How many intervals old the memory is that `earlier_memory` puts back.
EARLIER = 5


def first_cut(lesion: str | None, lesion_step: int, reset_interval: int) -> int:
  """Returns the first step that a lesion affects.

  Args:
    lesion: one of `NAMES`; None for none.
    lesion_step: the first step of `frozen_memory`.
    reset_interval: steps between two cuts of the lesions `AT_INTERVALS`.
  """
  if lesion == 'frozen_memory':
    return lesion_step
  if lesion == 'earlier_memory':
    # The memory before step 0 is empty, so it is not put back.
    return (EARLIER + 1) * reset_interval
  return reset_interval if lesion in AT_INTERVALS else 0


def _exchange(tensor: tf.Tensor) -> tf.Tensor:
  """Gives each sequence the values of the next: `[batch, ...]`."""
  return tf.roll(tensor, -1, axis=0)


class LesionedState(NamedTuple):
  """State of `LesionedAccess`: an `AccessState` and what a lesion needs.

  Attributes:
    step: int32 `[batch]`, number of steps done.
    earlier: for `earlier_memory`, the memory states `EARLIER`, ..., 1 intervals
      before the next step that is a multiple of the interval; empty for other
      lesions.
  """

  memory: tf.Tensor
  read_weights: tf.Tensor
  write_weights: tf.Tensor
  linkage: addressing.TemporalLinkageState
  usage: tf.Tensor
  step: tf.Tensor
  earlier: tuple[access_lib.AccessState, ...]


class _NoLinkage(addressing.TemporalLinkage):
  """Keeps the link matrices at zero."""

  def _link(
    self,
    prev_link: tf.Tensor,
    prev_precedence_weights: tf.Tensor,
    write_weights: tf.Tensor,
  ) -> tf.Tensor:
    return tf.zeros_like(prev_link)


class _NoFreeness(addressing.Freeness):
  """Keeps the usage at zero; several write heads still get different slots."""

  def __call__(
    self,
    write_weights: tf.Tensor,
    free_gate: tf.Tensor,
    read_weights: tf.Tensor,
    prev_usage: tf.Tensor,
  ) -> tf.Tensor:
    return tf.zeros_like(prev_usage)


class LesionedAccess(access_lib.MemoryAccess):
  """A `MemoryAccess` with a lesion; it shares the layers of an intact one."""

  def __init__(
    self,
    access: access_lib.MemoryAccess,
    lesion: str | None,
    lesion_step: int = 0,
    reset_interval: int = 10,
  ):
    """Constructs the module.

    Args:
      access: the intact access, which is not changed.
      lesion: one of `OF_MEMORY`; None for none.
      lesion_step: the first step of `frozen_memory`.
      reset_interval: steps between two cuts of the lesions `AT_INTERVALS`.

    Raises:
      ValueError: if the lesion is unknown or a number is out of range.
    """
    if lesion is not None and lesion not in OF_MEMORY:
      raise ValueError(f'lesion must be one of {OF_MEMORY}, not {lesion!r}')
    if lesion_step < 0 or reset_interval < 1:
      raise ValueError(
        'lesion_step must be at least 0 and reset_interval at least 1, not '
        f'{lesion_step} and {reset_interval}'
      )
    dtype = access.initial_state(1).memory.dtype
    super().__init__(**access.sizes, name='lesioned_access', dtype=dtype)
    self._interface = access.interface
    self._lesion = lesion
    self._first_cut = first_cut(lesion, lesion_step, reset_interval)
    self._reset_interval = reset_interval
    if lesion == 'no_link':
      self._linkage = _NoLinkage(
        self._memory_size, self._num_writes, dtype=dtype
      )
    if lesion == 'no_usage':
      self._freeness = _NoFreeness(self._memory_size, dtype=dtype)

  @property
  def state_size(self) -> LesionedState:
    """Shapes of the state, `tf.TensorShape`s without the batch."""
    state = super().state_size
    num_earlier = EARLIER if self._lesion == 'earlier_memory' else 0
    return LesionedState(*state, tf.TensorShape([]), (state,) * num_earlier)

  def initial_state(
    self, batch_size: int, dtype: tf.DType | None = None
  ) -> LesionedState:
    """Zeros: an empty memory, and no step done."""
    state = super().initial_state(batch_size, dtype)
    return state._replace(step=tf.zeros([batch_size], tf.int32))

  def read_and_write(
    self, inputs: dict[str, tf.Tensor], prev_state: LesionedState
  ) -> tuple[tf.Tensor, LesionedState]:
    """Does one step with the lesion, given the interface."""
    *parts, step, earlier = prev_state
    state = access_lib.AccessState(*parts)
    if self._lesion in AT_INTERVALS:
      at_interval = step % self._reset_interval == 0
      cut = at_interval & (step >= self._first_cut)
      other, later = self._replacement(state, earlier), (*earlier[1:], state)
      state = plain.where_running(cut, other, state)
      if earlier:
        earlier = plain.where_running(at_interval, later, earlier)
    if self._lesion == 'frozen_memory':
      gate = inputs['write_gate']
      before = tf.cast(step < self._first_cut, gate.dtype)
      inputs = {**inputs, 'write_gate': gate * before[:, tf.newaxis]}
    if self._lesion == 'content_reads':
      *others, content = tf.unstack(inputs['read_mode'], axis=2)
      modes = [*map(tf.zeros_like, others), tf.ones_like(content)]
      inputs = {**inputs, 'read_mode': tf.stack(modes, axis=2)}
    read_words, state = super().read_and_write(inputs, state)
    return read_words, LesionedState(*state, step + 1, earlier)

  def _replacement(
    self,
    state: access_lib.AccessState,
    earlier: tuple[access_lib.AccessState, ...],
  ) -> access_lib.AccessState:
    """The state after a cut; see `LesionedState` for `earlier`."""
    if self._lesion == 'exchanged_contents':
      return state._replace(memory=_exchange(state.memory))
    if self._lesion == 'earlier_memory':
      return earlier[0]
    change = dict(exchanged_memory=_exchange, reset_memory=tf.zeros_like)
    return tf.nest.map_structure(change[self._lesion], state)


class LesionedDNC(dnc.DNC):
  """A DNC with a lesion of its memory; it shares the weights of an intact one.

  Its states are `DNCState`s with a `LesionedState` for the memory.

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
  ):
    """Constructs the core around an intact one, which is not changed.

    The other arguments are those of `LesionedAccess`.
    """
    hidden = core.initial_state(1).controller_state.hidden
    # Not a copy of the core: TensorFlow would track the parts of the copy as
    # parts of the core.
    super().__init__(
      access_config=core.access.sizes,
      controller_config=dict(hidden_size=hidden.shape[1]),
      output_size=core.output_linear.output_size,
      clip_value=core.clip_value,
      name='lesioned_dnc',
      dtype=hidden.dtype,
      reset_controller=core.reset_controller,
    )
    self._controller = core.controller
    self._access = LesionedAccess(
      core.access, lesion, lesion_step, reset_interval
    )
    self._output_linear = core.output_linear

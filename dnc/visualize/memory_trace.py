"""Records everything a DNC's memory does over one short sequence.

`dnc.traces` holds what the tests need, for many rollouts. A memory trace holds
all that can be drawn, for a few steps: contents, weights, usage, links, gates.
"""

from typing import Any
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from dnc import dnc
from dnc import unroll

# Maximum number of steps in a picture.
NUM_STEPS = 100
# Steps whose link matrices are kept, evenly spaced; one is the last.
_NUM_LINKS = 4


class MemoryTrace(NamedTuple):
  """The memory after each step; arrays are float32 unless said otherwise.

  N is the number of slots, W the word size, R the number of read heads.

  Attributes:
    memory: `[time, N, W]`.
    read_words: `[time, R, W]`.
    read_weights: `[time, R, N]`.
    write_weights: `[time, num_writes, N]`.
    usage: `[time, N]`, from which the step's write was allocated.
    allocation_gate: `[time, num_writes]`; 1 writes to free slots, 0 by content.
    write_gate: `[time, num_writes]`; 0 writes nothing.
    free_gate: `[time, R]`; 1 frees the slots read at the previous step.
    read_mode: `[time, R, 2 * num_writes + 1]`: a backward mode for each write
      head, a forward mode for each, then the content mode; they sum to 1.
    link: `[links, num_writes, N, N]`; `[k, h, i, j]` is the degree to which
      head h wrote to slot i directly after slot j, as of `link_steps[k]`.
    link_steps: int64 `[links]`, steps counted from 0.
  """

  memory: np.ndarray
  read_words: np.ndarray
  read_weights: np.ndarray
  write_weights: np.ndarray
  usage: np.ndarray
  allocation_gate: np.ndarray
  write_gate: np.ndarray
  free_gate: np.ndarray
  read_mode: np.ndarray
  link: np.ndarray
  link_steps: np.ndarray


_GATES = ('allocation_gate', 'write_gate', 'free_gate', 'read_mode')


def _record(state: dnc.DNCState) -> dict[str, tf.Tensor]:
  """Selects what to record; gates are computed from `hidden` later."""
  memory = state.access_state
  return {
    'hidden': state.controller_state.hidden,
    'memory': memory.memory,
    'read_words': state.access_output,
    'read_weights': memory.read_weights,
    'write_weights': memory.write_weights,
    'usage': memory.usage,
  }


class Tracer:
  """Runs a core over one sequence at a time and records its memory.

  A call uses the current values of the core's variables.

  >>> tracer = Tracer(core, input_size=8)
  >>> trace = tracer(np.ones([100, 8], np.float32))
  >>> trace.write_weights.shape
  (100, 1, 16)
  """

  def __init__(self, core: dnc.DNC, input_size: int):
    self._core = core
    state_spec = tf.nest.map_structure(
      lambda x: tf.TensorSpec(x.shape, x.dtype), core.initial_state(1)
    )
    self._run_segment = tf.function(
      self._segment,
      input_signature=[tf.TensorSpec([None, 1, input_size]), state_spec],
      autograph=False,
    )

  def _segment(
    self, inputs: tf.Tensor, state: dnc.DNCState
  ) -> tuple[dnc.DNCState, dict[str, tf.Tensor]]:
    # Compiling takes longer than running all steps uncompiled.
    _, state, recorded = unroll.unroll(
      self._core, inputs, state, record=_record, compiled=False
    )
    recorded = {name: value[:, 0] for name, value in recorded.items()}
    hidden = recorded.pop('hidden')
    access = self._core.access
    interface = access.split_interface(
      tf.concat([layer(hidden) for layer in access.interface.values()], axis=1)
    )
    return state, {**recorded, **{name: interface[name] for name in _GATES}}

  def __call__(self, inputs: Any) -> MemoryTrace:
    """Runs the core from zero state on float32 `[time, input_size]`."""
    inputs = tf.convert_to_tensor(inputs)[:, tf.newaxis]
    state = self._core.initial_state(1)
    ends = len(inputs) * np.arange(1, _NUM_LINKS + 1) // _NUM_LINKS
    ends = np.unique(ends[ends > 0])
    segments, links = [], []
    for start, end in zip([0, *ends[:-1]], ends):
      state, segment = self._run_segment(inputs[start:end], state)
      segments.append(segment)
      links.append(state.access_state.linkage.link[0])
    return MemoryTrace(
      **{
        name: np.concatenate([segment[name] for segment in segments])
        for name in segments[0]
      },
      link=np.stack(links),
      link_steps=ends - 1,
    )

"""Memory traces of random numbers."""

import numpy as np

from dnc.visualize import memory_trace


def trace(num_steps=100, slots=16, word=16, reads=4, writes=1):
  """A memory trace of these sizes, with four link matrices."""
  rng = np.random.default_rng(0)

  def shares(*shape):
    return rng.random((num_steps, *shape))

  mode = shares(reads, 2 * writes + 1)
  return memory_trace.MemoryTrace(
    memory=shares(slots, word) - 0.5,
    read_words=shares(reads, word),
    read_weights=shares(reads, slots),
    write_weights=shares(writes, slots),
    usage=shares(slots),
    allocation_gate=shares(writes),
    write_gate=shares(writes),
    free_gate=shares(reads),
    read_mode=mode / mode.sum(axis=2, keepdims=True),
    link=rng.random((4, writes, slots, slots)),
    link_steps=np.array([24, 49, 74, 99]) * num_steps // 100,
  )

"""Controls: what the analyses are given in place of what a model held.

Each is a pure function of a seed and the index of a rollout or sequence, so
that it is the same in every pass over the data and in any order.
"""

import numpy as np

# Keeps its draws apart from others with the same seed and index.
_INPUTS = 3


def random_inputs(
  seed: int, index: int, num_steps: int, width: int, copy: int = 0
) -> np.ndarray:
  """Returns standard normal numbers in place of a representation.

  PROTOCOL, 'Test 1': 'Control: random inputs of the same width'.

  Args:
    seed: the seed of the analysis.
    index: the index of the rollout.
    num_steps: the length of the rollout, `time`.
    width: numbers per step.
    copy: which of several that have nothing to do with each other.

  Returns:
    float32 `[time, width]`.
  """
  rng = np.random.default_rng((seed, index, _INPUTS, width, copy))
  return rng.standard_normal((num_steps, width), np.float32)

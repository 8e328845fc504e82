"""Controls: what the analyses are given in place of what a model held.

Each is a pure function of a seed and the index of a rollout or sequence, so
that it is the same in every pass over the data and in any order.
"""

import numpy as np

# The draws for one index must not share random numbers.
_SEQUENCE, _PERMUTATIONS, _INPUTS = 1, 2, 3


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


def random_sequence(
  seed: int, index: int, num_steps: int, num_classes: int
) -> np.ndarray:
  """Returns classes that have nothing to do with what the model saw.

  PROTOCOL, 'Test 2': 'an unrelated random x sequence of the same length'.

  Args:
    seed: the seed of the analysis.
    index: the index of the sequence.
    num_steps: its length, `time`.
    num_classes: classes are drawn uniformly from range(num_classes).

  Returns:
    int64 `[time]`.
  """
  rng = np.random.default_rng((seed, index, _SEQUENCE))
  return rng.integers(num_classes, size=num_steps)


def shuffles(
  seed: int, index: int, sequence: np.ndarray, num_shuffles: int
) -> np.ndarray:
  """Returns a sequence in random orders, for the null distribution of a score.

  Args:
    seed: the seed of the analysis.
    index: the index of the sequence.
    sequence: int `[time]`.
    num_shuffles: number of orders.

  Returns:
    `[num_shuffles, time]`, each row the numbers of `sequence`.
  """
  rng = np.random.default_rng((seed, index, _PERMUTATIONS))
  return rng.permuted(np.tile(sequence, (num_shuffles, 1)), axis=1)

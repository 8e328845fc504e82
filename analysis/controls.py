"""Controls: what the analyses are given in place of what a model held.

Each is a pure function of a seed and the index of a rollout or sequence, so
that it is the same in every pass over the data and in any order.
"""

import numpy as np
import tensorflow as tf

# The two draws for one sequence must not share random numbers.
_SEQUENCE, _SHIFTS = 1, 2


def random_inputs(
  seed: int, index: tf.Tensor, num_steps: tf.Tensor, width: int
) -> tf.Tensor:
  """Returns standard normal numbers in place of a representation.

  PROTOCOL, 'Test 1': 'Control: random inputs of the same width'.

  Args:
    seed: the seed of the analysis.
    index: int64 `[]`, the index of the rollout.
    num_steps: int32 `[]`, the length of the rollout, `time`.
    width: numbers per step.

  Returns:
    float32 `[time, width]`.
  """
  key = tf.random.fold_in(tf.constant([seed, width], tf.int64), index)
  return tf.random.stateless_normal([num_steps, width], key)


def random_sequence(
  seed: int, index: int, num_steps: int, classes: int | np.ndarray
) -> np.ndarray:
  """Returns classes that have nothing to do with what the model saw.

  PROTOCOL, 'Test 2': 'an unrelated random x sequence of the same length'.

  Args:
    seed: the seed of the analysis.
    index: the index of the sequence.
    num_steps: its length, `time`.
    classes: drawn uniformly from range(classes), or from these.

  Returns:
    int64 `[time]`.
  """
  rng = np.random.default_rng((seed, index, _SEQUENCE))
  return rng.choice(classes, num_steps)


def circular_shifts(
  seed: int, index: int, num_steps: int, num_shifts: int, furthest_lag: int = 0
) -> np.ndarray:
  """Returns by how much to shift a sequence, for the null of a score.

  A sequence that is shifted in a circle keeps its autocorrelation, which one in
  random order loses; what has nothing to do with it fits it no better in one
  place than in another. Shifts by a tenth of its length or less, either way, or
  by a lag that is looked at, are left out: contents that follow the sequence
  late or slowly fit these.

  Args:
    seed: the seed of the analysis.
    index: the index of the sequence.
    num_steps: its length, `time`.
    num_shifts: how many; each comes once, unless there are fewer.
    furthest_lag: the largest lag that is looked at.

  Returns:
    int64 `[num_shifts]`.

  Raises:
    ValueError: if less than two shifts are left.
  """
  margin = max(num_steps // 10, 1)
  allowed = np.arange(max(margin, furthest_lag + 1), num_steps - margin + 1)
  if len(allowed) < 2:
    raise ValueError(
      f'a sequence of {num_steps} steps is too short for lags of {furthest_lag}'
    )
  rng = np.random.default_rng((seed, index, _SHIFTS))
  return rng.choice(allowed, num_shifts, replace=len(allowed) < num_shifts)

"""Controls: what the analyses are given in place of what a model held.

Each is a pure function of a seed and the index of a rollout or sequence, so
that it is the same in every pass over the data and in any order.
"""

import numpy as np

# The draws for one index must not share random numbers.
_SEQUENCE, _SHIFTS, _INPUTS = 1, 2, 3
# Steps by which contents may be late or early.
_NEAR = 10


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


def random_sequence(seed: int, index: int, sequence: np.ndarray) -> np.ndarray:
  """Returns classes that have nothing to do with what the model saw.

  PROTOCOL, 'Test 2': 'an unrelated random x sequence of the same length'. It
  has as many of each class as the true one: were there others, what an estimate
  has by chance would be another, and of short sequences the control be called
  faulty for that alone.

  Args:
    seed: the seed of the analysis.
    index: the index of the sequence.
    sequence: the true one, int `[time]`, not changed.

  Returns:
    int64 `[time]`.
  """
  rng = np.random.default_rng((seed, index, _SEQUENCE))
  return rng.permutation(sequence)


def circular_shifts(
  seed: int, index: int, num_steps: int, num_shifts: int, furthest_lag: int = 0
) -> np.ndarray:
  """Returns by how much to shift a sequence, for the null of a score.

  A sequence that is shifted in a circle keeps its autocorrelation, which one in
  random order loses. If contents have nothing to do with it, and it is
  stationary, then the score of the sequence as it is and those of its shifts
  are drawn from one urn: all places on the circle.

  Contents that follow the sequence late, or run ahead of it (as a predictor's
  may), fit near shifts: those by ten steps or less either way, of a short
  sequence by a tenth, are left out, and those up to the furthest lag. No more
  are. Scores of slowly changing sequences are each near to their neighbours;
  with too many of these missing from the urn, a score looks rarer than it is.
  Where both change slowly (a correlation of 0.98 from one step to the next)
  9 % were significant at 5 % without a tenth of the length on either side, 7 %
  without ten steps, in part because the circle has a seam; where the sequence
  is drawn anew at every step, as x in Test 2, that was 5 % either way.

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
  near = min(_NEAR, num_steps // 10)
  allowed = np.arange(max(near, furthest_lag) + 1, num_steps - near)
  if len(allowed) < 2:
    raise ValueError(
      f'a sequence of {num_steps} steps is too short for lags of {furthest_lag}'
    )
  rng = np.random.default_rng((seed, index, _SHIFTS))
  return rng.choice(allowed, num_shifts, replace=len(allowed) < num_shifts)

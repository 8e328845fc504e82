"""Control sequences: contents are scored against these and the true sequence.

Each is a pure function of a seed and the index of the true sequence.
"""

from collections.abc import Sequence

import numpy as np

# Keep the two draws for an index independent.
_SEQUENCE, _SHIFTS = 1, 2
# Contents may lag or lead the sequence by up to this many steps.
_NEAR = 10


def random_sequence(seed: int, index: int, sequence: np.ndarray) -> np.ndarray:
  """Returns the classes of a sequence, int64 `[time]`, in random order.

  docs/PROTOCOL.md, 'Test 2': 'an unrelated random x sequence of the same
  length'. It has as many steps of each class as the true one: the bias of an
  estimate depends on these numbers.
  """
  rng = np.random.default_rng((seed, index, _SEQUENCE))
  return rng.permutation(sequence)


def circular_shifts(
  seed: int,
  index: int,
  num_steps: int,
  num_shifts: int,
  lags: Sequence[int] = (0,),
) -> np.ndarray:
  """Draws circular shifts of a sequence, for the null distribution of a score.

  A circular shift keeps the autocorrelation of a sequence; random order would
  destroy it. If the contents are independent of a stationary sequence, then the
  scores of the sequence and of its shifts have the same distribution.

  Contents may lag the sequence, or lead it, as a predictor's contents do. Such
  contents also fit nearby shifts. So shifts of up to ten steps either way (at
  most a tenth of the sequence) and of up to the furthest lags are left out.

  Leaving out more does harm: a slowly changing sequence scores much like its
  nearby shifts, and without these a score looks rarer than it is. In
  simulations with contents that are independent of the sequence, the share
  significant at 5 % was 5 % for sequences drawn independently at every step,
  like x in Test 2. For slow sequences (a correlation of 0.98 from step to step)
  it was 7 %, and 9 % if a tenth of the length is left out. Part of the excess
  comes from the place where the end of the sequence meets its start.

  Returns:
    int64 `[num_shifts]`, without repetition if there are enough.

  Raises:
    ValueError: if fewer than two shifts are left.
  """
  near = min(_NEAR, num_steps // 10)
  # A shift by all steps but one is a lag of -1.
  allowed = np.arange(max(near, *lags, 0) + 1, num_steps + min(-near, *lags))
  if len(allowed) < 2:
    shown = ', '.join(map(str, lags))
    raise ValueError(
      f'sequences, sequence {index}: has {num_steps} steps: too short for lags '
      f'of {shown}'
    )
  rng = np.random.default_rng((seed, index, _SHIFTS))
  return rng.choice(allowed, num_shifts, replace=len(allowed) < num_shifts)

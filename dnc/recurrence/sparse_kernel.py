"""Products with a matrix that is mostly zeros, compiled by Numba for a CPU.

An image of a sprite has 4 % of its pixels on. These products take time in
proportion to that; they are right for any matrix, and slow for a full one.
"""

from collections.abc import Callable
import contextlib

import numba
import numpy as np

from dnc.system import paths

_ZERO = np.float32(0)
# Columns computed at once, so that a row's sums stay in the fastest cache.
_BLOCK = 512


def jit(function: Callable) -> Callable:
  """Compiles a function at its first call; keeps the code where it can."""
  compiled = numba.njit(
    fastmath={'reassoc', 'contract', 'nsz'}, nogil=True, error_model='numpy'
  )(function)
  # Without a home, Numba would make a folder called `~`.
  if paths.has_home():
    # Neither this folder nor the home can be written: the code is not kept.
    with contextlib.suppress(RuntimeError):
      compiled.enable_caching()
  return compiled


@jit
def find(x):
  """Finds what is not zero in a float32 matrix.

  Returns:
    Where the numbers of each row start in the next array, int32 `[rows + 1]`;
    and their columns, int32.
  """
  rows, columns = x.shape
  starts = np.empty(rows + 1, np.int32)
  # One more than the numbers: the last of `x` may be 0.
  where = np.empty(x.size + 1, np.int32)
  n = 0
  for i in range(rows):
    starts[i] = n
    for j in range(columns):
      where[n] = j
      n += x[i, j] != 0
  starts[rows] = n
  return starts, where[:n].copy()


@jit
def multiply(low, high, x, starts, where, matrix, out):
  """Columns `low` to `high` of out = x matrix, given what `find` returns."""
  for c in range(low, high, _BLOCK):
    end = min(c + _BLOCK, high)
    for i in range(out.shape[0]):
      sums, last = out[i, c:end], starts[i + 1] - 1
      sums[:] = 0
      for k in range(starts[i], last + 1, 4):
        # Past the last number, the last row times 0.
        j0, j1 = where[k], where[min(k + 1, last)]
        j2, j3 = where[min(k + 2, last)], where[min(k + 3, last)]
        x0, x1 = x[i, j0], x[i, j1] if k + 1 <= last else _ZERO
        x2 = x[i, j2] if k + 2 <= last else _ZERO
        x3 = x[i, j3] if k + 3 <= last else _ZERO
        m0, m1 = matrix[j0, c:end], matrix[j1, c:end]
        m2, m3 = matrix[j2, c:end], matrix[j3, c:end]
        for j in range(sums.size):
          sums[j] += x0 * m0[j] + x1 * m1[j] + x2 * m2[j] + x3 * m3[j]

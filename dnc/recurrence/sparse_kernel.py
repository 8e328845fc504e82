"""Products with a matrix that is mostly zeros, compiled by Numba for a CPU.

An image of a sprite has 4 % of its pixels on. The time that these products take
is proportional to that share. They are correct for any matrix, but slow for a
dense one.
"""

import numpy as np

from dnc.recurrence import jit

_ZERO = np.float32(0)
# Columns computed at once, so that a row's sums stay in the fastest cache.
_BLOCK = 512


@jit.jit
def find(x):
  """Finds the numbers that are not zero in a float32 matrix.

  Returns:
    int32 `[rows + 1]`, where each row starts in the second array; and int32
    `[count]`, the columns of these numbers, row by row.
  """
  rows, columns = x.shape
  starts = np.empty(rows + 1, np.int32)
  where = np.empty(x.size, np.int32)
  n = 0
  for i in range(rows):
    starts[i] = n
    for j in range(columns):
      where[n] = j
      n += x[i, j] != 0
  starts[rows] = n
  return starts, where[:n].copy()


@jit.jit
def multiply(low, high, x, starts, where, matrix, out):
  """Columns `low` to `high` of out = x matrix, given what `find` returns."""
  for c in range(low, high, _BLOCK):
    end = min(c + _BLOCK, high)
    for i in range(out.shape[0]):
      sums, last = out[i, c:end], starts[i + 1] - 1
      sums[:] = 0
      for k in range(starts[i], last + 1, 4):
        # Past the last number, multiplies the last row by 0.
        j0, j1 = where[k], where[min(k + 1, last)]
        j2, j3 = where[min(k + 2, last)], where[min(k + 3, last)]
        x0, x1 = x[i, j0], x[i, j1] if k + 1 <= last else _ZERO
        x2 = x[i, j2] if k + 2 <= last else _ZERO
        x3 = x[i, j3] if k + 3 <= last else _ZERO
        m0, m1 = matrix[j0, c:end], matrix[j1, c:end]
        m2, m3 = matrix[j2, c:end], matrix[j3, c:end]
        for j in range(sums.size):
          sums[j] += x0 * m0[j] + x1 * m1[j] + x2 * m2[j] + x3 * m3[j]

"""Confidence intervals from bootstrap replicates.

Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13.
"""

import numpy as np

# Ends of a 95 % interval.
_PERCENTILES = (2.5, 97.5)

# Lower and upper end.
Interval = tuple[float, float]


def interval(replicates: np.ndarray) -> Interval | None:
  """Returns the 95 % percentile interval of a bootstrap.

  Args:
    replicates: float `[resamples]`, the statistic of each resample. NaN and
      infinity, where it is undefined, are left out.

  Returns:
    Lower and upper end; None if no replicate is finite.
  """
  finite = replicates[np.isfinite(replicates)]
  if not len(finite):
    return None
  low, high = np.percentile(finite, _PERCENTILES)
  return float(low), float(high)

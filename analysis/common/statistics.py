"""Confidence intervals, and p-values of differences between models.

Intervals over rollouts are from bootstrap replicates: Efron and Tibshirani, "An
Introduction to the Bootstrap" (1993), chapter 13. Models are few, so intervals
and tests over models use Student's t.
"""

from collections.abc import Sequence

import numpy as np
from scipy import stats

# Ends of a 95 % interval.
_PERCENTILES = (2.5, 97.5)

# Lower and upper end.
Interval = tuple[float, float]


def draws(
  seed: int | Sequence[int], number: int, num_resamples: int
) -> np.ndarray:
  """Draws resamples: how often each of `number` rollouts is in each of them.

  Returns:
    int64 `[num_resamples, number]`.
  """
  rng = np.random.default_rng(seed)
  return rng.multinomial(number, np.full(number, 1 / number), num_resamples)


def interval(replicates: np.ndarray, number: int = 1) -> Interval | None:
  """Returns the 95 % percentile interval of a bootstrap.

  Args:
    replicates: float `[resamples]`, the statistic of each resample. NaN and
      infinity, where it is undefined, are left out.
    number: of how many intervals this is one. All of them together hold with at
      least 95 % (Bonferroni).

  Returns:
    Lower and upper end; None if no replicate is finite.
  """
  finite = replicates[np.isfinite(replicates)]
  if not len(finite):
    return None
  tail = _PERCENTILES[0] / number
  low, high = np.percentile(finite, (tail, 100 - tail))
  return float(low), float(high)


def mean_interval(sample: Sequence[float]) -> tuple[float, Interval | None]:
  """Returns a mean, and its 95 % interval by Student's t.

  Args:
    sample: one number for each of several independent models.

  Returns:
    The mean, and the ends of its interval; None for a sample of one.
  """
  mean = float(np.mean(sample))
  if len(sample) < 2:
    return mean, None
  quantile = stats.t.ppf(1 - (100 - _PERCENTILES[1]) / 100, len(sample) - 1)
  half = float(quantile * np.std(sample, ddof=1) / np.sqrt(len(sample)))
  return mean, (mean - half, mean + half)


def more_than(sample: Sequence[float], others: Sequence[float]) -> float:
  """Returns the one-sided p-value that a sample has the greater mean.

  The mean of m numbers is held against the prediction interval of n others: t
  is its distance from their mean divided by s sqrt(1 / m + 1 / n), with their
  standard deviation s and n - 1 degrees of freedom. So the null hypothesis is
  that the sample is m more of the others, normally distributed, and the spread
  of the sample does not count.

  Args:
    sample: one or more numbers.
    others: two or more numbers.
  """
  distance = np.mean(sample) - np.mean(others)
  if np.ptp(others) == 0:
    return 0.0 if distance > 0 else 1.0
  spread = np.std(others, ddof=1) * np.sqrt(1 / len(sample) + 1 / len(others))
  return float(stats.t.sf(distance / spread, len(others) - 1))


def holm(p_values: Sequence[float]) -> np.ndarray:
  """Adjusts p-values for their number.

  Holm, "A Simple Sequentially Rejective Multiple Test Procedure" (1979): the
  chance that any adjusted p-value of a true null is at most 0.05 is 5 %.

  Returns:
    float64, as many as `p_values`.
  """
  p_values = np.asarray(p_values, np.float64)
  order = np.argsort(p_values)
  stepwise = p_values[order] * np.arange(len(p_values), 0, -1)
  adjusted = np.empty_like(p_values)
  adjusted[order] = np.maximum.accumulate(stepwise).clip(max=1)
  return adjusted

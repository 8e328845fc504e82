"""p-values of mean scores, corrected for their number.

A mean score is over independent sequences, each with its own null distribution.
`NullMoments` collects the cumulants of the mean, `upper_tail` turns them into
p-values, and `adjusted` corrects these for their number. `paired` compares two
mean scores of the same sequences.

The rank among the null scores (`empirical`) does not suffice. With S null
scores, a p-value cannot fall below 1 / (S + 1), and the correction for 16,384
locations would need millions of them. But cumulants of independent scores add
up, and the mean of some dozens of scores is close to a Pearson type III law (a
shifted gamma distribution) with the same mean, variance and skewness.
"""

from typing import NamedTuple

import numpy as np
from scipy import stats

# A null with a smaller standard deviation, in nats, is rounding: its location
# cannot be significant.
_ROUNDING = 1e-9
# Up to this skewness the law counts as normal.
_LEAST_SKEWNESS = 1e-3
_LEAST_P = 1e-300


def upper_tail(
  observed: np.ndarray,
  mean: np.ndarray,
  variance: np.ndarray,
  third: np.ndarray,
) -> np.ndarray:
  """Returns the chance of `observed` or more under a Pearson type III law.

  The law has the given mean, variance and third central moment. If it is skewed
  to the left, the normal law replaces it: a left-skewed law has an upper end
  and a chance of zero beyond it, which an estimated skewness cannot justify.

  Returns:
    float64 `[...]`; 1 where the law has no variance, never below 1e-300.
  """
  spreads = variance > _ROUNDING**2
  deviation = np.sqrt(np.where(spreads, variance, 1))
  skewness = np.where(spreads, third, 0) / deviation**3
  chance = stats.pearson3.sf(
    (observed - mean) / deviation,
    # 0 makes it the normal law.
    np.where(skewness > _LEAST_SKEWNESS, skewness, 0),
  )
  return np.where(spreads, np.maximum(chance, _LEAST_P), 1.0)


def empirical(observed: np.ndarray, null: np.ndarray) -> np.ndarray:
  """Returns the rank of scores among null scores, as p-values.

  A p-value is (1 + n) / (1 + samples) if n null scores are at least as high.
  `observed` is `[..., locations]`, `null` is `[samples, locations]`.
  """
  below = np.empty(observed.shape)
  for location, column in enumerate(np.sort(null, axis=0).T):
    below[..., location] = np.searchsorted(column, observed[..., location])
  return (1 + len(null) - below) / (1 + len(null))


def adjusted(p_values: np.ndarray) -> np.ndarray:
  """Adjusts p-values for their number: returns q-values.

  Benjamini and Hochberg, "Controlling the False Discovery Rate", 1995: of the
  hypotheses with a q-value up to 0.05, at most 5 % are expected to be false
  discoveries.
  """
  found = stats.false_discovery_control(p_values, axis=None)
  return found.reshape(p_values.shape)


class PairedDifference(NamedTuple):
  """A mean difference, and the ends of its 95 % interval."""

  mean: float
  low: float
  high: float


def paired(differences: np.ndarray) -> PairedDifference:
  """Returns the mean of differences, with the interval of Student's t.

  Args:
    differences: float `[number]`, of two scores each; at least two.
  """
  number = len(differences)
  mean = float(differences.mean())
  error = differences.std(ddof=1) / np.sqrt(number)
  half = float(stats.t.ppf(0.975, number - 1) * error)
  return PairedDifference(mean, mean - half, mean + half)


class NullMoments:
  """Collects the cumulants of a mean score under the null."""

  def __init__(self):
    self._count = 0
    self._mean = self._variance = self._third = self._scores = 0.0

  def add(self, null: np.ndarray) -> None:
    """Adds a sequence's scores under its null, `[samples, locations]`.

    There must be at least three samples, and equally many for each sequence.
    """
    size = len(null)
    mean = null.mean(axis=0)
    centred = null - mean
    squares = centred**2
    self._count += 1
    self._mean = self._mean + mean
    # Unbiased estimates of the second and third cumulant (k-statistics). The
    # mean that scores are compared with is estimated, too: hence 1 + 1 / size.
    self._variance = self._variance + squares.sum(axis=0) * (1 + 1 / size) / (
      size - 1
    )
    self._third = self._third + (squares * centred).sum(axis=0) * size / (
      (size - 1) * (size - 2)
    )
    self._scores = self._scores + null

  @property
  def mean(self) -> np.ndarray:
    """float64 `[locations]`: the mean score expected by chance."""
    return self._mean / self._count

  @property
  def deviation(self) -> np.ndarray:
    """float64 `[locations]`: standard deviation of the mean by chance."""
    return np.sqrt(self._variance) / self._count

  @property
  def draw(self) -> np.ndarray:
    """float64 `[locations]`: mean of one null score of each sequence."""
    return self._scores[0] / self._count

  def p_values(self, observed: np.ndarray) -> np.ndarray:
    """`upper_tail` of mean scores, float `[..., locations]`."""
    return upper_tail(
      observed,
      self.mean,
      self._variance / self._count**2,
      self._third / self._count**3,
    )

  def empirical(self, observed: np.ndarray) -> np.ndarray:
    """`empirical` of mean scores, float `[..., locations]`."""
    return empirical(observed, self._scores / self._count)

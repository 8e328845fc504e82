"""How likely a score is by chance, and which of many stand out.

For scores averaged over independent sequences, each with a null distribution of
its own: `NullMoments` collects the cumulants of the mean, `upper_tail` turns
them into p-values, `adjusted` corrects these for their number.

Why not the rank among the null scores alone: with S of them a p-value cannot
fall below 1 / (S + 1), and a correction for 16,384 locations needs millions of
them. But sequences are independent, so that the cumulants of their mean are
the sums of theirs, and the mean of some dozens is close to a Pearson type III
law (a shifted gamma distribution), which has its mean, variance and skewness.
`empirical` is the rank, for comparison.
"""

import numpy as np
from scipy import special
from scipy import stats

# A null that spreads less, in the scores' unit, is rounding: no location of
# which this holds can be significant.
_ROUNDING = 1e-9
# Less skewed than this, a gamma law is a normal one.
_LEAST_SKEWNESS = 1e-3
_LEAST_P = 1e-300


def upper_tail(
  observed: np.ndarray,
  mean: np.ndarray,
  variance: np.ndarray,
  third: np.ndarray,
) -> np.ndarray:
  """Returns the chance of `observed` or more under a Pearson type III law.

  Where the skewness is not positive it is the normal law's: a law that is
  skewed to the left ends somewhere on the right, and a chance of zero is more
  than an estimated skewness can say.

  Args:
    observed: float `[...]`.
    mean: float `[...]`, of the law; and
    variance: its variance, and
    third: its third central moment.

  Returns:
    float64 `[...]`; 1 where the law does not spread, never below 1e-300.
  """
  spreads = variance > _ROUNDING**2
  deviation = np.sqrt(np.where(spreads, variance, 1))
  z = (observed - mean) / deviation
  skewness = np.where(spreads, third, 0) / deviation**3
  root = 2 / np.maximum(skewness, _LEAST_SKEWNESS)
  gamma = special.gammaincc(root**2, np.maximum(root * (root + z), 0))
  chance = np.where(skewness > _LEAST_SKEWNESS, gamma, special.ndtr(-z))
  return np.where(spreads, np.maximum(chance, _LEAST_P), 1.0)


def empirical(observed: np.ndarray, null: np.ndarray) -> np.ndarray:
  """Returns the rank of `observed` among null scores, as a p-value.

  Args:
    observed: float `[..., locations]`.
    null: float `[samples, locations]`.

  Returns:
    float64 `[..., locations]`, (1 + those that reach it) / (1 + samples).
  """
  ordered = np.sort(null, axis=0)
  below = np.empty(observed.shape)
  for location, column in enumerate(ordered.T):
    below[..., location] = np.searchsorted(column, observed[..., location])
  return (1 + len(null) - below) / (1 + len(null))


def adjusted(p_values: np.ndarray) -> np.ndarray:
  """Returns p-values adjusted for their number, all of the array together.

  Benjamini and Hochberg, "Controlling the False Discovery Rate", 1995: of those
  that are then at most 0.05, at most 5 % are expected to be false.

  Args:
    p_values: float `[...]`.

  Returns:
    float64 `[...]`.
  """
  return stats.false_discovery_control(p_values, axis=None).reshape(
    p_values.shape
  )


class NullMoments:
  """Cumulants of the mean over sequences of scores under the null, streamed."""

  def __init__(self):
    self._count = 0
    self._mean = 0.0
    self._variance = 0.0
    self._third = 0.0
    self._scores = 0.0

  def add(self, null: np.ndarray) -> None:
    """Takes in a sequence.

    Args:
      null: float64 `[samples, locations]`, at least three samples of its null
        distribution; their number is the same for all sequences.
    """
    size = len(null)
    mean = null.mean(axis=0)
    centred = null - mean
    squares = centred**2
    self._count += 1
    self._mean = self._mean + mean
    # Unbiased estimates of second and third cumulant (k-statistics); the mean
    # that observations are compared with is estimated as well: 1 + 1 / size.
    self._variance = self._variance + squares.sum(axis=0) * (1 + 1 / size) / (
      size - 1
    )
    self._third = self._third + (squares * centred).sum(axis=0) * size / (
      (size - 1) * (size - 2)
    )
    self._scores = self._scores + null

  @property
  def mean(self) -> np.ndarray:
    """float64 `[locations]`: what is expected by chance."""
    return self._mean / self._count

  @property
  def deviation(self) -> np.ndarray:
    """float64 `[locations]`: standard deviation of a mean score by chance."""
    return np.sqrt(self._variance) / self._count

  @property
  def draw(self) -> np.ndarray:
    """float64 `[locations]`: the mean of one score of each sequence."""
    return self._scores[0] / self._count

  def p_values(self, observed: np.ndarray) -> np.ndarray:
    """As `upper_tail`, of mean scores, float `[..., locations]`."""
    return upper_tail(
      observed,
      self.mean,
      self._variance / self._count**2,
      self._third / self._count**3,
    )

  def empirical(self, observed: np.ndarray) -> np.ndarray:
    """As `empirical`, of mean scores, float `[..., locations]`."""
    return empirical(observed, self._scores / self._count)

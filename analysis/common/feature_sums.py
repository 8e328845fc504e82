"""Sums over steps from which least squares follow.

The sums are float64.
"""

import numpy as np

# Added to the variance of each number, relative to the mean variance of all.
# Numbers that differ only by float32's rounding then count as equal, and
# solutions hardly change.
RIDGE = 1e-8


def _solve(covariance: np.ndarray, right: np.ndarray) -> np.ndarray:
  variance = np.trace(covariance) / len(covariance)
  if not variance > 0:
    return np.zeros_like(right)
  ridge = RIDGE * variance * np.eye(len(covariance))
  return np.linalg.solve(covariance + ridge, right)


class FeatureSums:
  """Sums over the steps that have a task's label.

  Attributes:
    products: float64 `[width, width]`, sums of products of two numbers.
    count: number of steps.
    mean: float64 `[width]`, of each number.
  """

  def __init__(self, total: np.ndarray, products: np.ndarray, count: float):
    self.products = products
    self.count = count
    self.mean = total / count if count else total

  @property
  def covariance(self) -> np.ndarray:
    """float64 `[width, width]`."""
    return self.products / self.count - np.outer(self.mean, self.mean)

  def solve(self, right: np.ndarray) -> np.ndarray:
    """Returns covariance^-1 @ right; `[width, n]` both."""
    return _solve(self.covariance, right)

  def solve_within(self, means: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Returns W^-1 @ means, for the covariance W within classes.

    Args:
      means: float64 `[width, class]`, of the steps of each class.
      counts: float64 `[class]`, steps of each class.
    """
    between = (means * counts) @ means.T
    return _solve((self.products - between) / self.count, means)

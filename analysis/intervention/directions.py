"""The direction of a probe, and the least change that shifts its reading.

A linear probe reads x = w^T (m - mu) + b from a representation m, by least
squares: w = C^-1 c, with C the covariance of m and c that of m and x. Among all
changes of m that shift the reading by d,

    d c / (w^T c)

is the least, measured by C: sqrt(change^T C^-1 change). It changes each number
of m by as much as that number differs, on average, between steps whose readings
differ by d. So the changed m looks like an m that occurs. The least change by
the plain length, d w / (w^T w), points in directions in which m hardly varies.

Taking the direction out, m - c / (w^T c) w^T (m - mu), is the least change
after which no linear probe reads x at all: m is no longer correlated with x
(Belrose et al., "LEACE: Perfect Linear Concept Erasure in Closed Form", 2023).
"""

from collections.abc import Sequence
import dataclasses

import numpy as np
from scipy import linalg

from analysis.common import feature_sums


@dataclasses.dataclass(frozen=True)
class LinearProbes:
  """Linear probes of some labels, and changes that shift their readings.

  Attributes:
    mean: float64 `[width]`, mu.
    weights: float64 `[width, label]`, w of each label.
    bias: float64 `[label]`, the means of the labels.
    crosses: float64 `[width, label]`, c of each label.
    deviations: float64 `[label]`, the standard deviation of each reading. A
      change that shifts a reading by d has the length d / deviation. 0: the
      probe reads nothing.
    factor: float64 `[width, width]`, lower triangular; its product with its
      transpose is C.
  """

  mean: np.ndarray
  weights: np.ndarray
  bias: np.ndarray
  crosses: np.ndarray
  deviations: np.ndarray
  factor: np.ndarray

  def read(self, features: np.ndarray) -> np.ndarray:
    """Reads all labels: `[n, width]` -> float64 `[n, label]`."""
    return (features - self.mean) @ self.weights + self.bias

  def change(self, label: int, other: int | None = None) -> np.ndarray:
    """The least change that shifts the reading of a label by 1.

    Args:
      label: which label.
      other: change along the direction of this label instead; the change has
        the length of that for `label`.

    Returns:
      float64 `[width]`; zeros if there is nothing to move along.
    """
    along = label if other is None else other
    if not (self.deviations[label] > 0 and self.deviations[along] > 0):
      return np.zeros_like(self.mean)
    unit = self.crosses[:, along] / self.deviations[along]
    return unit / self.deviations[label]

  def random_changes(self, label: int, normal: np.ndarray) -> np.ndarray:
    """Random changes, each as long as the change that shifts a reading by 1.

    Args:
      label: which reading.
      normal: float `[n, width]`, normal random numbers: all directions are
        equally likely, in units of the deviations of the representation.

    Returns:
      float64 `[n, width]`.
    """
    if not self.deviations[label] > 0:
      return np.zeros_like(normal)
    return self._units(normal) @ self.factor.T / self.deviations[label]

  def without(self, features: np.ndarray, label: int) -> np.ndarray:
    """Takes the direction of a label out of features `[n, width]`."""
    shifts = self.bias[label] - self.read(features)[:, label]
    return features + shifts[:, np.newaxis] * self.change(label)

  def without_random(
    self, features: np.ndarray, normal: np.ndarray
  ) -> np.ndarray:
    """Takes out a random direction of each row; see `random_changes`."""
    units = self._units(normal)
    whitened = linalg.solve_triangular(
      self.factor, (features - self.mean).T, lower=True
    ).T
    amounts = (whitened * units).sum(axis=1, keepdims=True)
    return features - amounts * (units @ self.factor.T)

  @staticmethod
  def _units(normal: np.ndarray) -> np.ndarray:
    return normal / np.linalg.norm(normal, axis=1, keepdims=True)


class ProbeSums:
  """Sums over steps, from which `LinearProbes` are computed."""

  def __init__(self, width: int, num_labels: int):
    # Features are summed relative to the mean of those added first: a small
    # deviation from a large mean would be lost to rounding.
    self._shift: np.ndarray | None = None
    self._total = np.zeros([width])
    self._products = np.zeros([width, width])
    self._labels = np.zeros([num_labels])
    self._cross = np.zeros([width, num_labels])
    self._count = 0

  def add(self, features: np.ndarray, labels: np.ndarray) -> None:
    """Adds steps: `[n, width]`, and their labels, `[n, label]`."""
    features = features.astype(np.float64)
    if self._shift is None:
      self._shift = features.mean(axis=0)
    features -= self._shift
    self._total += features.sum(axis=0)
    self._products += features.T @ features
    self._labels += labels.sum(axis=0)
    self._cross += features.T @ labels
    self._count += len(features)

  def solve(self) -> LinearProbes:
    """Returns the probes; steps must have been added."""
    sums = feature_sums.FeatureSums(
      self._total, self._products, float(self._count)
    )
    means = self._labels / self._count
    crosses = self._cross / self._count - np.outer(sums.mean, means)
    weights = sums.solve(crosses)
    variances = (weights * crosses).sum(axis=0)
    covariance = sums.covariance
    least = feature_sums.RIDGE * np.trace(covariance) / len(covariance)
    # Features that never vary still need a factor.
    least = least or np.finfo(np.float64).tiny
    return LinearProbes(
      mean=sums.mean + self._shift,
      weights=weights,
      bias=means,
      crosses=crosses,
      deviations=np.sqrt(variances.clip(min=0)),
      factor=linalg.cholesky(
        covariance + least * np.eye(len(covariance)), lower=True
      ),
    )


def normal_rows(
  seed: int, rows: Sequence[tuple[int, ...]], width: int
) -> np.ndarray:
  """Draws normal random numbers for each row, from the seed and the row's key.

  Args:
    seed: the seed.
    rows: the keys: whole numbers that tell the rows apart.
    width: numbers of a row.

  Returns:
    float64 `[rows, width]`.
  """
  return np.stack(
    [np.random.default_rng((seed, *row)).normal(size=width) for row in rows]
  )

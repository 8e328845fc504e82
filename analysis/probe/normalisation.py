"""Normalising features by their time step, over rollouts.

PROTOCOL, 'Test 1': 'Inputs normalised by the mean and standard deviation of
that time step (over rollouts)'.
"""

from collections.abc import Callable

import numpy as np


class StepNormaliser:
  """Mean and standard deviation of every time step over rollouts, streamed.

  Welford's updates in float64 ("Note on a Method for Calculating Corrected Sums
  of Squares and Products", 1962). Rollouts may differ in length.
  """

  def __init__(self):
    self._count = np.zeros([0, 1])
    self._sums = None

  def _longer(self, num_steps: int, width: int) -> None:
    """Makes room for rollouts of `num_steps` steps."""
    if self._sums is None:
      self._sums = np.zeros([2, 0, width])
    missing = num_steps - len(self._count)
    if missing > 0:
      self._count = np.pad(self._count, [(0, missing), (0, 0)])
      self._sums = np.pad(self._sums, [(0, 0), (0, missing), (0, 0)])

  def update(self, features: np.ndarray) -> None:
    """Adds a rollout: `[time, width]`."""
    num_steps, width = features.shape
    self._longer(num_steps, width)
    mean, squares = self._sums[:, :num_steps]
    count = self._count[:num_steps]
    count += 1
    delta = features - mean
    mean += delta / count
    squares += delta * (features - mean)

  @property
  def mean(self) -> np.ndarray:
    """float64 `[time, width]`."""
    return self._sums[0]

  @property
  def deviation(self) -> np.ndarray:
    """float64 `[time, width]`; divides by the number of rollouts, as NumPy."""
    return np.sqrt(self._sums[1] / self._count)

  def transform(self) -> Callable[[np.ndarray], np.ndarray]:
    """Returns a function from `[time, width]` to its normalised form, float32.

    A feature that does not vary at a step becomes zero: it tells the probe
    nothing. Of n rollouts, none is further than sqrt(n - 1) standard deviations
    from their mean (Samuelson, "How Deviant Can You Be?", 1968). Unseen
    rollouts can be much further where a feature hardly varied, and are clipped
    to this bound.
    """
    deviation = self.deviation
    varies = deviation > 0
    inverse = np.divide(
      1, deviation, out=np.zeros_like(deviation), where=varies
    ).astype(np.float32)
    furthest = np.sqrt(self._count - 1).astype(np.float32)
    mean = self.mean.astype(np.float32)

    def normalise(features: np.ndarray) -> np.ndarray:
      steps = slice(0, len(features))
      normalised = features - mean[steps]
      normalised *= inverse[steps]
      return np.clip(
        normalised, -furthest[steps], furthest[steps], out=normalised
      )

    return normalise


class BitNormaliser(StepNormaliser):
  """A `StepNormaliser` of numbers that are 0 or 1, for which counts suffice."""

  def __init__(self):
    super().__init__()
    self._ones = None

  def update(self, features: np.ndarray) -> None:
    """Adds a rollout: uint8 `[time, width]`."""
    num_steps, width = features.shape
    if self._ones is None:
      self._ones = np.zeros([0, width], np.int32)
    missing = num_steps - len(self._count)
    if missing > 0:
      self._count = np.pad(self._count, [(0, missing), (0, 0)])
      self._ones = np.pad(self._ones, [(0, missing), (0, 0)])
    self._count[:num_steps] += 1
    self._ones[:num_steps] += features

  @property
  def mean(self) -> np.ndarray:
    """float64 `[time, width]`."""
    return self._ones / self._count

  @property
  def deviation(self) -> np.ndarray:
    """float64 `[time, width]`."""
    mean = self.mean
    return np.sqrt(mean * (1 - mean))

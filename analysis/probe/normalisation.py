"""Normalises the features of each time step, over rollouts.

PROTOCOL, 'Test 1': 'Inputs normalised by the mean and standard deviation of
that time step (over rollouts)'.
"""

from collections.abc import Callable

import numpy as np

from analysis.probe import bits as bits_lib


class StepNormaliser:
  """Mean and standard deviation of every time step over rollouts, streamed.

  Welford's updates in float64 ("Note on a Method for Calculating Corrected Sums
  of Squares and Products", 1962). Rollouts may differ in length.
  """

  # Mean and summed squared deviations.
  _NUM_SUMS, _DTYPE = 2, np.float64

  def __init__(self):
    self._count = np.zeros([0, 1])
    # float64 if features are: their differences may be lost in float32.
    self._precision = np.float32
    self._sums = np.zeros([self._NUM_SUMS, 0, 0], self._DTYPE)

  def _first(self, num_steps: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns counts and sums of the first steps, to be changed in place."""
    missing = num_steps - len(self._count)
    if missing > 0:
      wider = width - self._sums.shape[2]
      self._count = np.pad(self._count, [(0, missing), (0, 0)])
      self._sums = np.pad(self._sums, [(0, 0), (0, missing), (0, wider)])
    return self._count[:num_steps], self._sums[:, :num_steps]

  def update(self, features: np.ndarray) -> None:
    """Adds a rollout: `[time, width]`."""
    if features.dtype == np.float64:
      self._precision = np.float64
    count, (mean, squares) = self._first(*features.shape)
    count += 1
    delta = features - mean
    mean += delta / count
    squares += delta * (features - mean)

  def update_many(self, features: np.ndarray) -> None:
    """Adds rollouts at once: `[rollout, time, width]`.

    Chan, Golub and LeVeque, "Updating Formulae and a Pairwise Algorithm for
    Computing Sample Variances" (1979).
    """
    count, (mean, squares) = self._first(*features.shape[1:])
    # Relative to the first rollout, so that constant features have deviation 0.
    number, shift = len(features), features[0].astype(np.float64)
    features = features - shift
    own = features.mean(axis=0)
    features -= own
    squares += np.square(features, out=features).sum(axis=0)
    delta = shift + own - mean
    squares += np.square(delta) * count * number / (count + number)
    count += number
    mean += delta * number / count

  @property
  def mean(self) -> np.ndarray:
    """float64 `[time, width]`."""
    return self._sums[0]

  @property
  def deviation(self) -> np.ndarray:
    """float64 `[time, width]`; divides by the number of rollouts."""
    return np.sqrt(self._sums[1] / self._count)

  def transform(self) -> Callable[[np.ndarray], np.ndarray]:
    """Returns a function that normalises `[..., time, width]` to float32.

    A feature that does not vary at a step becomes zero: it tells the probe
    nothing. Of n rollouts, none is further than sqrt(n - 1) standard deviations
    from their mean (Samuelson, "How Deviant Can You Be?", 1968). Where a
    feature hardly varied, unseen rollouts can be much further away; they are
    clipped to this bound.
    """
    deviation = self.deviation
    return self._transform(self.mean, deviation, deviation > 0, self._count)

  def transform_overall(self) -> Callable[[np.ndarray], np.ndarray]:
    """Like `transform`, with one mean and deviation of a feature for all steps.

    A linear function of the features then remains linear in them, which scaling
    each step by its own deviation would undo. A feature that differs only by
    rounding counts as constant.
    """
    total = self._count.sum()
    share = self._count / total
    mean = (share * self.mean).sum(axis=0)
    squares = self.deviation**2 + (self.mean - mean) ** 2
    deviation = np.sqrt((share * squares).sum(axis=0))
    varies = deviation > np.finfo(self._precision).eps * np.abs(mean)
    # One row, for any number of steps.
    rows = (x[np.newaxis] for x in (mean, deviation, varies))
    return self._transform(*rows, np.reshape(total, [1, 1]))

  def _transform(
    self,
    mean: np.ndarray,
    deviation: np.ndarray,
    varies: np.ndarray,
    count: np.ndarray,
  ) -> Callable[[np.ndarray], np.ndarray]:
    """See `transform`; `[time, width]`, or one row for all steps."""
    inverse = np.zeros_like(deviation)
    np.divide(1, deviation, out=inverse, where=varies)
    mean, inverse, furthest = (
      x.astype(self._precision, copy=False)
      for x in (mean, inverse, np.sqrt(count - 1))
    )

    def normalise(features: np.ndarray) -> np.ndarray:
      steps = slice(0, features.shape[-2])
      normalised = features - mean[steps]
      normalised *= inverse[steps]
      most = furthest[steps]
      np.clip(normalised, -most, most, out=normalised)
      return normalised.astype(np.float32, copy=False)

    return normalise


class BitNormaliser(StepNormaliser):
  """A `StepNormaliser` of numbers that are 0 or 1, for which counts suffice."""

  # How many were 1.
  _NUM_SUMS, _DTYPE = 1, np.int32

  def update(self, features: np.ndarray) -> None:
    """Adds a rollout: uint8 `[time, width]`."""
    count, (ones,) = self._first(*features.shape)
    count += 1
    ones += features

  @property
  def mean(self) -> np.ndarray:
    """float64 `[time, width]`."""
    return self._sums[0] / self._count

  @property
  def deviation(self) -> np.ndarray:
    """float64 `[time, width]`."""
    mean = self.mean
    return np.sqrt(mean * (1 - mean))

  def transform(self) -> bits_lib.BitTransform:
    """See `StepNormaliser`; the function takes uint8."""
    normalise, shape = super().transform(), self._sums.shape[1:]
    zero, one = (normalise(np.full(shape, bit, np.uint8)) for bit in (0, 1))
    return bits_lib.BitTransform(zero, one)

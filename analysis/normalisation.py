"""Normalising features by their time step, over rollouts.

PROTOCOL, 'Test 1': 'Inputs normalised by the mean and standard deviation of
that time step (over rollouts)'.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf


class StepNormaliser:
  """Mean and standard deviation of every time step over rollouts, streamed.

  Welford's updates in float64 ("Note on a method for calculating corrected sums
  of squares and products", 1962). Rollouts may differ in length.
  """

  def __init__(self):
    self._count = np.zeros([0, 1])
    self._mean = None
    self._squares = None

  def update(self, features: np.ndarray) -> None:
    """Takes in one rollout: `[time, width]`."""
    num_steps, width = features.shape
    missing = num_steps - len(self._count)
    if self._mean is None:
      self._mean = np.zeros([0, width])
      self._squares = np.zeros([0, width])
    if missing > 0:
      more = [(0, missing), (0, 0)]
      self._count = np.pad(self._count, more)
      self._mean = np.pad(self._mean, more)
      self._squares = np.pad(self._squares, more)
    count, mean = self._count[:num_steps], self._mean[:num_steps]
    count += 1
    delta = features - mean
    mean += delta / count
    self._squares[:num_steps] += delta * (features - mean)

  @property
  def mean(self) -> np.ndarray:
    """float64 `[time, width]`."""
    return self._mean

  @property
  def deviation(self) -> np.ndarray:
    """float64 `[time, width]`; divides by the number of rollouts, as NumPy."""
    return np.sqrt(self._squares / self._count)

  def transform(self) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns a function from float32 `[time, width]` to its normalised form.

    A feature that does not vary at a step is zero there: it tells the probe
    nothing. Of n rollouts none is further than sqrt(n - 1) standard deviations
    from their mean (Samuelson, "How Deviant Can You Be?", 1968); one that was
    not among them can be, by any factor where a feature hardly varied, and is
    cut off there.
    """
    deviation = self.deviation
    varies = deviation > 0
    inverse = np.divide(
      1, deviation, out=np.zeros_like(deviation), where=varies
    )
    furthest = tf.constant(np.sqrt(self._count - 1), tf.float32)
    mean = tf.constant(self.mean, tf.float32)
    inverse = tf.constant(inverse, tf.float32)

    def normalise(features: tf.Tensor) -> tf.Tensor:
      steps = slice(0, tf.shape(features)[0])
      normalised = (features - mean[steps]) * inverse[steps]
      return tf.clip_by_value(normalised, -furthest[steps], furthest[steps])

    return normalise

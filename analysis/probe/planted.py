"""A planted memory: it holds the labels, weakly and linearly, in noise.

A probe must find them there, and how much of them there is to find is known: a
test that misses a planted memory cannot be believed when it finds nothing in a
trained one.
"""

import dataclasses

import numpy as np

_MIXING, _NOISE = 5, 6


@dataclasses.dataclass(frozen=True)
class PlantedMemory:
  """Numbers `z @ mixing + noise`, of standardised labels z.

  The noise is standard normal, the mixing normal of deviation 1 / sqrt(width):
  of the variance of each label about a half can be read off all numbers
  together, whatever their width, and next to nothing off one.

  Attributes:
    seed: of mixing and noise.
    width: numbers per step.
    mean: float `[output]`, subtracted from `LabelSpec.as_outputs`.
    deviation: float `[output]`, divides it; where 0, the output is left out.
  """

  seed: int
  width: int
  mean: np.ndarray
  deviation: np.ndarray

  def _mixing(self) -> np.ndarray:
    """float64 `[output, width]`, for outputs that are not standardised."""
    size = (len(self.mean), self.width)
    rng = np.random.default_rng((self.seed, self.width, _MIXING))
    mixing = rng.standard_normal(size) / np.sqrt(self.width)
    varies = self.deviation > 0
    scale = np.divide(
      1, self.deviation, out=np.zeros(len(varies)), where=varies
    )
    return mixing * scale[:, np.newaxis]

  def features(self, index: int, outputs: np.ndarray) -> np.ndarray:
    """What it holds in a rollout.

    Args:
      index: which rollout, for the noise.
      outputs: `[time, output]`, as `LabelSpec.as_outputs`.

    Returns:
      float32 `[time, width]`.
    """
    rng = np.random.default_rng((self.seed, index, _NOISE, self.width))
    noise = rng.standard_normal((len(outputs), self.width), np.float32)
    signal = (outputs - self.mean) @ self._mixing()
    return noise + signal.astype(np.float32)

  def attainable(self, covariance: np.ndarray) -> np.ndarray:
    """The R^2 of the best linear map from its numbers back to each output.

    Args:
      covariance: `[output, output]`, of the outputs.

    Returns:
      float64 `[output]`; not a number where an output does not vary.
    """
    mixing = self._mixing()
    shared = covariance @ mixing
    numbers = mixing.T @ shared + np.eye(self.width)
    explained = np.einsum(
      'ow,wo->o', shared, np.linalg.solve(numbers, shared.T)
    )
    variance = np.diag(covariance)
    nothing = np.full(len(variance), np.nan)
    return np.divide(explained, variance, out=nothing, where=variance > 1e-12)

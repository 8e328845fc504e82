"""Planted memories, which hold a known amount of each label.

`PlantedMemory` holds the labels weakly and linearly, in noise; a probe must
find them. `RotatingMemory` keeps the last sprites, each in the next slot; a
probe must find them with slots sorted by writing, but not with fixed slots. If
a probe fails here, finding nothing in a trained memory means nothing.
"""

import dataclasses

import numpy as np

_MIXING, _NOISE, _ROTATING = 5, 6, 9


@dataclasses.dataclass(frozen=True)
class PlantedMemory:
  """Numbers `z @ mixing + noise`, of standardised labels z.

  The noise is standard normal, the mixing normal of deviation 1 / sqrt(width).
  All numbers together then explain about half of the variance of each label,
  whatever the width; a single number explains next to nothing.

  Attributes:
    seed: the seed of mixing and noise.
    width: numbers per step.
    mean: float `[output]`, subtracted from `LabelSpec.as_outputs`.
    deviation: float `[output]`, the divisor; outputs where it is 0 are left
      out.
  """

  seed: int
  width: int
  mean: np.ndarray
  deviation: np.ndarray

  def _mixing(self) -> np.ndarray:
    """float64 `[output, width]`; also divides centred outputs by deviation."""
    size = (len(self.mean), self.width)
    rng = np.random.default_rng((self.seed, self.width, _MIXING))
    mixing = rng.standard_normal(size) / np.sqrt(self.width)
    scale = np.zeros(len(self.mean))
    np.divide(1, self.deviation, out=scale, where=self.deviation > 0)
    return mixing * scale[:, np.newaxis]

  def features(self, index: int, outputs: np.ndarray) -> np.ndarray:
    """Returns the contents of the memory in a rollout.

    Args:
      index: index of the rollout; the noise depends on it.
      outputs: `[time, output]`, see `LabelSpec.as_outputs`.

    Returns:
      float32 `[time, width]`.
    """
    rng = np.random.default_rng((self.seed, index, _NOISE, self.width))
    noise = rng.standard_normal((len(outputs), self.width), np.float32)
    signal = (outputs - self.mean) @ self._mixing()
    return noise + signal.astype(np.float32)

  def attainable(self, covariance: np.ndarray) -> np.ndarray:
    """Returns the R^2 of the best linear map from its numbers to each output.

    Args:
      covariance: `[output, output]`, of the outputs.

    Returns:
      float64 `[output]`; NaN where an output does not vary.
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


@dataclasses.dataclass(frozen=True)
class RotatingMemory:
  """Slots that are written in turn, each with the labels of one sprite.

  A slot holds the standardised labels and a little normal noise, until it is
  written again. From a sprite's own slot, a linear map recovers
  1 / (1 + NOISE^2) of the variance; from fixed slots, where the sprite may be
  in any, only a share of 1 / NUM_SLOTS.

  Attributes:
    seed: the seed of the noise.
    mean: float `[output]`, subtracted from `LabelSpec.as_outputs`.
    deviation: float `[output]`, the divisor; outputs where it is 0 are left
      out.
  """

  NUM_SLOTS = 16
  NOISE = 0.07

  seed: int
  mean: np.ndarray
  deviation: np.ndarray

  @property
  def width(self) -> int:
    """Numbers per step."""
    return self.NUM_SLOTS * int((self.deviation > 0).sum())

  def features(
    self, index: int, outputs: np.ndarray
  ) -> tuple[np.ndarray, np.ndarray]:
    """Returns the contents of the memory in a rollout, and the write weights.

    Args:
      index: index of the rollout; the noise depends on it.
      outputs: `[time, output]`, see `LabelSpec.as_outputs`.

    Returns:
      float32 `[time, width]`, slot by slot, and `[time, slot]`.
    """
    varies = self.deviation > 0
    words = (outputs - self.mean) / np.where(varies, self.deviation, 1)
    words = words[:, varies]
    rng = np.random.default_rng((self.seed, index, _ROTATING))
    words = words + self.NOISE * rng.standard_normal(words.shape)
    steps, slots = np.arange(len(words)), np.arange(self.NUM_SLOTS)
    # How many steps ago each slot was last written, and at which step. The step
    # is negative if the slot was not written yet.
    ago = (steps[:, np.newaxis] - slots) % self.NUM_SLOTS
    written = steps[:, np.newaxis] - ago
    memory = words[written] * (written >= 0)[:, :, np.newaxis]
    weights = (ago == 0).astype(np.float32)
    return memory.reshape([len(words), -1]).astype(np.float32), weights

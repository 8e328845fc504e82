"""How far the latents of one sprite are from those of another.

With `nearest`: how far a predicted sprite is from the true one.
"""

from collections.abc import Sequence

import numpy as np

from dnc.dsprites import latents
from dnc.dsprites import spec

# Turned by so many degrees, a square, an ellipse and a heart look the same.
_PERIODS = np.array([90.0, 180.0, 360.0])


def _errors(
  true: Sequence[np.ndarray], found: Sequence[np.ndarray]
) -> dict[str, np.ndarray]:
  """The errors that `mean_errors` explains, one by one.

  Args:
    true: for each latent an int64 array of classes; arrays of different latents
      need not have the same shape, only be broadcastable.
    found: the same.

  Returns:
    For each error an array, as large as the latents it depends on.
  """

  def difference(latent: str, values: np.ndarray) -> np.ndarray:
    number = latents.NAMES.index(latent)
    return np.abs(values[true[number]] - values[found[number]])

  period = _PERIODS[true[0]]
  angle = difference('orientation', np.degrees(latents.VALUES[2])) % period
  return {
    'shape_error': (true[0] != found[0]).astype(np.float64),
    'scale_error': difference('scale', latents.VALUES[1]),
    'orientation_error': np.minimum(angle, period - angle),
    'position_error': np.hypot(
      difference('x_position', spec.DSPRITES.x_positions),
      difference('y_position', spec.DSPRITES.y_positions),
    ),
  }


def _means(errors: dict[str, np.ndarray]) -> dict[str, float]:
  return {name: float(each.mean()) for name, each in errors.items()}


def mean_errors(
  true: np.ndarray | Sequence, found: np.ndarray | Sequence
) -> dict[str, float]:
  """Compares sprites with the true ones.

  Args:
    true: integers [n, 5], classes of the true sprites.
    found: integers [n, 5], classes of those to judge.

  Returns:
    Means over the n:
      shape_error: share of wrong shapes.
      scale_error: absolute difference of the scales, which are 0.5 to 1.
      orientation_error: angle between the orientations in degrees, the least
        that the symmetry of the true shape allows: a square looks the same
        every 90 degrees, an ellipse every 180, a heart every 360.
      position_error: distance of the centres in pixels.

  Raises:
    TypeError, ValueError: as `latents.check_classes`; also a ValueError if the
      two differ in shape or hold no sprite.
  """
  true, found = latents.check_classes(true), latents.check_classes(found)
  if true.ndim != 2 or true.shape != found.shape or not len(true):
    raise ValueError(
      'true and found must both have shape [n, 5] with n at least 1, got '
      f'{list(true.shape)} and {list(found.shape)}'
    )
  return _means(_errors(true.T, found.T))


def chance_errors() -> dict[str, float]:
  """What sprites drawn at random score, as `mean_errors`, exactly.

  It is the mean over all pairs of a true sprite and a found one, both uniform
  over all 737,280 and independent.
  """
  # Every pair of classes, and no array larger than an error needs.
  pairs = np.ogrid[tuple(slice(size) for size in 2 * latents.SIZES)]
  true, found = pairs[: latents.NUM_LATENTS], pairs[latents.NUM_LATENTS :]
  return _means(_errors(true, found))

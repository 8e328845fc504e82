"""Errors of the latents of found sprites against the true sprites."""

from collections.abc import Sequence

import numpy as np

from dnc.dsprites import latents
from dnc.dsprites import spec

# Degrees after which a turned shape looks the same again.
_PERIODS = 360.0 / np.array(latents.SYMMETRIES)


def mean_errors(
  true: np.ndarray | Sequence, found: np.ndarray | Sequence
) -> dict[str, float]:
  """Compares sprites with the true ones.

  Args:
    true: integers [n, 5], classes of the true sprites.
    found: integers [n, 5], classes of the sprites to judge.

  Returns:
    Means over the n sprites:
      shape_error: share of wrong shapes.
      scale_error: absolute difference of the scales, which are 0.5 to 1.
      orientation_error: angle between the orientations in degrees, modulo the
        symmetry of the true shape.
      position_error: distance of the centres in pixels.

  Raises:
    TypeError: if the classes are not integers.
    ValueError: if a class is out of range, or the two differ in shape or hold
      no sprite.
  """
  true, found = latents.check_classes(true), latents.check_classes(found)
  if true.ndim != 2 or true.shape != found.shape or not len(true):
    raise ValueError(
      'true and found must both have shape [n, 5] with n at least 1, got '
      f'{list(true.shape)} and {list(found.shape)}'
    )

  def difference(latent: str, values: np.ndarray) -> np.ndarray:
    column = latents.NAMES.index(latent)
    return np.abs(values[true[:, column]] - values[found[:, column]])

  period = _PERIODS[true[:, 0]]
  angle = difference('orientation', np.degrees(latents.VALUES[2])) % period
  errors = {
    'shape_error': true[:, 0] != found[:, 0],
    'scale_error': difference('scale', latents.VALUES[1]),
    'orientation_error': np.minimum(angle, period - angle),
    'position_error': np.hypot(
      difference('x_position', spec.DSPRITES.x_positions),
      difference('y_position', spec.DSPRITES.y_positions),
    ),
  }
  return {name: float(each.mean()) for name, each in errors.items()}

"""A set of sprites: its polygons, grids of latents and image size.

`DSPRITES` is the published set. Other sets can be derived from it, for example
the same sprites at twice the size:

>>> import dataclasses
>>> from dnc import dsprites
>>> published = dsprites.DSPRITES
>>> large = dataclasses.replace(
...   published,
...   scales=2 * published.scales,
...   x_positions=2 * published.x_positions,
...   y_positions=2 * published.y_positions,
...   image_size=128,
... )
>>> dsprites.render_images([[2, 5, 0, 16, 16]], large).shape
(1, 128, 128)
"""

from collections.abc import Sequence
import dataclasses
import math

import numpy as np

from dnc.dsprites import latents

IMAGE_SIZE = 64

_RADIUS = 9.6  # Pixels, at scale 1.
# Keeps products of coordinates, in units of 1/256 pixel, below 2^63.
_MAX_REACH = 2**20
_GRIDS = ('scales', 'orientations', 'x_positions', 'y_positions')


def _as_floats(name: str, numbers: Sequence) -> np.ndarray:
  """Returns a read-only float64 copy; all numbers must be finite."""
  try:
    numbers = np.array(numbers, np.float64)
  except (TypeError, ValueError) as e:
    raise ValueError(f'{name} must be an array of numbers: {e}') from e
  wrong = numbers[~np.isfinite(numbers)]
  if wrong.size:
    raise ValueError(f'{name} must be finite, got {wrong.flat[0]}')
  numbers.flags.writeable = False
  return numbers


def _as_polygon(name: str, vertices: Sequence) -> np.ndarray:
  vertices = _as_floats(name, vertices)
  if vertices.ndim != 2 or vertices.shape[1] != 2 or len(vertices) < 3:
    raise ValueError(
      f'{name} must have shape [vertices, 2] with at least 3 vertices, got '
      f'{list(vertices.shape)}'
    )
  return vertices


def _as_grid(name: str, values: Sequence) -> np.ndarray:
  values = _as_floats(name, values)
  if values.ndim != 1 or not values.size:
    raise ValueError(
      f'{name} must have shape [number] with at least 1 value, got '
      f'{list(values.shape)}'
    )
  return values


# Comparing fields fails for arrays, so specs are equal only if identical.
@dataclasses.dataclass(frozen=True, eq=False)
class SpriteSpec:
  """A set of sprites: every polygon at every scale, orientation and position.

  Five classes, in the order of `latents.NAMES`, identify a sprite: the indices
  of its polygon, scale, orientation, x and y position in the fields below. The
  numbers may be given as any sequences; they are kept as read-only float64.

  Attributes:
    polygons: for each shape its vertices at scale 1, [vertices, 2]: u to the
      right and v down, in pixels from the centre of rotation. The last vertex
      is joined to the first. Outlines may cross themselves; the even-odd rule
      decides what is inside.
    scales: [number], factors that multiply the polygons.
    orientations: [number], radians, anticlockwise as seen in the image.
    x_positions: [number], centres in pixels from the left border.
    y_positions: [number], centres in pixels from the upper border. Images show
      only the part of a sprite within their borders.
    image_size: width and height of the images, in pixels.

  Raises:
    ValueError: if a field is empty or malformed, a number is not finite, a
      scale is not positive, or a sprite reaches further than a million pixels.
  """

  polygons: Sequence[np.ndarray]
  scales: np.ndarray
  orientations: np.ndarray
  x_positions: np.ndarray
  y_positions: np.ndarray
  image_size: int = IMAGE_SIZE

  def __post_init__(self):
    try:
      numbered = list(enumerate(self.polygons))
    except TypeError as e:
      raise ValueError(f'polygons must be a sequence of arrays: {e}') from e
    if not numbered:
      raise ValueError('polygons must hold at least one polygon')
    polygons = tuple(_as_polygon(f'polygons[{i}]', x) for i, x in numbered)
    checked = {name: _as_grid(name, getattr(self, name)) for name in _GRIDS}
    for name, value in dict(checked, polygons=polygons).items():
      object.__setattr__(self, name, value)  # The dataclass is frozen.
    if self.scales.min() <= 0:
      raise ValueError(f'scales must be above 0, got {self.scales.min()}')
    if not isinstance(self.image_size, int | np.integer):
      raise ValueError(
        f'image_size must be an integer, got {self.image_size!r}'
      )
    if self.image_size < 1:
      raise ValueError(f'image_size must be at least 1, got {self.image_size}')
    radius = max(float(np.hypot(*polygon.T).max()) for polygon in polygons)
    furthest = np.abs([*self.x_positions, *self.y_positions]).max()
    reach = radius * float(self.scales.max()) + float(furthest)
    if reach > _MAX_REACH:
      raise ValueError(
        f'sprites must stay within {_MAX_REACH} pixels of the upper left '
        f'corner, but one reaches {reach:.6g}'
      )

  @property
  def sizes(self) -> tuple[int, ...]:
    """Number of classes of each latent, in the order of `latents.NAMES`."""
    return (len(self.polygons), *(len(getattr(self, name)) for name in _GRIDS))

  @property
  def num_sprites(self) -> int:
    """Number of sprites: all combinations of classes."""
    return math.prod(self.sizes)


def _published_polygons() -> tuple[np.ndarray, ...]:
  """The square, the ellipse and the heart, as measured on real images."""
  square = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * _RADIUS
  t = 2 * np.pi * np.arange(100) / 100
  ellipse = np.stack(
    [1.33 * _RADIUS * np.cos(t), _RADIUS / 1.33 * np.sin(t)], axis=-1
  )
  t = 2 * np.pi * np.arange(150) / 150
  height = (
    13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
  )
  heart = np.stack(
    [_RADIUS * np.sin(t) ** 3, -_RADIUS * (height / 14.5 + 0.15)], axis=-1
  )
  return square, ellipse, heart


# The published position values 0 to 1 correspond to pixels 16 to 48.
DSPRITES = SpriteSpec(
  polygons=_published_polygons(),
  scales=latents.VALUES[1],
  orientations=latents.VALUES[2],
  x_positions=16 + 32 * latents.VALUES[3],
  y_positions=16 + 32 * latents.VALUES[4],
)

"""What a set of sprites is: polygons, the grid of latents, size of the images.

`DSPRITES` is the published set. Others are made from scratch or from it; the
same sprites in images of twice the size:

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
import operator

import numpy as np

from dnc.dsprites import latents

IMAGE_SIZE = 64

_RADIUS = 9.6  # Pixels, at scale 1.
# Products of coordinates in 1/256 pixel stay below 2^63.
_MAX_REACH = 2**20
_GRIDS = ('scales', 'orientations', 'x_positions', 'y_positions')


def _as_floats(name: str, numbers: Sequence) -> np.ndarray:
  """A read-only copy, float64, of numbers that must be finite."""
  try:
    numbers = np.array(numbers, np.float64)
  except (TypeError, ValueError) as e:
    raise ValueError(f'{name} must be an array of numbers: {e}') from e
  wrong = numbers[~np.isfinite(numbers)]
  if wrong.size:
    raise ValueError(f'{name} must be finite, got {wrong.flat[0]}')
  numbers.flags.writeable = False
  return numbers


def _as_polygons(polygons: Sequence[Sequence]) -> tuple[np.ndarray, ...]:
  try:
    checked = tuple(
      _as_floats(f'polygons[{i}]', vertices)
      for i, vertices in enumerate(polygons)
    )
  except TypeError as e:
    raise ValueError(f'polygons must be a sequence of arrays: {e}') from e
  if not checked:
    raise ValueError('polygons must hold at least one')
  for i, vertices in enumerate(checked):
    if vertices.ndim != 2 or vertices.shape[1] != 2 or len(vertices) < 3:
      raise ValueError(
        f'polygons[{i}] must have shape [vertices, 2] with at least 3 '
        f'vertices, got {list(vertices.shape)}'
      )
  return checked


def _as_grid(name: str, values: Sequence) -> np.ndarray:
  values = _as_floats(name, values)
  if values.ndim != 1 or not values.size:
    raise ValueError(
      f'{name} must have shape [number] with at least 1 value, got '
      f'{list(values.shape)}'
    )
  return values


def _check_reach(
  polygons: Sequence[np.ndarray], scales: np.ndarray, positions: np.ndarray
) -> None:
  radius = max(float(np.hypot(*polygon.T).max()) for polygon in polygons)
  reach = radius * float(scales.max()) + float(np.abs(positions).max())
  if reach > _MAX_REACH:
    raise ValueError(
      f'sprites must stay within {_MAX_REACH} pixels of the upper left corner, '
      f'one reaches {reach:.6g}'
    )


# Arrays have no one truth value: two specs are equal if they are the same one.
@dataclasses.dataclass(frozen=True, eq=False)
class SpriteSpec:
  """A set of sprites: every polygon at every scale, orientation and position.

  A sprite is named by five classes, in the order of `latents.NAMES`: the
  indices of its polygon, scale, orientation, x and y position below. Numbers
  may be given as any sequences; they are kept as read-only float64.

  Attributes:
    polygons: of each shape the vertices at scale 1, [vertices, 2]: u to the
      right and v down, in pixels from the centre that the sprite turns around.
      The last vertex is joined to the first. What an outline that crosses
      itself surrounds twice is outside (the even-odd rule).
    scales: [number], factors on the polygons.
    orientations: [number], in radians, anticlockwise as one sees the image.
    x_positions: [number], of the centre, in pixels from the left border.
    y_positions: [number], of the centre, in pixels from the upper border. What
      lies beyond a border is cut off.
    image_size: width and height of the images, in pixels.

  Raises:
    ValueError: if a number is not finite, there is no polygon or one of less
      than three vertices, a grid is empty, a scale is not above 0, the image
      size is not an integer of at least 1, or a sprite reaches further than a
      million pixels.
  """

  polygons: Sequence[np.ndarray]
  scales: np.ndarray
  orientations: np.ndarray
  x_positions: np.ndarray
  y_positions: np.ndarray
  image_size: int = IMAGE_SIZE

  def __post_init__(self):
    polygons = _as_polygons(self.polygons)
    grids = {name: _as_grid(name, getattr(self, name)) for name in _GRIDS}
    if grids['scales'].min() <= 0:
      raise ValueError(f'scales must be above 0, got {grids["scales"].min()}')
    try:
      image_size = operator.index(self.image_size)
    except TypeError as e:
      raise ValueError(
        f'image_size must be an integer, got {self.image_size!r}'
      ) from e
    if image_size < 1:
      raise ValueError(f'image_size must be at least 1, got {image_size}')
    positions = np.append(grids['x_positions'], grids['y_positions'])
    _check_reach(polygons, grids['scales'], positions)
    checked = dict(grids, polygons=polygons, image_size=image_size)
    for name, value in checked.items():
      object.__setattr__(self, name, value)  # Frozen for everybody else.

  @property
  def sizes(self) -> tuple[int, ...]:
    """How many classes each latent has, in the order of `latents.NAMES`."""
    return (len(self.polygons), *(len(getattr(self, name)) for name in _GRIDS))

  @property
  def num_sprites(self) -> int:
    """How many sprites there are: every combination of classes."""
    return math.prod(self.sizes)


def _published_polygons() -> tuple[np.ndarray, ...]:
  """Square, ellipse and heart, as measured on real images."""
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


# Positions run from 16 to 48 pixels as their published values do from 0 to 1.
DSPRITES = SpriteSpec(
  polygons=_published_polygons(),
  scales=latents.VALUES[1],
  orientations=latents.VALUES[2],
  x_positions=16 + 32 * latents.VALUES[3],
  y_positions=16 + 32 * latents.VALUES[4],
)

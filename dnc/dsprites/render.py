"""Renders images of sprites from their latents, many at once.

A sprite is a polygon. Its vertices are placed in the image, snapped to 1/256 of
a pixel as graphics hardware does, and filled by the scanline rule in integer
arithmetic. For the published set this reproduces every real image at hand (160
are in testdata/) bit for bit. Of all 737,280 images a few hundred may differ
from the published ones by a pixel, where an edge runs through pixel centres.

Row 0 is at the top, and pixel centres are at k + 0.5. A pixel is on if its
centre is inside the polygon; centres on an edge follow the top-left rule.

A row of an image is held in 64-bit words, whose most significant bit is the
leftmost pixel. Where an edge crosses the centre line of a row, all pixels from
there to the right end are flipped. The row is the XOR of its flips.
"""

from collections.abc import Iterator
from collections.abc import Sequence

import numpy as np

from dnc.dsprites import latents
from dnc.dsprites import spec as spec_lib

# Sizes of the published images.
IMAGE_SIZE = spec_lib.IMAGE_SIZE
ROW_BYTES = IMAGE_SIZE // 8
# Increase it when any pixel changes: tables on disk are checked against it.
RECIPE = 1

_SUBPIXELS = 256
_HALF = _SUBPIXELS // 2
_WORD = 64
# _FLIPS[c]: pixels from column c of a word to its right end.
_FLIPS = np.append(
  np.uint64(2**_WORD - 1) >> np.arange(_WORD, dtype=np.uint64),
  np.uint64(0),
)
# Most crossings computed at once, which bounds the memory needed.
_MAX_CROSSINGS = 2**24


def _offsets(
  spec: spec_lib.SpriteSpec,
  shape: int,
  scale: np.ndarray,
  orientation: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
  """Places the vertices of n sprites of one shape around their centres.

  Returns:
    Pixels to the right and pixels down, float64 [vertices, n] each.
  """
  u, v = spec.polygons[shape].T[..., None]
  size = spec.scales[scale]
  cos, sin = np.cos(spec.orientations), np.sin(spec.orientations)
  cos, sin = cos[orientation], sin[orientation]
  return size * (u * cos + v * sin), size * (-u * sin + v * cos)


def _snap(coordinates: np.ndarray) -> np.ndarray:
  """Rounds pixels to units of 1/256 pixel, int64."""
  return np.rint(_SUBPIXELS * coordinates).astype(np.int64)


def _first_centre(coordinates: np.ndarray) -> np.ndarray:
  """Finds the first row or column whose centre is not before a coordinate."""
  return -((_HALF - coordinates) // _SUBPIXELS)


def _crossings(
  columns: np.ndarray, rows: np.ndarray, image_size: int
) -> tuple[np.ndarray, np.ndarray]:
  """Finds where edges cross the centre lines of rows.

  Args:
    columns: int64 [vertices, 1 or num_y, num_x], units of 1/256 pixel.
    rows: int64 [vertices, num_y], units of 1/256 pixel.
    image_size: pixels.

  Returns:
    place: int64 [crossings], ascending: y * image_size + row.
    column: int32 or int64 [crossings, num_x]: the first column, in 0 to
      image_size, whose centre is not left of the crossing.
  """
  # An edge joins a vertex and the next one; its ends are `top` and `bottom`.
  vertices, num_y = rows.shape
  following = np.roll(np.arange(vertices), -1)
  downward = rows <= rows[following]
  top_row = np.minimum(rows, rows[following])
  bottom_row = np.maximum(rows, rows[following])
  # An edge crosses the rows r with top_row <= r + 1/2 < bottom_row.
  first = np.clip(_first_centre(top_row), 0, image_size)
  crossed = np.clip(_first_centre(bottom_row), 0, image_size) - first

  # From here on arrays have an entry for each crossing at each y.
  crossed = crossed.ravel()
  edge, y = np.divmod(np.repeat(np.arange(crossed.size), crossed), num_y)
  nth = np.arange(edge.size) - np.repeat(np.cumsum(crossed) - crossed, crossed)
  row = first[edge, y] + nth
  place = y * image_size + row
  order = np.argsort(place, kind='stable')
  edge, y, row, place = edge[order], y[order], row[order], place[order]

  # 32 bits are twice as fast and enough for sprites of a hundred pixels.
  largest = (int(np.abs(columns).max()) + _SUBPIXELS) * int(np.ptp(rows))
  largest += int(np.ptp(columns)) * int(np.ptp(rows))
  dtype = np.int32 if largest < 2**31 else np.int64
  columns = np.broadcast_to(
    columns.astype(dtype), [vertices, num_y, columns.shape[2]]
  )
  top = np.where(downward[edge, y], edge, following[edge])
  bottom = np.where(downward[edge, y], following[edge], edge)
  height = (bottom_row - top_row)[edge, y].astype(dtype)[:, None]
  depth = (row * _SUBPIXELS + _HALF - top_row[edge, y]).astype(dtype)[:, None]
  # ceil(crossing - 1/2), with crossing = top + depth (bottom - top) / height.
  start = columns[top, y]
  numerator = (start - _HALF) * height
  numerator += (columns[bottom, y] - start) * depth
  column = -(-numerator // (_SUBPIXELS * height))
  return place, np.clip(column, 0, image_size, out=column)


def _fill(columns: np.ndarray, rows: np.ndarray, image_size: int) -> np.ndarray:
  """Fills a polygon at all given places.

  Args:
    columns: int64 [vertices, 1 or num_y, num_x], units of 1/256 pixel.
    rows: int64 [vertices, num_y], units of 1/256 pixel.
    image_size: pixels.

  Returns:
    uint8 [num_x, num_y, image_size, row_bytes], rows packed as by np.packbits.
  """
  place, column = _crossings(columns, rows, image_size)
  starts = np.flatnonzero(np.diff(place, prepend=-1))
  num_x, num_y = columns.shape[2], rows.shape[1]
  num_words = -(-image_size // _WORD)
  image = np.zeros([num_x, num_y * image_size, num_words], '>u8')
  # A closed outline crosses a row an even number of times, so the flips cancel
  # to the right of it, including bits past the image's right border.
  for i in range(num_words):
    flips = _FLIPS[np.clip(column - i * _WORD, 0, _WORD)]
    words = np.bitwise_xor.reduceat(flips, starts, axis=0)
    image[:, place[starts], i] = words.T
  packed = image.view(np.uint8).reshape(num_x, num_y, image_size, -1)
  return packed[..., : -(-image_size // 8)]


def _batches(
  spec: spec_lib.SpriteSpec, shape: int, number: int, width: int = 1
) -> Iterator[slice]:
  """Splits `number` times `width` images into batches of bounded memory."""
  # Each edge may cross each row.
  vertices = len(spec.polygons[shape])
  each = width * spec.image_size * max(spec.image_size, vertices)
  step = max(1, _MAX_CROSSINGS // each)
  for start in range(0, number, step):
    yield slice(start, start + step)


def render_images(
  classes: np.ndarray | Sequence,
  spec: spec_lib.SpriteSpec = spec_lib.DSPRITES,
) -> np.ndarray:
  """Renders sprites.

  Args:
    classes: integers [n, 5], classes of shape, scale, orientation, x and y.
    spec: the set of sprites; by default the published one.

  Returns:
    uint8 [n, image_size, image_size] of 0 and 1.

  Raises:
    TypeError: if `classes` are not integers.
    ValueError: if `classes` do not have shape [n, 5] or one is out of range.
  """
  classes = latents.check_classes(classes, spec.sizes)
  if classes.ndim != 2:
    raise ValueError(
      f'classes must have shape [n, 5], got {list(classes.shape)}'
    )
  size = spec.image_size
  images = np.empty([len(classes), size, size], np.uint8)
  for shape in np.unique(classes[:, 0]):
    members = np.flatnonzero(classes[:, 0] == shape)
    for batch in _batches(spec, shape, len(members)):
      _, scale, orientation, x, y = classes[members[batch]].T
      right, down = _offsets(spec, shape, scale, orientation)
      columns = _snap(spec.x_positions[x] + right)
      rows = _snap(spec.y_positions[y] + down)
      (bits,) = _fill(columns[..., None], rows, size)
      images[members[batch]] = np.unpackbits(bits, axis=-1, count=size)
  return images


def render_all(
  spec: spec_lib.SpriteSpec = spec_lib.DSPRITES,
) -> np.ndarray:
  """Renders every sprite of a set.

  The published set takes a few seconds and little more memory than the result.

  Args:
    spec: the set of sprites; by default the published one.

  Returns:
    uint8 [num_sprites, image_size, ceil(image_size / 8)]; for the published set
    [737280, 64, 8], 377 MB. Sprite i has the classes `np.unravel_index(i,
    spec.sizes)`: the last latent, y, varies fastest. `np.unpackbits(_, axis=-1,
    count=image_size)` gives pixels of 0 and 1.
  """
  size, num_x, num_y = spec.image_size, *spec.sizes[3:]
  bits = np.empty([*spec.sizes, size, -(-size // 8)], np.uint8)
  for body in np.ndindex(*spec.sizes[:3]):
    shape, scale, orientation = body
    right, down = _offsets(spec, shape, [scale], [orientation])
    columns = _snap(spec.x_positions + right)[:, None]
    rows = _snap(spec.y_positions + down)
    for batch in _batches(spec, shape, num_y, num_x):
      bits[body][:, batch] = _fill(columns, rows[:, batch], size)
  return bits.reshape(spec.num_sprites, size, -1)

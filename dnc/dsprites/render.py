"""dSprites images from their latents, in bulk.

A sprite is a polygon: its vertices are placed on the screen, snapped to 1/256
of a pixel as graphics hardware does, and filled by the scanline rule with
integer arithmetic alone. The recipe reproduces every real image at hand (160
are in testdata/) bit for bit; of all 737,280 a few hundred may differ by a
pixel, where an edge runs through pixel centres. Pixel centres are at k + 0.5
and row 0 is the top one; a fill covers the pixels whose centre is inside, and
centres on an edge follow the top-left rule.

A row of an image is a 64-bit word, its most significant bit the leftmost
pixel. Every crossing of an edge and a row's centre line flips the pixels from
the crossing to the right end; the rows are the XOR of all flips.
"""

from collections.abc import Sequence

import numpy as np

from dnc.dsprites import latents

IMAGE_SIZE = 64
ROW_BYTES = IMAGE_SIZE // 8
# Change it with anything that changes a pixel: packed tables on disk carry it.
RECIPE = 1

_SUBPIXELS = 256
_HALF = _SUBPIXELS // 2
_RADIUS = 9.6  # Pixels, at scale 1.


def _body_polygons() -> tuple[np.ndarray, ...]:
  """Vertices [number, 2] of each shape at scale 1: u right, v down, pixels."""
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


_BODIES = _body_polygons()
# _FLIPS[c]: pixels from column c to the right end.
_FLIPS = np.append(
  np.uint64(2**64 - 1) >> np.arange(IMAGE_SIZE, dtype=np.uint64),
  np.uint64(0),
)


def _snapped_vertices(
  shape: int, scale: int, orientation: int, x: np.ndarray, y: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Places a polygon at several positions.

  Args:
    shape: class of the shape.
    scale: class of the scale.
    orientation: class of the orientation.
    x: int [num_x], classes of the x position.
    y: int [num_y], classes of the y position.

  Returns:
    Coordinates of the vertices in 1/256 pixel: columns int32 [vertices, num_x]
    and rows int32 [vertices, num_y].
  """
  u, v = _BODIES[shape].T
  _, scales, angles, x_values, y_values = latents.VALUES
  size = scales[scale]
  cos, sin = np.cos(angles[orientation]), np.sin(angles[orientation])
  columns = (16 + 32 * x_values[x]) + (size * (u * cos + v * sin))[:, None]
  rows = (16 + 32 * y_values[y]) + (size * (-u * sin + v * cos))[:, None]
  return (
    np.rint(_SUBPIXELS * columns).astype(np.int32),
    np.rint(_SUBPIXELS * rows).astype(np.int32),
  )


def _fill(columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
  """Fills a polygon at every combination of x and y positions.

  All numbers fit in 32 bits: coordinates are below 2^14, edges below 2^13.

  Args:
    columns: int32 [vertices, num_x], in 1/256 pixel.
    rows: int32 [vertices, num_y], in 1/256 pixel.

  Returns:
    uint64 [num_x, num_y, 64], rows of pixels.
  """
  # An edge joins a vertex and the next one; `top` and `bottom` are its ends.
  vertices, num_y = rows.shape
  following = np.roll(np.arange(vertices), -1)
  downward = rows <= rows[following]
  top_row = np.minimum(rows, rows[following])
  bottom_row = np.maximum(rows, rows[following])
  # An edge crosses the rows r with top_row <= r + 1/2 < bottom_row.
  first = -((_HALF - top_row) // _SUBPIXELS)
  crossed = -((_HALF - bottom_row) // _SUBPIXELS) - first

  # From here on one entry for each crossing of an edge and a row at one y.
  edge, y = np.divmod(
    np.repeat(np.arange(vertices * num_y), crossed.ravel()), num_y
  )
  ends = np.cumsum(crossed.ravel())
  nth = np.arange(ends[-1]) - np.repeat(ends - crossed.ravel(), crossed.ravel())
  row = first[edge, y] + nth
  order = np.argsort(y * IMAGE_SIZE + row, kind='stable')
  edge, y, row = edge[order], y[order], row[order]

  top = np.where(downward[edge, y], edge, following[edge])
  bottom = np.where(downward[edge, y], following[edge], edge)
  height = (bottom_row - top_row)[edge, y]
  depth = (row * _SUBPIXELS + _HALF - top_row[edge, y]).astype(np.int32)
  # First column whose centre is at or right of the crossing, for every x:
  # ceil(crossing - 1/2), with crossing = top + depth (bottom - top) / height.
  numerator = (columns[top] - _HALF) * height[:, None]
  numerator += (columns[bottom] - columns[top]) * depth[:, None]
  column = -(-numerator // (_SUBPIXELS * height)[:, None])

  place = y * IMAGE_SIZE + row
  starts = np.flatnonzero(np.diff(place, prepend=-1))
  words = np.bitwise_xor.reduceat(_FLIPS[column], starts, axis=0)
  image = np.zeros([columns.shape[1], num_y * IMAGE_SIZE], np.uint64)
  image[:, place[starts]] = words.T
  return image.reshape(-1, num_y, IMAGE_SIZE)


def _pack(words: np.ndarray) -> np.ndarray:
  """Splits uint64 [...] into np.packbits' bytes, uint8 [..., 8]."""
  return words.astype('>u8')[..., None].view(np.uint8)


def render_images(classes: np.ndarray | Sequence) -> np.ndarray:
  """Renders sprites.

  Args:
    classes: integers [n, 5]: class indices of shape, scale, orientation, x and
      y position.

  Returns:
    uint8 [n, 64, 64] of 0 and 1.

  Raises:
    TypeError: if `classes` are not integers.
    ValueError: if the shape is not [n, 5] or a class is out of range.
  """
  classes = latents.check_classes(classes)
  if classes.ndim != 2:
    raise ValueError(
      f'classes must have shape [n, 5], got {list(classes.shape)}'
    )
  words = np.zeros([len(classes), IMAGE_SIZE], np.uint64)
  bodies, which = np.unique(classes[:, :3], axis=0, return_inverse=True)
  which = which.ravel()
  order = np.argsort(which, kind='stable')
  counts = np.bincount(which, minlength=len(bodies))
  for body, members in zip(bodies, np.split(order, np.cumsum(counts)[:-1])):
    x, x_of = np.unique(classes[members, 3], return_inverse=True)
    y, y_of = np.unique(classes[members, 4], return_inverse=True)
    words[members] = _fill(*_snapped_vertices(*body, x, y))[x_of, y_of]
  return np.unpackbits(_pack(words), axis=-1).reshape(
    -1, IMAGE_SIZE, IMAGE_SIZE
  )


def render_all() -> np.ndarray:
  """Renders all sprites, a few seconds of work.

  Returns:
    uint8 [737280, 64, 8] in the order of the indices; `np.unpackbits(_,
    axis=-1)` gives 0/1 pixels. 377 MB, and little more is needed on the way.
  """
  x, y = (np.arange(size) for size in latents.SIZES[3:])
  bits = np.empty(
    [*latents.SIZES[:3], len(x), len(y), IMAGE_SIZE, ROW_BYTES], np.uint8
  )
  for body in np.ndindex(*latents.SIZES[:3]):
    bits[body] = _pack(_fill(*_snapped_vertices(*body, x, y)))
  return bits.reshape(latents.NUM_SPRITES, IMAGE_SIZE, ROW_BYTES)

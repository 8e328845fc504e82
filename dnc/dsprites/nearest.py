"""Finds the sprite that an image resembles most.

Among all 737,280 sprites, that is the one with the fewest differing pixels.
Most sprites can be skipped. Call the 40 orientations of one shape, scale and
position a group. Let `outer` be the pixels that are on in any sprite of the
group and `inner` those that are on in all. A sprite s of the group lies within
`outer` and contains `inner`, so its distance to an image a is

    |a xor s| = |a| + |s| - 2 |a and s|
             >= |a| + max(|s| - 2 |a and outer|, 2 |inner - a| - |s|).

Groups are searched in the order of this bound until it exceeds the best
distance found.
"""

import functools
from typing import NamedTuple

import numpy as np

from dnc.dsprites import latents
from dnc.dsprites import render
from dnc.dsprites import table as table_lib

_NUM_ORIENTATIONS = latents.SIZES[2]
_NUM_POSITIONS = latents.SIZES[3] * latents.SIZES[4]
# Groups searched at once; their sprites fit into the cache of a CPU core.
_NUM_AT_ONCE = 32


class _Groups(NamedTuple):
  """The data from which the bounds on the distances are computed.

  A kind is a shape and a scale; a kind at a position is a group. A row of
  pixels is a word of 64 bits; only the `height` rows that the sprites of a
  position reach are kept.

  Attributes:
    first_row: int64 [positions], the first row that is kept.
    outer: uint64 [kinds, positions, height], pixels on in any sprite.
    inner: uint64 [kinds, positions, height], pixels on in all sprites.
    size: int64 [kinds * positions, orientations], number of pixels that are on.
    smallest: int64 [kinds * positions], smallest size in the group.
    largest: int64 [kinds * positions], largest size in the group.
  """

  first_row: np.ndarray
  outer: np.ndarray
  inner: np.ndarray
  size: np.ndarray
  smallest: np.ndarray
  largest: np.ndarray


def _count(words: np.ndarray) -> np.ndarray:
  """Counts pixels that are on: uint64 [..., rows] -> int64 [...]."""
  return np.bitwise_count(words).sum(axis=-1, dtype=np.int64)


def _words(bits: np.ndarray) -> np.ndarray:
  """Views packed images as rows: uint8 [n, 64, 8] -> uint64 [n, 64]."""
  return np.asarray(bits).view(np.uint64)[..., 0]


def _windows(rows: np.ndarray, height: int) -> np.ndarray:
  """Views all spans of `height` rows: [n] -> [n - height + 1, height]."""
  return np.lib.stride_tricks.sliding_window_view(rows, height)


# The groups take 15 MB, and a process hardly ever searches a second table.
@functools.lru_cache(maxsize=1)
def _groups(table: table_lib.SpriteTable) -> _Groups:
  kinds = _words(table.bits).reshape(
    -1, _NUM_ORIENTATIONS, _NUM_POSITIONS, render.IMAGE_SIZE
  )
  outer = np.stack([np.bitwise_or.reduce(kind) for kind in kinds])
  inner = np.stack([np.bitwise_and.reduce(kind) for kind in kinds])
  size = np.concatenate([_count(kind).T for kind in kinds])

  reached = outer.any(axis=0)
  first = reached.argmax(axis=1)
  last = render.IMAGE_SIZE - 1 - reached[:, ::-1].argmax(axis=1)
  height = int((last - first).max()) + 1
  first = np.minimum(first, render.IMAGE_SIZE - height)
  rows = first[:, None] + np.arange(height)
  return _Groups(
    first_row=first,
    outer=np.take_along_axis(outer, rows[None], axis=2),
    inner=np.take_along_axis(inner, rows[None], axis=2),
    size=size,
    smallest=size.min(axis=1),
    largest=size.max(axis=1),
  )


def _bound(
  num_on: int, inside: np.ndarray, missing: np.ndarray, size: np.ndarray
) -> np.ndarray:
  """Computes the module's bound from |a|, |a and outer|, |inner - a|, |s|."""
  return num_on + np.maximum(size - 2 * inside, 2 * missing - size)


def _search(
  table: table_lib.SpriteTable, groups: _Groups, image: np.ndarray
) -> tuple[int, int]:
  """Finds the sprite nearest to an image, uint64 [64] rows.

  Returns:
    The sprite's distance in pixels and its index; the lowest index if several
    are equally near.
  """
  height = groups.outer.shape[-1]
  num_on = int(_count(image))
  parts = _windows(image, height)[groups.first_row]
  inside = _count(groups.outer & parts).ravel()
  missing = _count(groups.inner & ~parts).ravel()
  # Within a group the bound is least for the size nearest to this sum.
  size = np.clip(inside + missing, groups.smallest, groups.largest)
  bounds = _bound(num_on, inside, missing, size)
  order = np.argsort(bounds, kind='stable')

  stored = _windows(_words(table.bits).reshape(-1), height)
  best = (render.IMAGE_SIZE**2 + 1, latents.NUM_SPRITES)
  for start in range(0, len(order), _NUM_AT_ONCE):
    some = order[start : start + _NUM_AT_ONCE]
    if bounds[some[0]] > best[0]:
      break
    size = groups.size[some]
    kept = _bound(num_on, inside[some, None], missing[some, None], size)
    member, orientation = np.nonzero(kept <= best[0])
    if not member.size:
      continue
    kind, position = np.divmod(some[member], _NUM_POSITIONS)
    index = (kind * _NUM_ORIENTATIONS + orientation) * _NUM_POSITIONS + position
    first_row = index * render.IMAGE_SIZE + groups.first_row[position]
    shared = _count(stored[first_row] & parts[position])
    distance = num_on + size[member, orientation] - 2 * shared
    least = distance.min()
    best = min(best, (int(least), int(index[distance == least].min())))
  return best


def find_nearest(
  table: table_lib.SpriteTable, images: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Finds the sprite with the fewest differing pixels, for each image.

  The search is exact for any image; images unlike any sprite only take longer.
  Equal images are searched for only once.

  Args:
    table: all sprites, of any dataset.
    images: integers or bool [n, 64, 64] of 0 and 1.

  Returns:
    Indices of the sprites, int64 [n], the lowest if several are equally near;
    and numbers of differing pixels, int64 [n].

  Raises:
    TypeError: if the images are neither integers nor bool.
    ValueError: if the images are not 64 x 64 pixels of 0 and 1.
  """
  images = np.asarray(images)
  if images.dtype != bool and not np.issubdtype(images.dtype, np.integer):
    raise TypeError(f'images must be integers or bool, got {images.dtype}')
  size = render.IMAGE_SIZE
  if images.ndim != 3 or images.shape[1:] != (size, size):
    raise ValueError(
      f'images must have shape [n, {size}, {size}], got {list(images.shape)}'
    )
  if images.max(initial=0) > 1 or images.min(initial=0) < 0:
    raise ValueError('pixels of images must be 0 or 1')
  groups = _groups(table)
  rows = _words(np.packbits(images, axis=-1))
  distinct, inverse = np.unique(rows, axis=0, return_inverse=True)
  found = [_search(table, groups, image) for image in distinct]
  distance, index = np.array(found, np.int64).reshape(-1, 2)[inverse].T
  return index, distance

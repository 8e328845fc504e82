"""Compares the published images with ours, one by one.

Our rendering is exact for the few real images at hand. With the published file,
this module checks all of them.
"""

from collections.abc import Iterator

import numpy as np

from dnc.dsprites import latents

# Images compared at once.
_BATCH = 8192
# Pixels listed for each image.
_MAX_PIXELS = 8


class ImageComparison:
  """Where two versions of all sprites differ.

  Attributes:
    removed: int64 [737280], number of pixels that are on in the file only.
    added: int64 [737280], number of pixels that are on in the rendering only.
    differing: int64 [n], indices of the sprites that differ, ascending.
  """

  def __init__(self, original: np.ndarray, rendered: np.ndarray):
    """Compares all images.

    Args:
      original: uint8 [737280, 64, 8], packed as by `render.render_all`.
      rendered: uint8 [737280, 64, 8], the same for the rendered images.
    """
    self._original = original
    self._rendered = rendered
    self.removed = np.empty([latents.NUM_SPRITES], np.int64)
    self.added = np.empty([latents.NUM_SPRITES], np.int64)
    for start in range(0, latents.NUM_SPRITES, _BATCH):
      batch = slice(start, start + _BATCH)
      theirs, ours = (
        x[batch].reshape(len(x[batch]), -1).view(np.uint64)
        for x in (original, rendered)
      )
      self.removed[batch] = np.bitwise_count(theirs & ~ours).sum(1)
      self.added[batch] = np.bitwise_count(ours & ~theirs).sum(1)
    self.differing = np.flatnonzero(self.removed + self.added)

  def pixels(self, sprite: int) -> list[tuple[str, int, int]]:
    """Lists sign, row and column of each pixel in which an image differs.

    The sign is '-' for a pixel that is on in the file only and '+' for one that
    is on in the rendering only.
    """
    theirs, ours = (
      np.unpackbits(x[sprite], axis=-1)
      for x in (self._original, self._rendered)
    )
    return [
      ('+' if ours[row, column] else '-', int(row), int(column))
      for row, column in np.argwhere(theirs != ours)
    ]


def _counts(numbers: np.ndarray) -> str:
  """Counts how often each number occurs, e.g. '1: 200, 2: 17'."""
  pairs = zip(*np.unique(numbers, return_counts=True))
  return ', '.join(f'{number}: {count:,}' for number, count in pairs)


def _places(pixels: list[tuple[str, int, int]]) -> str:
  """Writes the first pixels, e.g. '-(38, 39) +(40, 41)'."""
  listed = [
    f'{sign}({row}, {column})' for sign, row, column in pixels[:_MAX_PIXELS]
  ]
  if len(pixels) > _MAX_PIXELS:
    listed.append(f'and {len(pixels) - _MAX_PIXELS:,} more')
  return ' '.join(listed)


def _sprites(comparison: ImageComparison, num_listed: int) -> Iterator[str]:
  """Writes a line for each of the first images that differ."""
  for sprite in comparison.differing[:num_listed]:
    classes = latents.index_to_classes(sprite)
    values = latents.class_values(classes)
    described = ', '.join(
      f'{name} {number} ({value:.4g})'
      for name, number, value in zip(latents.NAMES, classes, values)
    )
    places = _places(comparison.pixels(sprite))
    yield f'  image {sprite}: {described}: {places}'


def report(comparison: ImageComparison, name: str, num_listed: int) -> str:
  """Says how many images differ, where, and by how many pixels.

  Args:
    comparison: of a file with the rendering.
    name: name of the file.
    num_listed: maximum number of images to list with latents and pixels.
  """
  differing = comparison.differing
  number = f'{latents.NUM_SPRITES:,}'
  if not differing.size:
    return f'{name}: all {number} images are equal to the rendering\n'
  removed, added = comparison.removed[differing], comparison.added[differing]
  total = removed + added
  worst = differing[np.argmax(total)]
  lines = [
    f'{name}: {len(differing):,} of {number} images differ from the rendering',
    f'pixels: {total.sum():,} differ, {removed.sum():,} are on in the file '
    f'only (-) and {added.sum():,} in the rendering only (+); at most '
    f'{total.max():,} differ in one image (image {worst})',
    f'images by number of differing pixels: {_counts(total)}',
  ]
  classes = latents.index_to_classes(differing)
  lines += [
    f'images by class of {latent}: {_counts(column)}'
    for latent, column in zip(latents.NAMES, classes.T)
  ]
  if num_listed:
    lines.append(
      f'the first {min(num_listed, len(differing)):,} images: classes (values) '
      'and pixels (row, column)'
    )
    lines += _sprites(comparison, num_listed)
  return '\n'.join(lines) + '\n'

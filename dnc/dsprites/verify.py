"""How the published images and ours differ, image by image.

Our rendering is exact on every real image at hand, but that is not all of them
(`render` says what is unproven); this settles the rest for whoever has the
published file.
"""

from collections.abc import Iterator

import numpy as np

from dnc.dsprites import latents

# Images compared at once.
_BATCH = 8192
# Pixels listed of one image.
_MAX_PIXELS = 8


class Comparison:
  """Two versions of every sprite.

  Attributes:
    removed: int64 [737280], pixels of each image that are on in the file only.
    added: int64 [737280], pixels that are on in the rendering only.
    differing: int64 [n], the sprites with any such pixel, ascending.
  """

  def __init__(self, original: np.ndarray, rendered: np.ndarray):
    """Compares.

    Args:
      original: uint8 [737280, 64, 8], packed as `render.render_all` packs.
      rendered: the same.
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
    """Lists the pixels in which an image differs, from the upper left on.

    Args:
      sprite: index of the sprite.

    Returns:
      Tuples of a sign, '-' for on in the file only and '+' for on in the
      rendering only, the row and the column.
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
  """What occurs and how often: '1: 200, 2: 17'."""
  pairs = zip(*np.unique(numbers, return_counts=True))
  return ', '.join(f'{number}: {count:,}' for number, count in pairs)


def _places(pixels: list[tuple[str, int, int]]) -> str:
  listed = [
    f'{sign}({row}, {column})' for sign, row, column in pixels[:_MAX_PIXELS]
  ]
  if len(pixels) > _MAX_PIXELS:
    listed.append(f'and {len(pixels) - _MAX_PIXELS:,} more')
  return ' '.join(listed)


def _sprites(comparison: Comparison, num_listed: int) -> Iterator[str]:
  """A line for each of the first images that differ."""
  for sprite in comparison.differing[:num_listed]:
    classes = latents.index_to_classes(sprite)
    values = latents.class_values(classes)
    described = ', '.join(
      f'{name} {number} ({value:.4g})'
      for name, number, value in zip(latents.NAMES, classes, values)
    )
    places = _places(comparison.pixels(sprite))
    yield f'  image {sprite}: {described}: {places}'


def text(comparison: Comparison, name: str, num_listed: int) -> str:
  """Says how many images differ, where, and by how many pixels.

  Args:
    comparison: of the file's images and ours.
    name: of the file.
    num_listed: of how many images, at most, to give latents and pixels.

  Returns:
    Lines of text.
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
    f'pixels: {total.sum():,} differ, {removed.sum():,} on in the file only '
    f'(-) and {added.sum():,} in the rendering only (+); at most '
    f'{total.max():,} in an image (image {worst})',
    f'images by the number of pixels: {_counts(total)}',
  ]
  classes = latents.index_to_classes(differing)
  lines += [
    f'images by class of {latent}: {_counts(column)}'
    for latent, column in zip(latents.NAMES, classes.T)
  ]
  if num_listed:
    lines.append(
      f'the first {min(num_listed, len(differing)):,}: classes (values), and '
      'pixels (row, column)'
    )
    lines += _sprites(comparison, num_listed)
  return '\n'.join(lines) + '\n'

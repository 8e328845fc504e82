"""A contact sheet: every latent of a set of sprites, swept along a row."""

from typing import BinaryIO

from matplotlib import figure
import numpy as np

from dnc.dsprites import latents
from dnc.dsprites import render
from dnc.dsprites import spec as spec_lib
from dnc.system import own_settings

_MAX_COLUMNS = 10
# Inches.
_CELL_WIDTH, _CELL_HEIGHT = 0.8, 1.15
_DOTS_PER_INCH = 280


def _sweeps(spec: spec_lib.SpriteSpec) -> list[np.ndarray]:
  """Lists the classes of the sprites of each row: int64 [columns, 5].

  The other latents of a row are fixed: the last shape, upright, large and in
  the middle. In dSprites that is the heart, which looks different at every
  orientation.
  """
  shapes, scales, _, x, y = spec.sizes
  middle = [shapes - 1, scales - 1, 0, x // 2, y // 2]
  rows = []
  for i, size in enumerate(spec.sizes):
    columns = min(size, _MAX_COLUMNS)
    row = np.tile(middle, [columns, 1])
    row[:, i] = np.rint(np.linspace(0, size - 1, columns))
    rows.append(row)
  return rows


@own_settings.drawing()
def draw(spec: spec_lib.SpriteSpec = spec_lib.DSPRITES) -> figure.Figure:
  """Draws a contact sheet of a set of sprites.

  Each latent has a row: its name above, then at most ten of its classes, evenly
  spaced from the first to the last, each with its number below.
  """
  sweeps = _sweeps(spec)
  columns = max(map(len, sweeps))
  drawn = figure.Figure(
    figsize=(columns * _CELL_WIDTH, len(sweeps) * _CELL_HEIGHT),
    dpi=_DOTS_PER_INCH,
    layout='constrained',
  )
  grid = drawn.subplots(len(sweeps), columns, squeeze=False)
  for i, (name, classes) in enumerate(zip(latents.NAMES, sweeps)):
    grid[i, 0].set_title(name.replace('_', ' '), loc='left', fontsize=8)
    images = render.render_images(classes, spec)
    for axes, image, number in zip(grid[i], images, classes[:, i]):
      axes.imshow(image, cmap='gray', vmin=0, vmax=1, interpolation='nearest')
      axes.set(xticks=[], yticks=[])
      axes.set_xlabel(number, fontsize=7)
    for axes in grid[i, len(images) :]:
      axes.remove()
  return drawn


@own_settings.drawing()
def write(file: BinaryIO) -> None:
  """Writes the contact sheet of dSprites as PNG."""
  draw().savefig(file, format='png')

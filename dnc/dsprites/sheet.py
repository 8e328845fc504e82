"""A contact sheet of factors: every latent of a set of sprites swept in a row.

The text on it is drawn with letters of its own: a font would be one more
dependency.
"""

import numpy as np

from dnc.dsprites import latents
from dnc.dsprites import render
from dnc.dsprites import spec as spec_lib

_MAX_COLUMNS = 10
_GAP = 4
_MAGNIFICATION = 2
_PAPER, _FRAME, _INK = 255, 128, 0
# Rows of five dots a letter; the eighth and ninth are below the line.
_LETTERS = {
  ' ': '..... ..... ..... ..... ..... ..... .....',
  '0': '.###. #...# #..## #.#.# ##..# #...# .###.',
  '1': '..#.. .##.. ..#.. ..#.. ..#.. ..#.. .###.',
  '2': '.###. #...# ....# ...#. ..#.. .#... #####',
  '3': '.###. #...# ....# ..##. ....# #...# .###.',
  '4': '...#. ..##. .#.#. #..#. ##### ...#. ...#.',
  '5': '##### #.... ####. ....# ....# #...# .###.',
  '6': '..##. .#... #.... ####. #...# #...# .###.',
  '7': '##### ....# ...#. ..#.. .#... .#... .#...',
  '8': '.###. #...# #...# .###. #...# #...# .###.',
  '9': '.###. #...# #...# .#### ....# ...#. .##..',
  'a': '..... ..... .###. ....# .#### #...# .####',
  'c': '..... ..... .###. #.... #.... #...# .###.',
  'e': '..... ..... .###. #...# ##### #.... .###.',
  'h': '#.... #.... #.##. ##..# #...# #...# #...#',
  'i': '..#.. ..... .##.. ..#.. ..#.. ..#.. .###.',
  'l': '.##.. ..#.. ..#.. ..#.. ..#.. ..#.. .###.',
  'n': '..... ..... #.##. ##..# #...# #...# #...#',
  'o': '..... ..... .###. #...# #...# #...# .###.',
  'p': '..... ..... ####. #...# #...# #...# ####. #.... #....',
  'r': '..... ..... #.##. ##..# #.... #.... #....',
  's': '..... ..... .###. #.... .###. ....# ####.',
  't': '.#... .#... ###.. .#... .#... .#..# ..##.',
  'x': '..... ..... #...# .#.#. ..#.. .#.#. #...#',
  'y': '..... ..... #...# #...# #...# #...# .#### ....# .###.',
}
_LETTER_HEIGHT, _LETTER_WIDTH = 9, 6


def _written(line: str) -> np.ndarray:
  """Draws a line of text: uint8 [9, 6 * letters]."""
  drawn = np.full([_LETTER_HEIGHT, _LETTER_WIDTH * len(line)], _PAPER, np.uint8)
  for i, letter in enumerate(line):
    dots = np.array([list(row) for row in _LETTERS[letter].split()])
    rows, columns = np.nonzero(dots == '#')
    drawn[rows, i * _LETTER_WIDTH + columns] = _INK
  return drawn


def _sweeps(spec: spec_lib.SpriteSpec) -> list[np.ndarray]:
  """The classes of each row: int64 [columns, 5], one latent from end to end.

  The others stay at the middle positions, the last shape and scale and the
  first orientation: of dSprites a large upright heart, which looks different
  from every side.
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


def draw(spec: spec_lib.SpriteSpec = spec_lib.DSPRITES) -> np.ndarray:
  """Draws a contact sheet.

  A row for each latent, its name above, at most ten of its classes from the
  first to the last, evenly spaced, each with its number below.

  Args:
    spec: the set of sprites; by default the published one.

  Returns:
    uint8 [height, width, 1].
  """
  size = spec.image_size
  sweeps = _sweeps(spec)
  cell = max(size + 2, _LETTER_WIDTH * len(str(max(spec.sizes)))) + _GAP
  names = [name.replace('_', ' ') for name in latents.NAMES]
  width = max(
    cell * max(map(len, sweeps)), _LETTER_WIDTH * max(map(len, names))
  )
  height = 2 * _LETTER_HEIGHT + size + 2 + 5 * _GAP
  paper = np.full([len(sweeps) * height, width], _PAPER, np.uint8)

  def put(drawing: np.ndarray, top: int, left: int) -> None:
    rows, columns = drawing.shape
    paper[top : top + rows, left : left + columns] = drawing

  for i, (name, classes) in enumerate(zip(names, sweeps)):
    top = i * height
    put(_written(name), top, 0)
    top += _LETTER_HEIGHT + _GAP
    for j, image in enumerate(render.render_images(classes, spec)):
      framed = np.pad(255 * image, 1, constant_values=_FRAME)
      put(framed, top, j * cell)
      put(_written(str(classes[j, i])), top + size + 2 + _GAP, j * cell)
  paper = np.pad(paper, 2 * _GAP, constant_values=_PAPER)
  return paper.repeat(_MAGNIFICATION, 0).repeat(_MAGNIFICATION, 1)[..., None]

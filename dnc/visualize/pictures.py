"""Pictures of what a DNC's memory does: arrays to RGB images.

Time runs from left to right and slots from top to bottom, under one layout, so
that the pictures of one rollout can be read one below the other. Weights, usage
and gates always have the colours of 0 to 1; contents have no bounds, so those
of the colours are written beside them.
"""

from collections.abc import Sequence
import functools
from typing import NamedTuple

import numpy as np

from dnc.dsprites import render
from dnc.visualize import memory_trace

# Up to this many numbers each has a row of its own over time.
MAX_ROWS = 1024

# Colours at equal distances; between them linear. Viridis goes from dark to
# light at an even pace; the other is white at its middle (ColorBrewer's RdBu).
_VIRIDIS = '440154 472d7b 3b528b 2c728e 21918c 28ae80 5ec962 addc30 fde725'
_BLUE_TO_RED = (
  '053061 2166ac 4393c3 92c5de d1e5f0 f7f7f7 fddbc7 f4a582 d6604d b2182b 67001f'
)
# Three columns and five rows of dots a character: a row is an octal digit.
_FONT = {
  **dict(zip('01234', ('75557', '26227', '71747', '71717', '55711'))),
  **dict(zip('56789', ('74717', '74757', '71222', '75757', '75717'))),
  **dict(zip('ABCDEF', ('25755', '65656', '34443', '65556', '74647', '74644'))),
  **dict(zip('GHIJKL', ('34553', '55755', '72227', '11152', '55655', '44447'))),
  **dict(zip('MNOPQR', ('57755', '65555', '25552', '65644', '25573', '65655'))),
  **dict(zip('STUVWX', ('74717', '72222', '55557', '55552', '55775', '55255'))),
  **dict(zip('YZ.-+ ', ('55222', '71247', '00002', '00700', '02720', '00000'))),
}
_DOT = 4
_CHARACTER = 4 * _DOT
_LINE = 5 * _DOT

_PAPER, _INK, _FAINT = 255, 40, 200
# Pixels: of a panel over time, from panel to panel, and around the panels.
_WIDTH = 800
_GAP = 16
_LEFT, _RIGHT = 11 * _CHARACTER, 8 * _CHARACTER
_TICK = 8
_BAR_WIDTH = 20
_BAR_HEIGHT = 160
_HEAD_HEIGHT = 96
_GATE_HEIGHT = 26


class _Panel(NamedTuple):
  """One matrix of a picture.

  Attributes:
    pixels: uint8 `[height, width, 3]`.
    labels: what is written left of it: the row of pixels, and the text.
  """

  pixels: np.ndarray
  labels: Sequence[tuple[int, str]]


class _Scale(NamedTuple):
  """Which colour is which value.

  Attributes:
    colours: one of the lists of colours above.
    low: the value of the first.
    high: the value of the last.
    power: of the share of the way from first to last, to make small ones seen.
    between: other values that are written beside the colours.
  """

  colours: str
  low: float
  high: float
  power: float = 1.0
  between: tuple[float, ...] = ()

  def places(self, values: np.ndarray) -> np.ndarray:
    """Which share of the colours comes before that of a value, in [0, 1]."""
    shares = (values - self.low) / (self.high - self.low)
    return np.clip(shares, 0, 1) ** self.power

  def paint(self, values: np.ndarray) -> np.ndarray:
    """Numbers `[...]` to uint8 `[..., 3]`; beyond the bounds as at them."""
    return _table(self.colours)[np.rint(255 * self.places(values)).astype(int)]

  def bar(self, height: int) -> np.ndarray:
    """The colours, and their values: uint8 `[height, _RIGHT - _GAP, 3]`."""
    bar = _paper(height, _RIGHT - _GAP)
    rows = np.rint(np.linspace(255, 0, height)).astype(int)
    bar[:, :_BAR_WIDTH] = _table(self.colours)[rows, np.newaxis]
    between = self.between if height == _BAR_HEIGHT else ()
    for value in (self.low, *between, self.high):
      top = (height - _LINE) * (1 - self.places(np.array(value)))
      _write(bar, round(float(top)), _BAR_WIDTH + _DOT, f'{value:g}')
    return bar


_SHARES = _Scale(_VIRIDIS, 0.0, 1.0)
# Weights are spread over many slots.
_WEIGHTS = _SHARES._replace(power=0.5, between=(0.1, 0.5))


@functools.cache
def _table(colours: str) -> np.ndarray:
  """256 colours, uint8 `[256, 3]`."""
  known = [list(bytes.fromhex(colour)) for colour in colours.split()]
  places = np.linspace(0, 255, len(known))
  channels = [np.interp(np.arange(256), places, x) for x in zip(*known)]
  return np.rint(np.stack(channels, axis=1)).astype(np.uint8)


def _paper(height: int, width: int) -> np.ndarray:
  return np.full([height, width, 3], _PAPER, np.uint8)


def _write_left(picture: np.ndarray, top: int, text: str) -> None:
  """Writes in the left margin, up to the panels."""
  left = _LEFT - 2 * _DOT - _CHARACTER * len(text)
  _write(picture, top, max(0, left), text)


def _write(picture: np.ndarray, top: int, left: int, text: str) -> None:
  """Writes on a picture; what does not fit is cut off."""
  for place, character in enumerate(text.upper()):
    rows = [int(digit, 8) for digit in _FONT[character]]
    dots = np.array([[row >> bit & 1 for bit in (2, 1, 0)] for row in rows])
    ink = dots.repeat(_DOT, axis=0).repeat(_DOT, axis=1).astype(bool)
    x = left + place * _CHARACTER
    area = picture[top : top + _LINE, x : x + 3 * _DOT]
    area[ink[: area.shape[0], : area.shape[1]]] = _INK


def _magnify(values: np.ndarray, height: int, width: int) -> np.ndarray:
  """Makes each entry of the first two axes `height` by `width` pixels."""
  return values.repeat(height, axis=0).repeat(width, axis=1)


def _round_up(value: float, digits: Sequence[float] = (1, 2, 5)) -> float:
  """The least of `digits` times a power of ten that is no less; 1 for 0."""
  if value <= 0:
    return 1.0
  power = 10.0 ** np.floor(np.log10(value))
  return float(next(k for k in (*digits, 10) if k * power >= value) * power)


def _bound(values: np.ndarray) -> float:
  """A round number that all but the largest hundredth of values are within."""
  return _round_up(
    float(np.quantile(np.abs(values), 0.99)), (1, 1.5, 2, 3, 4, 5, 6, 8)
  )


def _tick_interval(cell_width: int) -> int:
  """Columns from one tick to the next: room for a sprite or a number."""
  room = render.IMAGE_SIZE + _GAP
  return int(_round_up(-(-room // cell_width)))


def _column_width(num_columns: int) -> int:
  return min(32, max(1, _WIDTH // num_columns))


def _axis(num_columns: int, cell_width: int, name: str) -> np.ndarray:
  """The numbers below a picture: uint8 `[height, width, 3]`, margins too."""
  width = _LEFT + num_columns * cell_width + _RIGHT
  axis = _paper(_TICK + 3 * _DOT + _LINE, width)
  _write_left(axis, _TICK + _DOT, name)
  for column in range(0, num_columns, _tick_interval(cell_width)):
    x = _LEFT + column * cell_width
    axis[:_TICK, x : x + _DOT] = _INK
    _write(axis, _TICK + _DOT, x, str(column))
  return axis


def _strip(
  sprites: np.ndarray, num_columns: int, cell_width: int
) -> np.ndarray:
  """Every so often the sprite of a step, above its column, margins too."""
  size = sprites.shape[1]
  strip = _paper(size + _TICK, _LEFT + num_columns * cell_width + _RIGHT)
  _write_left(strip, (size - _LINE) // 2, 'INPUT')
  for column in range(0, num_columns, _tick_interval(cell_width)):
    x = _LEFT + column * cell_width
    image = np.rint(255 * sprites[column])[..., np.newaxis]
    area = strip[:size, x : x + size]
    area[:] = image[:, : area.shape[1]]
    strip[size:, x : x + _DOT] = _INK
  return strip


def _body(panels: Sequence[_Panel], scale: _Scale) -> np.ndarray:
  """Panels below each other, labels left of them, the colour bar on the right.

  Args:
    panels: of the same width.
    scale: of their colours.

  Returns:
    uint8 `[height, _LEFT + width + _RIGHT, 3]`.
  """
  width = panels[0].pixels.shape[1]
  rows = []
  for panel in panels:
    row = _paper(max(_LINE, len(panel.pixels)), _LEFT + width + _RIGHT)
    row[: len(panel.pixels), _LEFT : _LEFT + width] = panel.pixels
    for centre, text in panel.labels:
      top = np.clip(centre - _LINE // 2, 0, len(row) - _LINE)
      _write_left(row, top, text)
    rows += [row, _paper(_GAP, row.shape[1])]
  body = np.concatenate(rows[:-1])
  bar = scale.bar(min(_BAR_HEIGHT, max(len(body), 3 * _LINE)))
  missing = max(0, len(bar) - len(body))
  # Above, so that the panels stand on their axis.
  body = np.concatenate([_paper(missing, body.shape[1]), body])
  body[: len(bar), -bar.shape[1] :] = bar
  return body


def _over_time(
  panels: Sequence[_Panel],
  scale: _Scale,
  num_steps: int,
  sprites: np.ndarray | None,
) -> np.ndarray:
  """A picture with an axis of steps below and, if given, sprites above."""
  cell_width = _column_width(num_steps)
  parts = [_body(panels, scale), _axis(num_steps, cell_width, 'STEP')]
  if sprites is not None:
    parts.insert(0, _strip(sprites, num_steps, cell_width))
  return np.concatenate(parts)


def _slots_panel(
  values: np.ndarray, scale: _Scale, height: int, name: str
) -> _Panel:
  """Slots by columns `[columns, N]`, the numbers of first and last written."""
  num_columns, num_slots = values.shape
  cell_height = max(1, height // num_slots)
  pixels = _magnify(
    scale.paint(values.T), cell_height, _column_width(num_columns)
  )
  labels = [(len(pixels) // 2, name)]
  if len(pixels) >= 3 * _LINE:
    labels += [(0, '0'), (len(pixels), str(num_slots - 1))]
  return _Panel(pixels, labels)


def weights(
  values: np.ndarray, name: str, sprites: np.ndarray | None = None
) -> np.ndarray:
  """Draws where heads read or write, a panel for each head, slots by steps.

  Args:
    values: float `[time, heads, N]` in [0, 1].
    name: of a head, up to five letters; its number is added.
    sprites: float `[time, 64, 64]` in [0, 1], drawn above some steps.

  Returns:
    uint8 `[height, width, 3]`.
  """
  # A few heads have the room of four, but none that of more than two.
  height = int(np.clip(4 // values.shape[1], 1, 2)) * _HEAD_HEIGHT
  panels = [
    _slots_panel(head, _WEIGHTS, height, f'{name} {number}')
    for number, head in enumerate(values.swapaxes(0, 1))
  ]
  return _over_time(panels, _WEIGHTS, len(values), sprites)


def usage(values: np.ndarray, sprites: np.ndarray | None = None) -> np.ndarray:
  """Draws the usage of slots, slots by steps.

  Args:
    values: float `[time, N]` in [0, 1].
    sprites: as in `weights`.

  Returns:
    uint8 `[height, width, 3]`.
  """
  panel = _slots_panel(values, _SHARES, 2 * _HEAD_HEIGHT, 'SLOT')
  return _over_time([panel], _SHARES, len(values), sprites)


def norms(memory: np.ndarray, sprites: np.ndarray | None = None) -> np.ndarray:
  """Draws the Euclidean norm of every word, slots by steps.

  Args:
    memory: float `[time, N, W]`.
    sprites: as in `weights`.

  Returns:
    uint8 `[height, width, 3]`.
  """
  values = np.linalg.norm(memory, axis=2)
  scale = _Scale(_VIRIDIS, 0.0, _bound(values))
  panel = _slots_panel(values, scale, 2 * _HEAD_HEIGHT, 'SLOT')
  return _over_time([panel], scale, len(memory), sprites)


def _signed_scale(values: np.ndarray) -> _Scale:
  bound = _bound(values)
  return _Scale(_BLUE_TO_RED, -bound, bound, between=(0.0,))


def words(memory: np.ndarray, sprites: np.ndarray | None = None) -> np.ndarray:
  """Draws all that is in a small memory, its numbers by steps, slot by slot.

  Args:
    memory: float `[time, N, W]`.
    sprites: as in `weights`.

  Returns:
    uint8 `[height, width, 3]`.
  """
  num_steps, num_slots, word_size = memory.shape
  scale = _signed_scale(memory)
  cell_height = max(1, 2 * MAX_ROWS // 4 // (num_slots * word_size))
  slots = []
  for slot in memory.swapaxes(0, 1):
    pixels = _magnify(
      scale.paint(slot.T), cell_height, _column_width(num_steps)
    )
    line = np.full_like(pixels[:1], _FAINT)
    slots += [line, pixels]
  height = len(slots[1]) + 1
  labels = [
    (number * height + height // 2, f'{"SLOT " * (number == 0)}{number}')
    for number in range(0, num_slots, -(-_LINE // height))
  ]
  panel = _Panel(np.concatenate(slots[1:]), labels)
  return _over_time([panel], scale, num_steps, sprites)


def last_words(memory: np.ndarray) -> np.ndarray:
  """Draws a memory of any size after one step, numbers of a word by slots.

  Args:
    memory: float `[N, W]`.

  Returns:
    uint8 `[height, width, 3]`.
  """
  num_slots, word_size = memory.shape
  scale = _signed_scale(memory)
  size = min(32, -(-_WIDTH // num_slots))
  pixels = _magnify(scale.paint(memory.T), size, size)
  labels = [(0, '0'), (len(pixels) // 2, 'NUMBER')]
  panel = _Panel(pixels, [*labels, (len(pixels), str(word_size - 1))])
  axis = _axis(num_slots, size, 'SLOT')
  return np.concatenate([_body([panel], scale), axis])


def gates(
  trace: memory_trace.MemoryTrace, sprites: np.ndarray | None = None
) -> np.ndarray:
  """Draws all gates and read modes, one below the other, by steps.

  Args:
    trace: of one sequence.
    sprites: as in `weights`.

  Returns:
    uint8 `[height, width, 3]`.
  """
  num_steps, num_writes = trace.write_gate.shape
  directions = [
    f'{name}{head}' if num_writes > 1 else name
    for name in ('BACK', 'FORWARD')
    for head in range(num_writes)
  ]
  groups = [
    (trace.write_gate, [f'WRITE {i}' for i in range(num_writes)]),
    (trace.allocation_gate, [f'ALLOC {i}' for i in range(num_writes)]),
    (trace.free_gate, [f'FREE {i}' for i in range(trace.free_gate.shape[1])]),
    *(
      (modes, [f'{name} {head}' for name in (*directions, 'CONTENT')])
      for head, modes in enumerate(trace.read_mode.swapaxes(0, 1))
    ),
  ]
  panels = [
    _Panel(
      _magnify(_SHARES.paint(values.T), _GATE_HEIGHT, _column_width(num_steps)),
      [
        (_GATE_HEIGHT * row + _GATE_HEIGHT // 2, name)
        for row, name in enumerate(names)
      ],
    )
    for values, names in groups
  ]
  return _over_time(panels, _SHARES, num_steps, sprites)


def links(trace: memory_trace.MemoryTrace) -> np.ndarray:
  """Draws the link matrices, steps from left to right, heads below each other.

  Args:
    trace: of one sequence.

  Returns:
    uint8 `[height, width, 3]`.
  """
  num_links, num_writes, num_slots, _ = trace.link.shape
  size = max(1, 2 * _HEAD_HEIGHT // num_slots)
  space = _paper(num_slots * size, _GAP)
  panels = []
  for head in range(num_writes):
    matrices = _magnify(
      _WEIGHTS.paint(trace.link[:, head].transpose(1, 0, 2)), size, 1
    ).repeat(size, axis=2)
    separated = [x for k in range(num_links) for x in (matrices[:, k], space)]
    pixels = np.concatenate(separated[:-1], axis=1)
    panels.append(
      _Panel(
        pixels,
        [(0, '0'), (len(pixels) // 2, 'TO'), (len(pixels), str(num_slots - 1))],
      )
    )
  body = _body(panels, _WEIGHTS)
  axis = _paper(2 * (_TICK + _LINE + _DOT), body.shape[1])
  _write_left(axis, _TICK, 'FROM')
  _write_left(axis, 2 * _TICK + _LINE, 'STEP')
  for k, step in enumerate(trace.link_steps):
    left = _LEFT + k * (num_slots * size + _GAP)
    last = str(num_slots - 1)
    _write(axis, _TICK, left, '0')
    _write(axis, _TICK, left + num_slots * size - _CHARACTER * len(last), last)
    _write(axis, 2 * _TICK + _LINE, left, str(step))
  return np.concatenate([body, axis])

"""Pictures of what a DNC's memory does: arrays to RGB images.

Steps run from left to right and slots from top to bottom. All pictures over
time have the same layout, so pictures of one rollout line up below each other.
The colours of weights, usage and gates span 0 to 1 in every picture. Contents
are unbounded: their colour bar shows the bounds chosen for the picture.

A number is a cell of whole pixels, so none is lost or blurred. All functions
return uint8 `[height, width, 3]`. Their `sprites`, float `[time, 64, 64]` in
[0, 1], are drawn above some steps.
"""

from collections.abc import Sequence
from typing import NamedTuple

import matplotlib
from matplotlib import axes as axes_lib
from matplotlib import cm
from matplotlib import colors
from matplotlib import figure
from matplotlib.backends import backend_agg
import numpy as np

from dnc.dsprites import render
from dnc.system import own_settings
from dnc.visualize import memory_trace

# A memory of at most this many numbers is drawn with one row per number.
MAX_ROWS = 1024

# A power of two, so that sizes of figures in pixels are exact.
_DPI = 128
# A frame of two pixels, of which the matrix hides the inner one.
_SETTINGS = {
  'font.size': 8.5,
  'axes.linewidth': 2 * 72 / _DPI,
  'axes.edgecolor': '0.4',
}

# All sizes are in pixels. Panels of few steps are narrower than `_WIDTH`.
_WIDTH = 800
_HEAD_HEIGHT = 96
_GATE_HEIGHT = 26
_BAR_WIDTH, _BAR_HEIGHT = 20, 160
# Margins of a picture, and the space between its panels.
_LEFT, _RIGHT, _TOP, _BOTTOM = 136, 104, 10, 54
_GAP = 16


class _Colours(NamedTuple):
  """The colours of numbers.

  Attributes:
    norm: maps numbers to [0, 1].
    map: maps [0, 1] to colours.
    ticks: the numbers that the colour bar shows.
  """

  norm: colors.Normalize
  map: colors.Colormap
  ticks: Sequence[float]


_VIRIDIS = matplotlib.colormaps['viridis']
# Grey is for NaN, which separates slots.
_BLUE_TO_RED = matplotlib.colormaps['RdBu_r'].with_extremes(bad='0.7')
_SHARES = _Colours(colors.Normalize(0, 1), _VIRIDIS, (0, 1))
_GREYS = _SHARES._replace(map=matplotlib.colormaps['gray'])
# Weights are spread over many slots: the square root shows small ones.
_WEIGHTS = _Colours(colors.PowerNorm(0.5, 0, 1), _VIRIDIS, (0, 0.1, 0.5, 1))


class _Panel(NamedTuple):
  """One matrix of a picture.

  Attributes:
    values: `[rows, columns]`.
    row_height: height of a row in pixels.
    name: the label of its rows.
    labels: row number and text of each label.
  """

  values: np.ndarray
  row_height: int
  name: str
  labels: Sequence[tuple[int, str]]

  @property
  def height(self) -> int:
    """The panel's height in pixels."""
    return len(self.values) * self.row_height


class _PixelFigure:
  """A figure whose axes are placed by pixels, counted from the top left."""

  def __init__(self, width: int, height: int):
    """Makes an empty figure with margins around `width` by `height` pixels."""
    self.size = (_LEFT + width + _RIGHT, _TOP + height + _BOTTOM)
    self.figure = figure.Figure(np.array(self.size) / _DPI, _DPI)

  def axes(self, left: int, top: int, width: int, height: int) -> axes_lib.Axes:
    """Adds axes without ticks; `left` and `top` are within the margins."""
    bottom = self.size[1] - _TOP - top - height
    scale = np.array(2 * self.size)
    added = self.figure.add_axes(
      np.array([_LEFT + left, bottom, width, height]) / scale
    )
    added.set(xticks=[], yticks=[])
    return added

  def matrix(
    self,
    values: np.ndarray,
    colours: _Colours,
    left: int,
    top: int,
    width: int,
    height: int,
  ) -> axes_lib.Axes:
    """Draws a matrix into new axes, whose x and y are column and row."""
    axes = self.axes(left, top, width, height)
    axes.imshow(
      values,
      colours.map,
      colours.norm,
      aspect='auto',
      interpolation='nearest',
      zorder=3,  # Above the frame.
    )
    return axes

  def colour_bar(self, colours: _Colours, top: int) -> None:
    """Draws a colour bar right of the panels, its highest number at `top`."""
    left = self.size[0] - _LEFT - _RIGHT + _GAP
    height = min(_BAR_HEIGHT, self.size[1] - 2 * _TOP - top)
    bar = self.figure.colorbar(
      cm.ScalarMappable(colours.norm, colours.map),
      self.axes(left, top, _BAR_WIDTH, height),
    )
    bar.set_ticks(colours.ticks, labels=[f'{x:g}' for x in colours.ticks])
    bar.minorticks_off()

  def to_pixels(self) -> np.ndarray:
    """Returns the pixels, uint8 `[height, width, 3]`."""
    canvas = backend_agg.FigureCanvasAgg(self.figure)
    canvas.draw()
    return np.array(canvas.buffer_rgba())[:, :, :3]


def _round_up(value: float, digits: Sequence[float]) -> float:
  """Rounds up to one of the digits times a power of ten; 1 for 0."""
  if value <= 0:
    return 1.0
  power = 10.0 ** np.floor(np.log10(value))
  return float(next(k for k in (*digits, 10) if k * power >= value) * power)


def _bound(values: np.ndarray) -> float:
  """A round number that at most 1 % of the absolute values exceed."""
  return _round_up(
    float(np.quantile(np.abs(values), 0.99)), (1, 1.5, 2, 3, 4, 5, 6, 8)
  )


def _signed_colours(values: np.ndarray) -> _Colours:
  """Blue below zero, white at zero, red above."""
  bound = _bound(values)
  norm = colors.Normalize(-bound, bound)
  return _Colours(norm, _BLUE_TO_RED, (-bound, 0, bound))


def _column_width(num_columns: int) -> int:
  return min(32, max(1, _WIDTH // num_columns))


def _ticks(num_columns: int, column_width: int) -> range:
  """Columns at round intervals, each wide enough for a sprite."""
  room = render.IMAGE_SIZE + _GAP
  return range(
    0, num_columns, int(_round_up(-(-room // column_width), (1, 2, 5)))
  )


@own_settings.drawing(_SETTINGS)
def _draw(
  panels: Sequence[_Panel],
  colours: _Colours,
  columns: str = 'step',
  sprites: np.ndarray | None = None,
) -> np.ndarray:
  """Draws panels with the same columns one below the other."""
  num_columns = panels[0].values.shape[1]
  column_width = _column_width(num_columns)
  width = num_columns * column_width
  ticks = _ticks(num_columns, column_width)
  top = 0 if sprites is None else render.IMAGE_SIZE + _GAP
  height = sum(panel.height + _GAP for panel in panels) - _GAP
  picture = _PixelFigure(width, top + height)
  if sprites is not None:
    strip = np.ones([render.IMAGE_SIZE, width])
    for column in ticks:
      shown = strip[:, column * column_width :][:, : render.IMAGE_SIZE]
      shown[:] = sprites[column][:, : shown.shape[1]]
    axes = picture.matrix(strip, _GREYS, 0, 0, width, render.IMAGE_SIZE)
    axes.set_xticks([column_width * (x + 0.5) - 0.5 for x in ticks], labels=[])
    axes.set_ylabel('input')
    axes.spines[:].set_visible(False)
  picture.colour_bar(colours, top)
  for panel in panels:
    axes = picture.matrix(panel.values, colours, 0, top, width, panel.height)
    axes.set_yticks(*zip(*panel.labels))
    axes.set_ylabel(panel.name)
    top += panel.height + _GAP
  axes.set_xticks(ticks)
  axes.set_xlabel(columns)
  return picture.to_pixels()


def _slots_panel(values: np.ndarray, height: int, name: str) -> _Panel:
  """A panel of `[columns, N]`, with the numbers of the first and last slot."""
  num_slots = values.shape[1]
  labels = [(slot, str(slot)) for slot in sorted({0, num_slots - 1})]
  return _Panel(values.T, max(1, height // num_slots), name, labels)


def weights(
  values: np.ndarray, name: str, sprites: np.ndarray | None = None
) -> np.ndarray:
  """Draws where heads read or write, `[time, heads, N]` in [0, 1].

  Each head has a panel, slots by steps, labelled with `name` and its number.
  """
  # One or two heads get twice the height of more.
  height = int(np.clip(4 // values.shape[1], 1, 2)) * _HEAD_HEIGHT
  panels = [
    _slots_panel(head, height, f'{name} {number}')
    for number, head in enumerate(values.swapaxes(0, 1))
  ]
  return _draw(panels, _WEIGHTS, sprites=sprites)


def usage(values: np.ndarray, sprites: np.ndarray | None = None) -> np.ndarray:
  """Draws the usage of slots, `[time, N]` in [0, 1], slots by steps."""
  panel = _slots_panel(values, 2 * _HEAD_HEIGHT, 'slot')
  return _draw([panel], _SHARES, sprites=sprites)


def norms(memory: np.ndarray, sprites: np.ndarray | None = None) -> np.ndarray:
  """Draws the norm of every word of a memory, `[time, N, W]`, by steps."""
  values = np.linalg.norm(memory, axis=2)
  bound = _bound(values)
  panel = _slots_panel(values, 2 * _HEAD_HEIGHT, 'slot')
  colours = _Colours(colors.Normalize(0, bound), _VIRIDIS, (0, bound))
  return _draw([panel], colours, sprites=sprites)


def words(memory: np.ndarray, sprites: np.ndarray | None = None) -> np.ndarray:
  """Draws all numbers of a small memory, `[time, N, W]`, by steps."""
  num_steps, num_slots, word_size = memory.shape
  # A row of NaN after each slot but the last.
  rows = np.pad(memory, ((0, 0), (0, 0), (0, 1)), constant_values=np.nan)
  rows = rows.reshape([num_steps, -1])[:, :-1].T
  row_height = MAX_ROWS // 2 // (num_slots * word_size)
  row_height = min(max(1, row_height), _GATE_HEIGHT)
  # Slots from one label to the next, so that labels do not overlap.
  interval = -(-_GAP // ((word_size + 1) * row_height))
  labels = [
    (slot * (word_size + 1) + word_size // 2, str(slot))
    for slot in range(0, num_slots, interval)
  ]
  panel = _Panel(rows, row_height, 'slot', labels)
  return _draw([panel], _signed_colours(memory), sprites=sprites)


def last_words(memory: np.ndarray) -> np.ndarray:
  """Draws a memory of any size after one step, `[N, W]`, a column per slot."""
  num_slots, word_size = memory.shape
  height = word_size * _column_width(num_slots)
  panel = _slots_panel(memory, height, 'position in word')
  return _draw([panel], _signed_colours(memory), 'slot')


def gates(
  trace: memory_trace.MemoryTrace, sprites: np.ndarray | None = None
) -> np.ndarray:
  """Draws all gates and read modes, one below the other, by steps."""
  write_heads = range(trace.write_gate.shape[1])
  read_heads = range(trace.free_gate.shape[1])
  modes = [
    *(f'backward {head}' for head in write_heads),
    *(f'forward {head}' for head in write_heads),
    'content',
  ]
  groups = [
    ('', trace.write_gate, [f'write {head}' for head in write_heads]),
    ('', trace.allocation_gate, [f'allocate {head}' for head in write_heads]),
    ('', trace.free_gate, [f'free {head}' for head in read_heads]),
    *((f'read {k}', trace.read_mode[:, k], modes) for k in read_heads),
  ]
  panels = [
    _Panel(values.T, _GATE_HEIGHT, name, list(enumerate(labels)))
    for name, values, labels in groups
  ]
  return _draw(panels, _SHARES, sprites=sprites)


@own_settings.drawing(_SETTINGS)
def links(trace: memory_trace.MemoryTrace) -> np.ndarray:
  """Draws link matrices: steps from left to right, heads from top to bottom."""
  num_links, num_writes, num_slots, _ = trace.link.shape
  size = num_slots * max(1, 2 * _HEAD_HEIGHT // num_slots)
  across, down = size + 2 * _GAP, size + _GAP
  picture = _PixelFigure(
    num_links * across - 2 * _GAP, num_writes * down - _GAP
  )
  picture.colour_bar(_WEIGHTS, 0)
  ends = sorted({0, num_slots - 1})
  for head in range(num_writes):
    for k, step in enumerate(trace.link_steps):
      axes = picture.matrix(
        trace.link[k, head], _WEIGHTS, k * across, head * down, size, size
      )
      if k == 0:
        axes.set_yticks(ends)
        axes.set_ylabel('to slot')
      if head == num_writes - 1:
        axes.set_xticks(ends)
        axes.set_xlabel(f'from slot (step {step})')
  return picture.to_pixels()

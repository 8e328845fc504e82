"""Figures of the results: arrays to pictures, as SVG for pages, PNG for others.

Drawn for a column that a telephone shows whole. The same numbers give the same
bytes.
"""

from collections.abc import Mapping
from collections.abc import Sequence
import contextlib
import io
from typing import NamedTuple

import matplotlib
from matplotlib import figure
from matplotlib import ticker
from matplotlib.backends import backend_agg
import numpy as np

# Told apart with every kind of colour vision (Okabe and Ito).
_COLOURS = {
  'memory': '#0072b2',
  'controller': '#009e73',
  'input': '#56b4e9',
  'control': '#777777',
  'lesion': '#d55e00',
}
_WIDTH = 4.6  # Inches, as all sizes here.
_ROW_HEIGHT = 0.24
_SETTINGS = {
  'font.size': 9,
  'axes.spines.top': False,
  'axes.spines.right': False,
  # Without it, names inside the SVG differ from run to run.
  'svg.hashsalt': 'dnc',
}
_DPI = 120


# Of a curve: what goes to the right, and what goes up.
Points = Sequence[tuple[float, float]]


class Row(NamedTuple):
  """A value with its interval.

  Attributes:
    name: what it is of.
    value: the value.
    low: lower end of its interval.
    high: upper end of its interval.
    kind: a key of the colours: `memory`, `controller`, `input`, `control` or
      `lesion`.
    other: a second value, drawn as a ring; None for none.
  """

  name: str
  value: float
  low: float
  high: float
  kind: str
  other: float | None = None


@contextlib.contextmanager
def _drawing(height: float):
  """Gives a figure of the usual width, under the usual settings."""
  with matplotlib.rc_context(_SETTINGS):
    yield figure.Figure(figsize=(_WIDTH, height), layout='constrained')


def to_svg(drawn: figure.Figure) -> bytes:
  """A figure as SVG; text becomes outlines, so that it looks alike anywhere."""
  file = io.BytesIO()
  with matplotlib.rc_context(_SETTINGS):
    drawn.savefig(file, format='svg', metadata={'Date': None})
  return file.getvalue()


def to_pixels(drawn: figure.Figure) -> np.ndarray:
  """A figure as pixels, uint8 `[height, width, 3]`."""
  drawn.set_dpi(_DPI)
  canvas = backend_agg.FigureCanvasAgg(drawn)
  canvas.draw()
  return np.array(canvas.buffer_rgba())[:, :, :3]


def intervals(
  rows: Sequence[Row],
  label: str,
  references: Sequence[tuple[float, str]] = ((0.0, ''),),
  bounds: tuple[float, float] | None = None,
  linear: float | None = None,
) -> figure.Figure:
  """Draws values with their intervals, one below the other.

  Args:
    rows: from top to bottom.
    label: of the axis.
    references: values to which a line is drawn, and what is written there.
    bounds: of the axis; what is beyond them is drawn at the bound, as an arrow.
      None: those of the values.
    linear: up to this size the axis is linear, and logarithmic beyond it: for
      values of very different size. None: linear.

  Returns:
    The figure.
  """
  with _drawing(0.7 + _ROW_HEIGHT * len(rows)) as drawn:
    axes = drawn.add_subplot()
    for place, row in enumerate(rows):
      colour = _COLOURS[row.kind]
      value, low, high = row.value, row.low, row.high
      marker = 'o'
      if bounds is not None:
        low, high = np.clip([low, high], *bounds)
        if not bounds[0] <= value <= bounds[1]:
          marker = '<' if value < bounds[0] else '>'
          value = float(np.clip(value, *bounds))
      axes.plot([low, high], [place, place], color=colour, lw=2.2)
      axes.plot([value], [place], marker, color=colour, ms=5, clip_on=False)
      if row.other is not None:
        other, marker = row.other, 'o'
        if bounds is not None and not bounds[0] <= other <= bounds[1]:
          marker = '<' if other < bounds[0] else '>'
          other = float(np.clip(other, *bounds))
        axes.plot(
          [other], [place], marker, ms=8, mfc='none', mec=colour, clip_on=False
        )
    for value, text in references:
      axes.axvline(value, color='black', lw=0.8, ls=':')
      if text:
        axes.annotate(
          text,
          (value, 1),
          (0, 2),
          ('data', 'axes fraction'),
          'offset points',
          ha='center',
          fontsize=8,
        )
    if linear is not None:
      axes.set_xscale('symlog', linthresh=linear)
    if bounds is not None:
      axes.set_xlim(*bounds)
    if linear is not None:
      low, high = axes.get_xlim()
      powers = 10.0 ** np.arange(np.ceil(np.log10(linear)), 7)
      ticks = np.concatenate([-powers[::-1], [0.0], powers])
      ticks = ticks[(low <= ticks) & (ticks <= high)]
      axes.set_xticks(ticks, [f'{x:g}' for x in ticks], minor=False)
      axes.minorticks_off()
    axes.set_yticks(range(len(rows)), [row.name for row in rows])
    axes.tick_params(axis='y', length=0)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(axis='x', color='#dddddd', lw=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel(label)
  return drawn


def heat_map(
  values: np.ndarray, marked: np.ndarray, label: str, row: str
) -> figure.Figure:
  """Draws a number for each location of words, some of them marked.

  Args:
    values: float `[rows, W]`.
    marked: bool `[rows, W]`.
    label: of the colours.
    row: what a row is.

  Returns:
    The figure.
  """
  num_slots, word_size = values.shape
  height = float(np.clip(_WIDTH * num_slots / word_size, 1.6, 6.0))
  with _drawing(height) as drawn:
    axes = drawn.add_subplot()
    shown = axes.imshow(values, aspect='auto', interpolation='nearest')
    slots, words = np.nonzero(marked)
    size = np.clip(900 / max(num_slots, word_size) ** 1.5, 1.5, 14)
    axes.scatter(
      words,
      slots,
      s=size,
      c='#d55e00',
      edgecolors='white',
      lw=0.3 if size > 4 else 0,
    )
    axes.set_xlabel('number of the word')
    axes.set_ylabel(row)
    for axis in (axes.xaxis, axes.yaxis):
      axis.set_major_locator(ticker.MaxNLocator(integer=True))
    drawn.colorbar(shown, label=label, aspect=30)
  return drawn


def histogram(
  samples: dict[str, np.ndarray], label: str, kinds: dict[str, str]
) -> figure.Figure:
  """Draws how values are spread, one outline for each set of them.

  Args:
    samples: by name, float `[number]`.
    label: of the axis.
    kinds: of each name, a key of the colours.

  Returns:
    The figure.
  """
  everything = np.concatenate(list(samples.values()))
  low, high = float(everything.min()), float(everything.max())
  edges = np.linspace(low, high if high > low else low + 1, 41)
  with _drawing(2.2) as drawn:
    axes = drawn.add_subplot()
    for name, values in samples.items():
      counts, _ = np.histogram(values, edges)
      axes.stairs(
        counts / len(values),
        edges,
        color=_COLOURS[kinds[name]],
        label=name,
        lw=1.6,
      )
    axes.set_xlabel(label)
    axes.set_ylabel('share of locations')
    axes.legend(frameon=False, fontsize=8)
  return drawn


def curves(
  panels: Mapping[str, Mapping[str, Points]], label: str
) -> figure.Figure:
  """Draws curves in panels side by side.

  Args:
    panels: by title, the curves by name; the same names in each.
    label: of what goes to the right.

  Returns:
    The figure.
  """
  with _drawing(3.2) as drawn:
    drawn.set_figwidth(_WIDTH * len(panels))
    all_axes = drawn.subplots(1, len(panels), squeeze=False)[0]
    for axes, (title, points) in zip(all_axes, panels.items()):
      for name, curve in points.items():
        axes.plot(*np.transpose(curve), lw=1.2, label=name)
      axes.set_title(title, fontsize=9)
      axes.set_xlabel(label)
      axes.grid(color='#dddddd', lw=0.6)
    drawn.legend(
      *all_axes[0].get_legend_handles_labels(),
      loc='outside lower left',
      frameon=False,
    )
  return drawn

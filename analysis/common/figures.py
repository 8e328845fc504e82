"""Draws figures of results, as SVG or as pixels.

Figures fit the width of a phone's screen. Equal numbers produce equal bytes.
"""

from collections.abc import Mapping
from collections.abc import Sequence
import contextlib
import io
from typing import NamedTuple

from matplotlib import axes as axes_lib
from matplotlib import axis as axis_lib
from matplotlib import figure
from matplotlib import ticker
from matplotlib.backends import backend_agg
import numpy as np

from dnc.system import own_settings

# Distinct for every kind of colour vision (Okabe and Ito).
_COLOURS = {
  'memory': '#0072b2',
  'controller': '#009e73',
  'input': '#56b4e9',
  'control': '#777777',
  'lesion': '#d55e00',
}
# Inches.
_WIDTH = 4.6
_ROW_HEIGHT = 0.24
_SETTINGS = {
  'font.size': 9,
  'axes.spines.top': False,
  'axes.spines.right': False,
  # Without it, ids inside the SVG are random.
  'svg.hashsalt': 'dnc',
}
_DPI = 120


# The (x, y) points of a curve.
Points = Sequence[tuple[float, float]]


class Row(NamedTuple):
  """A value with its interval, as a row of a figure.

  Attributes:
    name: label of the row.
    value: the value, drawn as a dot.
    low: lower end of its interval.
    high: upper end of its interval.
    kind: a key of `_COLOURS`.
    other: a second value, drawn as a ring; None if there is none.
  """

  name: str
  value: float
  low: float
  high: float
  kind: str
  other: float | None = None


@contextlib.contextmanager
def _drawing(height: float):
  """Yields a figure of the usual width and applies the usual settings."""
  with own_settings.drawing(_SETTINGS):
    yield figure.Figure(figsize=(_WIDTH, height), layout='constrained')


def to_svg(drawn: figure.Figure) -> bytes:
  """Returns a figure as SVG, with text as outlines: it needs no fonts."""
  file = io.BytesIO()
  with own_settings.drawing(_SETTINGS):
    drawn.savefig(file, format='svg', metadata={'Date': None})
  return file.getvalue()


def to_pixels(drawn: figure.Figure) -> np.ndarray:
  """Returns a figure as pixels, uint8 `[height, width, 3]`."""
  drawn.set_dpi(_DPI)
  canvas = backend_agg.FigureCanvasAgg(drawn)
  with own_settings.drawing(_SETTINGS):
    canvas.draw()
  return np.array(canvas.buffer_rgba())[:, :, :3]


def _bounded(
  value: float, bounds: tuple[float, float] | None
) -> tuple[float, str]:
  """Returns where a value is drawn, and its marker: an arrow at a bound."""
  if bounds is None or bounds[0] <= value <= bounds[1]:
    return value, 'o'
  return float(np.clip(value, *bounds)), '<' if value < bounds[0] else '>'


def _draw_row(
  axes: axes_lib.Axes,
  place: int,
  row: Row,
  bounds: tuple[float, float] | None,
) -> None:
  colour = _COLOURS[row.kind]
  low, high = row.low, row.high
  if bounds is not None:
    low, high = np.clip([low, high], *bounds)
  axes.plot([low, high], [place, place], color=colour, lw=2.2)
  styles = [(row.value, dict(color=colour, ms=5))]
  if row.other is not None:
    styles.append((row.other, dict(ms=8, mfc='none', mec=colour)))
  for value, style in styles:
    value, marker = _bounded(value, bounds)
    axes.plot([value], [place], marker, clip_on=False, **style)


def _set_ticks(axis: axis_lib.Axis, linear: float) -> None:
  """Puts ticks at zero and at powers of ten from `linear` up."""
  low, high = axis.get_view_interval()
  powers = 10.0 ** np.arange(np.ceil(np.log10(linear)), 7)
  ticks = np.concatenate([-powers[::-1], [0.0], powers])
  ticks = ticks[(low <= ticks) & (ticks <= high)]
  axis.set_ticks(ticks, [f'{x:g}' for x in ticks])
  axis.set_minor_locator(ticker.NullLocator())


def intervals(
  rows: Sequence[Row],
  label: str,
  references: Sequence[tuple[float, str]] = ((0.0, ''),),
  bounds: tuple[float, float] | None = None,
  linear: float | None = None,
) -> figure.Figure:
  """Draws values with their intervals, one below the other.

  Args:
    rows: the values, from top to bottom.
    label: label of the axis.
    references: values at which a line is drawn, and its label.
    bounds: ends of the axis; values beyond are drawn there as arrows. None:
      the axis shows all values.
    linear: the axis is linear up to this size and logarithmic beyond; None:
      linear throughout.
  """
  with _drawing(0.7 + _ROW_HEIGHT * len(rows)) as drawn:
    axes = drawn.add_subplot()
    for place, row in enumerate(rows):
      _draw_row(axes, place, row, bounds)
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
      _set_ticks(axes.xaxis, linear)
    axes.set_yticks(range(len(rows)), [row.name for row in rows])
    axes.tick_params(axis='y', length=0)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(axis='x', color='#dddddd', lw=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel(label)
  return drawn


def panels(
  rows_by_title: Mapping[str, Sequence[Row]],
  label: str,
  bounds: tuple[float, float],
) -> figure.Figure:
  """Draws values with their intervals and in digits, in panels side by side.

  Args:
    rows_by_title: the values of each panel, by its title; the names of the rows
      are the same in each.
    label: label of the axes.
    bounds: ends of the axes; values beyond are drawn there as arrows.
  """
  (names,) = {
    tuple(row.name for row in rows) for rows in rows_by_title.values()
  }
  with _drawing(0.9 + _ROW_HEIGHT * len(names)) as drawn:
    (all_axes,) = drawn.subplots(
      1, len(rows_by_title), sharey=True, squeeze=False
    )
    for axes, (title, rows) in zip(all_axes, rows_by_title.items()):
      for place, row in enumerate(rows):
        _draw_row(axes, place, row, bounds)
        value = np.clip(row.value, *bounds)
        is_right = value > np.mean(bounds)
        axes.annotate(
          f'{row.value:z.2f}',
          (value, place),
          (-5 if is_right else 5, -0.5),
          textcoords='offset points',
          ha='right' if is_right else 'left',
          va='center',
          fontsize=7,
          bbox=dict(fc='white', ec='none', pad=0.5),
        )
      axes.axvline(0, color='black', lw=0.8, ls=':')
      axes.set_title(title, fontsize=9)
      axes.set_xlim(*bounds)
      axes.set_xticks([0, bounds[1]])
      axes.spines['left'].set_visible(False)
      axes.tick_params(axis='y', length=0)
    all_axes[0].set_yticks(range(len(names)), names)
    all_axes[0].set_ylim(len(names) - 0.4, -0.6)
    drawn.supxlabel(label, fontsize=9)
  return drawn


def heat_map(
  values: np.ndarray, marked: np.ndarray, label: str, row: str
) -> figure.Figure:
  """Draws a heat map with a value for each number of several words.

  Args:
    values: float `[rows, W]`.
    marked: bool `[rows, W]`, the values to mark with a dot.
    label: label of the colour bar.
    row: label of the rows, e.g. 'slot'.
  """
  num_slots, word_size = values.shape
  height = float(np.clip(_WIDTH * num_slots / word_size, 1.6, 6.0))
  with _drawing(height) as drawn:
    axes = drawn.add_subplot()
    shown = axes.imshow(values, aspect='auto', interpolation='nearest')
    slots, words = np.nonzero(marked)
    size = np.clip(900 / max(num_slots, word_size) ** 1.5, 1.5, 14)
    width = 0.3 if size > 4 else 0
    axes.scatter(words, slots, size, '#d55e00', edgecolors='white', lw=width)
    axes.set_xlabel('position in the word')
    axes.set_ylabel(row)
    for axis in (axes.xaxis, axes.yaxis):
      axis.set_major_locator(ticker.MaxNLocator(integer=True))
    drawn.colorbar(shown, label=label, aspect=30)
  return drawn


def histogram(
  samples: dict[str, np.ndarray], label: str, kinds: dict[str, str]
) -> figure.Figure:
  """Draws the distributions of several samples.

  Args:
    samples: by name, float `[number]`.
    label: label of the axis.
    kinds: by name, see `Row.kind`.
  """
  everything = np.concatenate(list(samples.values()))
  low, high = float(everything.min()), float(everything.max())
  edges = np.linspace(low, high if high > low else low + 1, 41)
  with _drawing(2.2) as drawn:
    axes = drawn.add_subplot()
    for name, values in samples.items():
      share = np.histogram(values, edges)[0] / len(values)
      colour = _COLOURS[kinds[name]]
      axes.stairs(share, edges, color=colour, label=name, lw=1.6)
    axes.set_xlabel(label)
    axes.set_ylabel('share of locations')
    axes.legend(frameon=False, fontsize=8)
  return drawn


def bands(
  curves: Mapping[str, np.ndarray],
  x_label: str,
  y_label: str,
  linear: float | None = None,
  mark: float | None = None,
  x_ticks: Sequence[float] | None = None,
) -> figure.Figure:
  """Draws curves with their intervals over an x axis.

  Args:
    curves: by name, at most as many as `_COLOURS`; float `[points, 4]`: x,
      value, lower and upper end of its interval.
    x_label: label of the x axis.
    y_label: label of the y axis.
    linear: the y axis is linear up to this size and logarithmic beyond; None:
      linear throughout.
    mark: x at which a dotted line is drawn.
    x_ticks: the ticks of a linear x axis; None: the axis is logarithmic.
  """
  with _drawing(3.4) as drawn:
    axes = drawn.add_subplot(xscale='log' if x_ticks is None else 'linear')
    if linear is not None:
      axes.set_yscale('symlog', linthresh=linear)
    for colour, (name, curve) in zip(_COLOURS.values(), curves.items()):
      x, values, low, high = np.transpose(curve)
      axes.plot(x, values, 'o-', color=colour, ms=3, lw=1.2, label=name)
      axes.fill_between(x, low, high, color=colour, alpha=0.2, lw=0)
    axes.axhline(0, color='black', lw=0.8, ls=':')
    if mark is not None:
      axes.axvline(mark, color='black', lw=0.8, ls=':')
    if x_ticks is not None:
      axes.set_xticks(x_ticks)
    axes.xaxis.set_major_formatter(ticker.StrMethodFormatter('{x:g}'))
    if linear is not None:
      _set_ticks(axes.yaxis, linear)
    axes.grid(color='#dddddd', lw=0.6)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    drawn.legend(loc='outside lower left', frameon=False, fontsize=8)
  return drawn


def curves(
  panels: Mapping[str, Mapping[str, Points]], label: str
) -> figure.Figure:
  """Draws curves in panels side by side.

  Args:
    panels: for each title, curves by name; all panels have the same names.
    label: label of the x axis.
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
    shown = all_axes[0].get_legend_handles_labels()
    drawn.legend(*shown, loc='outside lower left', frameon=False)
  return drawn


def rows_of_images(
  rows: Mapping[str, np.ndarray], titles: Sequence[str], label: str
) -> figure.Figure:
  """Draws images in rows, one below the other.

  Args:
    rows: by name, float `[columns, height, width]` of 0 (black) to 1 (white).
    titles: of the columns.
    label: a label below the titles.
  """
  size = 0.84 * _WIDTH / len(titles)
  with _drawing(size * len(rows) + 0.5) as drawn:
    all_axes = drawn.subplots(len(rows), len(titles), squeeze=False)
    for (name, images), row in zip(rows.items(), all_axes):
      for axes, image in zip(row, images):
        axes.imshow(image, cmap='gray', vmin=0, vmax=1, interpolation='nearest')
        axes.set_xticks([])
        axes.set_yticks([])
      row[0].set_ylabel(name, rotation=0, ha='right', va='center', fontsize=8)
    for axes, title in zip(all_axes[-1], titles):
      axes.set_xlabel(title, fontsize=8)
    drawn.supxlabel(label, fontsize=9)
  return drawn

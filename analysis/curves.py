"""Learning curves of runs, drawn as SVG.

  python -m analysis.curves --out=curves.svg runs/one runs/other

Two panels: intersection over union and loss on unseen rollouts, over the steps
trained on.
"""

from collections.abc import Mapping
from collections.abc import Sequence
import html
import math
import os

from absl import app
from absl import flags

from dnc import errors
from dnc import files
from dnc import session

_WIDTH, _HEIGHT = 420, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 28, 44
# Told apart with every kind of colour vision (Okabe and Ito).
_COLOURS = ('#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9')

# Of a curve: what goes to the right, and what goes up.
Points = Sequence[tuple[float, float]]


def ticks(low: float, high: float, number: int = 5) -> list[float]:
  """Round numbers from `low` to `high`, some `number` of them."""
  size = max(high - low, 1e-12) / number
  power = 10 ** math.floor(math.log10(size))
  step = power * min((1, 2, 5, 10), key=lambda n: abs(n * power - size))
  first = math.ceil(low / step - 1e-9)
  last = math.floor(high / step + 1e-9)
  return [i * step for i in range(first, last + 1)]


def _panel(curves: Mapping[str, Points], title: str, left: int) -> list[str]:
  """One panel, as elements of SVG."""
  points = [point for curve in curves.values() for point in curve]
  xs, ys = zip(*points)
  right, low, high = max(xs), min(ys), max(ys)
  low, high = low - 0.02 * (high - low), high + 0.02 * (high - low)
  width = _WIDTH - _LEFT - _RIGHT
  height = _HEIGHT - _TOP - _BOTTOM

  def place(x, y):
    across = left + _LEFT + width * x / max(right, 1e-12)
    return across, _TOP + height * (high - y) / max(high - low, 1e-12)

  elements = [f'<text x="{left + _LEFT}" y="16">{html.escape(title)}</text>']
  for y in ticks(low, high):
    across, down = place(0, y)
    elements += [
      f'<path class="grid" d="M{across:.1f} {down:.1f}h{width}"/>',
      f'<text class="y" x="{across - 6:.1f}" y="{down + 4:.1f}">{y:g}</text>',
    ]
  for x in ticks(0, right):
    across, down = place(x, low)
    elements.append(
      f'<text class="x" x="{across:.1f}" y="{down + 18:.1f}">{x:g}</text>'
    )
  across, down = place(right / 2, low)
  elements.append(
    f'<text class="x" x="{across:.1f}" y="{down + 36:.1f}">million steps</text>'
  )
  for curve, colour in zip(curves.values(), _COLOURS):
    path = ' '.join('{:.1f},{:.1f}'.format(*place(*p)) for p in curve)
    elements.append(f'<polyline stroke="{colour}" points="{path}"/>')
  return elements


def draw(panels: Mapping[str, Mapping[str, Points]]) -> str:
  """Draws panels side by side.

  Args:
    panels: by title, the curves by name; the same names in each, of which there
      may be six.

  Returns:
    SVG.

  Raises:
    ValueError: if there is nothing to draw, or too much.
  """
  names = list(next(iter(panels.values()), {}))
  if not 1 <= len(names) <= len(_COLOURS):
    raise ValueError(f'1 to {len(_COLOURS)} curves, got {len(names)}')
  elements = []
  for number, (title, curves) in enumerate(panels.items()):
    elements += _panel(curves, title, number * _WIDTH)
  for number, (name, colour) in enumerate(zip(names, _COLOURS)):
    y = _HEIGHT + 16 + 18 * number
    elements += [
      f'<path stroke="{colour}" stroke-width="2" d="M{_LEFT} {y - 4}h24"/>',
      f'<text x="{_LEFT + 32}" y="{y}">{html.escape(name)}</text>',
    ]
  width = _WIDTH * len(panels)
  height = _HEIGHT + 18 * len(names) + 8
  return '\n'.join(
    [
      f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
      f' width="{width}" height="{height}" font-family="sans-serif"'
      ' font-size="12">',
      '<style>.y{text-anchor:end}.x{text-anchor:middle}.grid{stroke:#ddd}'
      'polyline{fill:none;stroke-width:1.5}</style>',
      f'<rect width="{width}" height="{height}" fill="white"/>',
      *elements,
      '</svg>\n',
    ]
  )


def of_runs(model_dirs: Sequence[str]) -> str:
  """Draws the learning curves of runs on sprites.

  Args:
    model_dirs: their folders.

  Returns:
    SVG.

  Raises:
    UsageError: if one has not reported yet.
  """
  panels = {
    'Intersection over union': ('iou', {}),
    'Loss': ('loss', {}),
  }
  for model_dir in model_dirs:
    rows = [
      row for row in session.read_metrics(model_dir) if row['kind'] == 'report'
    ]
    if not rows or 'iou' not in rows[0]['validation']:
      raise errors.UsageError(
        f'{model_dir}: no {session.METRICS_FILE} of a training on sprites there'
      )
    name = os.path.basename(os.path.normpath(model_dir))
    if name in panels['Loss'][1]:
      raise errors.UsageError(f'{model_dir}: a second run called {name}')
    for score, curves in panels.values():
      curves[name] = [
        (row['num_steps'] / 1e6, row['validation'][score])
        for row in rows
        if row['validation'][score] is not None
      ]
  return draw({title: curves for title, (_, curves) in panels.items()})


_OUT = flags.DEFINE_string('out', 'curves.svg', 'The picture.')


def main(argv: Sequence[str]) -> None:
  """Draws."""
  if len(argv) < 2:
    raise app.UsageError('name the folders of some runs')
  try:
    files.write_text(_OUT.value, of_runs(argv[1:]))
  except (OSError, ValueError) as e:
    raise app.UsageError(str(e)) from e
  print(_OUT.value)


if __name__ == '__main__':
  app.run(main)

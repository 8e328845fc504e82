"""Learning curves of runs, drawn as SVG.

  python -m analysis.report.curves --out=curves.svg runs/one runs/other

Two panels: intersection over union and loss on unseen rollouts, over the steps
trained on.
"""

from collections.abc import Mapping
from collections.abc import Sequence
import functools
import os

from absl import flags

from analysis.common import figures
from dnc.config import runs
from dnc.system import command_line
from dnc.system import errors
from dnc.system import files
from dnc.system import paths

_PANELS = {'iou': 'intersection over union', 'loss': 'loss'}


def read(
  model_dirs: Sequence[str | os.PathLike[str]],
) -> dict[str, dict[str, figures.Points]]:
  """Reads the learning curves of runs on sprites.

  Args:
    model_dirs: their folders.

  Returns:
    By title of the panel and name of the run, points: millions of steps, and
    the score.

  Raises:
    UsageError: if a run has no reports of a training on sprites yet, or two
      have the same name.
  """
  panels: dict[str, dict[str, figures.Points]] = {
    title: {} for title in _PANELS.values()
  }
  for model_dir in map(runs.folder, model_dirs):
    path = os.path.join(model_dir, runs.METRICS_FILE)
    with files.explained_damage(path, 'restore it, or leave the run out'):
      _add(panels, model_dir)
  return panels


def _add(
  panels: Mapping[str, dict[str, figures.Points]], model_dir: str
) -> None:
  """Adds the learning curves of a run."""
  rows = [
    row for row in runs.read_metrics(model_dir) if row['kind'] == 'report'
  ]
  if not rows or 'iou' not in rows[0]['validation']:
    raise errors.UsageError(
      f'{model_dir}: no {runs.METRICS_FILE} of a training on sprites'
    )
  name = os.path.basename(os.path.abspath(model_dir))
  if name in panels['loss']:
    raise errors.UsageError(f'{model_dir}: another run is also called {name}')
  for score, title in _PANELS.items():
    panels[title][name] = [
      (row['num_steps'] / 1e6, 1.0 * row['validation'][score])
      for row in rows
      if row['validation'][score] is not None
    ]


def draw(panels: Mapping[str, Mapping[str, figures.Points]]) -> bytes:
  """Draws panels, from `read`, as SVG."""
  return figures.to_svg(figures.curves(panels, 'million steps'))


_OUT = flags.DEFINE_string('out', 'curves.svg', 'The SVG file to write.')


def main(argv: Sequence[str]) -> None:
  """Draws the learning curves of the runs that are named."""
  if len(argv) < 2:
    raise errors.UsageError('give the folders of one or more runs')
  path = paths.local(_OUT.value, '--out')
  picture = draw(read(argv[1:]))
  with files.explained_errors(path), files.atomic_file(path) as file:
    file.write(picture)
  print(path)


if __name__ == '__main__':
  parse = functools.partial(command_line.parse_flags, allow_words=True)
  command_line.run(main, parse)

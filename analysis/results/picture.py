"""The first picture of the README: how much of x Model B holds."""

from collections.abc import Sequence
import os

import numpy as np

from analysis import probe
from analysis.common import figures
from analysis.common import orders
from analysis.common import statistics
from analysis.results import reading
from dnc.system import files

PATH = os.path.join('docs', 'probe_over_time.svg')
_LABEL = 'x_position'
_OFFSETS = (-1, 0, 5, 10)
# Representations, the start of their keys, and their colours.
_HELD = {
  'read_words': ((reading.HELD,), 'memory'),
  'memory': ((reading.HELD,), 'memory'),
  **{
    f'memory{order}': ((reading.ADDED, 'alone'), 'memory')
    for order in (orders.BY_WRITING, orders.BY_READING)
  },
  'controller_hidden': ((reading.HELD,), 'controller'),
  'controller_cell': ((reading.HELD,), 'controller'),
}
_UNTRAINED = {
  f'memory{probe.naming.IN_BEST_ORDER}': 'memory, best order',
  'controller_hidden': 'hidden',
  'controller_cell': 'cell',
}


def draw(models: Sequence[reading.EvaluatedNumbers]) -> bytes | None:
  """Draws means over models, with their 95 % intervals, as SVG.

  Of the untrained cores beside these models, it draws the mean and the range.

  Args:
    models: the models. Those that lack a number of a row do not count there.

  Returns:
    The picture; None if there is no row.
  """
  by_title = {probe.naming.short_offset(offset): [] for offset in _OFFSETS}
  for name, ((kind, *given), colour) in _HELD.items():
    keys = [(kind, name, *given, offset, _LABEL) for offset in _OFFSETS]
    values = [[model.numbers.get(key) for key in keys] for model in models]
    values = np.array([each for each in values if None not in each])
    for rows, own in zip(by_title.values(), values.T):
      mean, interval = statistics.mean_interval(own)
      ends = interval or (mean, mean)
      rows.append(figures.Row(probe.naming.in_words(name), mean, *ends, colour))
  for name, words in _UNTRAINED.items():
    found = [model.untrained['compared'].get(name) for model in models]
    for offset, rows in zip(_OFFSETS, by_title.values()):
      gains = [
        gain
        for each in found
        if each and all(str(k) in each for k in _OFFSETS)
        for gain in each[str(offset)][_LABEL]['untrained']
      ]
      if gains:
        ends = (min(gains), max(gains))
        rows.append(
          figures.Row(f'untrained: {words}', np.mean(gains), *ends, 'control')
        )
  if not all(by_title.values()):
    return None
  return figures.to_svg(figures.panels(by_title, 'R² of x', (-0.1, 1.0)))


def write(models: Sequence[reading.EvaluatedNumbers], path: str = PATH) -> None:
  """Writes the picture, if there is one.

  Raises:
    UsageError: if it cannot be written.
  """
  drawn = draw(models)
  if drawn is not None:
    with files.explained_errors(path), files.atomic_file(path) as file:
      file.write(drawn)

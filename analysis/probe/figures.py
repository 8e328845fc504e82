"""The figures of Test 1."""

from collections.abc import Iterable

import numpy as np

from analysis.common import figures
from analysis.probe import beyond
from analysis.probe import naming
from analysis.probe import results

# Kinds of representations that the trained network holds.
_HELD = ('memory', 'controller')
_STATES = ('controller_hidden', 'controller_cell')


def _kind(name: str) -> str:
  """The kind of a representation, which decides its colour."""
  if name in ('read_words', 'memory'):
    return 'memory'
  if name in _STATES:
    return 'controller'
  return 'input' if name in naming.MODEL_INPUTS else 'control'


def gains(
  result: results.ProbeResult, label: str
) -> figures.figure.Figure | None:
  """Draws gains on unseen rollouts, at `result.shown_offset`.

  The planted memory is shown at the offset of the labels that it holds.

  Returns:
    The figure; None if the label does not vary.
  """
  spec = result.spec
  rows = []
  for name, of_offset in result.scores['test'].items():
    is_planted = name.startswith(naming.PLANTED)
    offset = result.planted_offset if is_planted else result.shown_offset
    score = of_offset[offset][label]
    if score.gain is None:
      return None
    low, high = score.interval or (score.gain, score.gain)
    rows.append(
      figures.Row(
        f'{naming.in_words(name)} ({result.widths[name]})',
        score.gain,
        low,
        high,
        _kind(name),
        score.exact and score.exact.gain,
      )
    )
  rows += _untrained_rows(result, label, result.shown_offset, result.widths)
  most = 1 - spec.chance[label] if label in spec.classes else 1.0
  axis = 'accuracy above chance' if label in spec.classes else 'R²'
  return figures.intervals(
    rows,
    f'{axis} of {naming.in_words(label)}',
    [(0.0, 'nothing'), (most, 'all')],
    bounds=(-0.1 * most, most),
  )


def _untrained_rows(
  result: results.ProbeResult,
  label: str,
  offset: int,
  names: Iterable[str],
) -> list[figures.Row]:
  """Rows with the mean and the range of the gains of untrained cores."""
  compared = {} if result.untrained is None else result.untrained.compared
  rows = []
  for name, by_offset in compared.items():
    if name in names:
      gains = by_offset[offset][label].untrained
      words = f'untrained: {naming.in_words(name)}'
      for omitted in ('controller ', 'in its '):  # To be short.
        words = words.replace(omitted, '')
      rows.append(
        figures.Row(words, np.mean(gains), min(gains), max(gains), 'control')
      )
  return rows


def over_time(result: results.ProbeResult, label: str) -> figures.figure.Figure:
  """Draws gains of memory and controllers, with a panel for each offset.

  Those of sorted slots are of the exact probe; else the better probe decides.

  Args:
    result: what Test 1 found.
    label: a label that varies.
  """
  found = {}
  for name, of_offset in result.scores['test'].items():
    best = {k: x[label].best for k, x in of_offset.items()}
    found[name] = {k: (x.gain, x.interval) for k, x in best.items()}
  for name in result.ordered:
    alone = result.beyond[name][beyond.ALONE]
    found[name] = {
      k: (x[label].difference, x[label].interval) for k, x in alone.items()
    }
  best = f'memory{naming.IN_BEST_ORDER}'
  by_title = {}
  for offset in result.offsets:
    rows = by_title[naming.short_offset(offset)] = []
    for name in sorted(found, key=_STATES.__contains__):  # Controllers last.
      kind = _kind(naming.without_order(name))
      if kind in _HELD:
        gain, interval = found[name][offset]
        ends = interval or (gain, gain)
        rows.append(figures.Row(naming.in_words(name), gain, *ends, kind))
    rows += _untrained_rows(result, label, offset, (best, *_STATES))
  return figures.panels(
    by_title, f'R² of {naming.in_words(label)}', (-0.1, 1.0)
  )

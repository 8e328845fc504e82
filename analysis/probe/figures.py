"""The figures of Test 1."""

from collections.abc import Sequence

import numpy as np

from analysis.common import figures
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
  rows += _untrained_rows(result, label, [result.shown_offset])
  most = 1 - spec.chance[label] if label in spec.classes else 1.0
  axis = 'accuracy above chance' if label in spec.classes else 'R²'
  return figures.intervals(
    rows,
    f'{axis} of {naming.in_words(label)}',
    [(0.0, 'nothing'), (most, 'all')],
    bounds=(-0.1 * most, most),
  )


def _at(words: str, offset: int) -> str:
  return f'{words}, t{-offset:+d}' if offset else f'{words}, t'


def _untrained_rows(
  result: results.ProbeResult,
  label: str,
  offsets: Sequence[int],
  names: Sequence[str] | None = None,
) -> list[figures.Row]:
  """Rows with the mean and the range of the gains of untrained cores."""
  compared = {} if result.untrained is None else result.untrained.compared
  rows = []
  for name, by_offset in compared.items():
    for offset in offsets if name in (names or result.widths) else ():
      gains = by_offset[offset][label].untrained
      words = f'untrained: {naming.in_words(name)}'
      if len(offsets) > 1:
        words = _at(words.replace('controller ', ''), offset)
      rows.append(
        figures.Row(words, np.mean(gains), min(gains), max(gains), 'control')
      )
  return rows


def over_time(result: results.ProbeResult, label: str) -> figures.figure.Figure:
  """Draws gains at each offset, for memory and controllers.

  Args:
    result: what Test 1 found.
    label: a label that varies.
  """
  rows = []
  for name, of_offset in result.scores['test'].items():
    for offset in result.offsets if _kind(name) in _HELD else ():
      score = of_offset[offset][label].best
      low, high = score.interval or (score.gain, score.gain)
      words = _at(naming.in_words(name), offset)
      rows.append(figures.Row(words, score.gain, low, high, _kind(name)))
  rows += _untrained_rows(result, label, result.offsets, _STATES)
  return figures.intervals(
    rows,
    f'R² of {naming.in_words(label)}',
    [(0.0, 'nothing'), (1.0, 'all')],
    bounds=(-0.1, 1.0),
    linear=0.1,
  )

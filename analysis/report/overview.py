"""The overview: what the memory holds, what it adds, and what it is used for.

One small table of Tests 1, 3 and 4, for the top of the report and the terminal.
"""

from collections.abc import Mapping
from typing import Any

from analysis import intervention
from analysis import lesion
from analysis import probe
from analysis.common import tables

_USED, _FOLLOWS = 'used', 'follows'
# The lesion that shows what each part of the memory is used for.
LESIONS = {'read_words': 'read_words_other', 'memory': 'exchanged_memory'}
_ABOUT_USED = (
  '*Used*: the share of its gain in loss that the model loses if it gets the '
  'words that another {unit} reads, or, once the jolt has passed, the memory '
  'of another {unit}.'
)
_ABOUT_FOLLOWS = (
  '*Follows*: how far the predicted sprite moves when the reading of a probe '
  'is shifted by 1.'
)


def _used(result: lesion.LesionResult, name: str) -> str:
  """The lasting loss with another sequence's words or memory, as a share."""
  if name not in LESIONS:
    return '-'
  lasting = result.courses[LESIONS[name]].lasting
  if lasting is None or lasting.share is None:
    return '-'
  return f'{lasting.share:z.1%}'


def _rows(found: Mapping[str, Any]) -> dict[str, dict[str, str]]:
  """The cells of each representation, by title of their row."""
  rows = probe.verdict.rows(found['probe'])
  if 'lesion' in found:
    for name, row in rows.items():
      row[_USED] = _used(found['lesion'], name)
  if 'intervention' in found:
    for name, row in rows.items():
      row[_FOLLOWS] = intervention.verdict.cell(found['intervention'], name)
  return rows


def markdown(found: Mapping[str, Any]) -> str:
  """Returns the table in Markdown, and how to read it.

  Args:
    found: as `experiment.evaluate` returns it.

  Returns:
    '' if Test 1 was not run.
  """
  if 'probe' not in found:
    return ''
  table = tables.of_rows(
    [{'': probe.naming.in_words(k), **row} for k, row in _rows(found).items()]
  )
  about = [probe.tables.ABOUT_SUMMARY]
  if 'lesion' in found:
    about.append(_ABOUT_USED.format(unit=found['lesion'].unit))
  if 'intervention' in found:
    about.append(_ABOUT_FOLLOWS)
  parts = [table, ' '.join(about), probe.verdict.augments(found['probe'])]
  return '\n\n'.join(filter(None, parts))


def lines(found: Mapping[str, Any]) -> list[str]:
  """Returns the table, and the answer to the post, in lines for a terminal.

  Args:
    found: as `experiment.evaluate` returns it.

  Returns:
    The lines; the columns are the representations that the verdict of Test 1 is
    about. No lines if Test 1 was not run.
  """
  if 'probe' not in found:
    return []
  rows = _rows(found)
  names = probe.verdict.subjects(found['probe'])
  return [
    *columns({name: rows[name] for name in names}),
    *filter(None, [probe.verdict.augments(found['probe'])]),
  ]


def columns(rows: Mapping[str, Mapping[str, str]]) -> list[str]:
  """Returns the lines of a table with a column for each representation.

  Args:
    rows: the cells of each representation, by title; the titles are the same.
  """
  if not rows:
    return []
  titles = ['', *next(iter(rows.values()))]
  cells = [titles]
  cells += [
    [probe.naming.in_words(k), *row.values()] for k, row in rows.items()
  ]
  widths = [max(map(len, column)) for column in cells]
  return [
    '  '.join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip()
    for line in zip(*cells)
  ]

"""The overview: what the memory holds, what it adds, and what it is used for.

Small tables of Tests 1, 3 and 4, for the top of the report and the terminal.
"""

from collections.abc import Mapping
from typing import Any

from analysis import intervention
from analysis import lesion
from analysis import probe
from analysis.common import tables
from dnc import config as config_lib

USED, FOLLOWS = 'used', 'follows'
# Each kind of column has its own table, so that none is wider than a laptop's
# page. Other columns say what is held.
_KINDS = {
  'beyond inputs': 'added',
  'beyond controller': 'added',
  'more than untrained': 'added',
  USED: USED,
  FOLLOWS: USED,
}
_WORDS, _MEMORY = 'read_words', 'memory'
_NONE = '-'
# The lesions that show what each part of the memory is used for, and their
# names in a cell. The model soon overwrites an exchanged memory, so what lasts
# may understate the use; it cannot overwrite a frozen one.
LESIONS = {
  _WORDS: {'read_words_other': ''},
  _MEMORY: {'frozen_memory': ' frozen', 'exchanged_memory': ' exchanged'},
}
ABOUT_USED = (
  '*Used*: the share of the gain in loss, over predicting the mean image, that '
  'is lost with the words that another rollout reads; or with a memory to '
  'which nothing new is written (frozen) or that of another rollout '
  '(exchanged), whichever costs more, once the jolt has passed. With more than '
  '100 %, the model is worse than predicting the mean image.'
)
ABOUT_FOLLOWS = (
  '*Follows*: how far the predicted sprite moves when the reading of a probe '
  'is shifted by 1.'
)
_ABOUT_NONE = (
  f'`{_NONE}`: not measured. A memory of more than '
  f'{config_lib.EvaluationConfig.MAX_MEMORY:,} numbers is probed only if '
  '`--representations` names it.'
)


def _used(result: lesion.LesionResult, name: str) -> str:
  """The greatest lasting loss by a lesion of `LESIONS`, as a share."""
  shares = {
    word: lasting.share
    for cut, word in LESIONS.get(name, {}).items()
    if (lasting := result.courses[cut].lasting) and lasting.share is not None
  }
  if not shares:
    return _NONE
  word = max(shares, key=shares.get)
  return f'{shares[word]:z.1%}{word}'


def _rows(found: Mapping[str, Any]) -> dict[str, dict[str, str]]:
  """The cells of each representation, by title of their column."""
  rows = probe.verdict.rows(found['probe'])
  if _WORDS in rows or 'lesion' in found:
    rows = with_memory(rows)
  if 'lesion' in found:
    for name, row in rows.items():
      row[USED] = _used(found['lesion'], name)
  if 'intervention' in found:
    for name, row in rows.items():
      row[FOLLOWS] = intervention.verdict.cell(found['intervention'], name)
  return rows


def with_memory(
  rows: Mapping[str, Mapping[str, str]],
) -> dict[str, dict[str, str]]:
  """Adds a row for the memory if Test 1 did not probe it.

  Args:
    rows: the cells of each representation, by title; the titles are the same.
  """
  if _MEMORY in rows:
    return dict(rows)
  empty = {title: _NONE for row in rows.values() for title in row}
  rows = {_MEMORY: empty, **rows}
  return dict(sorted(rows.items(), key=lambda row: row[0] != _WORDS))


def markdown(found: Mapping[str, Any]) -> str:
  """Returns the tables in Markdown, and how to read them.

  Args:
    found: as `experiment.evaluate` returns it.

  Returns:
    '' if Test 1 was not run.
  """
  if 'probe' not in found:
    return ''
  about = [probe.tables.ABOUT_SUMMARY]
  if 'lesion' in found:
    about.append(ABOUT_USED)
  if 'intervention' in found:
    about.append(ABOUT_FOLLOWS)
  parts = [split(_rows(found), ' '.join(about))]
  parts.append(probe.verdict.augments(found['probe']))
  return '\n\n'.join(filter(None, parts))


def split(rows: Mapping[str, Mapping[str, str]], about: str) -> str:
  """Returns a table for each kind of column, and how to read them.

  Args:
    rows: the cells of each representation, by title; the titles are the same.
    about: how to read them.
  """
  by_kind = {}
  for name, row in rows.items():
    for title, cell in row.items():
      of_kind = by_kind.setdefault(_KINDS.get(title, 'held'), {})
      of_kind.setdefault(name, {})[title] = cell
  # Only words and memory are used.
  used = by_kind.get(USED, {})
  by_kind[USED] = {k: row for k, row in used.items() if k in LESIONS}
  parts = [
    tables.of_rows(
      [{'': probe.naming.in_words(k), **row} for k, row in of_kind.items()]
    )
    for of_kind in by_kind.values()
    if of_kind
  ]
  held = by_kind.get('held', {}).get(_MEMORY, {})
  if {*held.values()} == {_NONE}:
    about = f'{about} {_ABOUT_NONE}'
  return '\n\n'.join([*parts, about])


def lines(found: Mapping[str, Any]) -> list[str]:
  """Returns the table, and the answer to the post, in lines for a terminal.

  Args:
    found: as `experiment.evaluate` returns it.

  Returns:
    The lines, see `columns`. No lines if Test 1 was not run.
  """
  if 'probe' not in found:
    return []
  augments = probe.verdict.augments(found['probe'])
  return [*columns(_rows(found)), *filter(None, [augments])]


def columns(rows: Mapping[str, Mapping[str, str]]) -> list[str]:
  """Returns the lines of a table with a column for each representation.

  Only words read and memory have a column, if there are any.

  Args:
    rows: the cells of each representation, by title; the titles are the same.
  """
  if not rows:
    return []
  rows = {k: rows[k] for k in (_WORDS, _MEMORY) if k in rows} or rows
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

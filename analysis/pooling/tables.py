"""The report of several models: Markdown, HTML and JSON."""

import collections
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import os
from typing import Any

from analysis import intervention
from analysis import probe
from analysis.common import tables
from analysis.pooling import models
from analysis.pooling import overview
from analysis.probe import beyond
from analysis.report import page
from dnc.system import files
from dnc.system import json_values

_NONE = '-'
_ABOUT = (
  'Each cell has the mean over the models and, in brackets, its 95 % interval '
  "by Student's t. Each model counts as one observation, so the interval is "
  'that of a mean over seeds. Each run has its own report, with figures.'
)


def write(
  folder: str,
  result: models.PooledResult,
  answers: Sequence[Sequence[str]],
  about: Mapping[str, Any],
) -> None:
  """Writes `report.md`, `report.html` and `report.json`.

  Args:
    folder: where to write them.
    result: the pooled results.
    answers: by run, the answers of its tests.
    about: the command, the runs and the settings.
  """
  page.write(folder, 'report', text(result, answers, about), {})
  data = dict(about=about, answers=answers, **dataclasses.asdict(result))
  files.write_json(os.path.join(folder, 'report.json'), json_values.clean(data))


def text(
  result: models.PooledResult,
  answers: Sequence[Sequence[str]],
  about: Mapping[str, Any],
) -> str:
  """Returns the report in Markdown; see `write`."""
  parts = [f'# What do {result.number} networks keep in their memory?', _ABOUT]
  parts += ['## The answers', *(f'- {said}' for said in _counted(answers))]
  parts += filter(None, [overview.markdown(result)])
  if result.prediction:
    rows = [
      [tables.title(name), _cell(found, '{:.4g}')]
      for name, found in result.prediction.items()
    ]
    parts += ['## Do they predict?', tables.table(['', 'mean'], rows)]
  parts += _probe_parts(result)
  if result.nats:
    parts += [
      '## Test 2: the most nats above chance in a single number',
      _grid(result.nats, tables.title, _lag, '{:z.3f}'),
    ]
  if result.lost:
    parts += [
      '## Test 3: what lesions cost',
      'As a share of the gain over a constant prediction.',
      _grid(result.lost, result.lesions.get, str, '{:z.1%}'),
    ]
  if result.slopes:
    parts += [
      '## Test 4: does the sprite follow a shifted reading?',
      'The shift of the predicted sprite over that of the reading: 1 if the '
      'sprite follows. The other columns are for changes of the same length '
      'along other directions.',
      _grid(result.slopes, str, intervention.naming.kind, '{:z.2f}'),
    ]
  runs = '\n'.join(f'- {tables.code(x)}' for x in about['model_dirs'])
  parts += ['## What was run', tables.code(about['command']), runs]
  return '\n\n'.join(parts).replace('R^2', 'R²') + '\n'


def _counted(answers: Sequence[Sequence[str]]) -> Iterator[str]:
  """Yields each test's different answers, and how many runs gave each."""
  for of_test in zip(*answers):
    for answer, number in collections.Counter(of_test).items():
      yield f'{number} of {len(answers)}: {answer}'


def lines(
  result: models.PooledResult, answers: Sequence[Sequence[str]]
) -> list[str]:
  """Returns the answers and the overview in lines for a terminal."""
  return [*_counted(answers), *overview.lines(result)]


def _lag(lag: int | str) -> str:
  return lag if lag == models.RANDOM else f'lag {lag}'


def _cell(found: models.OverModels, form: str) -> str:
  if found.mean is None:
    return _NONE
  mean, *ends = (form.format(x) for x in (found.mean, *(found.interval or ())))
  return f'{mean} [{", ".join(ends)}]' if ends else mean


def _grid(
  found: Mapping[str, Mapping[Any, models.OverModels]],
  row_words: Callable[[str], str],
  column_words: Callable[[Any], str],
  form: str,
) -> str:
  """Makes a table."""
  columns = list(dict.fromkeys(x for row in found.values() for x in row))
  rows = [
    [
      row_words(name),
      *(_cell(row[x], form) if x in row else _NONE for x in columns),
    ]
    for name, row in found.items()
  ]
  return tables.table(['', *map(column_words, columns)], rows)


def _probe_parts(result: models.PooledResult) -> list[str]:
  """The tables of Test 1: gains, and whether they exceed untrained cores'."""
  if not result.gains:
    return []
  parts = [
    '## Test 1: what the better linear probe reads',
    'R^2 or, for classes, accuracy above guessing, on unseen rollouts. Sorted '
    'memories, and the angle, are read by exact probes alone.',
  ]
  for offset in next(iter(result.gains.values())):
    rows = {name: result.held(name).get(offset, {}) for name in result.probed}
    parts += [
      f'### {probe.naming.short_offset(offset)}',
      _grid(rows, probe.naming.in_words, probe.naming.in_words, '{:+z.3f}'),
    ]
  for offset in next(iter(result.gains.values())) if result.beyond else ():
    rows = {
      f'{probe.naming.in_words(name)}, beyond {given}': by_offset[offset]
      for name, by_given in result.beyond.items()
      for given, by_offset in by_given.items()
      if given != beyond.ALONE
    }
    parts += [
      f'### What it adds, {probe.naming.short_offset(offset)}',
      _grid(rows, str, probe.naming.in_words, '{:+z.3f}'),
    ]
  untrained = result.untrained
  if untrained is not None and untrained.seeds:
    parts += [
      '### More than untrained cores',
      probe.untrained_table.text(untrained),
    ]
  return parts

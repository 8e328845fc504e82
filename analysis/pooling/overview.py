"""The overview of several models: what is held, what it adds, what it is for.

The same small table as for one model, `analysis.report.overview`, with means
over models.
"""

from collections.abc import Mapping
from collections.abc import Sequence

from analysis import probe
from analysis.common import tables
from analysis.pooling import models
from analysis.probe import beyond
from analysis.report import overview

# By title, the given set, and what an interval must exceed to be counted.
_ADDS_TO = {f'beyond {x}': (x, 0.01) for x in ('inputs', 'controller')}
_ABOUT = (
  'Each cell of Test 1 has the label with the highest mean over the models, '
  'the 95 % interval of this mean, and for how many labels the interval lies '
  'above 0 (what is added: above 0.01). *Used*: the share of their gain in '
  'loss that the models lose with the words that another sequence reads, or, '
  'once the jolt has passed, with the memory of another sequence. *Follows*: '
  'how far the predicted sprite moves when the reading of a probe is shifted '
  'by 1.'
)


def rows(result: models.PooledResult) -> dict[str, dict[str, str]]:
  """Returns the cells of each representation, by title of their column.

  Nothing if Test 1 was not run.
  """
  found = {}
  for name in dict.fromkeys([*result.gains, *result.beyond]):
    row = found[name] = {}
    held = result.gains.get(name) or result.beyond[name][beyond.ALONE]
    for offset in held:
      sprites = probe.verdict.sprites([offset])
      words = sprites.removeprefix('the ').rsplit(' ', 1)[0]
      about = {k: x for k, x in held.items() if k in _alike(held, offset)}
      row[words] = _best(about, 0.0, '')
    for title, (given, least) in _ADDS_TO.items():
      added = result.beyond.get(name, {}).get(given, {})
      row[title] = _best(added, least, '+')
    row['more than untrained'] = _learned(result, name)
    if result.lost:
      row['used'] = _used(result, name)
    if result.slopes:
      row['follows'] = _follows(result, name)
  return found


def _alike(offsets: Sequence[int], offset: int) -> list[int]:
  """The offsets whose sprites have the same name as those of `offset`."""
  sprites = probe.verdict.sprites
  return [x for x in offsets if sprites([x]) == sprites([offset])]


def _best(
  found: Mapping[int, Mapping[str, models.OverModels]], least: float, sign: str
) -> str:
  """The highest mean, as in 'x 0.061 [0.058, 0.064] t-5, 8/12'."""
  cells = {
    (offset, label): x
    for offset, by_label in found.items()
    for label, x in by_label.items()
    if x.mean is not None
  }
  if not cells:
    return '-'
  offset, label = max(cells, key=lambda each: cells[each].mean)
  best = cells[offset, label]
  words = f'{probe.naming.in_words(label)} {best.mean:{sign}z.3f}'
  if best.interval is None:
    return words
  words += f' [{", ".join(f"{x:{sign}z.3f}" for x in best.interval)}]'
  if len(found) > 1:
    words += f' {probe.naming.short_offset(offset)}'
  above = [x for x in cells.values() if x.interval[0] > least]
  return f'{words}, {len(above)}/{len(cells)}'


def _learned(result: models.PooledResult, name: str) -> str:
  """How many labels these models hold more of than untrained cores."""
  untrained = result.untrained
  if untrained is None:
    return '-'
  if untrained.is_frozen:
    return 'untrained itself'
  more = [
    untrained.is_learned(name, offset, label)
    for offset, by_label in untrained.compared.get(name, {}).items()
    for label in by_label
  ]
  return f'{sum(more)}/{len(more)}' if more and None not in more else '-'


def _used(result: models.PooledResult, name: str) -> str:
  lesion = overview.LESIONS.get(name)
  lasting = result.lost.get(lesion, {}).get('lasting')
  if lasting is None or lasting.mean is None:
    return '-'
  return f'{lasting.mean:z.1%}'


def _follows(result: models.PooledResult, name: str) -> str:
  """The first slope that is known."""
  for row, by_kind in result.slopes.items():
    words, _, latent = row.partition(': ')
    mean = by_kind['probe'].mean
    if words == tables.title(name) and mean is not None:
      return f'{latent} {mean:z.2f}'
  return '-'


def markdown(result: models.PooledResult) -> str:
  """Returns the table, and how to read it; '' if Test 1 was not run."""
  found = rows(result)
  if not found:
    return ''
  table = tables.of_rows(
    [{'': probe.naming.in_words(k), **row} for k, row in found.items()]
  )
  return f'{table}\n\n{_ABOUT}'


def lines(result: models.PooledResult) -> list[str]:
  """Returns the table in lines for a terminal: words read and memory only."""
  found = rows(result)
  names = [name for name in ('read_words', 'memory') if name in found]
  return overview.columns({name: found[name] for name in names or found})

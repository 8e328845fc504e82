"""The overview of several models: what is held, what it adds, what it is for.

The same small tables as for one model, `analysis.report.overview`, with means
over models.
"""

from collections.abc import Mapping

from analysis import probe
from analysis.common import tables
from analysis.pooling import models
from analysis.report import overview

_ABOUT = (
  'A cell has the mean over the models and its 95 % interval (±). Those of '
  'Test 1 name the label with the highest mean, and say for how many labels '
  'the interval lies above 0 (what is added: above 0.01). Controls are not '
  "counted here: the models' own answers hold against them. *More than "
  'untrained*: of how many of these labels untrained cores hold less. '
  f'{overview.ABOUT_USED} {overview.ABOUT_FOLLOWS}'
)


def rows(result: models.PooledResult) -> dict[str, dict[str, str]]:
  """Returns the cells of each representation, by title of their column.

  Nothing if Test 1 was not run.
  """
  found = {}
  for name in result.probed:
    by_sprite = {}
    for offset, held in result.held(name).items():
      sprites = probe.verdict.sprites([offset])
      words = sprites.removeprefix('the ').rsplit(' ', 1)[0]
      by_sprite.setdefault(words, {})[offset] = held
    row = {words: _best(held, 0.0, '') for words, held in by_sprite.items()}
    found[name] = row
    for given in probe.verdict.ADDS_TO:
      if any(given in x for x in result.beyond.values()):
        added = result.beyond.get(name, {}).get(given, {})
        row[f'beyond {given}'] = _best(added, probe.verdict.LEAST_ADDED, '+')
    row['more than untrained'] = _learned(result, name)
  if found and ('read_words' in found or result.lost):
    found = overview.with_memory(found)
  for name, row in found.items():
    if result.lost:
      row[overview.USED] = _used(result, name)
    if result.slopes:
      row[overview.FOLLOWS] = _follows(result, name)
  return found


def _best(
  found: Mapping[int, Mapping[str, models.OverModels]], least: float, sign: str
) -> str:
  """The highest mean, as in 'x 0.061 ±0.003 t-5, 8/12'."""
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
  words = f'{probe.naming.in_words(label)} {_mean(best, f"{sign}z.3f")}'
  if best.interval is None:
    return words
  if len(found) > 1:
    words += f' {probe.naming.short_offset(offset)}'
  above = [x for x in cells.values() if x.interval and x.interval[0] > least]
  return f'{words}, {len(above)}/{len(cells)}'


def _mean(found: models.OverModels, form: str) -> str:
  """The mean and half its interval, as in '0.061 ±0.003'."""
  mean = f'{found.mean:{form}}'
  if found.interval is None:
    return mean
  low, high = found.interval
  return f'{mean} ±{(high - low) / 2:{form.lstrip("+")}}'


def _learned(result: models.PooledResult, name: str) -> str:
  """How many of the labels that they hold untrained cores hold less of."""
  untrained = result.untrained
  if untrained is None:
    return '-'
  if untrained.is_frozen:
    return 'untrained itself'
  more = [
    untrained.is_learned(name, offset, label)
    for offset, by_label in result.held(name).items()
    for label, x in by_label.items()
    if x.interval is not None and x.interval[0] > 0
  ]
  return '-' if None in more else f'{sum(more)}/{len(more)}'


def _used(result: models.PooledResult, name: str) -> str:
  """The greatest lasting loss by a lesion of `overview.LESIONS`."""
  found = {
    word: lasting
    for lesion, word in overview.LESIONS.get(name, {}).items()
    if (lasting := result.lost.get(lesion, {}).get('lasting'))
    and lasting.mean is not None
  }
  if not found:
    return '-'
  word = max(found, key=lambda each: found[each].mean)
  return f'{_mean(found[word], "z.1%")}{word}'


def _follows(result: models.PooledResult, name: str) -> str:
  """The first slope that is known: of x, else of y or the scale."""
  for latent in ('x', 'y', 'scale'):
    by_kind = result.slopes.get(f'{tables.title(name)}: {latent}')
    if by_kind is not None and by_kind['probe'].mean is not None:
      return f'{latent} {_mean(by_kind["probe"], "z.2f")}'
  return '-'


def markdown(result: models.PooledResult) -> str:
  """Returns the tables, and how to read them; '' if Test 1 was not run."""
  found = rows(result)
  return overview.split(found, _ABOUT) if found else ''


def lines(result: models.PooledResult) -> list[str]:
  """Returns the table in lines for a terminal."""
  return overview.columns(rows(result))

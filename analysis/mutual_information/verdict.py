"""The verdict of Test 2: does the memory follow x? One sentence and a table."""

from collections.abc import Mapping

import numpy as np
from scipy import special

from analysis.common import tables
from analysis.mutual_information import scoring
from analysis.mutual_information import significance
from dnc.system import wording

# With fewer distinct shifts of a sequence, chance is estimated too poorly.
_LEAST_SHIFTS = 20
# Significance of the control. Stricter than `scoring.LEVEL`, at which a control
# is significant by chance now and then.
_CONTROL_LEVEL = 0.01
ACTION = 'action'
_AXES = {'memory': ('slot', 'word'), 'read_words': ('head', 'word')}
# The sprites at each lag, as in 'of the next sprite'.
_SPRITES = {
  'later': lambda lag: lag < scoring.NEXT,
  'the next': lambda lag: lag == scoring.NEXT,
  'the current': lambda lag: lag == scoring.CURRENT,
  'earlier': lambda lag: lag > scoring.CURRENT,
}


def subject(results: scoring.Results) -> str:
  """Returns which representation the verdict is about."""
  return 'memory' if 'memory' in results else next(iter(results))


def axes(name: str) -> tuple[str, ...]:
  """Returns the names of the axes of a representation's layout."""
  return _AXES.get(name, ('number',))


def least_seen(result: scoring.MutualInformationResult) -> float:
  """The excess at which a typical location is significant half the time."""
  z = -special.ndtri(scoring.LEVEL / result.p_values.size)
  return float(z * np.median(result.null_deviation[~result.constant]))


def _rows(
  result: scoring.MutualInformationResult,
) -> Mapping[str, list[int]]:
  """The rows of `[lags, locations]` for each kind of sprite in `_SPRITES`."""
  rows = {
    sprites: [i for i, lag in enumerate(result.lags) if is_about(lag)]
    for sprites, is_about in _SPRITES.items()
  }
  return {sprites: found for sprites, found in rows.items() if found}


def _follows(
  result: scoring.MutualInformationResult,
) -> Mapping[str, np.ndarray]:
  """Which numbers follow each kind of sprite, bool `[locations]`.

  p-values are corrected separately for each kind. So a kind that many numbers
  follow makes no other kind significant. The chance that any number seems to
  follow a kind that none follows is at most `scoring.LEVEL`, over all such
  kinds together (Simes, "An improved Bonferroni procedure", 1986, and
  Bonferroni over the kinds).
  """
  rows = _rows(result)
  return {
    sprites: (
      significance.adjusted(result.p_values[chosen])
      <= scoring.LEVEL / len(rows)
    ).any(axis=0)
    for sprites, chosen in rows.items()
  }


def text(results: scoring.Results) -> str:
  """Says in a sentence, without numbers, whether the memory follows x.

  Without a memory, the verdict is about the first representation.
  """
  name = subject(results)
  result, what = results[name], f'of the {tables.title(name)}'
  if result.constant.all():
    return f'No: no number {what} ever changes within a sequence.'
  if (result.control_q_values <= _CONTROL_LEVEL).any():
    return (
      f'Cannot tell: the control fails, numbers {what} seem to follow a random '
      'sequence that the model never saw.'
    )
  if result.num_different_shifts < _LEAST_SHIFTS:
    advice = 'ask for more shifts'
    if result.num_different_shifts < result.num_shifts:
      advice = 'use longer sequences, or a shorter longest lag'
    return (
      'Cannot tell: each sequence has too few different shifts to estimate '
      f'chance; {advice}.'
    )
  found = {
    sprites: _how_many(follows.mean())
    for sprites, follows in _follows(result).items()
    if follows.any()
  }
  if not found:
    return f'No: no number {what} follows the x position at any lag.'
  one_alone = len(found) == 1 and next(iter(found)).startswith('the')
  # 'all numbers ... of the current and earlier sprites' if all follow both,
  # else 'numbers ... of the current (all) and earlier (some) sprites'.
  first, *others = dict.fromkeys(found.values())
  many = '' if others else f'{first} '
  listed = [
    f'{sprites} ({share})' if others else sprites
    for sprites, share in found.items()
  ]
  return (
    f'Yes: {many}numbers {what} follow the x position of '
    f'{wording.join(listed)} sprite{"" if one_alone else "s"}'
    f'{_compared(result)}.'
  )


def _how_many(share: float) -> str:
  return 'all' if share == 1 else 'most' if share > 0.5 else 'some'


def _compared(result: scoring.MutualInformationResult) -> str:
  """Says which sprite, next or current, they follow more, if that is clear."""
  difference = result.next_minus_current
  if difference is None or difference.low <= 0 <= difference.high:
    return ''
  if difference.mean > 0:
    return ', the next more than the current'
  return ', the current more than the next'


def more_in_action(results: scoring.Results) -> list[str]:
  """Returns of which sprites the action alone tells more than any number.

  The numbers are those that the verdict is about.
  """
  action, result = results[ACTION], results[subject(results)]
  follows = _follows(action)
  return [
    sprites
    for sprites, chosen in _rows(action).items()
    if follows[sprites].any()
    and action.excess[chosen].max() > result.excess[chosen].max()
  ]


def table(results: scoring.Results) -> str:
  """Returns the small table of what each representation holds, in Markdown.

  A cell has the nats above chance of the number with most, and the share of
  numbers that are significant.
  """
  rows = []
  for name, result in results.items():
    follows = _follows(result)
    row = {'': f'{tables.title(name)} ({len(result.locations)})'}
    for sprites, chosen in _rows(result).items():
      row[sprites.removeprefix('the ')] = _cell(
        result.excess[chosen], follows[sprites]
      )
    row['random x'] = _cell(
      result.control - result.null, result.control_q_values <= scoring.LEVEL
    )
    difference = result.next_minus_current
    if difference is not None:
      mean, low, high = difference
      row['next - current, mean'] = f'{mean:+.4f} ({low:+.4f} to {high:+.4f})'
    rows.append(row)
  return tables.of_rows(rows)


def _cell(excess: np.ndarray, significant: np.ndarray) -> str:
  # Adding 0 turns -0.0 into 0.
  return f'{excess.max().round(3) + 0:.3f} ({significant.mean():.0%})'

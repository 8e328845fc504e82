"""The verdict of Test 4: does the model use what a probe reads?"""

from collections.abc import Mapping

import numpy as np

from analysis.common import tables
from analysis.intervention import effects
from analysis.intervention import measuring
from analysis.intervention import naming
from analysis.intervention import running

# With fewer rollouts, the intervals are too narrow.
_LEAST_ROLLOUTS = 10
# A slope above the first means that the sprite mostly follows, one below the
# second that it stays. The whole interval must lie there. The limits are a
# convention; the tables have the numbers.
_LEAST_FOLLOWING, MOST_STAYING = 0.5, 0.1
# A latent counts if the intact model predicts it with this R^2.
_LEAST_PREDICTED = 0.5

_PROBE = effects.PROBE
_TITLES = {running.MEMORY: 'the memory', running.WORDS: 'the words read'}
# Grades of memory or words, what the sprite then does, and the answer to the
# question, which is about the memory.
_STAYS, _UNCERTAIN, _IN_PART, _FOLLOWS = range(4)
_MOVES = (
  'hardly follows',
  'may or may not follow',
  'partly follows',
  'mostly follows',
)
_ANSWERS = ('No', 'Cannot tell', 'Yes, in part', 'Yes')

# By representation, latent and kind of direction.
_Slopes = Mapping[str, Mapping[str, Mapping[str, effects.Effect]]]


def slopes(result: measuring.InterventionResult) -> _Slopes:
  """The effects on the sprite that the model must predict.

  Only effects of latents that the representation holds and that the intact
  model predicts mean something; others are left out.
  """
  return {
    name: {
      latent: kinds
      for latent, kinds in of_latents.items()
      if effects.PROBE in kinds and result.predicted[latent] >= _LEAST_PREDICTED
    }
    for name, of_latents in result.effects[result.asked].items()
  }


def all_slopes(
  result: measuring.InterventionResult,
) -> dict[str, dict[str, float | None]]:
  """The slopes of all kinds of directions, for the sprite to be predicted.

  Returns:
    By representation and latent, as in 'memory: x', then by kind; None where
    nothing is held.
  """
  found = {}
  for name in result.names:
    for latent in result.latents:
      kinds = result.effects[result.asked].get(name, {}).get(latent, {})
      found[f'{tables.title(name)}: {naming.latent(latent)}'] = {
        kind: kinds[kind].slope if kind in kinds else None
        for kind in effects.KINDS
      }
  return found


def cell(result: measuring.InterventionResult, part: str) -> str:
  """A slope in a few characters, for the overview.

  It is the slope that decides the answer or, if none counts, the first.

  Args:
    result: what Test 4 found.
    part: one of `measuring.PARTS`; others have no slope.
  """
  found, names = slopes(result), measuring.PARTS.get(part, ())
  counts = {
    (name, latent): low
    for name in names
    for latent, low in counted(result, name).items()
  }
  deciding = sorted(counts, key=counts.get, reverse=True)
  first = [
    (name, latent)
    for latent in ('x_position', 'y_position', 'scale')
    for name in names
  ]
  for name, latent in (*deciding, *first):
    if latent in found.get(name, {}):
      slope = found[name][latent][_PROBE].slope
      return f'{naming.latent(latent)} {slope:z.2f}'
  return '-'


def counted(
  result: measuring.InterventionResult, name: str
) -> dict[str, float]:
  """Which slopes of words or memory count as moving the predicted sprite.

  A slope must be above the limit, and further from 0 than its controls'. And to
  take the direction out must cost more loss than to take out a random one: what
  the model uses, it misses. All this is corrected for the number of slopes:
  one for each latent and, of the memory, for each order of slots.

  Returns:
    By latent, the lower end of the slope's interval.
  """
  removals = result.removals[result.asked].get(name, {})
  found = {}
  for latent, kinds in slopes(result).get(name, {}).items():
    low = kinds[_PROBE].corrected_interval[0]
    controls = [
      np.abs(effect.corrected_interval).max()
      for kind, effect in kinds.items()
      if kind != _PROBE
    ]
    is_missed = removals[latent].excess_interval[0] > 0
    if is_missed and low > max([MOST_STAYING, *controls]):
      found[latent] = low
  return found


def _grade(result: measuring.InterventionResult, part: str) -> int | None:
  """How words or memory are used: one of the grades above.

  Returns:
    None if nothing is held that the model predicts.
  """
  found, lows, highs = slopes(result), [], []
  for name in measuring.PARTS[part]:
    lows += counted(result, name).values()
    highs += [x[_PROBE].interval[1] for x in found.get(name, {}).values()]
  if lows:
    return _FOLLOWS if max(lows) > _LEAST_FOLLOWING else _IN_PART
  if not highs:
    return None
  # Each interval must lie below the limit, so these need no correction.
  return _STAYS if max(highs) < MOST_STAYING else _UNCERTAIN


def _what_follows(grades: Mapping[str, int]) -> str:
  """Says what the predicted sprite does, given each part's grade."""
  parts = {}
  for name, grade in grades.items():
    parts.setdefault(grade, []).append(f'of {_TITLES[name]}')
  clauses = [
    f'{_MOVES[grade]} {what} {" and ".join(of)}'
    for what, (grade, of) in zip(('shifted readings', 'those'), parts.items())
  ]
  return f'the predicted sprite {", but ".join(clauses)}'


def text(result: measuring.InterventionResult) -> str:
  """Says in a sentence, without numbers, whether shifted readings are followed.

  It begins with 'Yes', 'Yes, in part', 'No' or 'Cannot tell', which is about
  the memory, and also says how far the words read are followed.
  """
  if result.num_rollouts < _LEAST_ROLLOUTS:
    return 'Cannot tell: there are too few rollouts.'
  if not result.latents:
    return 'Cannot tell: neither position nor scale of the sprites varies.'
  if max(result.predicted.values()) < _LEAST_PREDICTED:
    return 'Cannot tell: the model predicts neither place nor scale.'
  grades = {part: _grade(result, part) for part in _TITLES}
  grades = {part: grade for part, grade in grades.items() if grade is not None}
  if not grades:
    return (
      'Cannot tell: no probe reads from words or memory what the model '
      'predicts, so there is nothing to shift.'
    )
  clauses = [
    f'{title} cannot be changed at this width'
    if set(measuring.PARTS[part]) <= set(result.too_wide)
    else f'no probe reads from {title} what the model predicts'
    for part, title in _TITLES.items()
    if part not in grades
  ]
  clauses.append(_what_follows(grades))
  answer = _ANSWERS[grades.get(running.MEMORY, _UNCERTAIN)]
  return f'{answer}: {"; ".join(clauses)}.'

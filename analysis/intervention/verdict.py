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
# A slope above the first means that the sprite follows, one below the second
# that it stays. The whole interval must lie there. The limits are a convention;
# the tables have the numbers.
_LEAST_FOLLOWING, _MOST_STAYING = 0.5, 0.1
# A latent counts if the intact model predicts it with this R^2.
_LEAST_PREDICTED = 0.5

_PROBE = effects.PROBE
_PARTS = {running.WORDS: 'the words read', running.MEMORY: 'the memory'}
# Grades of words or memory, and the answer to the highest grade of the two.
_STAYS, _UNCERTAIN, _IN_PART, _FOLLOWS = range(4)
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
  for name in measuring.NAMES:
    for latent in result.latents:
      kinds = result.effects[result.asked].get(name, {}).get(latent, {})
      found[f'{tables.title(name)}: {naming.latent(latent)}'] = {
        kind: kinds[kind].slope if kind in kinds else None
        for kind in effects.KINDS
      }
  return found


def cell(result: measuring.InterventionResult, name: str) -> str:
  """A representation's first slope in a few characters, for the overview."""
  found = slopes(result).get(name, {})
  shown = [
    f'{naming.latent(latent)} {found[latent][effects.PROBE].slope:z.2f}'
    for latent in ('x_position', 'y_position', 'scale')
    if latent in found
  ]
  return shown[0] if shown else '-'


def _moves(kinds: Mapping[str, effects.Effect], least: float) -> bool:
  """Whether a slope is above a limit, and further from 0 than the controls'."""
  controls = [np.abs(x.interval).max() for k, x in kinds.items() if k != _PROBE]
  return kinds[_PROBE].interval[0] > max([least, *controls])


def _grade(found: Mapping[str, Mapping[str, effects.Effect]]) -> int:
  """How words or memory are used: one of the grades above."""
  if any(_moves(kinds, _LEAST_FOLLOWING) for kinds in found.values()):
    return _FOLLOWS
  if any(_moves(kinds, _MOST_STAYING) for kinds in found.values()):
    return _IN_PART
  if all(x[_PROBE].interval[1] < _MOST_STAYING for x in found.values()):
    return _STAYS
  return _UNCERTAIN


def _by(found: Mapping[str, Mapping[str, effects.Effect]]) -> str:
  """The slopes of a representation: one number, or the least and greatest."""
  numbers = [f'{kinds[_PROBE].slope:z.2f}' for kinds in found.values()]
  ends = sorted({*numbers}, key=float)
  return ' to '.join(dict.fromkeys([ends[0], ends[-1]]))


def text(result: measuring.InterventionResult) -> str:
  """Says in a sentence whether the prediction follows shifted readings."""
  if result.num_rollouts < _LEAST_ROLLOUTS:
    return 'Cannot tell: there are too few rollouts.'
  if not result.latents:
    return 'Cannot tell: neither position nor scale of the sprites varies.'
  if max(result.predicted.values()) < _LEAST_PREDICTED:
    return 'Cannot tell: the model predicts neither place nor scale.'
  held = {name: found for name, found in slopes(result).items() if found}
  if not held:
    return (
      'Cannot tell: no probe reads from words or memory what the model '
      'predicts, so there is nothing to shift.'
    )
  grades = {name: _grade(found) for name, found in held.items()}
  best = max(grades.values())
  answer = _ANSWERS[best]
  only = [name for name, grade in grades.items() if grade == best]
  if best >= _IN_PART and len(only) == 1:
    others = {
      x: grades.get(x, _STAYS) for x in measuring.NAMES if x not in only
    }
    if all(grade == _STAYS for grade in others.values()):
      answer += f', but only from {_PARTS[only[0]]}'
  shares = ', '.join(f'{_by(x)} ({_PARTS[k]})' for k, x in held.items())
  return f'{answer}: when a reading shifts by 1, the sprite moves by {shares}.'

"""The answers over models, one sentence per test: the model is the unit.

A number counts if its 95 % interval over models lies above a limit. `ABOUT` has
the rules. The limits are those of the answers of a single model.
"""

from collections.abc import Iterable
from collections.abc import Mapping
import math

from analysis import probe
from analysis.common import statistics
from analysis.common import tables
from analysis.intervention import effects
from analysis.pooling import models
from dnc.system import wording

# With fewer models that have a number, nothing is said of it.
_LEAST_MODELS = 3
# Limits of what is added, of the share that is lost, and of a slope.
_LEAST_ADDED, _LEAST_LOST, _LEAST_SLOPE = 0.01, 0.01, 0.1
# One-sided, as the lower end of a 95 % interval.
_SIGNIFICANT = 0.025
TITLES = {
  'probe': 'Test 1:',
  'augments': 'Could M_t or r_t augment h_t and c_t?',
  'mi': 'Test 2:',
  'lesion': 'Test 3:',
  'intervention': 'Test 4:',
}
# The lesions that decide, and what they are, in words.
_OF_WORDS = ('read_words_other', 'read_words_mean')
_OF_MEMORY = {
  'frozen_memory': 'without new writes',
  'exchanged_memory': "with another sequence's memory",
}
ABOUT = (
  'These sentences are decided from 95 % intervals over the models. Test 1: '
  'labels whose interval lies above 0 and of which the models hold more than '
  'untrained cores; added to the controller is what lies above 0.01. Test 2: '
  'the number with most nats has more than that of a random sequence '
  "(Welch's test, corrected by Holm's method). Test 3: lasting losses of more "
  'than 1 % of the gain. Test 4: slopes above 0.1, and further from 0 than '
  'those of other directions.'
)


def sentences(result: models.PooledResult) -> dict[str, str]:
  """Returns the answer over the models to each test that was run."""
  asked = {
    'probe': (result.gains, _held),
    'augments': (result.beyond, _augments),
    'mi': (result.nats, _follows_x),
    'lesion': (result.lost, _is_used),
    'intervention': (result.slopes, _sprite_follows),
  }
  if result.number < _LEAST_MODELS:
    few = f'Cannot tell: there are fewer than {_LEAST_MODELS} models.'
    return {test: few for test, (numbers, _) in asked.items() if numbers}
  found = {
    k: answer(result) for k, (numbers, answer) in asked.items() if numbers
  }
  return {test: said for test, said in found.items() if said}


def _ends(found: models.OverModels | None) -> statistics.Interval:
  """The interval over models; it is infinite if too few have the number."""
  if found is None or len(found.values) < _LEAST_MODELS:
    return -math.inf, math.inf
  return found.interval


def _subjects(names: Iterable[str]) -> list[str]:
  """Words read and memory or, without these, all representations."""
  names = [name for name in names if not probe.naming.is_control(name)]
  return [x for x in ('read_words', 'memory') if x in names] or names


def _listed(offsets: Mapping[str, list[int]], where: str) -> str:
  """As in 'the next and earlier sprites in the memory', if `where` is 'in'.

  Args:
    offsets: of each representation; '' if all are empty.
    where: a preposition.
  """
  names = {}
  for name, about in offsets.items():
    if about:
      found = names.setdefault(probe.verdict.sprites(about), [])
      found.append(probe.naming.in_words(name))
  return '; '.join(
    f'{sprites} {where} the {wording.join(of)}' for sprites, of in names.items()
  )


def _above(
  found: Mapping[int, Mapping[str, models.OverModels]], least: float
) -> list[tuple[int, str]]:
  """Offsets and labels whose interval lies above a limit."""
  return [
    (offset, label)
    for offset, by_label in found.items()
    for label, x in by_label.items()
    if _ends(x)[0] > least
  ]


def _held(result: models.PooledResult) -> str:
  """The answer of Test 1."""
  names, untrained = _subjects(result.gains), result.untrained
  held = {name: _above(result.held(name), 0.0) for name in names}
  known = {
    (name, *each): untrained and untrained.is_learned(name, *each)
    for name in names
    for each in held[name]
  }
  where = wording.join(map(probe.naming.in_words, names))
  if not known:
    return f'No: a linear layer reads nothing from the {where}.'
  answer, said = 'Yes', [each for each, is_more in known.items() if is_more]
  if not said:
    said = [*known]
    answer = 'No more than untrained cores'
    if None in known.values():
      answer = 'Yes, but it is unknown whether this is learned'
  offsets = {
    x: [offset for name, offset, _ in said if name == x] for x in names
  }
  return f'{answer}: a linear layer reads {_listed(offsets, "from")}.'


def _augments(result: models.PooledResult) -> str:
  """The answer to the post's question; '' if it was not asked."""
  offsets = {
    name: [offset for offset, _ in _above(by_given['controller'], _LEAST_ADDED)]
    for name, by_given in result.beyond.items()
    if name in ('memory', 'read_words') and 'controller' in by_given
  }
  if not offsets:
    return ''
  listed = _listed(offsets, 'in')
  answer = f'Yes, by {listed}' if listed else 'No'
  if 'memory' not in offsets:
    answer += '; the memory was not probed'
  return f'{answer}.'


def _follows_x(result: models.PooledResult) -> str:
  """The answer of Test 2."""
  names = _subjects(x for x in result.nats if x != 'action')
  raw = {
    (name, lag): statistics.more_than(
      x.values, result.nats[name][models.RANDOM].values
    )
    for name in names
    for lag, x in result.nats[name].items()
    if lag != models.RANDOM and len(x.values) >= _LEAST_MODELS
  }
  p_values = dict(zip(raw, statistics.holm([*raw.values()])))
  lags = {
    name: [x for of, x in raw if of == name and p_values[of, x] < _SIGNIFICANT]
    for name in names
  }
  if listed := _listed(lags, 'in'):
    return f'Yes: a single number follows x of {listed}.'
  where = wording.join(map(tables.title, names))
  return f'No: no single number of the {where} follows x at any lag.'


def _is_used(result: models.PooledResult) -> str:
  """The answer of Test 3."""

  def lasting(name):
    return _ends(result.lost.get(name, {}).get('lasting'))

  if not all(lasting(name)[0] > _LEAST_LOST for name in _OF_WORDS):
    if lasting('read_words_other')[1] < _LEAST_LOST:
      return 'No: other words serve as well as those that the models read.'
    return 'Cannot tell whether the models use what they read.'
  costs = [x for k, x in _OF_MEMORY.items() if lasting(k)[0] > _LEAST_LOST]
  if costs:
    return (
      'Yes: the models use what they read, and what is stored: they lose for '
      f'good {wording.join(costs)}.'
    )
  if all(lasting(name)[1] < _LEAST_LOST for name in _OF_MEMORY):
    return (
      'Yes, but not to remember: the models use what they read, but lose next '
      f'to nothing for good {wording.join(_OF_MEMORY.values())}.'
    )
  return (
    'Yes, but it is uncertain whether to remember: the models use what they '
    'read.'
  )


def _sprite_follows(result: models.PooledResult) -> str:
  """The answer of Test 4."""
  follows, stays = {}, []
  for row, by_kind in result.slopes.items():
    found = by_kind[effects.PROBE]
    if found.mean is None:
      continue  # No probe reads enough to be shifted.
    others = [
      max(map(abs, x.interval))
      for kind, x in by_kind.items()
      if kind != effects.PROBE and x.interval is not None
    ]
    low, high = _ends(found)
    if low > max([_LEAST_SLOPE, *others]):
      name, _, latent = row.partition(': ')
      follows.setdefault(name, []).append(latent)
    stays.append(high < _LEAST_SLOPE)
  if follows:
    listed = [f'{wording.join(x)} from the {k}' for k, x in follows.items()]
    return (
      'Yes, at least in part: the predicted sprite follows shifted readings of '
      f'{"; ".join(listed)}.'
    )
  if stays and all(stays):
    return 'No: the predicted sprite stays when a reading is shifted.'
  return 'Cannot tell whether the predicted sprite follows shifted readings.'

"""The verdict of Test 2: does the memory follow x?"""

import numpy as np
from scipy import special

from analysis.common import tables
from analysis.mutual_information import scoring

# Fewer distinct shifts of a sequence estimate chance too poorly.
_LEAST_SHIFTS = 20
# Significance of the control. Stricter than `scoring.LEVEL`, at which a control
# is significant by chance now and then.
_CONTROL_LEVEL = 0.01
_AXES = {'memory': ('slot', 'word'), 'read_words': ('head', 'word')}


def subject(results: scoring.Results) -> str:
  """Returns which representation the verdict is about."""
  return 'memory' if 'memory' in results else next(iter(results))


def axes(name: str) -> tuple[str, ...]:
  """Returns the names of the axes of a representation's layout."""
  return _AXES.get(name, ('number',))


def _least_seen(result: scoring.MutualInformationResult) -> float:
  """The excess at which a typical location is significant half the time."""
  z = -special.ndtri(scoring.LEVEL / result.p_values.size)
  return float(z * np.median(result.null_deviation[~result.constant]))


def text(results: scoring.Results) -> str:
  """Says whether the memory follows x, with the numbers.

  Without a memory, the verdict is about the first representation.
  """
  name = subject(results)
  result = results[name]
  number = len(result.locations)
  what = f'{number} numbers of the {tables.title(name)}'
  if name != 'memory':
    what += ' (this core has no memory)'
  if result.constant.all():
    return f'No: none of the {what} ever changes within a sequence.'
  faulty = int((result.control_q_values <= _CONTROL_LEVEL).sum())
  if faulty:
    return (
      f'Cannot tell: the control fails, {faulty} of the {what} seem to follow '
      'a random sequence that the model never saw.'
    )
  if result.num_different_shifts < _LEAST_SHIFTS:
    advice = 'Ask for more shifts.'
    if result.num_different_shifts < result.num_shifts:
      advice = (
        'Use longer sequences, or a longest lag of less than '
        f'{max(result.lags)}.'
      )
    return (
      f'Cannot tell: at least {_LEAST_SHIFTS} different shifts of each '
      'sequence are needed to estimate chance, and there are '
      f'{result.num_different_shifts}. {advice}'
    )
  summary = result.summary()
  lags = ', '.join(map(str, result.lags))
  how = f'{tables.title(result.estimator)}, {result.num_sequences} sequences'
  if not summary['num_significant']:
    return (
      f'No: none of the {what} follows x at any of the lags {lags} ({how}). '
      f'Half of the time, the test would detect {_least_seen(result):.2g} nats '
      f'above chance in a typical one; {result.ceiling:.2f} are possible.'
    )
  lag, best = np.unravel_index(
    np.where(result.significant, result.excess, -np.inf).argmax(),
    result.scores.shape,
  )
  where = ', '.join(
    f'{axis} {index}' for axis, index in zip(axes(name), result.place(best))
  )
  return (
    f'Yes: {summary["num_significant"]} of the {what} follow x at some of the '
    f'lags {lags} ({how}, q <= {scoring.LEVEL}). The most informative is '
    f'{where}: {result.excess[lag, best]:.3f} nats above chance'
    f'{_interval(result, lag, best)} at lag {result.lags[lag]}, of '
    f'{result.ceiling:.2f} possible. Against the random control, '
    f'{summary["num_significant_control"]} are significant.'
    f'{_elsewhere(results)}'
  )


def _interval(
  result: scoring.MutualInformationResult, lag: int, location: int
) -> str:
  """The 95 % interval of an excess; none for a single sequence."""
  half = special.ndtri(0.975) * result.standard_error[lag, location]
  if not np.isfinite(half):
    return ''
  excess = result.excess[lag, location]
  return (
    f' (95 %: {excess - half:.3f} to {excess + half:.3f}; slightly biased '
    f'upwards, as the highest of {len(result.locations)})'
  )


def _elsewhere(results: scoring.Results) -> str:
  """Says how much each other representation holds at most, if any."""
  others = []
  for name, result in results.items():
    if name != subject(results):
      most = np.max(result.excess, initial=-np.inf, where=result.significant)
      most = f'at most {most:.3f}' if np.isfinite(most) else 'nothing'
      others.append(f'{most} in the {tables.title(name)}')
  return f' Elsewhere: {", ".join(others)}.' if others else ''

"""The results of Test 2 as text and JSON, beside the post's numbers."""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import special

from analysis.common import tables
from analysis.mutual_information import plain_scores
from analysis.mutual_information import scoring as mutual_information
from dnc.dsprites import variation

Results = Mapping[str, mutual_information.MutualInformationResult]

_NUM_LISTED = 5
# With fewer ways to shift a sequence its scores by chance are hardly known.
LEAST_SHIFTS = 20
# Of the control, by chance: it has to be rarer than what the test may find by
# chance to be called a fault.
_CONTROL_LEVEL = 0.01
_EXCEPTIONS = 0.05
# A fitted law's tail is not to be believed further out.
_LEAST_SHOWN = 1e-99
_PLAIN = {
  'raw': 'plain score of the raw numbers',
  'adjusted': 'adjusted score of the raw numbers',
  'integers': 'plain score of integer parts',
}
_OF_PLACES = {'memory': ('slot', 'word'), 'read_words': ('head', 'word')}
_HOW_TO_READ = (
  'How to read it: scores are in nats, averaged over the sequences. An '
  'estimate from finite sequences is not zero even for contents that have '
  'nothing to do with x. The bias is how large it then is: of random sequences '
  'that the model never saw, the true ones in another order, and of the true '
  'ones shifted in a circle; the two '
  'should agree. Excess is what a score has above the shifted ones, with the '
  'standard error over sequences. A location is significant (q <= '
  f'{mutual_information.LEVEL}) if shifted sequences hardly ever score as '
  'high, corrected for all locations and lags (Benjamini-Hochberg): of the '
  'significant ones, 5 % are expected to be so by chance. At lag k contents '
  'are compared with the x of k steps before.'
)


def _title(name: str) -> str:
  return name.replace('_', ' ')


def _main(results: Results) -> mutual_information.MutualInformationResult:
  """Of what the post scored, the memory; else of the first there is."""
  return results.get('memory', next(iter(results.values())))


def _beside_the_post(result: mutual_information.MutualInformationResult) -> str:
  """The post's numbers, and what can be set beside them."""
  number = len(result.locations)

  def row(
    name: str, scores: np.ndarray, below: np.ndarray | None = None
  ) -> list[str]:
    negligible = int((scores < mutual_information.NEGLIGIBLE).sum())
    return [
      name,
      f'{scores.max():.3g}',
      f'{scores.mean():.3g}',
      f'{negligible} of {number}',
      '' if below is None else f'{below.mean():.1%}',
    ]

  rows = [
    row(f'true x sequence, lag {lag}', scores)
    for lag, scores in zip(result.lags, result.scores)
  ]
  rows += [
    row('random x sequence (control)', result.control),
    row('true x sequence, shifted', result.null),
  ]
  for name, title in _PLAIN.items():
    for i, whose in enumerate(('true', 'random')):
      below = result.plain_negligible[name][i]
      rows.append(row(f'{title}, {whose}', result.plain[name][i], below))
  for whose in ('true', 'random'):
    rows.append([f'post: {whose} x sequence', '< 1e-08', '< 1e-08', 'all', ''])
  header = [
    '',
    'highest location',
    'mean location',
    'locations below 1e-8',
    'single scores below 1e-8',
  ]
  return tables.table(header, rows)


def explanations(
  result: mutual_information.MutualInformationResult,
) -> list[str]:
  """Which of `plain_scores.NAMES` give what the post found, or nearly.

  Below 1e-8 for the true and the random sequences, at every location; but for
  `_EXCEPTIONS` of the single scores of a location and a sequence.
  """
  return [
    name
    for name in plain_scores.NAMES
    if result.plain_negligible[name].mean(axis=1).min() >= 1 - _EXCEPTIONS
  ]


def _on_the_post(result: mutual_information.MutualInformationResult) -> str:
  """Says what explains the post's numbers, and what they say."""
  found = explanations(result)
  if not found:
    return (
      'No score that takes every number for a class of its own is below 1e-8 '
      "all over: none explains the post's numbers here."
    )
  reasons = dict(
    raw='contents that never change tell nothing',
    adjusted=(
      'what chance would give is taken off, which of numbers that never repeat '
      'is all that any sequence can give; where some repeat, by chance or in '
      f'rounding, its mean is {result.plain["adjusted"].max():.1g} at most'
    ),
    integers='of numbers between -1 and 1 it is always 0',
  )
  shown = '; '.join(
    f'the {_PLAIN[name]}, in {result.plain_negligible[name].mean():.1%} of all '
    f'cases ({reasons[name]})'
    for name in found
  )
  return (
    'Below 1e-8 at every location, for both sequences, is what the post found, '
    f'and what this gives here: {shown}. Contents of the same kind that hold '
    'all of x would score the same, so that it says nothing of what is held.'
  )


def _by_representation(results: Results) -> str:
  header = [
    '',
    'locations',
    'significant',
    'highest score',
    'highest excess',
    'mean score',
    'mean excess',
    'bias: random x',
    'bias: shifted x',
    'significant: random x',
  ]
  rows = []
  for name, result in results.items():
    summary = result.summary()
    for i, lag in enumerate(result.lags):
      best = int(result.excess[i].argmax())
      error = result.standard_error[i, best]
      rows.append(
        [
          f'{_title(name)}, lag {lag}',
          f'{summary["num_locations"]}',
          f'{summary["num_significant_by_lag"][i]}',
          f'{result.scores[i].max():.4f}',
          f'{result.excess[i, best]:+.4f}{_plus_minus(error)}',
          f'{result.scores[i].mean():.4f}',
          f'{result.excess[i].mean():+.4f}',
          f'{summary["bias_by_random_sequences"]:.4f}',
          f'{summary["bias_by_shifts"]:.4f}',
          f'{summary["num_significant_control"]}',
        ]
      )
  return tables.table(header, rows)


def _plus_minus(error: float) -> str:
  return f' ± {error:.4f}' if np.isfinite(error) else ''


def place(layout: Sequence[int], location: int) -> list[int]:
  """Where in its representation a location is, e.g. [slot, word]."""
  return [int(i) for i in np.unravel_index(location, tuple(layout))]


def _most_significant(
  name: str, result: mutual_information.MutualInformationResult
) -> str:
  """The locations with the least p-values, each at its best lag."""
  best = result.p_values.argmin(axis=0)
  columns = np.arange(len(best))
  order = np.lexsort(
    (-result.excess[best, columns], result.p_values[best, columns])
  )
  places = _OF_PLACES.get(name, ('number',))
  header = [*places, 'lag', 'score', 'excess', 'p', 'p by rank', 'q']
  rows = []
  for i in order[:_NUM_LISTED]:
    lag = best[i]
    error = _plus_minus(result.standard_error[lag, i])
    rows.append(
      [
        *map(str, place(result.layout, result.locations[i])),
        str(result.lags[lag]),
        f'{result.scores[lag, i]:.4f}',
        f'{result.excess[lag, i]:+.4f}{error}',
        *(
          f'{p[lag, i]:.2g}' if p[lag, i] >= _LEAST_SHOWN else '< 1e-99'
          for p in (
            result.p_values,
            result.empirical_p_values,
            result.q_values,
          )
        ),
      ]
    )
  return tables.table(header, rows)


def _least_seen(result: mutual_information.MutualInformationResult) -> float:
  """The excess that would have been significant at a typical location alone."""
  z = -special.ndtri(mutual_information.LEVEL / result.p_values.size)
  return float(z * np.median(result.null_deviation[~result.constant]))


def verdict(results: Results) -> str:
  """Says in a sentence whether the memory follows x, with the numbers.

  Args:
    results: by representation; of the memory if it is there.
  """
  result = _main(results)
  name = 'memory' if result is results.get('memory') else next(iter(results))
  number = len(result.locations)
  what = f'{number} numbers of the {_title(name)}'
  found = result.summary()
  if name != 'memory':
    what += ' (this core has no memory)'
  if result.constant.all():
    return f'No: none of the {what} ever changes within a sequence.'
  faulty = int((result.control_q_values <= _CONTROL_LEVEL).sum())
  if faulty:
    return (
      f'Cannot tell: the control misbehaves, {faulty} of the {what} seem to '
      'follow a random sequence that the model never saw.'
    )
  if result.num_different_shifts < LEAST_SHIFTS:
    return (
      'Cannot tell: chance is known from shifts of each sequence, of which '
      f'{LEAST_SHIFTS} different ones are needed; there are '
      f'{result.num_different_shifts}. '
      + (
        'More must be asked for.'
        if result.num_different_shifts == result.num_shifts
        else 'Sequences must be longer, or the longest lag, '
        f'{max(result.lags)}, shorter.'
      )
    )
  estimator = result.estimator.replace('_', ' ')
  of = f'{estimator}, over {result.num_sequences} sequences'
  if not found['num_significant']:
    return (
      f'No: none of the {what} follows x at any lag of '
      f'{", ".join(map(str, result.lags))} ({of}); '
      f'{_least_seen(result):.2g} nats above chance at a typical one would '
      'have been seen half of the time, where '
      f'{result.ceiling:.2f} are possible.'
    )
  lag, best = np.unravel_index(
    np.where(result.significant, result.excess, -np.inf).argmax(),
    result.scores.shape,
  )
  where = dict(
    zip(
      _OF_PLACES.get(name, ('number',)),
      place(result.layout, result.locations[best]),
    )
  )
  where = ', '.join(f'{k} {v}' for k, v in where.items())
  return (
    f'Yes: {found["num_significant"]} of the {what} follow x at some lag of '
    f'{", ".join(map(str, result.lags))} ({of}, q <= '
    f'{mutual_information.LEVEL}); most of all {where}, by '
    f'{result.excess[lag, best]:.3f} nats above chance'
    f'{_interval(result, lag, best)} at lag '
    f'{result.lags[lag]}, where {result.ceiling:.2f} are possible; of the '
    f'random control, {found["num_significant_control"]} do.'
    f'{_compared(results)}'
  )


def _interval(
  result: mutual_information.MutualInformationResult, lag: int, location: int
) -> str:
  """The 95 % interval of an excess, unless of a single sequence."""
  half = special.ndtri(0.975) * result.standard_error[lag, location]
  if not np.isfinite(half):
    return ''
  excess = result.excess[lag, location]
  return (
    f' (95 %: {excess - half:.3f} to {excess + half:.3f}; the highest of '
    f'{len(result.locations)} is a little too high)'
  )


def _compared(results: Results) -> str:
  """Says how much the other representations hold at most, if there are any."""
  main, others = _main(results), []
  for name, result in results.items():
    if result is not main:
      most = np.max(result.excess, initial=-np.inf, where=result.significant)
      most = f'at most {most:.3f}' if np.isfinite(most) else 'nothing'
      others.append(f'{most} in the {_title(name)}')
  return f' Elsewhere: {", ".join(others)}.' if others else ''


def mutual_information_text(
  results: Results, fixed: variation.Fixed = ()
) -> str:
  """Returns the tables of Test 2 in Markdown.

  Args:
    results: by representation, what `mutual_information.from_traces` returned.
    fixed: latents of one class in all sequences.
  """
  result = _main(results)
  estimator = result.estimator.replace('_', ' ')
  if result.num_bins is not None:
    estimator += f', {result.num_bins} bins'
  sequences = f'{result.num_sequences} sequences in which only x moves'
  sequences += f'; fixed: {variation.shown(fixed)}.' if fixed else '.'
  sequences += f' P-values from {result.num_shifts} shifts of each.'
  parts = [
    f'# Test 2: mutual information ({estimator})',
    verdict(results),
    sequences,
  ]
  if 'memory' in results:
    parts += [
      '## Beside the post: locations of the memory',
      _beside_the_post(result),
      _on_the_post(result),
    ]
  parts += ['## Memory and other numbers', _by_representation(results)]
  for name, result in results.items():
    if not result.constant.all():
      parts += [
        f'## {_title(name).capitalize()}: the most significant locations',
        _most_significant(name, result),
      ]
  return '\n\n'.join([*parts, _HOW_TO_READ]) + '\n'


def mutual_information_data(
  results: Results, config: Mapping[str, Any]
) -> dict[str, Any]:
  """Returns Test 2 for JSON, at full precision.

  Args:
    results: by representation, what `mutual_information.from_traces` returned.
    config: what the results are of: flags, metadata of model and data.

  Returns:
    A dict of `config`, `verdict` and, by representation, `results`: each a dict
    of its `summary` and the attributes of
    `mutual_information.MutualInformationResult`.
  """
  return tables.plain(
    {
      'config': config,
      'verdict': verdict(results),
      'results': {
        name: {'summary': result.summary(), **vars(result)}
        for name, result in results.items()
      },
    }
  )

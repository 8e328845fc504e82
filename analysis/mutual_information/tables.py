"""The results of Test 2 as Markdown and JSON, and the verdict."""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import special

from analysis.common import tables
from analysis.mutual_information import plain_scores
from analysis.mutual_information import scoring
from dnc.dsprites import variation
from dnc.system import json_values

# By representation.
Results = Mapping[str, scoring.MutualInformationResult]

_NUM_LISTED = 5
# With fewer different shifts of a sequence, chance is hardly known.
_LEAST_SHIFTS = 20
# Significance of the control. Stricter than the test's own level: at that one,
# a control is significant by chance now and then.
_CONTROL_LEVEL = 0.01
# The share of single scores that need not be negligible to explain the post's.
_EXCEPTIONS = 0.05
# Further out, the tail of a fitted law means nothing.
_LEAST_SHOWN = 1e-99
_PLAIN = {
  'raw': 'plain score of the raw numbers',
  'adjusted': 'adjusted score of the raw numbers',
  'integers': 'plain score of integer parts',
}
_OF_PLACES = {'memory': ('slot', 'word'), 'read_words': ('head', 'word')}
_HOW_TO_READ = (
  'How to read it: scores are in nats, averaged over the sequences. An '
  'estimate from finite sequences is above zero even for contents that are '
  'independent of x. The bias is the score against sequences that are '
  'independent of the contents: random ones, which the model never saw (the '
  'true ones in random order), and the true ones shifted in a circle. The two '
  'should agree. The excess is a score less that of shifted sequences, with '
  'its standard error over sequences. A location is significant (q <= '
  f'{scoring.LEVEL}) if shifted sequences hardly ever score as high, corrected '
  'for the number of locations and lags (Benjamini-Hochberg); 5 % of the '
  'significant ones are expected to be so by chance. At lag k, contents are '
  'compared with the x of k steps before.'
)


def _main(results: Results) -> str:
  """The representation that the verdict is about: what the post scored."""
  return 'memory' if 'memory' in results else next(iter(results))


def _beside_the_post(result: scoring.MutualInformationResult) -> str:
  """The table of the post's numbers and ours."""
  number = len(result.locations)

  def row(
    name: str, scores: np.ndarray, below: np.ndarray | None = None
  ) -> list[str]:
    negligible = int((scores < scoring.NEGLIGIBLE).sum())
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


def _on_the_post(result: scoring.MutualInformationResult) -> str:
  """Says which plain scores explain the post's numbers, and what these say.

  Those that are negligible for the true and the random sequences at every
  location, except in a share `_EXCEPTIONS` of the single scores.
  """
  found = [
    name
    for name in plain_scores.NAMES
    if result.plain_negligible[name].mean(axis=1).min() >= 1 - _EXCEPTIONS
  ]
  if not found:
    return (
      'None of the plain scores is below 1e-8 everywhere: none explains the '
      "post's numbers here."
    )
  reasons = dict(
    raw='contents that never change score zero',
    adjusted=(
      'it subtracts the score expected by chance, and numbers that never '
      'repeat score no more than that; where some repeat, by chance or by '
      f'rounding, its mean is at most {result.plain["adjusted"].max():.1g}'
    ),
    integers='numbers between -1 and 1 all become 0',
  )
  shown = '; '.join(
    f'the {_PLAIN[name]}, in {result.plain_negligible[name].mean():.1%} of all '
    f'cases ({reasons[name]})'
    for name in found
  )
  return (
    'The post found scores below 1e-8 at every location, for both sequences. '
    f'Here this gives them: {shown}. Contents of this kind would score the '
    'same if they held all of x, so that the score says nothing about what '
    'they hold.'
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
          f'{tables.title(name)}, lag {lag}',
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


def _place(layout: Sequence[int], location: int) -> list[int]:
  """The indices of a location in its representation, e.g. [slot, word]."""
  return [int(i) for i in np.unravel_index(location, layout)]


def _most_significant(
  name: str, result: scoring.MutualInformationResult
) -> str:
  """The table of the lowest p-values, each location at its best lag."""
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
        *map(str, _place(result.layout, result.locations[i])),
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


def _least_seen(result: scoring.MutualInformationResult) -> float:
  """The excess at which a typical location is significant half the time."""
  z = -special.ndtri(scoring.LEVEL / result.p_values.size)
  return float(z * np.median(result.null_deviation[~result.constant]))


def verdict(results: Results) -> str:
  """Says whether the memory follows x, with the numbers.

  Args:
    results: by representation. The verdict is about the memory, or the first
      representation if there is no memory.
  """
  name = _main(results)
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
      f'No: none of the {what} follows x at any of the lags {lags} ({how}). At '
      f'a typical one, {_least_seen(result):.2g} nats above chance would have '
      f'been seen half of the time; {result.ceiling:.2f} are possible.'
    )
  lag, best = np.unravel_index(
    np.where(result.significant, result.excess, -np.inf).argmax(),
    result.scores.shape,
  )
  where = ', '.join(
    f'{axis} {index}'
    for axis, index in zip(
      _OF_PLACES.get(name, ('number',)),
      _place(result.layout, result.locations[best]),
    )
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
    f' (95 %: {excess - half:.3f} to {excess + half:.3f}; a little too high, '
    f'as the highest of {len(result.locations)})'
  )


def _elsewhere(results: Results) -> str:
  """Says how much the other representations hold at most, if there are any."""
  others = []
  for name, result in results.items():
    if name != _main(results):
      most = np.max(result.excess, initial=-np.inf, where=result.significant)
      most = f'at most {most:.3f}' if np.isfinite(most) else 'nothing'
      others.append(f'{most} in the {tables.title(name)}')
  return f' Elsewhere: {", ".join(others)}.' if others else ''


def text(results: Results, fixed: variation.Fixed = ()) -> str:
  """Returns the tables of Test 2 in Markdown.

  Args:
    results: by representation, e.g. from `scoring.from_traces`.
    fixed: latents of one class in all sequences.
  """
  result = results[_main(results)]
  estimator = tables.title(result.estimator)
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
        f'## {tables.title(name).capitalize()}: the most significant locations',
        _most_significant(name, result),
      ]
  return '\n\n'.join([*parts, _HOW_TO_READ]) + '\n'


def data(results: Results, config: Mapping[str, Any]) -> dict[str, Any]:
  """Returns the results of Test 2 for JSON, at full precision.

  Args:
    results: by representation, e.g. from `scoring.from_traces`.
    config: what was tested: flags, metadata of model and data.

  Returns:
    A dict of `config`, `verdict` and `results`; the last has, by
    representation, its `summary` and the attributes of
    `scoring.MutualInformationResult`.
  """
  return json_values.clean(
    {
      'config': config,
      'verdict': verdict(results),
      'results': {
        name: {'summary': result.summary(), **vars(result)}
        for name, result in results.items()
      },
    }
  )

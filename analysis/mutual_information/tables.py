"""The results of Test 2 as Markdown and JSON."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from analysis.common import tables
from analysis.mutual_information import plain_scores
from analysis.mutual_information import scoring
from analysis.mutual_information import verdict
from dnc.dsprites import variation
from dnc.system import json_values
from dnc.system import wording

_NUM_LISTED = 5
# A plain score is consistent with the post's if all but this share of it is
# negligible.
_EXCEPTIONS = 0.05
# Smaller p-values are too far out in the tail of a fitted law to mean anything.
_LEAST_SHOWN = 1e-99
_PLAIN = {
  'raw': 'plain score of the raw numbers',
  'adjusted': 'adjusted score of the raw numbers',
  'integers': 'plain score of integer parts',
}
_ABOUT_TABLE = (
  'Nats above chance of the number that has most; in brackets, the share of '
  'numbers that are significant. If no number follows the sprites of some '
  'columns, at most one evaluation in twenty shows more than 0 % in any of '
  'these columns of a row. *Next* is the sprite that comes next, *current* the '
  'one that goes in, *random x* the control. The last column has the mean over '
  'all numbers, and its 95 % interval over sequences.'
)
_ABOUT_ACTION = (
  'No untrained core is compared. The action is the control for what comes '
  'from the input alone.'
)
_HOW_TO_READ = (
  'How to read it: scores are in nats, averaged over the sequences. An '
  'estimate from finite sequences is above zero even for contents that are '
  'independent of x. This bias is measured with two kinds of sequences that '
  'are independent of the contents: random ones (the true ones in random '
  'order, which the model never saw), and the true ones shifted in a circle. '
  'The two should agree. The excess is the score minus the mean score of '
  'shifted sequences, with its standard error over sequences. A location is '
  f'significant (q <= {scoring.LEVEL}) if shifted sequences hardly ever score '
  'as high, after correction for the number of locations and lags '
  '(Benjamini-Hochberg); 5 % of the significant locations are expected to be '
  'false discoveries. At lag k, contents are compared with the x of k steps '
  'before; at lag -1, with that of the next sprite.'
)


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
    row(
      f'true x sequence, lag {lag}'
      + (", the post's" if lag == scoring.CURRENT else ''),
      scores,
    )
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
  header = ['', 'highest location', 'mean location', 'locations below 1e-8']
  return tables.table([*header, 'single scores below 1e-8'], rows)


def _on_the_post(result: scoring.MutualInformationResult) -> str:
  """Says which plain scores are consistent with the post's, and what it means.

  A score is consistent if it is almost always negligible, for true and for
  random sequences.
  """
  found = [
    name
    for name in plain_scores.NAMES
    if result.plain_negligible[name].mean(axis=1).min() >= 1 - _EXCEPTIONS
  ]
  if not found:
    return (
      'None of the plain scores is below 1e-8 everywhere: none is consistent '
      "with the post's numbers here."
    )
  reasons = dict(
    raw='contents that never change score zero',
    adjusted=(
      'it subtracts the score expected by chance, which is all that numbers '
      'without repetition score; where some repeat, by chance or by rounding, '
      'it is a little above or below zero'
    ),
    integers='numbers between -1 and 1 all become 0',
  )
  shown = '; '.join(f'the {_PLAIN[name]} ({reasons[name]})' for name in found)
  return (
    'The post found scores below 1e-8 at every location, for both sequences. '
    f'Consistent with this is: {shown}. Such contents would score the same '
    'even if they held all of x, so the score says nothing about what they '
    'hold. A score is called consistent if nearly all single scores, each of '
    'one location in one sequence, are below 1e-8; negative ones are. Fewer '
    'locations may be below: they are counted by their means over the '
    'sequences, which one higher score can lift above 1e-8.'
  )


def _by_representation(results: scoring.Results) -> str:
  rows = []
  for name, result in results.items():
    summary = result.summary()
    for i, lag in enumerate(result.lags):
      best = int(result.excess[i].argmax())
      error = result.standard_error[i, best]
      row = {
        '': f'{tables.title(name)}, lag {lag}',
        'locations': f'{summary["num_locations"]}',
        'significant': f'{summary["num_significant_by_lag"][i]}',
        'highest excess': f'{result.excess[i, best]:+.4f}{_plus_minus(error)}',
        'mean excess': f'{result.excess[i].mean():+.4f}',
        'bias: random x': f'{summary["bias_by_random_sequences"]:.4f}',
        'bias: shifted x': f'{summary["bias_by_shifts"]:.4f}',
      }
      rows.append(list(row.values()))
  return tables.table(list(row), rows)


def _plus_minus(error: float) -> str:
  return f' ± {error:.4f}' if np.isfinite(error) else ''


def _most_significant(
  name: str, result: scoring.MutualInformationResult
) -> str:
  """The table of the lowest p-values, each location at its best lag."""
  best = result.p_values.argmin(axis=0)
  columns = np.arange(len(best))
  order = np.lexsort(
    (-result.excess[best, columns], result.p_values[best, columns])
  )
  places = verdict.axes(name)
  header = [*places, 'lag', 'score', 'excess', 'p', 'p by rank', 'q']
  rows = []
  of_chance = result.p_values, result.empirical_p_values, result.q_values
  for i in order[:_NUM_LISTED]:
    lag = best[i]
    error = _plus_minus(result.standard_error[lag, i])
    cells = [*map(str, result.place(i)), str(result.lags[lag])]
    cells.append(f'{result.scores[lag, i]:.4f}')
    cells.append(f'{result.excess[lag, i]:+.4f}{error}')
    for p in (values[lag, i] for values in of_chance):
      cells.append(f'{p:.2g}' if p >= _LEAST_SHOWN else '< 1e-99')
    rows.append(cells)
  return tables.table(header, rows)


def text(
  results: scoring.Results,
  fixed: variation.Fixed = (),
  told: str | None = None,
) -> str:
  """Returns the tables of Test 2 in Markdown.

  Args:
    results: by representation.
    fixed: latents that kept one class.
    told: the verdict; that of the results by default.
  """
  result = results[verdict.subject(results)]
  estimator = tables.title(result.estimator)
  if result.num_bins is not None:
    estimator += f', {result.num_bins} bins'
  parts = [
    f'# Test 2: mutual information ({estimator})',
    told or verdict.text(results),
    summary(results),
    details(results, fixed),
  ]
  return '\n\n'.join(parts)


def summary(results: scoring.Results) -> str:
  """Returns the small table of the verdict, and how to read it."""
  about = _ABOUT_TABLE
  if verdict.ACTION in results:
    about += f' {_ABOUT_ACTION}'
    more = verdict.more_in_action(results)
    if more:
      about += (
        ' The action alone tells more than any number of the '
        f'{tables.title(verdict.subject(results))} about x of these sprites: '
        f'{wording.join(more)}.'
      )
  return f'{verdict.table(results)}\n\n{about}'


def _about(
  result: scoring.MutualInformationResult, fixed: variation.Fixed
) -> str:
  """Says what was scored, and how little would have been found."""
  fixed = f'; fixed: {variation.shown(fixed)}' if fixed else ''
  different = result.num_different_shifts
  few = f' ({different} different)' if different < result.num_shifts else ''
  about = (
    f'{result.num_sequences} sequences in which only x moves{fixed}. P-values '
    f'from {result.num_shifts} shifts of each{few}. At most '
    f'{result.ceiling:.2f} nats are possible.'
  )
  if result.constant.all():
    return about
  return (
    f'{about} In a typical number, {verdict.least_seen(result):.2g} nats above '
    'chance would be significant half of the time.'
  )


def details(results: scoring.Results, fixed: variation.Fixed = ()) -> str:
  """Returns all tables but that of the verdict; see `text`."""
  result = results[verdict.subject(results)]
  parts = [_about(result, fixed)]
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


def data(results: scoring.Results, config: Mapping[str, Any]) -> dict[str, Any]:
  """Returns the results of Test 2 for JSON, at full precision.

  Args:
    results: by representation.
    config: what was tested: flags, metadata of model and data.

  Returns:
    A dict of `config`, `verdict` and `results`: by representation, `summary`
    and the attributes of `MutualInformationResult`.
  """
  return json_values.clean(
    {
      'config': config,
      'verdict': verdict.text(results),
      'results': {
        name: {'summary': result.summary(), **vars(result)}
        for name, result in results.items()
      },
    }
  )

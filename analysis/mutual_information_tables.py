"""The results of Test 2 as text and JSON, beside the post's numbers."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from analysis import mutual_information
from analysis import tables
from dnc.dsprites import variation

_HOW_TO_READ_MUTUAL_INFORMATION = (
  'How to read it: scores are in nats, averaged over the sequences. An '
  'estimate from finite sequences is not zero even for contents that have '
  'nothing to do with x: the shuffled rows show how large it then is. The '
  'memory follows x if locations are significant; below 1e-8 is what the '
  'post found at every location, for both sequences.'
)


def mutual_information_text(
  result: mutual_information.MutualInformationResult,
  fixed: variation.Fixed = (),
) -> str:
  """Returns the table of Test 2 in Markdown.

  Args:
    result: what `mutual_information.run` returned.
    fixed: latents of one class in all sequences.
  """
  summary = result.summary()
  number = summary['num_locations']

  def row(name: str, scores: np.ndarray) -> list[str]:
    below = int((scores < mutual_information.NEGLIGIBLE).sum())
    return [
      name,
      f'{scores.max():.3g}',
      f'{scores.mean():.3g}',
      f'{below} of {number}',
    ]

  rows = [
    row('true x sequence', result.true),
    row('random x sequence (control)', result.control),
    row('true x sequence, shuffled', result.null),
    ['post: true x sequence', '< 1e-08', '< 1e-08', 'all'],
    ['post: random x sequence', '< 1e-08', '< 1e-08', 'all'],
  ]
  header = ['', 'highest location', 'mean location', 'locations below 1e-8']
  estimator = result.estimator.replace('_', ' ')
  if result.num_bins is not None:
    estimator += f', {result.num_bins} bins'
  found = (
    f'{summary["num_significant"]} of {number} locations are significant at '
    f'0.05, corrected for {number} comparisons by {result.num_shuffles} '
    f'shuffles; {summary["share_constant"]:.1%} never change within a sequence.'
  )
  title = f'# Test 2: mutual information ({estimator})'
  sequences = f'{result.num_sequences} sequences in which only x moves'
  sequences += f'; fixed: {variation.shown(fixed)}.' if fixed else '.'
  parts = [title, sequences, tables.table(header, rows), found]
  return '\n\n'.join([*parts, _HOW_TO_READ_MUTUAL_INFORMATION]) + '\n'


def mutual_information_data(
  result: mutual_information.MutualInformationResult,
  config: Mapping[str, Any],
) -> dict[str, Any]:
  """Returns Test 2 for JSON, at full precision.

  Args:
    result: what `mutual_information.run` returned.
    config: what the result is of: flags, metadata of model and data.

  Returns:
    A dict of `config`, `summary` and the attributes of
    `mutual_information.MutualInformationResult`.
  """
  return tables.plain(
    {
      'config': config,
      'summary': result.summary(),
      **vars(result),
    }
  )

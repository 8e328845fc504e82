"""The results of Test 3 as text and JSON, and what they say."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from analysis.common import tables
from analysis.lesion import comparison as lesion
from dnc import lesions
from dnc import tasks

# With fewer, intervals over sequences are too narrow.
LEAST_SEQUENCES = 10
# Effects that are not certainly as large a share of what the model gains as the
# one are called next to nothing, and as the other a small part. Where these
# lines are is convention; the numbers stand beside.
_LITTLE, _SMALL = 0.01, 0.1

METRICS = {
  'iou': 'IoU',
  'bit_accuracy': 'bits right',
  'sequence_accuracy': 'sequences right',
}
BASELINES = {
  tasks.NEXT_SPRITE: 'predicting the mean image',
  tasks.REPEAT_COPY: 'predicting the mean target',
}
_HOW_TO_READ = (
  'How to read it: a lesion takes something away and leaves all weights as '
  'they are; a change is the mean over the {unit}s of what the same {unit} '
  'scores with the lesion less what it scores without, and its interval, of '
  '95 %, comes from resampling {unit}s. "Lost" is the change of the loss as a '
  'share of what the intact model gains over {baseline}: 0 % is nothing, at '
  '100 % a model without any idea is as good.',
  'A model that got used to its memory meets, without it, inputs that it never '
  'saw in training, and may do worse for that alone. So a change with zeros in '
  'place of the words read does not yet show that the words told it anything. '
  'Their mean keeps them where they usually are, and the words of another '
  '{unit} are words as they were in training, which only say nothing about '
  'this one: **what the model loses with these is the most that it used**. '
  'More than 100 % lost says that wrong words mislead it, not only that right '
  'ones are missing; a change whose interval holds 0 shows no use.',
  'Words read are made of what is stored and of what was asked for, and a '
  'model may read as it would use one more layer, with nothing remembered. '
  'Whether it remembers tells **the memory that is frozen** (nothing new is '
  'stored from then on, not even for the same step) and that of another '
  '{unit} (what is stored is about something else; the steps right after an '
  'exchange also pay for a controller and a memory that do not belong '
  'together). A reset leaves a memory of zeros, which was met in training only '
  'at the start of a {unit}: it says less. Without links, or without usage, a '
  'model may do as well if it finds its words, or free slots, by other means.',
)
_ABOUT_REPEAT_COPY = (
  'Repeat-copy cannot be done without remembering the pattern, though the '
  'controller can remember some of it by itself. A model that does it and that '
  'lesions break is the proof that this test sees use where there is some. '
  'Half of the bits are right by chance.'
)


def label(name: str, result: lesion.LesionResult) -> str:
  """What a lesion is called in tables."""
  return {
    'read_words_zero': 'read words: zeros',
    'read_words_mean': 'read words: their mean',
    'read_words_other': f'read words: of another {result.unit}',
    'frozen_memory': f'memory frozen from step {result.lesion_step} on',
    'exchanged_memory': (
      f'memory of another {result.unit} every {_steps(result.reset_interval)}'
    ),
    'reset_memory': f'memory reset every {_steps(result.reset_interval)}',
    'no_link': 'no links',
    'no_usage': 'no usage',
  }[name]


def _steps(number: int) -> str:
  return 'step' if number == 1 else f'{number} steps'


def _number(value: float) -> str:
  """Four digits, or as many decimals as tell small numbers apart."""
  return f'{value:.1f}' if abs(value) >= 100 else f'{value:.4g}'


def _change(value: float, interval: lesion.Interval) -> str:
  """A change and its interval, as precise as the interval allows."""
  width = interval[1] - interval[0]
  decimals = 0
  if width > 0:
    decimals = int(np.clip(1 - np.floor(np.log10(width)), 0, 6))
  elif value:
    decimals = 4
  numbers = [round(x, decimals) + 0.0 for x in (value, *interval)]
  middle, low, high = (f'{x:+.{decimals}f}' for x in numbers)
  return f'{middle} ({low} to {high})'


def _share(comparison: lesion.Comparison) -> str:
  if comparison.share is None:
    return ''
  return f'{round(comparison.share, 3) + 0.0:.1%}'


def _lost(comparison: lesion.Comparison) -> str:
  """The share and its interval."""
  if comparison.share is None:
    return ''
  low, high = comparison.share_interval
  decimals = 1 if high - low > 0.01 else 2
  share, low, high = (
    f'{round(x, 2 + decimals) + 0.0:.{decimals}%}'
    for x in (comparison.share, low, high)
  )
  return f'{share} ({low} to {high})'


def _mean(scores: np.ndarray) -> str:
  return _number(float(np.nanmean(scores)))


def _rows(result: lesion.LesionResult) -> list[list[str]]:
  loss, *others = result.metrics
  baseline = BASELINES[result.task]
  late = f', from step {result.lesion_step} on'
  rows = []

  def add_reference(name, scores):
    cells = [_mean(scores[loss]), '', '']
    for metric in others:
      cells += [_mean(scores[metric]), '']
    rows.append([name, *cells])

  def add_lesion(name):
    of_lesion = result.comparisons[name]
    found = of_lesion[loss]
    cells = [_number(found.lesioned)]
    cells += [_change(found.difference, found.interval), _lost(found)]
    for metric in others:
      found = of_lesion[metric]
      cells += [_number(found.lesioned)]
      cells += [_change(found.difference, found.interval)]
    rows.append([label(name, result), *cells])

  add_reference('intact', result.scores[lesions.INTACT])
  add_reference(baseline, result.scores[lesion.BASELINE])
  for name in lesions.NAMES:
    if name == 'frozen_memory' and result.lesion_step:
      add_reference(f'intact{late}', result.late_scores[lesions.INTACT])
    add_lesion(name)
  return rows


def lesion_text(result: lesion.LesionResult) -> str:
  """Returns the table of Test 3 in Markdown, and how to read it.

  Args:
    result: what `lesion.run` returned.
  """
  header = ['', f'loss ({result.loss_unit})', 'change', 'lost']
  for metric in result.metrics[1:]:
    header += [METRICS[metric], 'change']
  steps = 'up to ' if result.task == tasks.REPEAT_COPY else ''
  runs = (
    f'{result.num_sequences} unseen {result.unit}s of {steps}'
    f'{result.num_steps} steps, each run intact and with every lesion.'
  )
  words = dict(unit=result.unit, baseline=BASELINES[result.task])
  parts = [
    '# Test 3: lesions of the memory',
    runs,
    tables.table(header, _rows(result)),
    verdict(result),
    *(text.format(**words) for text in _HOW_TO_READ),
  ]
  if result.task == tasks.REPEAT_COPY:
    parts.append(_ABOUT_REPEAT_COPY)
  return '\n\n'.join(parts) + '\n'


def _harms(comparison: lesion.Comparison) -> bool:
  """Whether the loss certainly rises."""
  return comparison.interval[0] > 0


def _rise(comparison: lesion.Comparison) -> str:
  text = f'by {_change(comparison.difference, comparison.interval)}'
  share = _share(comparison)
  return f'{text}, {share}' if share else text


def _is_large(comparison: lesion.Comparison, least: float = _LITTLE) -> bool:
  """Whether the loss certainly rises by a share worth mentioning."""
  # Of late steps alone there may be nothing to be a share of.
  interval = comparison.share_interval
  return _harms(comparison) and (interval is None or interval[0] >= least)


def _answer_on_storing(result: lesion.LesionResult) -> str:
  """`_answer` where the words read certainly matter."""
  mean, other, frozen, exchanged = (
    _is_large(result.comparisons[name][result.metrics[0]])
    for name in (*lesions.OF_READ_WORDS[1:], *lesions.OF_MEMORY[:2])
  )
  if not (mean or other):
    return 'Yes, but hardly: the model uses what it reads for very little'
  if frozen:
    comparison = result.comparisons['frozen_memory'][result.metrics[0]]
    if _is_large(comparison, _SMALL):
      return 'Yes: the model uses what it reads and what it stores'
    return (
      'Yes, but hardly to remember: the model uses what it reads, and for a '
      'small part what it stores'
    )
  late = f'anything that it writes from step {result.lesion_step} on'
  if exchanged:
    return (
      'Yes, but nothing new: the model uses what it reads, from its own memory '
      f"rather than another's, but hardly {late}"
    )
  return (
    'Yes, but not to remember: the model uses what it reads, but any memory '
    f'serves as well as its own, and hardly {late} matters'
  )


def _answer(result: lesion.LesionResult) -> str:
  """The answer of `verdict`, up to its numbers."""
  zero, mean, other = (
    result.comparisons[name][result.metrics[0]]
    for name in lesions.OF_READ_WORDS
  )
  of_another = f'the words that another {result.unit} reads'
  if other.share is None:
    return (
      'Cannot tell: intact, the model is not better than '
      f'{BASELINES[result.task]}'
    )
  if _harms(other) and _harms(mean):
    return _answer_on_storing(result)
  if _harms(other):
    return (
      f'Cannot tell: {of_another} mislead the model, but words that are '
      'always the same serve as well as its own'
    )
  if _harms(mean) or _harms(zero):
    return (
      'No: the model is used to reading something, but '
      f'{of_another} serve as well as its own'
    )
  return 'No: the model does as well without what it reads'


def verdict(result: lesion.LesionResult) -> str:
  """Returns one sentence: is the memory used, and the numbers that say so.

  That the model reads rests on the words of another sequence, which are as in
  training, and on their mean; zeros alone prove nothing. That it remembers
  rests on the memory that is frozen and on that of another sequence.

  Args:
    result: what `lesion.run` returned.
  """
  if result.num_sequences < LEAST_SEQUENCES:
    return (
      f'Cannot tell: fewer than {LEAST_SEQUENCES} {result.unit}s were run, '
      'from which an interval says little.'
    )
  loss, second = result.metrics[:2]
  of_loss = {k: v[loss] for k, v in result.comparisons.items()}
  zero, mean, other = (of_loss[name] for name in lesions.OF_READ_WORDS)
  if other.share is None:
    before, baseline = (
      _mean(result.scores[name][loss])
      for name in (lesions.INTACT, lesion.BASELINE)
    )
    return (
      f'{_answer(result)} (loss {before} against {baseline} '
      f'{result.loss_unit}), so that there is nothing to lose.'
    )
  frozen, exchanged = (of_loss[name] for name in lesions.OF_MEMORY[:2])
  others = result.comparisons['read_words_other'][second]
  return (
    f'{_answer(result)}: with nothing written from step {result.lesion_step} '
    f'on its loss changes {_rise(frozen)} of what the model gains over '
    f'{BASELINES[result.task]}, with the memory of another {result.unit} '
    f'every {_steps(result.reset_interval)} {_rise(exchanged)}, with the words '
    f'that another {result.unit} reads {_rise(other)} ({METRICS[second]} from '
    f'{_number(others.intact)} to {_number(others.lesioned)}), with the mean '
    f'words {_rise(mean)}, with zeros {_rise(zero)} ({result.loss_unit}; '
    f'{result.num_sequences} {result.unit}s, intervals of 95 %).'
  )


def lesion_data(
  result: lesion.LesionResult, config: Mapping[str, Any]
) -> dict[str, Any]:
  """Returns Test 3 for JSON, at full precision.

  Args:
    result: what `lesion.run` returned.
    config: what the result is of: flags, metadata of model and data.

  Returns:
    A dict of `config`, `verdict` and the attributes of `lesion.LesionResult`.
  """
  comparisons = {
    name: {metric: vars(found) for metric, found in of_lesion.items()}
    for name, of_lesion in result.comparisons.items()
  }
  return tables.plain(
    {
      'config': config,
      'verdict': verdict(result),
      **vars(result),
      'comparisons': comparisons,
    }
  )

"""The results of Test 3 as Markdown and JSON, and the verdict."""

from collections.abc import Mapping
import dataclasses
from typing import Any

import numpy as np

from analysis.common import statistics
from analysis.common import tables
from analysis.lesion import comparison
from analysis.lesion import measuring
from dnc import lesions
from dnc import tasks
from dnc.system import json_values

# With fewer sequences, the intervals are too narrow.
_LEAST_SEQUENCES = 10
# Of what the model gains: below the first share an effect is called next to
# nothing, below the second a small part. The limits are a convention; the
# numbers stand beside them.
_LITTLE, _SMALL = 0.01, 0.1

_METRICS = {
  'iou': 'IoU',
  'bit_accuracy': 'bits right',
  'sequence_accuracy': 'sequences right',
}
_HOW_TO_READ = (
  'How to read it: a lesion takes one thing away and leaves all weights as '
  'they are. A change is the score of a {unit} with the lesion less its score '
  'without, averaged over the {unit}s; its 95 % interval comes from resampling '
  '{unit}s. "Lost" is the change of the loss as a share of what the intact '
  'model gains over {baseline}: at 0 % nothing is lost, at 100 % the model is '
  'no better than that.',
  'A model may do worse with a lesion only because it meets inputs that it '
  'never saw in training. So a change with zeros in place of the words read '
  'does not yet show that the words told it anything. Their mean keeps the '
  'words in their usual range. The words of another {unit} look as in training '
  'but say nothing about this {unit}: **what the model loses with these is the '
  'most that it used**. More than 100 % lost shows that wrong words mislead '
  'the model, not only that it misses the right ones. A change whose interval '
  'includes 0 shows no use.',
  'The words read depend on what is stored and on what the model asks for, so '
  'it may use the memory as one more layer and remember nothing. Two lesions '
  'test whether it remembers. **A frozen memory** stores nothing new from a '
  'step on, not even for the same step. The memory of another {unit} holds '
  'something else; the steps right after an exchange also suffer because '
  'controller and memory do not belong together. A reset says less: in '
  'training, the model meets a memory of zeros only at the start of a {unit}. '
  'Without links, or without usage, a model may do as well if it finds its '
  'words, or free slots, by other means.',
)
_ABOUT_REPEAT_COPY = (
  'Repeat-copy needs a memory of the pattern, though the controller can '
  'remember some of it by itself. A model that solves the task and that the '
  'lesions break proves that this test sees use where there is some. By '
  'chance, half of the bits are right.'
)


def baseline(result: measuring.LesionResult) -> str:
  """Returns what the constant prediction is called."""
  of_what = 'image' if result.task == tasks.NEXT_SPRITE else 'target'
  return f'predicting the mean {of_what}'


def metric_title(name: str) -> str:
  """Returns what a metric is called in tables."""
  return _METRICS.get(name, tables.title(name))


def label(name: str, result: measuring.LesionResult) -> str:
  """Returns what a lesion is called in tables."""
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
  """A number with four digits, or one decimal from 100 on."""
  return f'{value:.1f}' if abs(value) >= 100 else f'{value:.4g}'


def _change(value: float, interval: statistics.Interval) -> str:
  """A change and its interval, with as many digits as the interval allows."""
  width = interval[1] - interval[0]
  decimals = 0
  if width > 0:
    decimals = int(np.clip(1 - np.floor(np.log10(width)), 0, 6))
  elif value:
    decimals = 4
  numbers = [round(x, decimals) + 0.0 for x in (value, *interval)]
  middle, low, high = (f'{x:+.{decimals}f}' for x in numbers)
  return f'{middle} ({low} to {high})'


def _lost(found: comparison.Comparison) -> str:
  """The share that is lost, and its interval."""
  if found.share is None:
    return ''
  low, high = found.share_interval
  decimals = 1 if high - low > 0.01 else 2
  share, low, high = (
    f'{round(x, 2 + decimals) + 0.0:.{decimals}%}'
    for x in (found.share, low, high)
  )
  return f'{share} ({low} to {high})'


def _mean(scores: np.ndarray) -> str:
  return _number(float(np.nanmean(scores)))


def _rows(result: measuring.LesionResult) -> list[list[str]]:
  loss, *others = result.metrics
  rows = []

  def add_reference(name, scores):
    cells = [_mean(scores[loss]), '', '']
    for metric in others:
      cells += [_mean(scores[metric]), '']
    rows.append([name, *cells])

  def add_lesion(name):
    comparisons = result.comparisons[name]
    found = comparisons[loss]
    cells = [
      _number(found.lesioned),
      _change(found.difference, found.interval),
      _lost(found),
    ]
    for metric in others:
      found = comparisons[metric]
      cells += [
        _number(found.lesioned),
        _change(found.difference, found.interval),
      ]
    rows.append([label(name, result), *cells])

  add_reference('intact', result.scores[lesions.INTACT])
  add_reference(baseline(result), result.scores[measuring.BASELINE])
  for name in lesions.NAMES:
    if name == 'frozen_memory' and result.lesion_step:
      add_reference(
        f'intact, from step {result.lesion_step} on',
        result.late_scores[lesions.INTACT],
      )
    add_lesion(name)
  return rows


def text(result: measuring.LesionResult) -> str:
  """Returns the table of Test 3 in Markdown, and how to read it."""
  header = ['', f'loss ({result.loss_unit})', 'change', 'lost']
  for metric in result.metrics[1:]:
    header += [metric_title(metric), 'change']
  is_repeat_copy = result.task == tasks.REPEAT_COPY
  words = dict(unit=result.unit, baseline=baseline(result))
  parts = [
    '# Test 3: lesions of the memory',
    f'{result.num_sequences} unseen {result.unit}s of '
    f'{"up to " if is_repeat_copy else ""}{result.num_steps} steps, each run '
    'intact and with every lesion.',
    tables.table(header, _rows(result)),
    verdict(result),
    *(paragraph.format(**words) for paragraph in _HOW_TO_READ),
  ]
  if is_repeat_copy:
    parts.append(_ABOUT_REPEAT_COPY)
  return '\n\n'.join(parts) + '\n'


def _harms(found: comparison.Comparison) -> bool:
  """Whether the loss certainly rises."""
  return found.interval[0] > 0


def _rise(found: comparison.Comparison) -> str:
  """By how much the loss rises, and what share that is."""
  rise = f'by {_change(found.difference, found.interval)}'
  if found.share is None:
    return rise
  return f'{rise}, {round(found.share, 3) + 0.0:.1%},'


def _is_large(found: comparison.Comparison, least: float = _LITTLE) -> bool:
  """Whether the loss certainly rises by at least this share."""
  # The late steps alone may have no share.
  interval = found.share_interval
  return _harms(found) and (interval is None or interval[0] >= least)


def _answer_on_storing(result: measuring.LesionResult) -> str:
  """`_answer` if the words read certainly matter."""
  of_loss = _of_loss(result)
  if not (
    _is_large(of_loss['read_words_mean'])
    or _is_large(of_loss['read_words_other'])
  ):
    return 'Yes, but hardly: the model uses what it reads for very little'
  if _is_large(of_loss['frozen_memory'], _SMALL):
    return 'Yes: the model uses what it reads and what it stores'
  if _is_large(of_loss['frozen_memory']):
    return (
      'Yes, but hardly to remember: the model uses what it reads, and for a '
      'small part what it stores'
    )
  if _is_large(of_loss['exchanged_memory']):
    return (
      'Yes, but nothing new: the model uses what it reads, from its own memory '
      "rather than another's, but hardly anything that it writes from step "
      f'{result.lesion_step} on'
    )
  return (
    'Yes, but not to remember: the model uses what it reads, but any memory '
    'serves as well as its own, and what it writes from step '
    f'{result.lesion_step} on hardly matters'
  )


def _answer(result: measuring.LesionResult) -> str:
  """The answer of `verdict`, without its numbers."""
  of_loss = _of_loss(result)
  other = of_loss['read_words_other']
  mean_harms = _harms(of_loss['read_words_mean'])
  words_of_another = f'the words that another {result.unit} reads'
  if other.share is None:
    return (
      f'Cannot tell: the intact model is not better than {baseline(result)}'
    )
  if _harms(other) and mean_harms:
    return _answer_on_storing(result)
  if _harms(other):
    return (
      f'Cannot tell: {words_of_another} mislead the model, but words that are '
      'always the same serve as well as its own'
    )
  if mean_harms or _harms(of_loss['read_words_zero']):
    return (
      'No: the model is used to reading something, but '
      f'{words_of_another} serve as well as its own'
    )
  return 'No: the model does as well without what it reads'


def _of_loss(
  result: measuring.LesionResult,
) -> dict[str, comparison.Comparison]:
  """The comparisons of the loss, by lesion."""
  loss = result.metrics[0]
  return {name: found[loss] for name, found in result.comparisons.items()}


def verdict(result: measuring.LesionResult) -> str:
  """Says whether the memory is used, with the numbers.

  Whether the model reads is decided by the words of another sequence, which
  look as in training, and by their mean; zeros alone prove nothing. Whether it
  remembers is decided by the frozen memory and that of another sequence.
  """
  if result.num_sequences < _LEAST_SEQUENCES:
    return (
      f'Cannot tell: intervals from fewer than {_LEAST_SEQUENCES} '
      f'{result.unit}s say little.'
    )
  loss, second = result.metrics[:2]
  rises = {name: _rise(found) for name, found in _of_loss(result).items()}
  other = result.comparisons['read_words_other']
  if other[loss].share is None:
    intact, mean = (
      _mean(result.scores[name][loss])
      for name in (lesions.INTACT, measuring.BASELINE)
    )
    return (
      f'{_answer(result)} (loss {intact} against {mean} {result.loss_unit}), '
      'so there is nothing to lose.'
    )
  return (
    f'{_answer(result)}. Its loss changes {rises["frozen_memory"]} if nothing '
    f'is written from step {result.lesion_step} on; '
    f'{rises["exchanged_memory"]} with the memory of another {result.unit} '
    f'every {_steps(result.reset_interval)}; {rises["read_words_other"]} with '
    f'the words that another {result.unit} reads ({metric_title(second)} from '
    f'{_number(other[second].intact)} to {_number(other[second].lesioned)}); '
    f'{rises["read_words_mean"]} with the mean words; '
    f'{rises["read_words_zero"]} with zeros ({result.loss_unit}; shares of '
    f'what the model gains over {baseline(result)}; {result.num_sequences} '
    f'{result.unit}s, 95 % intervals).'
  )


def data(
  result: measuring.LesionResult, config: Mapping[str, Any]
) -> dict[str, Any]:
  """Returns the results of Test 3 for JSON, at full precision.

  Args:
    result: from `measuring.measure`.
    config: what was tested: flags, metadata of model and data.

  Returns:
    A dict of `config`, `verdict` and the attributes of
    `measuring.LesionResult`.
  """
  return json_values.clean(
    {
      'config': config,
      'verdict': verdict(result),
      **dataclasses.asdict(result),
    }
  )

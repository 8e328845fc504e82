"""The verdict of Test 3: is the memory used?"""

from analysis.lesion import comparison
from analysis.lesion import measuring
from analysis.lesion import naming
from dnc import lesions
from dnc.system import wording

# With fewer sequences, the intervals are too narrow.
_LEAST_SEQUENCES = 10
# Shares of the model's gain: below the first, an effect is called next to
# nothing; below the second, a small part. The limits are a convention; the
# verdict also states the numbers.
_LITTLE, _SMALL = 0.01, 0.1


def _harms(found: comparison.Comparison) -> bool:
  """Whether the interval of the loss's change lies above 0."""
  return found.interval[0] > 0


def _rise(found: comparison.Comparison) -> str:
  """By how much the loss rises, and what share that is."""
  rise = f'by {naming.change(found.difference, found.interval)}'
  if found.share is None:
    return rise
  return f'{rise}, {round(found.share, 3) + 0.0:.1%},'


def _is_large(found: comparison.Comparison, least: float = _LITTLE) -> bool:
  """Whether the interval of the share lies at or above `least`."""
  # `frozen_memory`, scored on late steps only, may have no share.
  interval = found.share_interval
  return _harms(found) and (interval is None or interval[0] >= least)


def _answer_on_storing(result: measuring.LesionResult) -> str:
  """The answer for a model to which the words read matter."""
  of_loss = _of_loss(result)
  if not (
    _is_large(of_loss['read_words_mean'])
    or _is_large(of_loss['read_words_other'])
  ):
    return 'Yes, but hardly: the words read matter very little'
  if _is_large(of_loss['frozen_memory'], _SMALL):
    return 'Yes: the model uses what it reads and what it stores'
  if _is_large(of_loss['frozen_memory']):
    return (
      'Yes, but hardly to remember: the model uses what it reads, but only a '
      'small part of its gain depends on what it stores'
    )
  if _is_large(of_loss['exchanged_memory']):
    return (
      'Yes, but nothing new: the model needs its own memory rather than '
      "another's, but hardly anything that it writes from step "
      f'{result.lesion_step} on'
    )
  return (
    'Yes, but not to remember: the model uses what it reads, but any memory '
    'serves as well as its own, and what it writes from step '
    f'{result.lesion_step} on hardly matters'
  )


def _answer(result: measuring.LesionResult) -> str:
  """The answer, for a model that is better than the baseline."""
  of_loss = _of_loss(result)
  other_harms = _harms(of_loss['read_words_other'])
  mean_harms = _harms(of_loss['read_words_mean'])
  words_of_another = f'the words that another {result.unit} reads'
  if other_harms and mean_harms:
    return _answer_on_storing(result)
  if other_harms:
    return (
      f'Cannot tell: {words_of_another} mislead the model, but constant words '
      'serve as well as its own'
    )
  if mean_harms or _harms(of_loss['read_words_zero']):
    return (
      'No: the model expects some words to read, but '
      f'{words_of_another} serve as well as its own'
    )
  return 'No: the model does as well without the words read'


def _of_loss(
  result: measuring.LesionResult,
) -> dict[str, comparison.Comparison]:
  """The comparisons of the loss, by lesion."""
  loss = result.metrics[0]
  return {name: found[loss] for name, found in result.comparisons.items()}


def text(result: measuring.LesionResult) -> str:
  """Says whether the memory is used, with the numbers.

  Two lesions decide whether the model uses what it reads: the words of another
  sequence, which look as in training, and the mean words. Zeros alone prove
  nothing. Two more decide whether it remembers: the frozen memory, and the
  memory of another sequence.
  """
  if result.num_sequences < _LEAST_SEQUENCES:
    return (
      f'Cannot tell: intervals from fewer than {_LEAST_SEQUENCES} '
      f'{result.unit}s are unreliable.'
    )
  loss, *others = result.metrics
  baseline = naming.baseline(result)
  other = result.comparisons['read_words_other']
  if other[loss].share is None:
    intact, mean = (
      naming.mean(result.scores[name][loss])
      for name in (lesions.INTACT, measuring.BASELINE)
    )
    return (
      f'Cannot tell: the intact model is not better than {baseline} (loss '
      f'{intact} against {mean} {result.loss_unit}), so there is nothing to '
      'lose.'
    )
  rises = {name: _rise(found) for name, found in _of_loss(result).items()}
  interval = naming.steps(result.reset_interval)
  further = ''
  for name in others[:1]:
    before, after = (
      wording.number(x) for x in (other[name].intact, other[name].lesioned)
    )
    further = f' ({naming.metric(name)} from {before} to {after})'
  return (
    f'{_answer(result)}. Its loss changes {rises["frozen_memory"]} if nothing '
    f'is written from step {result.lesion_step} on; '
    f'{rises["exchanged_memory"]} with the memory of another {result.unit} '
    f'every {interval}; {rises["read_words_other"]} with the words that '
    f'another {result.unit} reads{further}; {rises["read_words_mean"]} with '
    f'the mean words; {rises["read_words_zero"]} with zeros '
    f'({result.loss_unit}; shares of what the model gains over {baseline}; '
    f'{result.num_sequences} {result.unit}s, 95 % intervals).'
  )

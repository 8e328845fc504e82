"""The verdict of Test 3: is the memory used?"""

from analysis.lesion import comparison
from analysis.lesion import course
from analysis.lesion import measuring
from analysis.lesion import naming
from dnc import lesions

# With fewer sequences, the intervals are too narrow.
_LEAST_SEQUENCES = 10
# Shares of the model's gain: below the first, an effect is called next to
# nothing; below the second, a small part. The whole interval must lie below: a
# wide one does not show that there is nothing. The limits are a convention; the
# tables have the numbers.
_LITTLE, _SMALL = 0.01, 0.1


def _harms(found: comparison.Comparison) -> bool:
  """Whether the interval of the loss's change lies above 0."""
  return found.interval[0] > 0


def _is_large(
  found: comparison.Comparison, least: float = _LITTLE
) -> bool | None:
  """Whether the share is at least `least`; None if the interval cannot tell."""
  # Few or late steps may have no share.
  if found.share_interval is None:
    return True if _harms(found) else None
  low, high = found.share_interval
  if low >= least:
    return True
  return False if high < least else None


def _is_large_at_all(
  found: course.Course, least: float = _LITTLE
) -> bool | None:
  """Whether the jolt or what lasts is at least `least`, as `_is_large`."""
  parts = [
    _is_large(part, least) for part in (found.jolt, found.lasting) if part
  ]
  if True in parts:
    return True
  return False if parts and None not in parts else None


def _answer_on_storing(result: measuring.LesionResult) -> str:
  """The answer for a model to which the words read matter."""
  of_loss = _of_loss(result)
  if (
    _is_large(of_loss['read_words_mean']) is False
    and _is_large(of_loss['read_words_other']) is False
  ):
    return 'Yes, but hardly: the words read matter very little'
  # Shortly before the end of a sequence, nothing can last.
  frozen = result.courses['frozen_memory'].lasting or of_loss['frozen_memory']
  unknown = (
    'Cannot tell whether it remembers: the model uses what it reads, but it is '
    'uncertain how much it loses '
  )
  if _is_large(frozen):
    # A model may read only what it wrote in the same step, so it must write,
    # but remembers nothing. Then it can do with other contents from before.
    kept = result.courses['exchanged_contents']
    needs_earlier = _is_large_at_all(kept)
    if needs_earlier is None:
      return f"{unknown}with the contents of another {result.unit}'s memory"
    if not needs_earlier:
      return (
        'Yes, but not to remember: the model must write, but does as well with '
        f"the earlier contents of another {result.unit}'s memory"
      )
    is_much = _is_large(frozen, _SMALL), _is_large_at_all(kept, _SMALL)
    if False in is_much:
      return _answer_on_much(False)
    return _answer_on_much(None if None in is_much else True)
  if _is_large(frozen) is None:
    return f'{unknown}without new writes'
  exchanged = result.courses['exchanged_memory'].lasting
  if exchanged is None:
    return (
      'Yes, but hardly to remember: the model uses what it reads, but hardly '
      'needs what it writes late'
    )
  needs_own = _is_large(exchanged)
  if needs_own is None:
    return f"{unknown}with another {result.unit}'s memory"
  if needs_own:
    return (
      'Yes, but nothing new: the model needs its own memory rather than '
      "another's, but hardly anything that it writes late"
    )
  return (
    'Yes, but not to remember: the model uses what it reads, but soon does as '
    f"well with another {result.unit}'s memory, or without new writes"
  )


def _answer_on_much(is_much: bool | None) -> str:
  """The answer for a model that needs what it stores, if that `is_much`."""
  if is_much:
    return 'Yes: the model uses what it reads and what it stores'
  if is_much is None:
    return (
      'Yes: the model uses what it reads, and at least a small part of its '
      'gain depends on what it stores'
    )
  return (
    'Yes, but hardly to remember: the model uses what it reads, but only a '
    'small part of its gain depends on what it stores'
  )


def _answer(result: measuring.LesionResult) -> str:
  """The answer, for a model that is better than the baseline."""
  zero, mean, other = (_of_loss(result)[x] for x in lesions.OF_READ_WORDS)
  words_of_another = f'the words that another {result.unit} reads'
  if _harms(other) and _harms(mean):
    return _answer_on_storing(result)
  if _harms(other) and _is_large(mean) is False:
    return (
      f'Cannot tell: {words_of_another} mislead the model, but constant words '
      'serve as well as its own'
    )
  if _harms(other) or _is_large(other) is not False:
    return (
      'Cannot tell whether it uses what it reads: it is uncertain how much the '
      'model loses with other words'
    )
  if _harms(mean) or _harms(zero):
    return (
      'No: the model expects some words to read, but '
      f'{words_of_another} serve as well as its own'
    )
  if _is_large(mean) is False and _is_large(zero) is False:
    return 'No: the model does as well without the words read'
  return f'No: {words_of_another} serve as well as its own'


def _of_loss(
  result: measuring.LesionResult,
) -> dict[str, comparison.Comparison | None]:
  """The comparisons of the loss, by lesion."""
  loss = result.metrics[0]
  return {name: found[loss] for name, found in result.comparisons.items()}


def text(result: measuring.LesionResult) -> str:
  """Says in a sentence whether the memory is used; `tables` has the numbers.

  Two lesions decide whether the model uses what it reads: the words of another
  sequence, which look as in training, and the mean words. Zeros alone prove
  nothing. Two more decide whether it remembers: the frozen memory, and the
  memory of another sequence. Of these, only what lasts counts, not the jolt of
  the cut. A model that needs new writes remembers only as much as the contents
  of another sequence cost, be it the jolt or what lasts.
  """
  if result.num_sequences < _LEAST_SEQUENCES:
    return f'Cannot tell: there are too few {result.unit}s.'
  if _of_loss(result)['read_words_other'].share is None:
    return (
      'Cannot tell: the intact model is not clearly better than '
      f'{naming.baseline(result)}, so there is nothing to lose.'
    )
  return f'{_answer(result)}.'

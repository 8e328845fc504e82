"""Names of lesions and metrics, and numbers, in tables and verdicts."""

import numpy as np

from analysis.common import statistics
from analysis.common import tables
from analysis.lesion import measuring
from dnc import lesions
from dnc import tasks
from dnc.system import wording

_METRICS = {
  'loss_shown': 'loss, image shown',
  'loss_hidden': 'loss, image hidden',
  'iou': 'IoU',
  'bit_accuracy': 'bits right',
  'sequence_accuracy': 'sequences right',
}


def baseline(result: measuring.LesionResult) -> str:
  """Returns the name of the constant prediction."""
  return tasks.get(result.task).baseline


def metric(name: str) -> str:
  """Returns the name of a metric."""
  return _METRICS.get(name, tables.title(name))


def is_loss(metric: str) -> bool:
  """Whether a metric is the loss, of all steps or of some."""
  return metric.startswith('loss')


def label(name: str, result: measuring.LesionResult) -> str:
  """Returns the name of a lesion, and how many sequences it cuts if not all."""
  cut, every = (
    np.isfinite(result.scores[x][result.metrics[0]]).sum()
    for x in (name, lesions.INTACT)
  )
  words = _lesion(name, result)
  if not cut:
    return f'{words} (never cut)'
  return words if cut == every else f'{words} ({cut} of {every} cut)'


def _lesion(name: str, result: measuring.LesionResult) -> str:
  return {
    'read_words_zero': 'read words: zeros',
    'read_words_mean': 'read words: their mean',
    'read_words_other': f'read words: of another {result.unit}',
    'frozen_memory': f'memory frozen from step {result.lesion_step} on',
    'exchanged_memory': (
      f'memory of another {result.unit} every {steps(result.reset_interval)}'
    ),
    'exchanged_contents': (
      f'contents of another {result.unit} every {steps(result.reset_interval)}'
    ),
    'earlier_memory': (
      f'memory of {lesions.EARLIER * result.reset_interval} steps ago every '
      f'{steps(result.reset_interval)}'
    ),
    'reset_memory': f'memory reset every {steps(result.reset_interval)}',
    'no_link': 'no links',
    'content_reads': 'reads by content alone',
    'no_usage': 'no usage',
  }[name]


def steps(number: int) -> str:
  """Returns an interval in words, to follow 'every': e.g. '10 steps'."""
  return 'step' if number == 1 else f'{number} steps'


def change(value: float, interval: statistics.Interval) -> str:
  """Returns a change and its interval, as precise as the interval allows."""
  width = interval[1] - interval[0]
  decimals = 0
  if width > 0:
    decimals = int(np.clip(1 - np.floor(np.log10(width)), 0, 6))
  elif value:
    decimals = 4
  numbers = [round(x, decimals) + 0.0 for x in (value, *interval)]
  middle, low, high = (f'{x:+.{decimals}f}' for x in numbers)
  return f'{middle} ({low} to {high})'


def mean(scores: np.ndarray) -> str:
  """Returns the mean of the scores that are not NaN."""
  return wording.number(float(np.nanmean(scores)))

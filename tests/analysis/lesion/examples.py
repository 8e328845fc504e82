"""Results of Test 3 with chosen changes of the loss."""

import dataclasses
import functools

import numpy as np

from analysis import lesion
from analysis.lesion import comparison
from analysis.lesion import course
from dnc import lesions

NUM_SEQUENCES = 20


def _spread(mean, width):
  """Scores with a given mean and about a given width of the 95 % interval."""
  values = np.random.default_rng(0).normal(size=NUM_SEQUENCES)
  values = (values - values.mean()) / values.std()
  return mean + values * width * NUM_SEQUENCES**0.5 / 4


def _course(name, found):
  """A course with twice the change as jolt and the change as what lasts."""
  jolt = {
    field: getattr(found, field) and 2 * np.array(getattr(found, field))
    for field in ('difference', 'interval', 'share', 'share_interval')
  }
  return course.Course(
    first_cut=lesions.first_cut(name, 250, 10),
    cut_interval=10 if name in lesions.AT_INTERVALS else None,
    first_steps=np.array([1, 2, 4]),
    last_steps=np.array([1, 3, 10]),
    changes=found.difference * np.array([3.0, 1.5, 1.0]),
    intervals=np.outer([3.0, 1.5, 1.0], found.interval),
    jolt=dataclasses.replace(found, **jolt),
    lasting=found,
    share_of_much=None if found.share is None else 0.125,
  )


@functools.cache
def _compare(*scores, is_loss):
  """Compares scores given as tuples; many are the same in all results."""
  return lesion.compare(*map(np.array, scores), is_loss)


def result(changes=(), task='dsprites', baseline=568.0, more_metrics=()):
  """A result; `changes` has by lesion (mean change of the loss, its width)."""
  metrics = dict(dsprites=('loss', 'iou', *more_metrics))
  metrics = metrics.get(task, ('loss', 'bit_accuracy', 'sequence_accuracy'))
  changes = dict(changes)
  intact = _spread(130.0, 5.0)
  scores = {
    lesions.INTACT: dict.fromkeys(metrics, np.full(NUM_SEQUENCES, 0.75)),
    lesion.BASELINE: dict.fromkeys(metrics, np.zeros(NUM_SEQUENCES)),
  }
  scores[lesions.INTACT]['loss'] = intact
  scores[lesion.BASELINE]['loss'] = np.full(NUM_SEQUENCES, baseline)
  for name in lesions.NAMES:
    mean, width = changes.get(name, (0.0, 0.0))
    scores[name] = dict.fromkeys(metrics, np.full(NUM_SEQUENCES, 0.5))
    scores[name]['loss'] = intact + _spread(mean, width)
  late = {name: scores[name] for name in (lesions.INTACT, lesion.BASELINE)}
  comparisons = {
    name: {
      metric: _compare(
        *(
          tuple(scores[x][metric])
          for x in (lesions.INTACT, name, lesion.BASELINE)
        ),
        is_loss=metric == 'loss',
      )
      for metric in metrics
    }
    for name in lesions.NAMES
  }
  return lesion.LesionResult(
    task=task,
    unit='rollout' if task == 'dsprites' else 'sequence',
    loss_unit='nats an image',
    num_sequences=NUM_SEQUENCES,
    num_steps=500,
    lesion_step=250,
    reset_interval=10,
    num_resamples=comparison.NUM_RESAMPLES,
    metrics=metrics,
    mean_words=np.zeros([2, 3]),
    scores=scores,
    late_scores=late,
    comparisons=comparisons,
    courses={
      name: _course(name, found['loss']) for name, found in comparisons.items()
    },
  )


USED = dict(
  read_words_zero=(90.0, 4.0),
  read_words_mean=(60.0, 4.0),
  read_words_other=(43.8, 2.0),
  frozen_memory=(8.76, 1.0),
  exchanged_memory=(6.57, 1.0),
  exchanged_contents=(50.0, 1.0),
  reset_memory=(50.0, 1.0),
)

"""Test 3: does a model use what its memory holds?

A model need not use the information in its memory. `measure` runs the same
sequences through a model, intact and with each lesion of its memory (see
`dnc/lesions.py`), a few sequences at a time, and compares the scores.
"""

import collections
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import functools
from typing import Any
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from analysis.lesion import comparison
from analysis.lesion import course
from analysis.lesion import side_by_side
from dnc import lesions
from dnc.system import errors
from dnc.system import own_settings
from dnc.system import progress
from dnc.system import spreading
from dnc.training import sequences as sequences_lib

BASELINE = 'predicting_the_mean'

# The largest number of sequences that run together.
_BATCH_SIZE = 32
# Keeps the logit of a mean of 0 or 1 finite.
_MIN_PROBABILITY = 1e-6
# This lesion begins at `lesion_step`; earlier steps do not count.
_FROZEN = 'frozen_memory'

# By name (intact, baseline, lesion) and metric, float64 `[num_sequences]`.
_Scores = Mapping[str, Mapping[str, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class LesionResult:
  """The results of Test 3.

  Attributes:
    task: see `Sequences.task`.
    unit: see `Sequences.unit`.
    loss_unit: see `Sequences.loss_unit`.
    num_sequences: number of sequences that were run.
    num_steps: steps of the longest sequence.
    lesion_step: first step of `frozen_memory`.
    reset_interval: steps between two cuts of the lesions at intervals.
    num_resamples: number of resamples for the intervals.
    metrics: names; the first is the loss.
    mean_words: float64 `[num_reads, W]`, the mean of the words that the intact
      model reads.
    scores: by name (`lesions.INTACT`, `BASELINE`, each of `lesions.NAMES`) and
      metric, float64 `[num_sequences]`. `frozen_memory` is scored only on steps
      from `lesion_step` on. NaN if no step counts from the lesion's first cut
      on: the sequence is never cut.
    late_scores: scores of `lesions.INTACT` and `BASELINE` on the steps from
      `lesion_step` on.
    comparisons: by lesion and metric, of the sequences that are cut; None if
      these are fewer than two.
    courses: by lesion, what it costs by steps since the cut: for every task,
      the mean loss of a step.
  """

  task: str
  unit: str
  loss_unit: str
  num_sequences: int
  num_steps: int
  lesion_step: int
  reset_interval: int
  num_resamples: int
  metrics: tuple[str, ...]
  mean_words: np.ndarray
  scores: _Scores
  late_scores: _Scores
  comparisons: Mapping[str, Mapping[str, comparison.Comparison | None]]
  courses: Mapping[str, course.Course]


class _Found(NamedTuple):
  """What the second pass finds.

  Attributes:
    scores: see `LesionResult`.
    late_scores: see `LesionResult`.
    losses: the losses of all steps by name, float32 `[num_sequences,
      num_steps]`; NaN where a step does not count.
  """

  scores: _Scores
  late_scores: _Scores
  losses: Mapping[str, np.ndarray]


class SequenceMeans(NamedTuple):
  """Means over all sequences: of the words read, and of the targets."""

  words: np.ndarray
  targets: np.ndarray


def _score_steps(
  sequences: sequences_lib.Sequences,
  model: side_by_side.SideBySide,
  means: SequenceMeans,
  batch: int,
  batch_size: int,
) -> Iterator[tuple[str, dict[str, np.ndarray], Mapping[str, np.ndarray]]]:
  """Scores each step of a batch: baseline, intact model and each lesion.

  Yields:
    For each segment and each of `BASELINE`, `lesions.INTACT` and
    `lesions.NAMES`: the name; by metric the scores, float `[time, batch]`; and
    by metric whether each of them counts.
  """
  states = model.initial_states(batch_size)
  probability = np.clip(means.targets, _MIN_PROBABILITY, 1 - _MIN_PROBABILITY)
  logit = np.log(probability) - np.log1p(-probability)
  for segment in sequences.segments(batch, batch_size):

    def scored(name, outputs, segment=segment):
      scores = sequences.scores(outputs, segment.targets)
      return name, {k: v.numpy() for k, v in scores.items()}, segment.counts

    constant = tf.zeros_like(segment.targets) + logit.astype(np.float32)
    yield scored(BASELINE, constant)
    unrolled = model.unroll(segment.inputs, states, means.words)
    for name, outputs, states[name] in unrolled:
      yield scored(name, outputs)


def _score_sequences(
  metric: sequences_lib.Metric,
  values: np.ndarray,
  counts: np.ndarray,
  first_step: int,
  first_cut: int = 0,
) -> np.ndarray:
  """Returns a metric of each sequence, float64 `[batch]`; NaN without steps.

  `values` are the scores of the steps, and `counts` says which of them count,
  both `[time, batch]`. Steps before `first_step` do not count. Sequences
  without steps from `first_cut` on have no score.
  """
  scores = np.full(values.shape[1], np.nan)
  for i in range(values.shape[1]):
    steps = values[first_step:, i][counts[first_step:, i]]
    if len(steps) and counts[first_cut:, i].any():
      scores[i] = metric.of_sequence(steps.astype(np.float64))
  return scores


def _check(flag: str, value: int, least: int, most: int) -> None:
  if not least <= value <= most:
    raise errors.UsageError(
      f'--{flag}={value}: must be in {least} to {most}, for sequences of '
      f'{most + 1} steps'
    )


class LesionTrial:
  """Runs sequences, batch by batch; a stage, see `spreading`.

  Attributes:
    sequences: the model, and unseen sequences of its task.
    num_sequences: the number of sequences to run.
    lesion_step: see `LesionResult`.
    reset_interval: see `LesionResult`.
    batch_size: sequences in a batch.
    batches: numbers of all batches.
  """

  def __init__(
    self,
    sequences: sequences_lib.Sequences,
    num_sequences: int,
    lesion_step: int | None = None,
    reset_interval: int | None = None,
    log: progress.Log | None = None,
  ):
    """Checks the settings; see `measure`."""
    if lesion_step is None:
      lesion_step = sequences.lesion_step
    if reset_interval is None:
      reset_interval = sequences.reset_interval
    _check('lesion_step', lesion_step, 0, sequences.num_steps - 1)
    _check('reset_interval', reset_interval, 1, sequences.num_steps - 1)
    self.sequences = sequences
    self.num_sequences = num_sequences
    self.lesion_step = lesion_step
    self.reset_interval = reset_interval
    self.batch_size = side_by_side.batch_size(
      sequences.core, num_sequences, _BATCH_SIZE
    )
    self.batches = range(-(-num_sequences // self.batch_size))
    self._log = log

  def check(self) -> None:
    """Checks that steps count after the memory is frozen, in two sequences.

    Raises:
      UsageError: if not, for any metric.
    """
    numbers = collections.Counter()
    for batch in self.batches:
      segments = self.sequences.segments(batch, self.batch_size)
      parts = [segment.counts for segment in segments]
      for metric in self.sequences.metrics:
        counts = np.concatenate([part[metric.name] for part in parts])
        late = counts[self.lesion_step :, : self._num_own(batch)]
        numbers[metric.name] += late.any(axis=0).sum()
      if min(numbers.values()) >= 2:
        return
    name, number = next((k, n) for k, n in numbers.items() if n < 2)
    raise errors.UsageError(
      f'--lesion_step={self.lesion_step}: only {number} {self.sequences.unit}s '
      f'have steps that count for {name} from there on, and two are needed; '
      'choose an earlier step'
    )

  @functools.cached_property
  def _model(self) -> side_by_side.SideBySide:
    return side_by_side.SideBySide(
      self.sequences.core,
      self.sequences.input_size,
      self.lesion_step,
      self.reset_interval,
    )

  def _num_own(self, batch: int) -> int:
    """The number of a batch's sequences that count; the others only fill it."""
    return min(self.batch_size, self.num_sequences - batch * self.batch_size)

  def sums(
    self, batches: Sequence[int]
  ) -> Iterator[list[tuple[np.ndarray, int]]]:
    """The first pass: sums words read, by the intact model, and targets.

    Yields:
      For each segment: sum and count of the words read, then of the targets.
    """
    loss = self.sequences.metrics[0].name
    for batch in batches:
      state = self._model.initial_states(self.batch_size)[lesions.INTACT]
      own = np.arange(self.batch_size) < self._num_own(batch)
      for segment in self.sequences.segments(batch, self.batch_size):
        words, state = self._model.read_words(segment.inputs, state)
        found = []
        for values, where in (
          (words, segment.is_real),
          (segment.targets, segment.counts[loss]),
        ):
          where = (where & own).astype(np.float32)
          total = tf.tensordot(where, values, [[0, 1], [0, 1]])
          found.append((total.numpy().astype(np.float64), int(where.sum())))
        yield found

  def scores(
    self, batches: Sequence[int], means: SequenceMeans
  ) -> Iterator[_Found]:
    """The second pass: scores the model, intact and with each lesion.

    Yields:
      The scores and losses of each batch.
    """
    sequences = self.sequences
    names = (lesions.INTACT, BASELINE, *lesions.NAMES)
    num_all = sum(map(self._num_own, batches))
    total, num_steps = num_all * sequences.num_steps * len(names), 0
    with progress.Stage(self._log, 'lesions', total, 'steps') as stage:
      for batch in batches:
        segments = {name: [] for name in names}
        for name, values, counts in _score_steps(
          sequences, self._model, means, batch, self.batch_size
        ):
          segments[name].append((values, counts))
          num_steps += next(iter(values.values())).size
          stage.done(num_steps)
        yield self._found(segments, self._num_own(batch))

  def _found(
    self,
    segments: Mapping[str, Sequence[tuple[Mapping, Mapping]]],
    number: int,
  ) -> _Found:
    """Scores the first `number` sequences of a batch, from all their steps."""
    found = _Found({}, {}, {})
    for name, parts in segments.items():
      found.scores[name], late = {}, {}
      first = self.lesion_step if name == _FROZEN else 0
      cut = lesions.first_cut(name, self.lesion_step, self.reset_interval)
      for metric in self.sequences.metrics:
        values, counts = (
          np.concatenate([part[metric.name] for part in some])[:, :number]
          for some in zip(*parts)
        )
        found.scores[name][metric.name] = _score_sequences(
          metric, values, counts, first, cut
        )
        if name in (lesions.INTACT, BASELINE):
          late[metric.name] = _score_sequences(
            metric, values, counts, self.lesion_step, cut
          )
          found.late_scores[name] = late
        if metric.name == self.sequences.metrics[0].name:
          steps = np.full(
            [number, self.sequences.num_steps], np.nan, np.float32
          )
          steps[:, : len(values)] = np.where(counts, values, np.nan).T
          found.losses[name] = steps
    return found


def _joined(found: Sequence[Any]) -> Any:
  """Joins arrays of several batches, in mappings of any depth."""
  if isinstance(found[0], Mapping):
    return {key: _joined([one[key] for one in found]) for key in found[0]}
  return np.concatenate(found)


@own_settings.computing()
def measure(
  sequences: sequences_lib.Sequences,
  num_sequences: int,
  lesion_step: int | None = None,
  reset_interval: int | None = None,
  seed: int = 0,
  log: progress.Log | None = None,
) -> LesionResult:
  """Runs a model intact and with each lesion, and compares the scores.

  Args:
    sequences: the model, and unseen sequences of its task.
    num_sequences: the number of sequences to run, at least two.
    lesion_step: first step of `frozen_memory`; None: the task's default.
    reset_interval: steps between two cuts of the lesions at intervals; None:
      the task's default.
    seed: seed of the resamples.
    log: called with lines of progress.

  Raises:
    UsageError: if a setting does not fit the length of the sequences.
  """
  trial = LesionTrial(
    sequences, num_sequences, lesion_step, reset_interval, log
  )
  trial.check()
  return result(trial, seed)


def means(
  trial: LesionTrial, spread: spreading.Spread | None = None
) -> SequenceMeans:
  """The first pass over all batches; see `result`."""
  spread = spread or spreading.here(trial)
  sums, counts = [0.0, 0.0], [0, 0]
  for segment in spread(LesionTrial.sums, trial.batches):
    for i, (total, count) in enumerate(segment):
      sums[i] += total
      counts[i] += count
  return SequenceMeans(*(x / count for x, count in zip(sums, counts)))


def result(
  trial: LesionTrial, seed: int, spread: spreading.Spread | None = None
) -> LesionResult:
  """Runs all batches, and compares the scores; see `measure`.

  Args:
    trial: the sequences, checked.
    seed: seed of the resamples.
    spread: runs the batches, see `spreading`; None: in this process.
  """
  spread = spread or spreading.here(trial)
  found_means = means(trial, spread)
  batches = list(spread(LesionTrial.scores, trial.batches, found_means))
  found = _Found(*(_joined(of_all) for of_all in zip(*batches)))
  sequences = trial.sequences
  return LesionResult(
    task=sequences.task,
    unit=sequences.unit,
    loss_unit=sequences.loss_unit,
    num_sequences=trial.num_sequences,
    num_steps=sequences.num_steps,
    lesion_step=trial.lesion_step,
    reset_interval=trial.reset_interval,
    num_resamples=comparison.NUM_RESAMPLES,
    metrics=tuple(metric.name for metric in sequences.metrics),
    mean_words=found_means.words,
    scores=found.scores,
    late_scores=found.late_scores,
    comparisons=_compare(
      sequences.metrics, found.scores, found.late_scores, seed
    ),
    courses=_find_courses(
      found.losses, trial.lesion_step, trial.reset_interval, seed
    ),
  )


def _compare(
  metrics: Iterable[sequences_lib.Metric],
  scores: _Scores,
  late_scores: _Scores,
  seed: int,
) -> dict[str, dict[str, comparison.Comparison | None]]:
  """Compares each lesion with the intact model on the same steps."""
  comparisons = {}
  for name in lesions.NAMES:
    reference = late_scores if name == _FROZEN else scores
    comparisons[name] = {
      metric.name: comparison.compare(
        reference[lesions.INTACT][metric.name],
        scores[name][metric.name],
        reference[BASELINE][metric.name],
        metric.lower_is_better,
        seed,
      )
      if np.isfinite(scores[name][metric.name]).sum() > 1
      else None
      for metric in metrics
    }
  return comparisons


def _find_courses(
  losses: Mapping[str, np.ndarray],
  lesion_step: int,
  reset_interval: int,
  seed: int,
) -> dict[str, course.Course]:
  """Finds what each lesion costs by steps since the cut; see `_Found`."""
  return {
    name: course.find(
      losses[lesions.INTACT],
      losses[name],
      losses[BASELINE],
      lesions.first_cut(name, lesion_step, reset_interval),
      reset_interval if name in lesions.AT_INTERVALS else None,
      seed,
    )
    for name in lesions.NAMES
  }

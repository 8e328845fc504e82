"""Test 3: does a model use what its memory holds?

Information that is present need not be used. Here the same sequences go through
a model intact and with its memory cut (`dnc/lesions.py` has the lesions), and
what it then does worse is measured, sequence by sequence:

- `compare`: scores with and without a lesion, of any model, as plain arrays;
- `run`: a task through all lesions, a few sequences in memory at a time;
- `lesion_tasks.py`: the tasks, next-sprite prediction and repeat-copy.

How much is much? Beside a change stands its share of what the model gains over
a constant prediction, the mean of the targets (for sprites, the mean image).
"""

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from analysis.lesion import side_by_side as lesioned_runs
from dnc import lesions
from dnc.system import errors
from dnc.system import progress
from dnc.training import sequences

BASELINE = 'predicting_the_mean'

NUM_RESAMPLES = 1_000
# Of the 95 % intervals.
_PERCENTILES = (2.5, 97.5)
# Sequences that run together, at most.
_BATCH_SIZE = 32
# Keeps the logit of a mean of 0 or 1 finite.
_MIN_PROBABILITY = 1e-6

# The lesion that begins at some step: what is before it does not count.
_FROZEN = 'frozen_memory'

Interval = tuple[float, float]
# By run and metric, float64 `[num_sequences]`.
_Scores = Mapping[str, Mapping[str, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class Comparison:
  """A score with and without a lesion; intervals are of 95 %.

  Attributes:
    num_sequences: how many were compared.
    intact: mean score of the intact model.
    lesioned: mean score with the lesion.
    difference: `lesioned` - `intact`.
    interval: of the difference, by resampling sequences.
    share: the difference as a share of that between a baseline's mean score and
      `intact`: 0 loses nothing, 1 is as bad as the baseline. None without a
      baseline, or where the intact model is not clearly better than it.
    share_interval: of the share; None where there is none.
  """

  num_sequences: int
  intact: float
  lesioned: float
  difference: float
  interval: Interval
  share: float | None
  share_interval: Interval | None


def _interval(values: np.ndarray) -> Interval:
  low, high = np.percentile(values, _PERCENTILES)
  return float(low), float(high)


def _resampled_means(
  values: np.ndarray, seed: int, num_resamples: int
) -> np.ndarray:
  """Means of `[k, n]` over resamples of the columns: `[resamples, k]`."""
  rng = np.random.default_rng(seed)
  size = values.shape[1]
  means = []
  for _ in range(num_resamples):
    counts = np.bincount(rng.integers(size, size=size), minlength=size)
    means.append(values @ counts / size)
  return np.stack(means)


def compare(
  intact: Sequence[float] | np.ndarray,
  lesioned: Sequence[float] | np.ndarray,
  baseline: Sequence[float] | np.ndarray | None = None,
  lower_is_better: bool = True,
  seed: int = 0,
  num_resamples: int = NUM_RESAMPLES,
) -> Comparison:
  """Compares scores of the same sequences with and without a lesion.

  The interval is the bootstrap's, by percentiles, over sequences and not over
  steps: steps of one sequence are not independent. Differences are taken within
  a sequence first, so that what is hard about it cancels out.

  Args:
    intact: float `[sequences]`, the intact model's score of each; NaN where it
      has none, which leaves the sequence out.
    lesioned: float `[sequences]`, with the lesion.
    baseline: float `[sequences]`, of a prediction that knows nothing.
    lower_is_better: whether it is, as of a loss.
    seed: of the resamples.
    num_resamples: how many.

  Returns:
    The comparison.

  Raises:
    ValueError: if the scores are not of the same sequences, or of fewer than
      two.
  """
  reference = (
    np.full(np.shape(intact), np.nan) if baseline is None else baseline
  )
  rows = [np.asarray(x, np.float64) for x in (intact, lesioned, reference)]
  if rows[0].ndim != 1 or len({row.shape for row in rows}) > 1:
    raise ValueError(
      'scores must be one for each sequence, got shapes '
      f'{[row.shape for row in rows]}'
    )
  rows = np.stack(rows)
  rows = rows[:, ~np.isnan(rows[:2]).any(axis=0)]
  if rows.shape[1] < 2:
    raise ValueError(f'two sequences at least are needed, got {rows.shape[1]}')
  before, after, reference = rows
  pairs = np.stack([after - before, reference - before])
  difference, gain = pairs.mean(axis=1)
  differences, gains = _resampled_means(pairs, seed, num_resamples).T
  sign = 1 if lower_is_better else -1
  # False for NaN, too.
  has_share = bool(_interval(sign * gains)[0] > 0)
  return Comparison(
    num_sequences=rows.shape[1],
    intact=float(before.mean()),
    lesioned=float(after.mean()),
    difference=float(difference),
    interval=_interval(differences),
    share=float(difference / gain) if has_share else None,
    share_interval=_interval(differences / gains) if has_share else None,
  )


@dataclasses.dataclass(frozen=True)
class LesionResult:
  """What Test 3 found.

  Attributes:
    task: as `Sequences.name`; and
    unit: as `Sequences.unit`; and
    loss_unit: as `Sequences.loss_unit`.
    num_sequences: sequences that were run.
    num_steps: steps of the longest.
    lesion_step: the first step of `frozen_memory`.
    reset_interval: steps between resets, and exchanges, of the memory.
    num_resamples: of the intervals.
    metrics: names; the first is the loss.
    mean_words: float64 `[num_reads, W]`, mean words read by intact runs.
    scores: by run (`lesions.INTACT`, `BASELINE`, each of `lesions.NAMES`) and
      metric, float64 `[num_sequences]`; for `frozen_memory` of the steps from
      `lesion_step` on, NaN where a sequence has none that count.
    late_scores: the same of `lesions.INTACT` and `BASELINE`, of the steps from
      `lesion_step` on.
    comparisons: by lesion and metric.
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
  scores: Mapping[str, Mapping[str, np.ndarray]]
  late_scores: Mapping[str, Mapping[str, np.ndarray]]
  comparisons: Mapping[str, Mapping[str, Comparison]]


class _Means(NamedTuple):
  """Of all sequences: words read by intact runs, and targets."""

  words: np.ndarray
  targets: np.ndarray


def _find_means(
  task: sequences.Sequences,
  runs: lesioned_runs.LesionedRuns,
  num_sequences: int,
  size: int,
) -> _Means:
  """The first pass: intact, for what the lesions need of all sequences."""
  sums, counts = [0.0, 0.0], [0, 0]
  for batch in range(-(-num_sequences // size)):
    state = runs.initial_states(size)[lesions.INTACT]
    own = batch * size + np.arange(size) < num_sequences
    for segment in task.segments(batch, size):
      words, state = runs.read_words(segment.inputs, state)
      counted = segment.counts[task.metrics[0].name]
      for i, (values, where) in enumerate(
        [(words, segment.is_real), (segment.targets, counted)]
      ):
        where = (where & own).astype(np.float32)
        total = tf.tensordot(where, values, [[0, 1], [0, 1]])
        sums[i] += total.numpy().astype(np.float64)
        counts[i] += int(where.sum())
  words, targets = (x / count for x, count in zip(sums, counts))
  return _Means(words, targets)


def _of_sequences(
  metric: sequences.Metric,
  values: np.ndarray,
  counts: np.ndarray,
  first_step: int,
) -> np.ndarray:
  """A metric of each sequence from `[time, batch]`: float64 `[batch]`."""
  found = np.full(values.shape[1], np.nan)
  for i in range(values.shape[1]):
    steps = values[first_step:, i][counts[first_step:, i]]
    if len(steps):
      found[i] = metric.of_sequence(steps.astype(np.float64))
  return found


def _batch_scores(
  task: sequences.Sequences,
  runs: lesioned_runs.LesionedRuns,
  means: _Means,
  batch: int,
  size: int,
) -> Iterator[tuple[str, dict[str, np.ndarray], dict[str, np.ndarray]]]:
  """Yields, for segments and runs: name, scores, which of them count."""
  states = runs.initial_states(size)
  probability = np.clip(means.targets, _MIN_PROBABILITY, 1 - _MIN_PROBABILITY)
  logit = np.log(probability) - np.log1p(-probability)
  for segment in task.segments(batch, size):

    def scored(name, outputs, segment=segment):
      found = task.scores(outputs, segment.targets)
      return name, {k: v.numpy() for k, v in found.items()}, segment.counts

    constant = tf.zeros_like(segment.targets) + logit.astype(np.float32)
    yield scored(BASELINE, constant)
    for name, outputs, state in runs.run(segment.inputs, states, means.words):
      states[name] = state
      yield scored(name, outputs)


def _find_scores(
  task: sequences.Sequences,
  runs: lesioned_runs.LesionedRuns,
  means: _Means,
  num_sequences: int,
  size: int,
  lesion_step: int,
  log: progress.Log | None,
) -> tuple[_Scores, _Scores]:
  """The second pass: returns `scores` and `late_scores` of the result."""
  names = (lesions.INTACT, BASELINE, *lesions.NAMES)
  scores = {name: {m.name: [] for m in task.metrics} for name in names}
  late = {name: {m.name: [] for m in task.metrics} for name in names[:2]}
  total = num_sequences * task.num_steps * len(names)
  num_steps = 0
  with progress.Stage(log, 'lesions', total, 'steps') as stage:
    for batch in range(-(-num_sequences // size)):
      values = {name: [] for name in names}
      for name, found, counts in _batch_scores(task, runs, means, batch, size):
        values[name].append((found, counts))
        num_steps += next(iter(found.values())).size
        stage.done(num_steps)
      for name, segments in values.items():
        for metric in task.metrics:
          arrays = [
            np.concatenate([part[metric.name] for part in parts])
            for parts in zip(*segments)
          ]
          first = lesion_step if name == _FROZEN else 0
          scores[name][metric.name].append(
            _of_sequences(metric, *arrays, first)
          )
          if name in late:
            found = _of_sequences(metric, *arrays, lesion_step)
            late[name][metric.name].append(found)
  return _joined(scores, num_sequences), _joined(late, num_sequences)


def _joined(
  scores: Mapping[str, Mapping[str, list[np.ndarray]]], num_sequences: int
) -> _Scores:
  """Joins batches; the last one may have had room for more sequences."""
  return {
    name: {k: np.concatenate(v)[:num_sequences] for k, v in of_run.items()}
    for name, of_run in scores.items()
  }


def _check(flag: str, value: int, least: int, most: int) -> None:
  if not least <= value <= most:
    raise errors.UsageError(
      f'--{flag}={value}: must be in {least} to {most}, for sequences of '
      f'{most + 1} steps'
    )


def run(
  task: sequences.Sequences,
  num_sequences: int,
  lesion_step: int | None = None,
  reset_interval: int | None = None,
  seed: int = 0,
  log: progress.Log | None = None,
) -> LesionResult:
  """Runs a task's sequences intact and with every lesion.

  Args:
    task: what is run.
    num_sequences: how many sequences, at least two.
    lesion_step: the first step of `frozen_memory`; the task's by default.
    reset_interval: steps between resets, and exchanges, of the memory; the
      task's by default.
    seed: of the intervals.
    log: takes a line of progress now and then.

  Returns:
    What was found.

  Raises:
    UsageError: if a number does not fit the sequences.
  """
  if lesion_step is None:
    lesion_step = task.lesion_step
  if reset_interval is None:
    reset_interval = task.reset_interval
  _check('lesion_step', lesion_step, 0, task.num_steps - 1)
  _check('reset_interval', reset_interval, 1, task.num_steps - 1)
  runs = lesioned_runs.LesionedRuns(
    task.core, task.input_size, lesion_step, reset_interval
  )
  size = lesioned_runs.batch_size(task.core, num_sequences, _BATCH_SIZE)
  means = _find_means(task, runs, num_sequences, size)
  scores, late = _find_scores(
    task, runs, means, num_sequences, size, lesion_step, log
  )
  return LesionResult(
    task=task.task,
    unit=task.unit,
    loss_unit=task.loss_unit,
    num_sequences=num_sequences,
    num_steps=task.num_steps,
    lesion_step=lesion_step,
    reset_interval=reset_interval,
    num_resamples=NUM_RESAMPLES,
    metrics=tuple(metric.name for metric in task.metrics),
    mean_words=means.words,
    scores=scores,
    late_scores=late,
    comparisons=_comparisons(task, scores, late, seed, lesion_step),
  )


def _comparisons(
  task: sequences.Sequences,
  scores: _Scores,
  late: _Scores,
  seed: int,
  lesion_step: int,
) -> dict[str, dict[str, Comparison]]:
  """Compares each lesion with the intact model on the same steps."""
  for metric in task.metrics:
    number = np.isfinite(late[lesions.INTACT][metric.name]).sum()
    if number < 2:
      raise errors.UsageError(
        f'--lesion_step={lesion_step}: {metric.name} counts in {number} of the '
        f'{task.unit}s from this step on, and two are needed; give an earlier '
        'one'
      )
  found = {}
  for name in lesions.NAMES:
    reference = late if name == _FROZEN else scores
    found[name] = {
      metric.name: compare(
        reference[lesions.INTACT][metric.name],
        scores[name][metric.name],
        reference[BASELINE][metric.name],
        metric.lower_is_better,
        seed,
      )
      for metric in task.metrics
    }
  return found

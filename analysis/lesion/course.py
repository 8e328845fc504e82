"""What a lesion costs, by the number of steps since the memory was cut.

Right after a cut, a model suffers because controller and memory do not match.
This jolt passes. The lasting cost is that of what the memory no longer holds.
"""

import dataclasses

import numpy as np

from analysis.common import statistics
from analysis.lesion import comparison

# The first steps since a cut are the jolt, the later ones count as lasting.
JOLT_STEPS = 3
# A step loses much if it loses more than this share of the model's gain.
MUCH = 0.1
# Up to this step, each step is a point of the course. Later points span several
# steps, in proportion to the steps before them.
_SINGLE_STEPS = 10
_GROWTH = 0.25


@dataclasses.dataclass(frozen=True)
class Course:
  """What a lesion costs, by steps since the cut.

  The step of the cut is step 1 since the cut. Points and comparisons for which
  fewer than two sequences have steps that count are left out.

  Attributes:
    first_cut: the first step that the lesion affects, numbered from 0.
    cut_interval: steps between two cuts; None if there is one cut only.
    first_steps: int `[points]`, the first step since the cut of each point.
    last_steps: int `[points]`, its last step.
    changes: float64 `[points]`, the mean change of the loss of a step.
    intervals: float64 `[points, 2]`, the 95 % intervals of `changes`.
    jolt: compares the mean loss of the first `JOLT_STEPS` steps since each cut.
    lasting: the same for the later steps.
    share_of_much: share of the later steps that lose more than `MUCH` of what
      the intact model gains over the baseline in these steps; None if `lasting`
      has no share.
  """

  first_cut: int
  cut_interval: int | None
  first_steps: np.ndarray
  last_steps: np.ndarray
  changes: np.ndarray
  intervals: np.ndarray
  jolt: comparison.Comparison | None
  lasting: comparison.Comparison | None
  share_of_much: float | None


def find(
  intact: np.ndarray,
  lesioned: np.ndarray,
  baseline: np.ndarray,
  first_cut: int,
  cut_interval: int | None = None,
  seed: int = 0,
) -> Course:
  """Compares losses of the same steps by the number of steps since the cut.

  Intervals come from a bootstrap over sequences, as in `comparison.compare`.

  Args:
    intact: float `[sequences, steps]`, losses of the intact model; NaN where a
      step does not count.
    lesioned: the same with the lesion.
    baseline: the same of predicting the mean target.
    first_cut: the first step that the lesion affects, numbered from 0.
    cut_interval: steps between two cuts; None if there is one cut only.
    seed: seed of the resamples.
  """
  losses = np.stack([intact, lesioned, baseline]).astype(np.float64)
  since = 1 + np.arange(losses.shape[2]) - first_cut
  if cut_interval is not None:
    since = np.where(since > 0, 1 + (since - 1) % cut_interval, since)
  points, changes = [], []
  for first, last in _points(since.max()):
    steps = (first <= since) & (since <= last)
    change = _means((losses[1] - losses[0])[:, steps])
    if np.isfinite(change).sum() > 1:
      points.append((first, last))
      changes.append(change)
  changes = np.reshape(changes, [len(points), losses.shape[1]])
  jolt, lasting = (
    _compare(losses[:, :, steps], seed)
    for steps in ((since > 0) & (since <= JOLT_STEPS), since > JOLT_STEPS)
  )
  return Course(
    first_cut=first_cut,
    cut_interval=cut_interval,
    first_steps=np.array([first for first, _ in points], int),
    last_steps=np.array([last for _, last in points], int),
    changes=_means(changes),
    intervals=_intervals(changes, seed),
    jolt=jolt,
    lasting=lasting,
    share_of_much=_share_of_much(losses[:, :, since > JOLT_STEPS], lasting),
  )


def _points(num_steps: int) -> list[tuple[int, int]]:
  """The first and the last step of each point, up to a number of steps."""
  points, first = [], 1
  while first <= num_steps:
    size = 1 if first <= _SINGLE_STEPS else int(first * _GROWTH)
    points.append((first, min(first + size - 1, num_steps)))
    first += size
  return points


def _means(values: np.ndarray) -> np.ndarray:
  """Means of the rows without their NaNs; NaN for a row of NaNs."""
  counts = np.isfinite(values).sum(axis=1)
  sums = np.nansum(values, axis=1)
  return np.divide(sums, counts, np.full(len(sums), np.nan), where=counts > 0)


def _intervals(changes: np.ndarray, seed: int) -> np.ndarray:
  """95 % intervals of the means over sequences, `[points, 2]`.

  Args:
    changes: float `[points, sequences]`; NaN for a sequence without a change.
    seed: seed of the resamples.
  """
  draws = np.stack([*comparison.resamples(changes.shape[1], seed)], axis=1)
  counts = np.isfinite(changes) @ draws
  with np.errstate(invalid='ignore'):  # A resample may have no change.
    means = np.nan_to_num(changes) @ draws / counts
  found = [statistics.interval(of_point) for of_point in means]
  return np.reshape(found, [len(found), 2])


def _compare(losses: np.ndarray, seed: int) -> comparison.Comparison | None:
  """Compares mean losses; `losses` are intact, lesioned and baseline."""
  means = [_means(values) for values in losses]
  if np.isfinite(means[0]).sum() < 2:
    return None
  return comparison.compare(*means, seed=seed)


def _share_of_much(
  losses: np.ndarray, lasting: comparison.Comparison | None
) -> float | None:
  """The share of steps that lose much; `losses` as for `_compare`."""
  if lasting is None or lasting.share is None:
    return None
  intact, lesioned, baseline = losses[:, np.isfinite(losses[0])]
  gain = np.mean(baseline - intact)
  return float(np.mean(lesioned - intact > MUCH * gain))

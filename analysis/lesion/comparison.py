"""Compares scores of the same sequences with and without a lesion."""

from collections.abc import Sequence
import dataclasses
import functools

import numpy as np

from analysis.common import statistics

NUM_RESAMPLES = 1_000


@dataclasses.dataclass(frozen=True)
class Comparison:
  """A score with and without a lesion; all intervals are 95 % intervals.

  Attributes:
    num_sequences: number of sequences that were compared.
    intact: mean score of the intact model.
    lesioned: mean score with the lesion.
    difference: `lesioned` - `intact`.
    interval: of the difference, from resampled sequences.
    share: the difference divided by what the intact model gains over the
      baseline, a constant prediction: 0 if nothing is lost, 1 if all is. None
      without a baseline, or if the intact model is not clearly better.
    share_interval: of the share; None if there is no share.
  """

  num_sequences: int
  intact: float
  lesioned: float
  difference: float
  interval: statistics.Interval
  share: float | None
  share_interval: statistics.Interval | None


# Cached, because most scores are of the same sequences.
@functools.lru_cache(maxsize=2)
def resamples(size: int, seed: int, number: int = NUM_RESAMPLES) -> np.ndarray:
  """Returns how often each sequence is drawn: int64 `[number, size]`."""
  rng = np.random.default_rng(seed)
  drawn = [
    np.bincount(rng.integers(size, size=size), minlength=size)
    for _ in range(number)
  ]
  drawn = np.reshape(drawn, [number, size])
  drawn.flags.writeable = False
  return drawn


def _paired(*scores: Sequence[float] | np.ndarray) -> np.ndarray:
  """The scores of the sequences that have the first two; see `compare`."""
  rows = [np.asarray(x, np.float64) for x in scores]
  if rows[0].ndim != 1 or len({row.shape for row in rows}) > 1:
    raise ValueError(
      'there must be one score for each sequence, got shapes '
      f'{[row.shape for row in rows]}'
    )
  rows = np.stack(rows)
  rows = rows[:, ~np.isnan(rows[:2]).any(axis=0)]
  if rows.shape[1] < 2:
    raise ValueError(f'at least two sequences are needed, got {rows.shape[1]}')
  return rows


def compare(
  intact: Sequence[float] | np.ndarray,
  lesioned: Sequence[float] | np.ndarray,
  baseline: Sequence[float] | np.ndarray | None = None,
  lower_is_better: bool = True,
  seed: int = 0,
  num_resamples: int = NUM_RESAMPLES,
) -> Comparison:
  """Compares scores of the same sequences with and without a lesion.

  Intervals come from a bootstrap over sequences, not over steps: steps of one
  sequence are not independent. Differences are taken within each sequence, so
  that its difficulty cancels out.

  Args:
    intact: float `[sequences]`, scores of the intact model. NaN marks a
      sequence without a score, which is left out.
    lesioned: float `[sequences]`, scores with the lesion; NaN as above.
    baseline: float `[sequences]`, scores of predicting the mean target.
    lower_is_better: whether a lower score is better, as for a loss.
    seed: seed of the resamples.
    num_resamples: number of resamples.

  Raises:
    ValueError: if the shapes differ, or fewer than two sequences have scores.
  """
  if baseline is None:
    baseline = np.full(np.shape(intact), np.nan)
  before, after, reference = _paired(intact, lesioned, baseline)
  pairs = np.stack([after - before, reference - before])
  difference, gain = pairs.mean(axis=1)
  size = len(before)
  means = [
    pairs @ counts / size for counts in resamples(size, seed, num_resamples)
  ]
  differences, gains = np.transpose(means)
  sign = 1 if lower_is_better else -1
  # Without a baseline there is no interval.
  gain_interval = statistics.interval(sign * gains)
  share = share_interval = None
  if gain_interval is not None and gain_interval[0] > 0:
    share = float(difference / gain)
    share_interval = statistics.interval(differences / gains)
  return Comparison(
    num_sequences=size,
    intact=float(before.mean()),
    lesioned=float(after.mean()),
    difference=float(difference),
    interval=statistics.interval(differences),
    share=share,
    share_interval=share_interval,
  )

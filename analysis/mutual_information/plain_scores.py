"""Scores for classes, applied to real numbers: three ways to read the post.

The post scores the contents of a memory location, which are real numbers,
against classes by 'the mutual information score', which compares classes with
classes. It can be applied to real numbers in three ways:

- `raw`: `sklearn.metrics.mutual_info_score`, where each distinct number is a
  class. Contents that never repeat score the entropy of the sequence, whether
  they depend on it or not;
- `adjusted`: `sklearn.metrics.adjusted_mutual_info_score`, which subtracts the
  score expected by chance. Contents that never repeat score exactly zero;
- `integers`: `mutual_info_score` of the contents cast to integers. Contents
  between -1 and 1 all become 0, and score zero.

None of the three can tell whether contents follow the sequence. All locations
are scored at once; the scores are those of scikit-learn.
"""

from concurrent import futures
import os

import numpy as np
from scipy import special
from scipy import stats

NAMES = ('raw', 'adjusted', 'integers')
_LOCATIONS_AT_ONCE = 256


def n_log_n(greatest: int) -> np.ndarray:
  """Returns n log n for n from 0 to `greatest`, float64."""
  n = np.arange(greatest + 1, dtype=np.float64)
  return special.xlogy(n, n)


class _EqualNumbers:
  """Groups of equal numbers in each row of a sorted array.

  Attributes:
    groups: int `[rows, time]`, the group of each number, from 0 upwards.
    sizes: int `[number]`, the sizes of all groups, row by row.
  """

  def __init__(self, ordered: np.ndarray):
    self._num_rows = len(ordered)
    begins = np.ones(ordered.shape, bool)
    np.not_equal(ordered[:, 1:], ordered[:, :-1], out=begins[:, 1:])
    starts = np.flatnonzero(begins)
    self.groups = np.cumsum(begins, axis=1) - 1
    self._row = starts // ordered.shape[1]
    self.sizes = np.diff(starts, append=ordered.size)

  def sum(self, table: np.ndarray) -> np.ndarray:
    """Sums `table[size]` over the groups of each row: float64 `[rows]`."""
    return np.bincount(self._row, table[self.sizes], minlength=self._num_rows)


def _expected(
  clusters: np.ndarray, sizes: np.ndarray, steps: int
) -> np.ndarray:
  """Returns a cluster's part of the mutual information expected by chance.

  Vinh, Epps and Bailey, "Information Theoretic Measures for Clusterings
  Comparison", 2010, equation 24a: a sum over pairs of a cluster and a class.
  `clusters` are distinct sizes of clusters, `sizes` the sizes of the classes.

  Returns:
    float64 `[steps + 1]`, by size of the cluster; zero for sizes that are not
    in `clusters`.
  """
  logs = special.gammaln(np.arange(steps + 1) + 1.0)
  total = np.zeros(steps + 1)
  for size, number in zip(*np.unique(sizes[sizes > 0], return_counts=True)):
    a, both = clusters[:, np.newaxis], np.arange(1, size + 1)
    possible = (both <= a) & (both >= a + size - steps)
    n = np.where(possible, both, np.minimum(a, size))
    chance = np.exp(
      logs[a]
      - logs[n]
      - logs[a - n]
      + logs[steps - a]
      - logs[size - n]
      - logs[steps - a - size + n]
      - logs[steps]
      + logs[size]
      + logs[steps - size]
    )
    gain = n / steps * np.log(steps * n / (a * size))
    total[clusters] += number * np.where(possible, chance * gain, 0).sum(axis=1)
  return total


def _scores(
  contents: np.ndarray, sequences: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Plain and adjusted scores where each distinct number is a class.

  Both are `[sequences, locations]`, of contents `[locations, time]`.
  """
  num_steps = contents.shape[1]
  table = n_log_n(num_steps)
  order = np.argsort(contents, axis=1, kind='stable')
  equal = _EqualNumbers(np.take_along_axis(contents, order, axis=1))
  entropy = np.log(num_steps) - equal.sum(table) / num_steps
  plain, adjusted = [], []
  for sequence in sequences:
    sizes = np.bincount(sequence)
    pairs = equal.groups * len(sizes) + sequence[order]
    joint = _EqualNumbers(np.sort(pairs, axis=1)).sum(table)
    of_classes = np.log(num_steps) - table[sizes].sum() / num_steps
    score = entropy + of_classes - np.log(num_steps) + joint / num_steps
    score = np.where(entropy > 0, np.maximum(score, 0), 0)
    expected = equal.sum(_expected(np.unique(equal.sizes), sizes, num_steps))
    room = (entropy + of_classes) / 2 - expected
    has_room = np.abs(room) > 1e-12
    gain = np.where(has_room, score - expected, 0)
    plain.append(score)
    adjusted.append(gain / np.where(has_room, room, 1))
  return np.stack(plain), np.stack(adjusted)


def _score_rows(
  rows: np.ndarray, sequences: np.ndarray
) -> dict[str, np.ndarray]:
  """`plain_scores` of contents `[locations, time]`."""
  found = {name: np.zeros([len(sequences), len(rows)]) for name in NAMES}
  # The scores of numbers that never repeat are known: entropy, and zero.
  found['raw'][:] = [[stats.entropy(np.bincount(x))] for x in sequences]
  ordered = np.sort(rows, axis=1)
  repeats = (ordered[:, 1:] == ordered[:, :-1]).any(axis=1)
  if repeats.any():
    raw, adjusted = _scores(rows[repeats], sequences)
    found['raw'][:, repeats] = raw
    found['adjusted'][:, repeats] = adjusted
  whole = np.trunc(rows)
  varies = (whole != whole[:, :1]).any(axis=1)
  if varies.any():
    found['integers'][:, varies], _ = _scores(whole[varies], sequences)
  return found


def plain_scores(
  contents: np.ndarray, sequences: np.ndarray
) -> dict[str, np.ndarray]:
  """Scores contents in the three ways, on all processors.

  Args:
    contents: float `[time, locations]`.
    sequences: int `[sequences, time]`, classes from 0 upwards.

  Returns:
    By name, of `NAMES`, float64 `[sequences, locations]`. `raw` and `integers`
    are in nats; `adjusted` is 1 for contents that determine the class.
  """
  starts = range(0, contents.shape[1], _LOCATIONS_AT_ONCE)

  def score(start: int) -> dict[str, np.ndarray]:
    chunk = contents[:, start : start + _LOCATIONS_AT_ONCE]
    return _score_rows(np.ascontiguousarray(chunk.T), sequences)

  with futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    found = list(pool.map(score, starts))
  return {
    name: np.concatenate([some[name] for some in found], axis=1)
    for name in NAMES
  }

"""Estimators of the mutual information of real numbers and classes, in nats.

Each takes contents, float `[time, locations]`, and sequences of classes from 0
upwards, int `[sequences, time]`. It returns scikit-learn's score of every pair,
float64 `[sequences, locations]`, but is much faster for many pairs:

- `binned`: `sklearn.metrics.mutual_info_score` of contents cut into quantile
  bins;
- `nearest_neighbours`: `sklearn.feature_selection.mutual_info_classif`, after
  Ross, "Mutual Information between Discrete and Continuous Data Sets", 2014.

Both are biased: binned scores of independent data average about
(bins - 1) (classes - 1) / (2 time), and negative nearest-neighbour scores are
raised to 0. So compare a score with the scores of sequences that are
independent of the contents, not with zero.
"""

from collections.abc import Callable
from concurrent import futures
import os

import numpy as np
from scipy import special
from sklearn import preprocessing

from analysis.mutual_information import plain_scores

# Locations whose contents are copied and binned together.
_LOCATIONS_AT_ONCE = 256
# Steps, over all sequences, that are counted together: they fit a cache.
_NUMBERS_AT_ONCE = 24_000
_NEIGHBOURS = 3

# Called with the number of (location, sequence) pairs since the last call.
Done = Callable[[int], None]


def varies(contents: np.ndarray) -> np.ndarray:
  """Returns whether each location ever changes: bool `[locations]`."""
  return (contents != contents[0]).any(axis=0)


def quantile_bins(rows: np.ndarray, num_bins: int) -> np.ndarray:
  """Cuts each location's contents into bins with about equally many steps.

  Equal numbers share a bin, so ties may leave some bins empty.

  Args:
    rows: float `[locations, time]`.
    num_bins: the most bins.

  Returns:
    int16 `[locations, time]`, in [0, num_bins).
  """
  num_steps = rows.shape[1]
  ranks = np.unique(np.arange(1, num_bins) * num_steps // num_bins)
  edges = np.sort(rows, axis=1)[:, ranks]
  bins = np.zeros(rows.shape, np.int16)
  for edge in edges.T:
    bins += rows >= edge[:, np.newaxis]
  return bins


class _Counter:
  """Counts joint classes and bins, for many sequences at once."""

  def __init__(self, sequences: np.ndarray, num_bins: int):
    num_steps = sequences.shape[1]
    self._num_bins = num_bins
    self._num_classes = int(sequences.max()) + 1
    self._table = plain_scores.n_log_n(num_steps)
    # Each sequence of a block has its own cells of (class, bin).
    at_once = max(1, _NUMBERS_AT_ONCE // num_steps)
    cells = num_bins * self._num_classes
    self._blocks = [
      sequences[start : start + at_once]
      + cells * np.arange(min(at_once, len(sequences) - start))[:, np.newaxis]
      for start in range(0, len(sequences), at_once)
    ]
    self._of_classes = np.array(
      [self._table[np.bincount(x)].sum() for x in sequences]
    )

  def score(self, bins: np.ndarray) -> np.ndarray:
    """Scores a location, bins int `[time]`, against all sequences.

    With joint counts n_ij and their sums n_i, n_j and n, the mutual information
    is log n + (sum n_ij log n_ij - sum n_i log n_i - sum n_j log n_j) / n.
    """
    num_steps = len(bins)
    rows = bins * self._num_classes
    joint = []
    for block in self._blocks:
      size = [len(block), self._num_bins * self._num_classes]
      counts = np.bincount((block + rows).ravel(), minlength=np.prod(size))
      joint.append(self._table[counts].reshape(size).sum(axis=1))
    of_bins = self._table[np.bincount(bins)].sum()
    scores = np.concatenate(joint) - of_bins - self._of_classes
    return np.maximum(scores / num_steps + np.log(num_steps), 0)


def binned(
  contents: np.ndarray,
  sequences: np.ndarray,
  num_bins: int = 10,
  done: Done | None = None,
) -> np.ndarray:
  """Scores contents, cut into quantile bins, against sequences of classes.

  Args:
    contents: float `[time, locations]`.
    sequences: int `[sequences, time]`.
    num_bins: the most bins of a location.
    done: see `Done`.

  Returns:
    float64 `[sequences, locations]`; exactly 0 for a constant location.
  """
  scores = np.zeros([len(sequences), contents.shape[1]])
  counter = _Counter(sequences, num_bins)
  for start in range(0, contents.shape[1], _LOCATIONS_AT_ONCE):
    chunk = contents[:, start : start + _LOCATIONS_AT_ONCE]
    varying = np.flatnonzero(varies(chunk))
    rows = np.ascontiguousarray(chunk.T)
    for i, bins in zip(varying, quantile_bins(rows[varying], num_bins)):
      scores[:, start + i] = counter.score(bins.astype(np.intp))
    if done:
      done(len(sequences) * len(rows))
  return scores


def _scaled(contents: np.ndarray, seed: int) -> np.ndarray:
  """Scales contents and adds noise to break ties, as scikit-learn does.

  Takes contents `[time, locations]`, none of them constant, and returns float64
  `[locations, time]`.
  """
  contents = contents.astype(np.float64)
  # Scaled by a power of two, so that no square underflows; this is exact.
  exponents = np.frexp(np.abs(contents).max(axis=0))[1]
  scaled = preprocessing.scale(np.ldexp(contents, -exponents), with_mean=False)
  size = np.maximum(1, np.abs(scaled).mean(axis=0))
  noise = np.random.RandomState(seed).standard_normal(scaled.shape)
  return np.ascontiguousarray((scaled + 1e-10 * size * noise).T)


def _radii(values: np.ndarray, classes: np.ndarray) -> np.ndarray:
  """Returns each number's distance to its third nearest neighbour in its class.

  In a class of two or three, it is the distance to the furthest number; in a
  class of one, infinity. All arrays are `[sequences, time]`, sorted by class
  and then by value: a number and its three nearest neighbours are four in a
  row.
  """
  radii = np.full(values.shape, np.inf)
  last = np.empty(classes.shape, bool)
  last[:, -1] = True
  np.not_equal(classes[:, 1:], classes[:, :-1], out=last[:, :-1])
  for size in range(2, _NEIGHBOURS + 2):
    width = values.shape[1] - size + 1
    if width < 1:
      break
    low, high = values[:, :width], values[:, size - 1 :]
    in_one = classes[:, :width] == classes[:, size - 1 :]
    if size <= _NEIGHBOURS:
      # Fewer than four in a row count only if they are the whole class.
      in_one &= last[:, size - 1 :]
      in_one[:, 1:] &= last[:, : width - 1]
    for i in range(size):
      middle = values[:, i : i + width]
      radius = np.where(in_one, np.maximum(middle - low, high - middle), np.inf)
      part = radii[:, i : i + width]
      np.minimum(part, radius, out=part)
  return radii


def _count_within(
  ordered: np.ndarray, values: np.ndarray, radii: np.ndarray
) -> np.ndarray:
  """Counts the sorted numbers that are nearer to each value than its radius.

  The values are among these numbers, so each counts itself.
  """
  end = len(ordered) - 1
  first = np.searchsorted(ordered, values - radii)
  past = np.searchsorted(ordered, values + radii, side='right')
  # The sums are rounded, so a number at the radius may be on the wrong side.
  first += values - ordered[np.minimum(first, end)] >= radii
  past -= ordered[np.maximum(past - 1, 0)] - values >= radii
  return past - first


def _ross(values: np.ndarray, sequences: np.ndarray) -> np.ndarray:
  """Ross's scores of one location: float64 `[sequences]`.

  All values must differ, and every class must have at least two steps.
  """
  order = np.argsort(values)
  ordered = values[order]
  labels = sequences[:, order]
  by_class = np.argsort(labels, axis=1, kind='stable')
  labels = np.take_along_axis(labels, by_class, axis=1)
  grouped = ordered[by_class]
  size = int(labels.max()) + 1
  rows = np.arange(len(labels))[:, np.newaxis] * size
  sizes = np.bincount((rows + labels).ravel(), minlength=size * len(labels))
  sizes = sizes[rows + labels]
  near = _count_within(ordered, grouped, _radii(grouped, labels))
  # digamma[i] is the function at i + 1.
  digamma = special.digamma(np.arange(1, len(values) + 1))
  terms = (
    digamma[np.minimum(sizes - 1, _NEIGHBOURS) - 1]
    - digamma[sizes - 1]
    - digamma[near - 1]
  )
  return np.maximum(digamma[-1] + terms.mean(axis=1), 0)


def _ross_all(values: np.ndarray, sequences: np.ndarray) -> np.ndarray:
  """`_ross` of any sequences; steps alone in their class are left out."""
  sizes = np.stack([np.bincount(x)[x] for x in sequences])
  whole = (sizes > 1).all(axis=1)
  scores = np.zeros(len(sequences))
  if whole.any():
    scores[whole] = _ross(values, sequences[whole])
  for i in np.flatnonzero(~whole):
    counts = sizes[i] > 1
    if counts.any():
      scores[i] = _ross(values[counts], sequences[i : i + 1, counts])[0]
  return scores


def nearest_neighbours(
  contents: np.ndarray,
  sequences: np.ndarray,
  seed: int = 0,
  done: Done | None = None,
) -> np.ndarray:
  """Scores contents against sequences of classes without binning.

  The scores are those of `sklearn.feature_selection.mutual_info_classif` with
  three neighbours. scikit-learn builds a k-d tree for each class of each
  sequence. Here the contents are sorted once, so neighbours are side by side.
  (In classes of fewer than eight steps scikit-learn rounds distances, which
  shifts its scores a little.) A little noise, the same for every sequence,
  breaks ties.

  Args:
    contents: float `[time, locations]`.
    sequences: int `[sequences, time]`.
    seed: seed of the noise.
    done: see `Done`.

  Returns:
    float64 `[sequences, locations]`; exactly 0 for a constant location, where
    scikit-learn would score its own noise.
  """
  scores = np.zeros([len(sequences), contents.shape[1]])
  (varying,) = np.nonzero(varies(contents))
  # NumPy sorts integers of one or two bytes without comparisons.
  small = sequences.astype(np.min_scalar_type(int(sequences.max())))
  with futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    for start in range(0, len(varying), _LOCATIONS_AT_ONCE):
      chunk = varying[start : start + _LOCATIONS_AT_ONCE]
      rows = _scaled(contents[:, chunk], seed)
      found = pool.map(lambda row: _ross_all(row, small), rows)
      for location, some in zip(chunk, found):
        scores[:, location] = some
        if done:
          done(len(some))
  if done:
    done(scores.size - len(varying) * len(sequences))
  return scores

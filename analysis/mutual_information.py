"""Test 2: does any memory location follow the sequence of x positions?

PROTOCOL, 'Test 2: mutual information'; the post's section of that name. For
each memory location, the mutual information (in nats) between its contents over
a sequence and the class of x at each step, beside the same for a random
sequence that the model never saw. A map of the file:

- `binned`: contents cut into quantile bins, scored for all locations at once to
  what `sklearn.metrics.mutual_info_score` gives for each;
- `nearest_neighbours`: `sklearn.feature_selection.mutual_info_classif`, after
  Ross, "Mutual Information between Discrete and Continuous Data Sets", 2014;
- `family_wise_p_values`: which locations stand out, corrected for their number;
- `run`: from sequences to the answer, one sequence in memory at a time.

Both estimators are biased: binned scores of independent data average about
(bins - 1) (classes - 1) / (2 time), nearest-neighbour scores are cut off at 0.
Read a score against the random control and the shuffled null, not against zero.
"""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
import dataclasses
import functools

import numpy as np
from sklearn import feature_selection

from analysis import controls
from dnc import errors
from dnc import progress
from dnc import traces as traces_lib
from dnc.dsprites import latents

_X = latents.NAMES.index('x_position')
_NUM_CLASSES = latents.SIZES[_X]
# Locations and sequences counted together; their counts then fit in the cache.
_LOCATIONS_AT_ONCE = 256
_SEQUENCES_AT_ONCE = 8
# The post's measure of 'virtually no mutual information', in nats.
NEGLIGIBLE = 1e-8

# 199 take minutes for the 16,384 locations of Model A. Nearest neighbours cost
# seconds for every shuffle of every sequence: 19 is the fewest with which a
# p-value can reach 0.05.
NUM_SHUFFLES = {'binned': 199, 'nearest_neighbours': 19}


def quantile_bins(contents: np.ndarray, num_bins: int) -> np.ndarray:
  """Cuts each location's contents into bins of about equal number.

  Args:
    contents: float `[time, locations]`.
    num_bins: most bins; equal numbers share a bin, so ties make them fewer.

  Returns:
    int16 `[time, locations]`, numbered from 0 upwards, some perhaps unused.
  """
  num_steps = len(contents)
  ranks = np.unique(np.arange(1, num_bins) * num_steps // num_bins)
  edges = np.sort(contents, axis=0)[ranks]
  bins = np.zeros(contents.shape, np.int16)
  for edge in edges:
    bins += contents >= edge
  return bins


def _varies(contents: np.ndarray) -> np.ndarray:
  return (contents != contents[0]).any(axis=0)


def _one_hot(numbers: np.ndarray, size: int) -> np.ndarray:
  return (numbers[..., np.newaxis] == np.arange(size)).astype(np.float32)


def _plug_in(
  bins: np.ndarray, sequences: np.ndarray, num_bins: int
) -> np.ndarray:
  """Returns the mutual information of all pairs from their joint counts.

  With counts n_ij that sum to n, n_i and n_j, it is
  log n + (sum n_ij log n_ij - sum n_i log n_i - sum n_j log n_j) / n.

  Args:
    bins: int `[time, locations]`, each less than `num_bins`.
    sequences: int `[sequences, time]`, classes from 0 upwards.
    num_bins: number of bins.

  Returns:
    float64 `[sequences, locations]`, in nats.
  """
  num_steps, num_locations = bins.shape
  num_classes = int(sequences.max()) + 1
  n_log_n = np.arange(num_steps + 1, dtype=np.float64)
  n_log_n[1:] *= np.log(n_log_n[1:])

  def terms(counts: np.ndarray) -> np.ndarray:
    # float32 products of ones and zeros count exactly up to 2 ** 24.
    return n_log_n[counts.astype(np.int32)]

  in_bin = np.moveaxis(_one_hot(bins.T, num_bins), 2, 1)
  of_bins = terms(in_bin.sum(axis=2)).sum(axis=1)
  in_bin = in_bin.reshape([num_locations * num_bins, num_steps])
  scores = []
  for start in range(0, len(sequences), _SEQUENCES_AT_ONCE):
    some = sequences[start : start + _SEQUENCES_AT_ONCE]
    is_class = _one_hot(some, num_classes)
    of_classes = terms(is_class.sum(axis=1)).sum(axis=1)
    columns = np.moveaxis(is_class, 1, 0).reshape([num_steps, -1])
    joint = terms(in_bin @ columns)
    joint = joint.reshape([num_locations, num_bins, len(some), num_classes])
    joint = joint.sum(axis=3).sum(axis=1).T
    scores.append(joint - of_bins - of_classes[:, np.newaxis])
  scores = np.concatenate(scores) / num_steps + np.log(num_steps)
  return np.maximum(scores, 0)


def binned(
  contents: np.ndarray, sequences: np.ndarray, num_bins: int = 10
) -> np.ndarray:
  """Scores contents, cut into quantile bins, against sequences of classes.

  Equal to `sklearn.metrics.mutual_info_score` of `quantile_bins` and sequence.

  Args:
    contents: float `[time, locations]`.
    sequences: int `[..., time]`, classes from 0 upwards.
    num_bins: see `quantile_bins`.

  Returns:
    float64 `[..., locations]`, in nats; exactly 0 for a constant location.
  """
  flat = np.reshape(sequences, [-1, len(contents)])
  scores = np.zeros([len(flat), contents.shape[1]])
  (varying,) = np.nonzero(_varies(contents))
  for start in range(0, len(varying), _LOCATIONS_AT_ONCE):
    chunk = varying[start : start + _LOCATIONS_AT_ONCE]
    bins = quantile_bins(contents[:, chunk], num_bins)
    scores[:, chunk] = _plug_in(bins, flat, num_bins)
  return scores.reshape([*np.shape(sequences)[:-1], -1])


def nearest_neighbours(
  contents: np.ndarray, sequences: np.ndarray, seed: int = 0
) -> np.ndarray:
  """Scores contents against sequences of classes without binning.

  `sklearn.feature_selection.mutual_info_classif` with three neighbours, on all
  cores. It adds a little noise to part ties; the same for every sequence.

  Args:
    contents: float `[time, locations]`.
    sequences: int `[..., time]`.
    seed: of the noise.

  Returns:
    float64 `[..., locations]`, in nats; exactly 0 for a constant location,
    where scikit-learn would score its own noise.
  """
  flat = np.reshape(sequences, [-1, len(contents)])
  scores = np.zeros([len(flat), contents.shape[1]])
  varies = _varies(contents)
  if varies.any():
    for score, sequence in zip(scores, flat):
      score[varies] = feature_selection.mutual_info_classif(
        contents[:, varies],
        sequence,
        discrete_features=False,
        random_state=seed,
        n_jobs=-1,
      )
  return scores.reshape([*np.shape(sequences)[:-1], -1])


def family_wise_p_values(scores: np.ndarray, null: np.ndarray) -> np.ndarray:
  """Returns p-values corrected for the number of locations.

  Westfall and Young's single-step max-T: a location's score is ranked among the
  highest scores over all locations in each shuffle, so that the chance of even
  one false alarm at level p is at most p, however the locations depend on each
  other.

  Args:
    scores: float `[locations]`.
    null: float `[shuffles, locations]`, the same scores of shuffled sequences.

  Returns:
    float64 `[locations]`, at least 1 / (shuffles + 1).
  """
  highest = null.max(axis=1)
  reached = (highest[:, np.newaxis] >= scores).sum(axis=0)
  return (1 + reached) / (1 + len(null))


@dataclasses.dataclass(frozen=True)
class MutualInformationResult:
  """What Test 2 found; scores are in nats, averaged over the sequences.

  Attributes:
    estimator: 'binned' or 'nearest_neighbours'.
    num_sequences: number of sequences.
    num_shuffles: number of shuffles of each.
    num_bins: bins for 'binned', else None.
    true: float64 `[locations]`, scores against the true sequences.
    control: float64 `[locations]`, against the random sequences.
    null: float64 `[locations]`, against shuffles of the true sequences, mean of
      all shuffles: the bias of the estimator.
    p_values: float64 `[locations]`, of `true`, corrected for the number of
      locations.
    constant: bool `[locations]`, whether the content never changed within any
      sequence.
  """

  estimator: str
  num_sequences: int
  num_shuffles: int
  num_bins: int | None
  true: np.ndarray
  control: np.ndarray
  null: np.ndarray
  p_values: np.ndarray
  constant: np.ndarray

  def summary(self) -> dict[str, float | int]:
    """Returns the numbers that stand for all locations together."""
    return {
      'num_locations': len(self.true),
      'true_max': float(self.true.max()),
      'true_mean': float(self.true.mean()),
      'true_below_1e-8': int((self.true < NEGLIGIBLE).sum()),
      'control_max': float(self.control.max()),
      'control_mean': float(self.control.mean()),
      'control_below_1e-8': int((self.control < NEGLIGIBLE).sum()),
      'null_max': float(self.null.max()),
      'null_mean': float(self.null.mean()),
      'num_significant': int((self.p_values <= 0.05).sum()),
      'share_constant': float(self.constant.mean()),
    }


def from_traces(
  traces: traces_lib.Traces, split: str, name: str = 'memory'
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
  """Yields contents `[time, locations]` and x classes `[time]`, streamed.

  Args:
    traces: traces of sequences in which x moves.
    split: which of them.
    name: the representation whose numbers are the locations.

  Raises:
    errors.UsageError: if the traces lack it, are damaged, or hold numbers that
      are not finite.
  """
  with traces.explained_errors():
    dataset = traces.dataset(split, [name, 'classes'])
    for example in dataset.as_numpy_iterator():
      contents = example[name]
      if not np.isfinite(contents).all():
        raise errors.UsageError(
          f'{traces.path}: {name} holds numbers that are not finite; the model '
          'has diverged: train it anew, with a lower learning rate'
        )
      yield contents, example['classes'][:, _X]


def _estimator(name: str, num_bins: int, seed: int) -> Callable:
  if name == 'binned':
    return functools.partial(binned, num_bins=num_bins)
  if name == 'nearest_neighbours':
    return functools.partial(nearest_neighbours, seed=seed)
  raise errors.UsageError(
    f'estimator {name!r}: must be one of {", ".join(NUM_SHUFFLES)}'
  )


def run(
  sequences: Iterable[tuple[np.ndarray, np.ndarray]],
  estimator: str = 'binned',
  num_shuffles: int | None = None,
  seed: int = 0,
  num_bins: int = 10,
  num_sequences: int = 0,
  log: progress.Log | None = None,
) -> MutualInformationResult:
  """Runs Test 2, holding one sequence in memory at a time.

  Args:
    sequences: pairs of contents, float `[time, locations]`, and the classes of
      x, int `[time]`; lengths may differ. See `from_traces`.
    estimator: 'binned' or 'nearest_neighbours'.
    num_shuffles: shuffles of each sequence for the null distribution;
      `NUM_SHUFFLES` if None.
    seed: of the random sequences, shuffles and scikit-learn's noise.
    num_bins: see `quantile_bins`.
    num_sequences: how many there will be, for the lines of progress.
    log: takes a line of progress now and then.

  Raises:
    errors.UsageError: if the estimator is unknown, or there is no sequence.
  """
  estimate = _estimator(estimator, num_bins, seed)
  if num_shuffles is None:
    num_shuffles = NUM_SHUFFLES[estimator]
  total, varied, count = 0.0, False, 0
  lines = progress.Lines(log, 'mutual information: sequences', num_sequences)
  for contents, sequence in sequences:
    random = controls.random_sequence(seed, count, len(sequence), _NUM_CLASSES)
    shuffled = controls.shuffles(seed, count, sequence, num_shuffles)
    total += estimate(contents, np.vstack([sequence, random, shuffled]))
    varied |= _varies(contents)
    count += 1
    lines.done(count)
  if not count:
    raise errors.UsageError('mutual information: no sequence to score')
  true, random, null = np.split(total / count, [1, 2])
  return MutualInformationResult(
    estimator=estimator,
    num_sequences=count,
    num_shuffles=num_shuffles,
    num_bins=num_bins if estimator == 'binned' else None,
    true=true[0],
    control=random[0],
    null=null.mean(axis=0),
    p_values=family_wise_p_values(true[0], null),
    constant=~varied,
  )

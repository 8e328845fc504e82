"""Test 2: does any memory location follow the sequence of x positions?

docs/PROTOCOL.md, 'Test 2: mutual information'; the post's section of that name.
For each location of the memory, or of another representation: the mutual
information, in nats, between its contents at each step of a sequence and the
class of x at that step, some steps before, or one step ahead.

- `score` takes arrays of contents and sequences;
- `Scorer` does the same with one sequence in memory at a time;
- `TraceScores` scores several representations in one pass over traces.

Three other scores of the same contents show what a score means:

- against a random sequence, which the model never saw: the bias of the
  estimator on data that are independent by design;
- against the true sequence shifted in a circle (`controls.circular_shifts`):
  the bias again, and the spread of scores by chance, from which p-values follow
  (`significance`);
- the scores that the post may have used (`plain_scores`).

A location is scored at all lags on the same steps: those that have a label at
every lag. If its contents are independent of a stationary sequence, then
no shift of the sequence fits them better than another. So one null serves all
lags, whatever the autocorrelation of contents and sequence.
"""

import collections
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import functools
import math
from typing import Any
from typing import NamedTuple

import numpy as np
from scipy import stats

from analysis.common import arrays
from analysis.mutual_information import controls
from analysis.mutual_information import estimators
from analysis.mutual_information import plain_scores
from analysis.mutual_information import significance
from dnc import config as config_lib
from dnc import traces as traces_lib
from dnc.dsprites import latents
from dnc.system import errors
from dnc.system import own_settings
from dnc.system import progress
from dnc.system import spreading

_X = latents.NAMES.index('x_position')
# What the post calls 'virtually no mutual information', in nats.
NEGLIGIBLE = 1e-8
# The expected share of false discoveries among significant locations.
LEVEL = 0.05
# The lags of the class to be predicted, and of the one that goes in.
NEXT, CURRENT = -1, 0
_NUM_BINS = 10
# Shifts of each sequence. With thousands over all sequences, the spread of a
# mean score by chance is known to about 2 %.
NUM_SHIFTS = {'binned': 99, 'nearest_neighbours': 49}


@dataclasses.dataclass(frozen=True)
class MutualInformationResult:
  """The results of Test 2 for a representation.

  Scores are means over the sequences, in nats: float64 `[locations]`, or
  `[lags, locations]` if there is one for each lag.

  Attributes:
    estimator: 'binned' or 'nearest_neighbours'.
    num_bins: number of bins of 'binned'; None for 'nearest_neighbours'.
    num_sequences: number of sequences.
    num_shifts: number of shifts of each sequence.
    num_different_shifts: least number of distinct shifts of a sequence; short
      sequences have few.
    lags: contents are scored against the class this many steps before; -1 is
      the next class.
    layout: shape of the representation, e.g. (slots, words).
    locations: int64 `[locations]`, the numbers of the representation that are
      scored, counted row by row.
    scores: for each lag, against the true sequences.
    standard_error: of `excess` at each lag, from its spread over sequences; NaN
      for a single sequence.
    excess_by_sequence: float64 `[sequences, lags]`, the mean of `excess` over
      the locations in each sequence.
    control: against random sequences.
    null: against shifts of the true sequences: the score expected by chance,
      which is the bias of the estimator.
    shifted: against one shift of each true sequence: scores by chance.
    null_deviation: standard deviation of a score by chance.
    p_values: for each lag, from a Pearson type III law with the null's mean,
      variance and skewness.
    empirical_p_values: for each lag, the rank of `scores` among the scores of
      shifts: at least 1 / (shifts + 1).
    q_values: `p_values` adjusted for the number of locations and lags
      (Benjamini-Hochberg).
    control_q_values: q-values of `control`.
    constant: bool `[locations]`, whether the contents never change within any
      sequence.
    plain: by name, of `plain_scores.NAMES`: `[2, locations]`, against the true
      and the random sequences, on all steps.
    plain_negligible: by name, `[2, locations]`: the share of sequences in which
      that score is below `NEGLIGIBLE`, as negative scores are.
    entropy: of the true sequences; no score can be higher.
  """

  estimator: str
  num_bins: int | None
  num_sequences: int
  num_shifts: int
  num_different_shifts: int
  lags: tuple[int, ...]
  layout: tuple[int, ...]
  locations: np.ndarray
  scores: np.ndarray
  standard_error: np.ndarray
  excess_by_sequence: np.ndarray
  control: np.ndarray
  null: np.ndarray
  shifted: np.ndarray
  null_deviation: np.ndarray
  p_values: np.ndarray
  empirical_p_values: np.ndarray
  q_values: np.ndarray
  control_q_values: np.ndarray
  constant: np.ndarray
  plain: dict[str, np.ndarray]
  plain_negligible: dict[str, np.ndarray]
  entropy: float

  @property
  def excess(self) -> np.ndarray:
    """float64 `[lags, locations]`: `scores` minus `null`."""
    return self.scores - self.null

  @property
  def significant(self) -> np.ndarray:
    """Bool `[lags, locations]`: whether q is at most `LEVEL`."""
    return self.q_values <= LEVEL

  @property
  def shown(self) -> int:
    """The row that figures show: lag 0, as in the post, if it is scored."""
    return self.lags.index(CURRENT) if CURRENT in self.lags else 0

  @property
  def ceiling(self) -> float:
    """The highest score that is possible."""
    bins = np.inf if self.num_bins is None else np.log(self.num_bins)
    return float(min(bins, self.entropy))

  @property
  def next_minus_current(self) -> significance.PairedDifference | None:
    """How much more contents tell about the next class than the current one.

    It is the mean over all locations, in nats; this needs no choice among them.
    The interval is over sequences. None if one of the two lags is not scored,
    or for a single sequence.
    """
    if not {NEXT, CURRENT} <= set(self.lags) or self.num_sequences < 2:
      return None
    of_next, of_current = (
      self.excess_by_sequence[:, self.lags.index(lag)]
      for lag in (NEXT, CURRENT)
    )
    return significance.paired(of_next - of_current)

  def place(self, index: int) -> list[int]:
    """Returns where `locations[index]` is in `layout`, e.g. [slot, word]."""
    where = np.unravel_index(self.locations[index], self.layout)
    return [int(i) for i in where]

  def summary(self) -> dict[str, Any]:
    """Returns statistics over all locations, by name."""
    return {
      'num_locations': len(self.locations),
      'num_significant': int(self.significant.any(axis=0).sum()),
      'num_significant_by_lag': self.significant.sum(axis=1).tolist(),
      'num_significant_control': int((self.control_q_values <= LEVEL).sum()),
      'mean_by_lag': self.scores.mean(axis=1).tolist(),
      'max_by_lag': self.scores.max(axis=1).tolist(),
      'mean_excess_by_lag': self.excess.mean(axis=1).tolist(),
      'max_excess_by_lag': self.excess.max(axis=1).tolist(),
      'next_minus_current': self.next_minus_current,
      'bias_by_random_sequences': float(self.control.mean()),
      'bias_by_shifts': float(self.null.mean()),
      'share_constant': float(self.constant.mean()),
      'ceiling': self.ceiling,
    }


# By representation.
Results = Mapping[str, MutualInformationResult]


class SequenceScores(NamedTuple):
  """What `Scorer` finds for one sequence.

  Attributes:
    layout: see `MutualInformationResult`.
    locations: see `MutualInformationResult`.
    num_different_shifts: number of distinct shifts.
    null: float64 `[shifts, locations]`, scores of the shifted sequence.
    excess: float64 `[lags]`, the mean over the locations.
    sums: by name, what is summed over the sequences.
    plain: by name, see `MutualInformationResult`.
  """

  layout: tuple[int, ...]
  locations: np.ndarray
  num_different_shifts: int
  null: np.ndarray
  excess: np.ndarray
  sums: Mapping[str, np.ndarray]
  plain: Mapping[str, np.ndarray]


class Scorer:
  """Scores the locations of one representation, sequence by sequence."""

  def __init__(
    self,
    lags: Sequence[int] = config_lib.EvaluationConfig.lags,
    estimator: str = 'binned',
    num_shifts: int | None = None,
    seed: int = 0,
    num_bins: int = _NUM_BINS,
    locations: Sequence[int] | None = None,
    layout: tuple[int, ...] | None = None,
    done: estimators.Done | None = None,
  ):
    """Constructs the scorer.

    Args:
      lags: see `MutualInformationResult`.
      estimator: 'binned' or 'nearest_neighbours'.
      num_shifts: shifts of each sequence, at least 3; None: `NUM_SHIFTS`.
      seed: seed of the random sequences, the shifts and the noise of
        'nearest_neighbours'.
      num_bins: for 'binned', see `estimators.quantile_bins`.
      locations: which locations to score; None: all.
      layout: see `MutualInformationResult`; None: a row.
      done: see `estimators.Done`.

    Raises:
      UsageError: if the estimator is unknown.
      ValueError: names an argument that is out of range.
    """
    seed = arrays.whole_number('seed', seed, 0)
    num_bins = arrays.whole_number('num_bins', num_bins, 2)
    # Bins are numbered in int16.
    if num_bins > np.iinfo(np.int16).max:
      raise ValueError(f'num_bins: is {num_bins}: must be at most 32767')
    if not isinstance(estimator, str) or estimator not in NUM_SHIFTS:
      raise errors.UsageError(
        f'estimator {estimator!r}: must be one of {", ".join(NUM_SHIFTS)}'
      )
    own = dict(num_bins=num_bins) if estimator == 'binned' else dict(seed=seed)
    estimate = getattr(estimators, estimator)
    self._estimate = functools.partial(estimate, done=done, **own)
    self._estimator = estimator
    if num_shifts is None:
      num_shifts = NUM_SHIFTS[estimator]
    self._lags = arrays.whole_numbers('lags', lags)
    self._num_shifts = arrays.whole_number('num_shifts', num_shifts, 3)
    if locations is not None:
      locations = np.array(arrays.whole_numbers('locations', locations))
    self._locations = locations
    if layout is not None:
      if not isinstance(layout, list | tuple):
        raise ValueError(f'layout: is {layout!r}: must be a list of sizes')
      layout = tuple(arrays.whole_number('layout', size, 1) for size in layout)
    self._layout = layout
    self._num_bins = num_bins
    self._seed = seed
    self._null = significance.NullMoments()
    self._excess_by_sequence = []
    self._count = 0
    self._different_shifts = num_shifts
    self._sums, self._plain, self._plain_negligible = (
      collections.defaultdict(float) for _ in range(3)
    )

  @property
  def num_scores(self) -> int:
    """Number of scores for each location and sequence."""
    return len(self._lags) + 1 + self._num_shifts

  def add(self, contents: np.ndarray, sequence: np.ndarray) -> None:
    """Scores a sequence.

    Args:
      contents: real `[time, locations]`, finite.
      sequence: `[time]`, the classes: numbers or text. Real numbers must be cut
        into classes before.

    Raises:
      ValueError: names the argument and the position, if the sequence is too
        short for the lags or hardly any label recurs; if a number is not
        finite; or if shapes do not match, or those of the first sequence.
    """
    self.gather(self.score(self._count, contents, sequence))

  def score(
    self, place: int, contents: np.ndarray, sequence: np.ndarray
  ) -> SequenceScores:
    """Scores a sequence without adding it.

    `place` is its index among all sequences. The other arguments, and the
    errors, are as in `add`.
    """
    contents, true = self._checked(place, contents, sequence)
    random = controls.random_sequence(self._seed, place, true)
    number = len(self._lags)
    shifts = controls.circular_shifts(
      self._seed, place, len(true), self._num_shifts, self._lags
    )
    rows = [np.roll(true, shift) for shift in (*self._lags, *shifts)]
    rows.insert(number, random)
    # The steps that have a label at every lag.
    steps = slice(max(*self._lags, 0), len(true) + min(*self._lags, 0))
    found = self._estimate(contents[steps], np.stack(rows)[:, steps])
    scores, control, null = np.split(found, [number, number + 1])
    excess = scores - null.mean(axis=0)
    return SequenceScores(
      layout=self._layout,
      locations=self._locations,
      num_different_shifts=len(set(shifts)),
      null=null,
      excess=excess.mean(axis=1),
      sums=dict(
        scores=scores,
        control=control[0],
        excess=excess,
        squares=excess**2,
        varied=estimators.varies(contents),
        entropy=stats.entropy(np.bincount(true)),
      ),
      plain=plain_scores.plain_scores(contents, np.stack([true, random])),
    )

  def gather(self, found: SequenceScores) -> None:
    """Adds the scores of the next sequence."""
    self._layout, self._locations = found.layout, found.locations
    self._different_shifts = min(
      self._different_shifts, found.num_different_shifts
    )
    self._null.add(found.null)
    self._excess_by_sequence.append(found.excess)
    for name, value in found.sums.items():
      self._sums[name] += value
    for name, value in found.plain.items():
      self._plain[name] += value
      self._plain_negligible[name] += value < NEGLIGIBLE
    self._count += 1

  def _checked(
    self, place: int, contents: np.ndarray, sequence: np.ndarray
  ) -> tuple[np.ndarray, np.ndarray]:
    """Returns the chosen locations, and the sequence as classes from 0 up."""
    of_contents, of_sequence = (
      f'{name}, sequence {place}' for name in ('contents', 'sequences')
    )
    contents = arrays.numbers(of_contents, contents, 'step', 'location')
    sequence = arrays.classes(of_sequence, sequence)
    if len(sequence) != len(contents):
      raise ValueError(
        f'{of_sequence}: has {len(sequence)} steps: must have '
        f'{len(contents)}, like its contents'
      )
    width = contents.shape[1]
    if self._layout is None:
      self._layout = (width,)
    if width != math.prod(self._layout):
      raise ValueError(
        f'{of_contents}: has {width} locations: must have '
        f'{math.prod(self._layout)}, like the layout or the first sequence'
      )
    if self._locations is None:
      self._locations = np.arange(width)
    elif not ((self._locations >= 0) & (self._locations < width)).all():
      raise ValueError(
        f'locations: are {self._locations.tolist()}: must be in 0 to '
        f'{width - 1}'
      )
    # If each number has its own bin, nothing can be found.
    most = max(_NUM_BINS, len(sequence) // 2)
    if self._num_bins > most:
      raise ValueError(
        f'num_bins: is {self._num_bins}: must be at most {most} for the '
        f'{len(sequence)} steps of sequence {place}'
      )
    found, true = np.unique(sequence, return_inverse=True)
    arrays.require_recurring(
      of_sequence,
      sequence,
      len(found),
      'cut real numbers x into classes, e.g. '
      'np.digitize(x, np.quantile(x, [0.2, 0.4, 0.6, 0.8]))',
    )
    return contents[:, self._locations], true

  def result(self) -> MutualInformationResult:
    """Returns the means over the sequences so far.

    Raises:
      UsageError: if there was no sequence.
    """
    if not self._count:
      raise errors.UsageError('mutual information: no sequence to score')
    means, plain, plain_negligible = (
      {name: total / self._count for name, total in sums.items()}
      for sums in (self._sums, self._plain, self._plain_negligible)
    )
    variance = means['squares'] - means['excess'] ** 2
    with np.errstate(divide='ignore', invalid='ignore'):
      variance = np.maximum(variance, 0) / np.float64(self._count - 1)
    p_values = self._null.p_values(means['scores'])
    return MutualInformationResult(
      estimator=self._estimator,
      num_bins=self._num_bins if self._estimator == 'binned' else None,
      num_sequences=self._count,
      num_shifts=self._num_shifts,
      num_different_shifts=self._different_shifts,
      lags=self._lags,
      layout=self._layout,
      locations=self._locations,
      scores=means['scores'],
      standard_error=np.sqrt(variance),
      excess_by_sequence=np.stack(self._excess_by_sequence),
      control=means['control'],
      null=self._null.mean,
      shifted=self._null.draw,
      null_deviation=self._null.deviation,
      p_values=p_values,
      empirical_p_values=self._null.empirical(means['scores']),
      q_values=significance.adjusted(p_values),
      control_q_values=significance.adjusted(
        self._null.p_values(means['control'])
      ),
      constant=means['varied'] == 0,
      plain=plain,
      plain_negligible=plain_negligible,
      entropy=float(means['entropy']),
    )


@own_settings.computing()
def score(
  contents: np.ndarray | Sequence[np.ndarray],
  sequences: np.ndarray | Sequence[np.ndarray],
  **options: Any,
) -> MutualInformationResult:
  """Scores contents against sequences of labels.

  >>> rng = np.random.default_rng(0)
  >>> x = rng.integers(8, size=(5, 400))
  >>> contents = rng.standard_normal((5, 400, 3))
  >>> contents[:, 2:, 1] += x[:, :-2]  # Holds x two steps ago.
  >>> score(contents, x, lags=(0, 1, 2)).significant.astype(int)
  array([[0, 0, 0],
         [0, 0, 0],
         [0, 1, 0]])

  Args:
    contents: real `[time, locations]`, or several of them, of any lengths.
    sequences: classes, numbers or text `[time]`, or as many of them as
      contents.
    **options: see `Scorer`.

  Raises:
    UsageError: if the estimator is unknown.
    ValueError: names the argument and the position; see `Scorer.add`.
  """
  scorer = Scorer(**options)
  several = arrays.listed('contents', contents)
  if np.ndim(several[0]) < 2:
    several, sequences = [contents], [sequences]
  sequences = arrays.listed('sequences', sequences)
  if len(several) != len(sequences):
    raise ValueError(
      f'contents: has {len(several)} sequences: must have as many as '
      f'sequences, {len(sequences)}'
    )
  for some, sequence in zip(several, sequences):
    scorer.add(some, sequence)
  return scorer.result()


class TraceScores:
  """Runs Test 2 on traces of sequences in which x moves, in one pass.

  A stage, see `spreading`.
  """

  def __init__(
    self,
    traces: traces_lib.Traces,
    split: str,
    layouts: Mapping[str, tuple[int, ...]],
    inputs: Mapping[str, Callable[[int], np.ndarray]] | None = None,
    log: progress.Log | None = None,
    **options: Any,
  ):
    """Constructs it.

    Args:
      traces: the traces.
      split: name of the split to score.
      layouts: shapes of the representations to score, by name.
      inputs: those of them that are not in the traces; by name, a function from
        a sequence's index to float `[time, width]`.
      log: takes a line of progress now and then.
      **options: see `Scorer`.
    """
    self.num_sequences = traces.num_rollouts[split]
    self._traces = traces
    self._split = split
    self._layouts = layouts
    self._inputs = inputs or {}
    self._log = log
    self._options = options

  def scorers(self, done: estimators.Done | None = None) -> dict[str, Scorer]:
    """A new scorer of each representation."""
    return {
      name: Scorer(layout=layout, done=done, **self._options)
      for name, layout in self._layouts.items()
    }

  def score(self, places: range) -> Iterator[dict[str, SequenceScores]]:
    """Yields the scores of each sequence, by representation.

    Args:
      places: the indices of the sequences, without gaps.

    Raises:
      UsageError: if the traces lack a representation, are damaged, or hold
        numbers that are not finite.
    """
    scored = 0

    def done(number: int) -> None:
      nonlocal scored
      scored += number
      stage.done(scored)

    scorers = self.scorers(done)
    chosen = self._options.get('locations')
    total = len(places) * sum(
      scorer.num_scores
      * (math.prod(self._layouts[name]) if chosen is None else len(chosen))
      for name, scorer in scorers.items()
    )
    with (
      progress.Stage(self._log, 'mutual information', total, 'scores') as stage,
      self._traces.explained_errors(),
    ):
      recorded = [name for name in self._layouts if name not in self._inputs]
      dataset = self._traces.dataset(
        self._split, ['index', *recorded, 'classes'], places
      )
      for place, example in zip(places, dataset.as_numpy_iterator()):
        index = int(example['index'])
        example |= {name: of(index) for name, of in self._inputs.items()}
        found = {}
        for name, scorer in scorers.items():
          contents = example[name]
          if not np.isfinite(contents).all():
            raise errors.UsageError(
              f'{self._traces.path}: {name} holds numbers that are not finite; '
              'the model has diverged: train it again, with a lower learning '
              'rate'
            )
          found[name] = scorer.score(place, contents, example['classes'][:, _X])
        yield found

  def result(
    self, spread: spreading.Spread | None = None
  ) -> dict[str, MutualInformationResult]:
    """Scores all sequences; returns results by representation.

    Args:
      spread: who scores them; None: this process.

    Raises:
      UsageError: as `score`; also if the estimator is unknown.
    """
    spread = spread or spreading.here(self)
    scorers = self.scorers()
    for found in spread(TraceScores.score, range(self.num_sequences)):
      for name, scorer in scorers.items():
        scorer.gather(found[name])
    return {name: scorer.result() for name, scorer in scorers.items()}


def from_traces(
  traces: traces_lib.Traces,
  split: str,
  layouts: Mapping[str, tuple[int, ...]],
  inputs: Mapping[str, Callable[[int], np.ndarray]] | None = None,
  log: progress.Log | None = None,
  **options: Any,
) -> dict[str, MutualInformationResult]:
  """Runs Test 2 on traces; takes and raises what `TraceScores` does."""
  return TraceScores(traces, split, layouts, inputs, log, **options).result()

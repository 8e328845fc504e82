"""The results of Test 1, as dataclasses.

Scores can also be read by their names in `probe.json`: for a value,
`score['r2']` is `score.gain`, and `score['exact']['r2']` is the gain of the
exact probe.
"""

from collections.abc import Iterator
from collections.abc import Mapping
import dataclasses
from typing import Any

from analysis.common import statistics
from analysis.probe import labels as labels_lib
from analysis.probe import learned

MaybeInterval = statistics.Interval | None

# What a gain measures, for values and for classes.
R2 = 'r2'
ACCURACY = 'accuracy_above_chance'


class _ByName(Mapping):
  """Reads a dataclass's fields by name; a mapping, so that JSON can hold it."""

  def _fields(self) -> dict[str, Any]:
    return vars(self)

  def __getitem__(self, name: str) -> Any:
    return self._fields()[name]

  def __iter__(self) -> Iterator[str]:
    return iter(self._fields())

  def __len__(self) -> int:
    return len(self._fields())


@dataclasses.dataclass(frozen=True)
class TaskScore(_ByName):
  """How well a probe solves a task, see `labels.py`.

  Attributes:
    measure: what `gain` is, `R2` or `ACCURACY`: its name in `probe.json`.
    error: share of wrong classes, or mean squared error; None without steps.
    gain: gain over knowing nothing; None if the label does not vary.
    interval: 95 % confidence interval of the gain, over rollouts.
    error_interval: 95 % confidence interval of the error.
  """

  measure: str
  error: float | None
  gain: float | None
  interval: MaybeInterval
  error_interval: MaybeInterval

  def _fields(self) -> dict[str, Any]:
    return {
      self.measure if name == 'gain' else name: value
      for name, value in vars(self).items()
      if name != 'measure'
    }


@dataclasses.dataclass(frozen=True)
class ProbeScore(TaskScore):
  """A score, beside the score of the same probe trained on shuffled labels.

  Attributes:
    shuffled: the score with shuffled labels.
    above_shuffled: `gain` minus the gain of `shuffled`.
    above_shuffled_interval: its 95 % confidence interval.
  """

  shuffled: TaskScore
  above_shuffled: float | None
  above_shuffled_interval: MaybeInterval


@dataclasses.dataclass(frozen=True)
class LabelScore(ProbeScore):
  """The Keras probe's score, averaged over seeds, beside the exact probes'.

  Attributes:
    range: lowest and highest gain of the seeds.
    exact: score of the exact probe; None if there is none. For classes, this is
      the logistic regression or, if that saw only a sample of the steps, the
      linear discriminant.
    beside: for classes, the score of the other of these two; None if no
      logistic regression was fitted.
  """

  range: MaybeInterval
  exact: ProbeScore | None
  beside: ProbeScore | None = None

  def _fields(self) -> dict[str, Any]:
    fields = super()._fields()
    if self.measure == R2:
      del fields['beside']
    return fields

  @property
  def best(self) -> ProbeScore:
    """The score of the probe with the higher gain, exact or Keras."""
    if self.exact is None or (self.exact.gain or 0) < (self.gain or 0):
      return self
    return self.exact


# By offset and label.
Scores = Mapping[int, Mapping[str, LabelScore]]


@dataclasses.dataclass(frozen=True)
class Difference(_ByName):
  """How much more one representation holds of a label than another.

  Attributes:
    difference: difference of the gains of the best probes; None if the label
      does not vary.
    interval: its 95 % confidence interval.
  """

  difference: float | None
  interval: MaybeInterval


# By offset and label.
Differences = Mapping[int, Mapping[str, Difference]]


@dataclasses.dataclass(frozen=True)
class PartResult(_ByName):
  """The scores on some of the steps of the unseen rollouts.

  Attributes:
    scores: by representation, offset and label.
    beyond: see `ProbeResult`.
  """

  scores: Mapping[str, Scores]
  beyond: Mapping[str, Mapping[str, Differences]]


@dataclasses.dataclass(frozen=True)
class ProbeResult:
  """The result of Test 1.

  Attributes:
    widths: width of each representation, controls included.
    offsets: how many steps before the current one the labelled sprite was.
    spec: the labels.
    num_rollouts: by split: 'train', which the post scores, and 'test', unseen.
    num_steps: steps that the probes were trained on.
    num_seeds: Keras probes of each representation.
    num_logistic_steps: steps that the logistic regression was fitted to.
    num_wide_steps: steps that the exact probes of wide representations were
      fitted to.
    without_exact: representations too wide for exact probes.
    attainable: by value, the R^2 of the best linear map from the planted memory
      at the first offset; None where the value does not vary. Empty if nothing
      was planted.
    scores: by split, representation, offset and label.
    comparisons: how much more a representation holds than another, on unseen
      rollouts: by the one, the other, offset and label.
    ordered: width of each memory with its slots sorted; only `beyond` has their
      scores.
    beyond: what a representation adds to given ones, on unseen rollouts: by
      representation, given set (`alone`: nothing), offset and label. The labels
      are those of `spec`, and the orientation as a point on a circle.
    parts: by part, such as the steps whose image is hidden, the scores of the
      same probes on its steps only. Empty if all steps are of one kind.
    untrained: how much untrained cores hold; None if there are none.
    isolated: by latent, the result on rollouts in which only this one varies.
  """

  widths: dict[str, int]
  offsets: tuple[int, ...]
  spec: labels_lib.LabelSpec
  num_rollouts: dict[str, int]
  num_steps: int
  num_seeds: int
  num_logistic_steps: int
  num_wide_steps: int
  without_exact: tuple[str, ...]
  attainable: dict[str, float | None]
  scores: dict[str, dict[str, Scores]]
  comparisons: dict[str, dict[str, Differences]] = dataclasses.field(
    default_factory=dict
  )
  ordered: dict[str, int] = dataclasses.field(default_factory=dict)
  beyond: dict[str, dict[str, Differences]] = dataclasses.field(
    default_factory=dict
  )
  parts: dict[str, PartResult] = dataclasses.field(default_factory=dict)
  untrained: learned.AgainstUntrained | None = None
  isolated: dict[str, 'ProbeResult'] = dataclasses.field(default_factory=dict)

  @property
  def planted_offset(self) -> int:
    """The offset of the labels that the planted memory holds."""
    return self.offsets[0]

  @property
  def shown_offset(self) -> int:
    """The offset that figures show: 0, as in the post, if it is scored."""
    return 0 if 0 in self.offsets else self.offsets[0]

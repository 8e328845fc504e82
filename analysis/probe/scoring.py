"""How well probes did: errors, gains over knowing nothing, and intervals.

Steps of a rollout depend on each other, rollouts do not. So errors are summed
over each rollout, and rollouts are resampled for confidence intervals. All
probes are scored on the same resamples, so that differences between them have
intervals too. An interval says how much the score would change with other
unseen rollouts, not with a probe trained on other rollouts.

The gain of a value is R^2: one minus the error divided by the variance of these
labels. The gain of a class is the accuracy above that of guessing. The gain of
a probe trained on shuffled labels (`labels.py`) is due to chance.
"""

from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses

import numpy as np

from analysis.common import statistics
from analysis.probe import labels as labels_lib
from analysis.probe import results

NUM_RESAMPLES = 1000
_BOOTSTRAP = 8


def resamples(seed: int, number: int, num_resamples: int) -> np.ndarray:
  """Draws how often each of `number` rollouts is in each resample.

  Returns:
    float64 `[1 + num_resamples, number]`; the first row is all ones, the
    rollouts themselves.
  """
  key = seed, number, _BOOTSTRAP
  drawn = statistics.draws(key, number, num_resamples)
  return np.concatenate([np.ones([1, number]), drawn])


class ErrorSums:
  """Errors of all probes, summed over the steps of each rollout of a split."""

  def __init__(
    self, spec: labels_lib.LabelSpec, units: np.ndarray | float = 1.0
  ):
    """Constructs the sums.

    Args:
      spec: names and kinds of the labels.
      units: for each continuous label, the original size of a difference of 1;
        errors are in original units.
    """
    self._spec = spec
    self._units = units
    self._counts, self._sums, self._squares = [], [], []
    self._lowest, self._highest = np.inf, -np.inf
    self._errors = {}

  def __len__(self) -> int:
    return len(self._counts)

  @property
  def num_labelled(self) -> int:
    """Number of steps that have a label, of the task with the most."""
    return int(np.max(np.sum(self._counts, axis=0)))

  def update(
    self, labels: np.ndarray, errors: Mapping[str, np.ndarray]
  ) -> None:
    """Adds a rollout.

    Args:
      labels: its labels, from `labels.Labels.tasks`.
      errors: by representation, the errors that `count` returns.
    """
    has_label = labels[..., -1]
    values = self._spec.values_of(labels).astype(np.float64)
    # Steps without a label hold zeros, which add nothing.
    self._counts.append(has_label.sum(axis=0))
    self._sums.append(values.sum(axis=0))
    self._squares.append(np.square(values).sum(axis=0))
    where = dict(axis=0, where=has_label[..., np.newaxis] > 0)
    lowest = labels[..., :-1].min(initial=np.inf, **where)
    highest = labels[..., :-1].max(initial=-np.inf, **where)
    self._lowest = np.minimum(self._lowest, lowest)
    self._highest = np.maximum(self._highest, highest)
    for name, sums in errors.items():
      self._errors.setdefault(name, []).append(sums)

  def include(self, other: 'ErrorSums') -> None:
    """Takes over the errors of other representations in the same rollouts."""
    self._errors.update(other._errors)

  def count(self, labels: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Counts wrong classes and sums squared errors over a rollout.

    Args:
      labels: float32 `[time, task, label + 1]`.
      predicted: of a representation, float32 `[time, probe, task, output]`.

    Returns:
      float32 `[probe, task, column]`, of `LabelSpec.columns`.
    """
    has_label = labels[:, np.newaxis, :, -1:]
    labels = labels[:, np.newaxis]
    errors = np.empty(
      [*predicted.shape[:-1], len(self._spec.columns)], np.float32
    )
    for column, where in self._spec.heads():
      chosen = predicted[..., where].argmax(axis=-1)
      errors[..., column] = chosen != labels[..., column]
    self._spec.values_of(errors)[...] = np.square(
      self._spec.value_outputs(predicted) - self._spec.values_of(labels)
    )
    errors *= has_label
    return errors.sum(axis=0, dtype=np.float64).astype(np.float32)

  def score(
    self, name: str, weights: np.ndarray
  ) -> tuple[np.ndarray, np.ndarray]:
    """Errors and gains of a representation's probes, in each resample.

    `weights` are from `resamples`. Errors and gains are float64 `[resample,
    probe, task, label]`; gains are NaN where labels do not vary. The errors of
    a label of several numbers are added up, and so are their variances.
    """

    def total(sums):
      sums = np.asarray(sums, np.float64)
      flat = weights @ sums.reshape([len(sums), -1])
      return flat.reshape([len(weights), *sums.shape[1:]])

    def of_labels(columns, add=np.add):
      return add.reduceat(columns, self._spec.starts(), axis=-1)

    varies = of_labels(self._highest > self._lowest, np.logical_and)
    num_classes = len(self._spec.classes)
    with np.errstate(divide='ignore', invalid='ignore'):
      count = total(self._counts)[..., np.newaxis]
      variance = total(self._squares) / count
      variance -= np.square(total(self._sums) / count)
      error = of_labels(total(self._errors[name]) / count[:, np.newaxis])
      gain = 1 - error
      gain[..., :num_classes] -= list(self._spec.chance.values())
      # A tiny variance may be rounding.
      size = np.maximum(np.abs(self._lowest), np.abs(self._highest))
      size = self._spec.values_of(np.where(np.isfinite(size), size, 0))
      variance[variance < 1e-13 * np.square(size)] = np.nan
      classes = np.zeros([*variance.shape[:-1], num_classes])
      variance = of_labels(np.concatenate([classes, variance], axis=-1))
      gain[..., num_classes:] = (
        1 - error[..., num_classes:] / variance[:, np.newaxis, :, num_classes:]
      )
    gain[:, :, ~varies] = np.nan
    error[..., num_classes:] *= np.square(self._units)
    return error, gain


class ErrorsByPart:
  """Errors on all steps, and on the steps of each part separately.

  Attributes:
    by_part: `ErrorSums` by part, and under None of all steps.
  """

  def __init__(
    self,
    spec: labels_lib.LabelSpec,
    parts: Sequence[str] = (),
    units: np.ndarray | float = 1.0,
  ):
    self.by_part = {part: ErrorSums(spec, units) for part in (None, *parts)}

  def include(self, other: 'ErrorsByPart') -> None:
    """See `ErrorSums.include`."""
    for part, sums in self.by_part.items():
      sums.include(other.by_part[part])

  def count(
    self, labels: Mapping[str | None, np.ndarray], predicted: np.ndarray
  ) -> dict[str | None, np.ndarray]:
    """See `ErrorSums.count`; `labels` are from `labels.by_part`."""
    return {
      part: sums.count(labels[part], predicted)
      for part, sums in self.by_part.items()
    }

  def update(
    self,
    labels: Mapping[str | None, np.ndarray],
    errors: Mapping[str, Mapping[str | None, np.ndarray]],
  ) -> None:
    """See `ErrorSums.update`; `errors` are from `count`."""
    for part, sums in self.by_part.items():
      sums.update(labels[part], {k: found[part] for k, found in errors.items()})


def differences(
  more: np.ndarray,
  offsets: Sequence[int],
  spec: labels_lib.LabelSpec,
  num_rollouts: int,
) -> results.Differences:
  """Differences of gains with their intervals, by offset and label.

  Args:
    more: the differences, float64 `[1 + resample, task, label]`.
    offsets: the offsets of the first tasks.
    spec: the labels.
    num_rollouts: rollouts that are scored.
  """
  return {
    offset: {
      label: results.Difference(
        _number(more[0, k, i]), _interval(more[:, k, i], num_rollouts)
      )
      for i, label in enumerate(spec.names)
    }
    for k, offset in enumerate(offsets)
  }


def _interval(scores: np.ndarray, num_rollouts: int) -> results.MaybeInterval:
  """The interval of a score, from `[1 + resample]`; None for one rollout."""
  if num_rollouts < 2 or not np.isfinite(scores[0]):
    return None
  return statistics.interval(scores[1:])


@dataclasses.dataclass(frozen=True)
class SplitScores:
  """Scores the probes on a split and on its resamples.

  Attributes:
    spec: names and kinds of the labels.
    offsets: how many steps ago the labelled sprites were.
    num_seeds: Keras probes of each representation.
    errors: errors on the split.
    weights: see `resamples`.
    exact: representations that have exact probes.
    logistic: representations that have a logistic regression.
  """

  spec: labels_lib.LabelSpec
  offsets: Sequence[int]
  num_seeds: int
  errors: ErrorSums
  weights: np.ndarray
  exact: Sequence[str]
  logistic: Sequence[str]

  def scores(self, name: str) -> results.Scores:
    """Scores a representation."""
    error, gain = self.errors.score(name, self.weights)
    found = {}
    for k, offset in enumerate(self.offsets):
      # True labels, then shuffled ones.
      tasks = [k, k + len(self.offsets)]
      found[offset] = {
        label: self._label_score(
          name, label, error[:, :, tasks, i], gain[:, :, tasks, i]
        )
        for i, label in enumerate(self.spec.names)
      }
    return found

  def _label_score(
    self, name: str, label: str, error: np.ndarray, gain: np.ndarray
  ) -> results.LabelScore:
    """Scores a label, from `[1 + resample, probe, 2]`: true and shuffled."""
    number = self.num_seeds

    def score(first: int, past: int) -> results.ProbeScore:
      errors, gains = (x[:, first:past].mean(axis=1) for x in (error, gain))
      return self._probe_score(label, errors, gains)

    # The Keras probes of all seeds come first, then the exact ones.
    exact = beside = ends = None
    if name in self.exact:
      exact = score(number, number + 1)
    if name in self.logistic and label in self.spec.classes:
      beside = score(number + 1, number + 2)
    of_seeds = gain[0, :number, 0]
    if np.isfinite(of_seeds).all():
      ends = float(of_seeds.min()), float(of_seeds.max())
    return results.LabelScore(
      **vars(score(0, number)), range=ends, exact=exact, beside=beside
    )

  def _probe_score(
    self, label: str, error: np.ndarray, gain: np.ndarray
  ) -> results.ProbeScore:
    """Scores a probe, from `[1 + resample, 2]`: true and shuffled labels."""
    true, shuffled = (
      results.TaskScore(
        measure=results.ACCURACY if label in self.spec.classes else results.R2,
        error=_number(error[0, i]),
        gain=_number(gain[0, i]),
        interval=self._interval(gain[:, i]),
        error_interval=self._interval(error[:, i]),
      )
      for i in range(2)
    )
    above_shuffled = gain[:, 0] - gain[:, 1]
    return results.ProbeScore(
      **vars(true),
      shuffled=shuffled,
      above_shuffled=_number(above_shuffled[0]),
      above_shuffled_interval=self._interval(above_shuffled),
    )

  def difference(self, one: str, other: str) -> results.Differences:
    """Returns how much more `one` holds than `other`."""
    more = self._best_gain(one) - self._best_gain(other)
    return differences(more, self.offsets, self.spec, len(self.errors))

  def _best_gain(self, name: str) -> np.ndarray:
    """Gains of the better probe: `[1 + resample, task, label]`."""
    _, gain = self.errors.score(name, self.weights)
    keras = gain[:, : self.num_seeds].mean(axis=1)
    if name not in self.exact:
      return keras
    exact = gain[:, self.num_seeds]
    return np.where(exact[0] >= keras[0], exact, keras)

  def _interval(self, scores: np.ndarray) -> results.MaybeInterval:
    return _interval(scores, len(self.errors))


def _number(score: float) -> float | None:
  return float(score) if np.isfinite(score) else None

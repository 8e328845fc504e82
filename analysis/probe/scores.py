"""How well probes did: errors, gains over knowing nothing, and intervals.

Steps of a rollout are not independent of each other, rollouts are: what is
counted is counted for each rollout, and the confidence intervals are bootstrap
percentiles over rollouts (Efron and Tibshirani, "An Introduction to the
Bootstrap", 1993, chapter 13). All probes are scored on the same resamples, so
that differences between them have intervals too. An interval says what other
rollouts would change, not what a probe trained on others would.

A gain is R^2 for values, one less the error divided by the variance of these
labels; for classes how much more is right than guessing gets. Selectivity is
the gain with true labels less that with shuffled ones (`probe_labels`).
"""

from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
from typing import Any

import numpy as np

from analysis.common import statistics
from analysis.probe import exact as exact_probe
from analysis.probe import labels as probe_labels

NUM_RESAMPLES = 1000
_BOOTSTRAP = 8

Interval = statistics.Interval | None


def gain_name(spec: probe_labels.LabelSpec, label: str) -> str:
  """What the gain of a label is called in scores."""
  return 'accuracy_above_chance' if label in spec.classes else 'r2'


def resamples(seed: int, number: int, num_resamples: int) -> np.ndarray:
  """How often each rollout is in each resample.

  Args:
    seed: of the draws.
    number: how many rollouts there are, and are drawn with replacement.
    num_resamples: how many times.

  Returns:
    float64 `[1 + num_resamples, number]`; the first row is the rollouts
    themselves.
  """
  rng = np.random.default_rng((seed, number, _BOOTSTRAP))
  drawn = rng.multinomial(number, np.full(number, 1 / number), num_resamples)
  return np.concatenate([np.ones([1, number]), drawn])


class Tally:
  """Sums over the steps of each rollout of a split."""

  def __init__(self, spec: probe_labels.LabelSpec):
    """Constructs the tally.

    Args:
      spec: the labels.
    """
    self._spec = spec
    self._counts, self._sums, self._squares = [], [], []
    self._lowest, self._highest = np.inf, -np.inf
    self._errors = {}

  def __len__(self) -> int:
    """How many rollouts."""
    return len(self._counts)

  def update(
    self, labels: np.ndarray, errors: Mapping[str, np.ndarray]
  ) -> None:
    """Takes in a rollout.

    Args:
      labels: float32 `[time, task, label + 1]`; `probe_labels.Labels.tasks`.
      errors: what `count` returned, for each representation.
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

  def count(self, labels: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """What probes get wrong in a rollout.

    Args:
      labels: float32 `[time, task, label + 1]`.
      predicted: float32 `[time, probe, task, output]`.

    Returns:
      float32 `[probe, task, label]`: the number of wrong classes, or the sum of
      squared errors.
    """
    has_label = labels[:, np.newaxis, :, -1:]
    labels = labels[:, np.newaxis]
    errors = np.empty(
      [*predicted.shape[:-1], len(self._spec.names)], np.float32
    )
    for column, where in self._spec.heads():
      chosen = predicted[..., where].argmax(axis=-1)
      errors[..., column] = chosen != labels[..., column]
    first_value = self._spec.num_outputs - len(self._spec.values)
    self._spec.values_of(errors)[...] = np.square(
      predicted[..., first_value:] - self._spec.values_of(labels)
    )
    errors *= has_label
    return errors.sum(axis=0, dtype=np.float64).astype(np.float32)

  def score(
    self, name: str, weights: np.ndarray
  ) -> tuple[np.ndarray, np.ndarray]:
    """Errors and gains of a representation's probes.

    Args:
      name: the representation.
      weights: `[resample, rollout]`; see `resamples`.

    Returns:
      Both float64 `[resample, probe, task, label]`; gains are not a number
      where labels do not vary.
    """

    def total(sums):
      sums = np.asarray(sums, np.float64)
      flat = weights @ sums.reshape([len(sums), -1])
      return flat.reshape([len(weights), *sums.shape[1:]])

    varies = self._highest > self._lowest
    num_classes = len(self._spec.classes)
    with np.errstate(divide='ignore', invalid='ignore'):
      count = total(self._counts)[..., np.newaxis]
      variance = total(self._squares) / count
      variance -= np.square(total(self._sums) / count)
      error = total(self._errors[name]) / count[:, np.newaxis]
      gain = 1 - error
      gain[..., :num_classes] -= list(self._spec.chance.values())
      # A variance that is not exactly zero may be rounding.
      variance[variance < 1e-13 * np.square(self._scale())] = np.nan
      gain[..., num_classes:] = (
        1 - error[..., num_classes:] / variance[:, np.newaxis]
      )
    gain[:, :, ~varies] = np.nan
    return error, gain

  def _scale(self) -> np.ndarray:
    """The greatest size of each value: `[task, value]`."""
    greatest = np.maximum(np.abs(self._lowest), np.abs(self._highest))
    return self._spec.values_of(np.where(np.isfinite(greatest), greatest, 0))


@dataclasses.dataclass(frozen=True)
class Split:
  """The scores of a split and of its resamples.

  Attributes:
    spec: the labels.
    offsets: the offsets.
    num_seeds: how many Keras probes each representation has.
    tally: of the split.
    weights: see `resamples`.
    exact: which representations have exact probes.
    logistic: which of them have a logistic regression.
  """

  spec: probe_labels.LabelSpec
  offsets: Sequence[int]
  num_seeds: int
  tally: Tally
  weights: np.ndarray
  exact: Sequence[str]
  logistic: Sequence[str]

  def scores(self, name: str) -> dict[int, dict[str, dict[str, Any]]]:
    """Scores of a representation by offset and label, as in `ProbeResult`."""
    error, gain = self.tally.score(name, self.weights)
    # The mean of all seeds first, then the exact probes as they are.
    kinds = {'keras': slice(0, self.num_seeds)}
    if name in self.exact:
      for i, kind in enumerate(exact_probe.ExactProbes.PROBES):
        kinds[kind] = slice(self.num_seeds + i, self.num_seeds + i + 1)
    result = {}
    for k, offset in enumerate(self.offsets):
      result[offset] = {}
      for i, label in enumerate(self.spec.names):
        tasks = [k, k + len(self.offsets)]
        of_kind = {
          kind: self._score(label, error[:, p, :, i], gain[:, p, :, i], tasks)
          for kind, p in kinds.items()
        }
        score = of_kind.pop('keras')
        of_seeds = gain[0, : self.num_seeds, k, i]
        score['range'] = None
        if np.isfinite(of_seeds).all():
          score['range'] = float(of_seeds.min()), float(of_seeds.max())
        score['exact'] = of_kind.get('exact')
        if label in self.spec.classes:
          has_both = name in self.logistic
          score['beside'] = of_kind['beside'] if has_both else None
        result[offset][label] = score
    return result

  def _score(
    self,
    label: str,
    error: np.ndarray,
    gain: np.ndarray,
    tasks: Sequence[int],
  ) -> dict[str, Any]:
    """One score: of `[resample, probe, task]`, for the true and shuffled."""
    error = error.mean(axis=1)[:, tasks]
    gain = gain.mean(axis=1)[:, tasks]
    true, shuffled = (
      {
        'error': _number(error[0, i]),
        gain_name(self.spec, label): _number(gain[0, i]),
        'interval': self._interval(gain[:, i]),
        'error_interval': self._interval(error[:, i]),
      }
      for i in range(2)
    )
    selectivity = gain[:, 0] - gain[:, 1]
    return {
      **true,
      'shuffled': shuffled,
      'selectivity': _number(selectivity[0]),
      'selectivity_interval': self._interval(selectivity),
    }

  def difference(self, one: str, other: str) -> dict[int, dict[str, Any]]:
    """How much more `one` holds than `other`.

    Args:
      one: a representation.
      other: another one.

    Returns:
      By offset and label a dict of `difference`, of the gains of the probe,
      Keras or exact, that reads more off each, and `interval`.
    """
    more = self._best_gain(one) - self._best_gain(other)
    return {
      offset: {
        label: {
          'difference': _number(more[0, k, i]),
          'interval': self._interval(more[:, k, i]),
        }
        for i, label in enumerate(self.spec.names)
      }
      for k, offset in enumerate(self.offsets)
    }

  def _best_gain(self, name: str) -> np.ndarray:
    """Of the probe that reads more: `[1 + resample, task, label]`."""
    _, gain = self.tally.score(name, self.weights)
    keras = gain[:, : self.num_seeds].mean(axis=1)
    if name not in self.exact:
      return keras
    exact = gain[:, self.num_seeds]
    return np.where(exact[0] >= keras[0], exact, keras)

  def _interval(self, scores: np.ndarray) -> Interval:
    """Of a score and its resamples `[1 + resample]`; None of one rollout."""
    if len(self.tally) < 2 or not np.isfinite(scores[0]):
      return None
    return statistics.interval(scores[1:])


def _number(score: float) -> float | None:
  return float(score) if np.isfinite(score) else None


@dataclasses.dataclass(frozen=True)
class ProbeResult:
  """What Test 1 found.

  Attributes:
    widths: width of each representation, controls included.
    offsets: how many steps before the current one the labelled sprite was.
    spec: the labels.
    num_rollouts: by split: 'train', what the probes were trained on (the post's
      score), and 'test', rollouts they have not seen.
    num_steps: that the probes were trained on.
    num_seeds: Keras probes of each representation, whose scores are averaged.
    num_logistic_steps: steps that the logistic regression was given.
    num_wide_steps: steps to which the exact probes of wide representations were
      fitted; 0 without any.
    without_exact: representations too wide for exact probes.
    attainable: by label the R^2 that is to be had of the planted memory at
      the first offset, None where labels do not vary; empty if nothing was
      planted.
    scores: scores[split][representation][offset][label]: a dict of
      `error`: the share of wrong classes, or the mean squared error;
      `accuracy_above_chance` or `r2`: the gain over knowing nothing, None if
        these labels do not vary;
      `interval`, `error_interval`: 95 % confidence intervals of gain and error,
        pairs or None; see `probe_scores`;
      `range`: lowest and highest gain of the seeds;
      `shuffled`: error, gain and intervals with labels of other rollouts;
      `selectivity`, `selectivity_interval`: the gain less that of `shuffled`;
      `exact`: all of these but `range` of the exact probe, None if there is
        none; for classes the logistic regression or, where that was given a
        sample alone, the linear discriminant, from all steps;
      `beside`, for classes: the same of the other one of these two.
    comparisons: comparisons[one][other][offset][label], on unseen rollouts: a
      dict of `difference`, how much more `one` holds, and `interval`.
    isolated: by latent, the result on rollouts in which only it varies.
  """

  widths: dict[str, int]
  offsets: tuple[int, ...]
  spec: probe_labels.LabelSpec
  num_rollouts: dict[str, int]
  num_steps: int
  num_seeds: int
  num_logistic_steps: int
  num_wide_steps: int
  without_exact: tuple[str, ...]
  attainable: dict[str, float | None]
  scores: dict[str, dict]
  comparisons: dict[str, dict] = dataclasses.field(default_factory=dict)
  isolated: dict[str, 'ProbeResult'] = dataclasses.field(default_factory=dict)

"""The best linear probe there is, exactly, beside the one that Adam finds.

A probe that finds nothing may be a bad optimiser's. Least squares for values
and the linear discriminant for classes follow from sums over all steps
(`step_sums.py`). The multinomial logistic regression, which is what the Keras
probe's cross-entropy leads to, is scikit-learn's, on all steps or, where these
are too many to be in memory, on a sample of them drawn uniformly beforehand.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from sklearn import linear_model

from analysis.probe import labels as probe_labels
from analysis.probe import sums as step_sums

# The sums of a representation grow with its width squared: of the first steps
# alone above the one, none above the other.
MAX_WIDTH, MAX_WIDE = 1024, 4096
# Steps for the logistic regression, and bytes of them.
MAX_SAMPLE_STEPS = 50_000
MAX_SAMPLE_BYTES = 512 << 20
_MAX_ITERATIONS = 1000
_SAMPLE = 7


def whitening(features: np.ndarray) -> np.ndarray:
  """A linear map to numbers that are uncorrelated and of deviation 1.

  What is linear in the one is linear in the other, and the logistic regression
  takes tens of iterations where it would take thousands.

  Args:
    features: float `[steps, width]`, about standardised.

  Returns:
    float32 `[width, rank]`: what only varies by rounding is left out.
  """
  if not len(features):
    return np.zeros([features.shape[1], 1], np.float32)
  covariance = np.cov(features.T, bias=True).reshape([features.shape[1]] * 2)
  variances, directions = np.linalg.eigh(covariance)
  kept = variances > step_sums.RIDGE * variances.mean()
  # One that is zero, where nothing varies.
  kept[-1] = True
  scale = np.sqrt(np.maximum(variances[kept], np.finfo(np.float32).tiny))
  return (directions[:, kept] / scale).astype(np.float32)


def logistic_regression(
  features: np.ndarray, classes: np.ndarray, num_classes: int
) -> tuple[np.ndarray, np.ndarray]:
  """Multinomial logistic regression by scikit-learn: kernel and bias.

  With its default penalty, half the squared weights, against the sum over all
  steps: next to nothing from a few thousand steps on.

  Args:
    features: float `[steps, width]`, about uncorrelated and of deviation 1.
    classes: int `[steps]`.
    num_classes: how many there are; not all need occur.

  Returns:
    float64 `[width, class]`, `[class]`.
  """
  kernel = np.zeros([features.shape[1], num_classes])
  bias = np.full([num_classes], step_sums.NEVER)
  present = np.unique(classes)
  if len(present) < 2:
    bias[present] = 0
    return kernel, bias
  model = linear_model.LogisticRegression(max_iter=_MAX_ITERATIONS)
  model.fit(features, classes)
  found, intercept = model.coef_.T, model.intercept_
  if len(present) == 2:
    # It gives the second of two classes only, against the first.
    found = np.concatenate([np.zeros_like(found), found], axis=1)
    intercept = np.append(0, intercept)
  kernel[:, present] = found
  bias[present] = intercept
  return kernel, bias


class _Estimator:
  """The manners that exact probes share with scikit-learn's estimators."""

  def fit(self, features: np.ndarray, targets: np.ndarray):
    """Fits to steps: `[steps, width]` and one label each, `[steps]`."""
    self._sums = None
    return self.partial_fit(features, targets)


class LeastSquares(_Estimator):
  """Least squares of a value, from sums over steps.

  >>> probe = LeastSquares().fit([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0])
  >>> round(float(probe.predict([[3.0]])[0]), 3)
  7.0
  """

  def __init__(self):
    self._sums = None

  def partial_fit(
    self, features: np.ndarray, targets: np.ndarray
  ) -> 'LeastSquares':
    """Takes in more steps: `[steps, width]`, float `[steps]`."""
    features, targets = np.asarray(features), np.asarray(targets)
    if self._sums is None:
      spec = probe_labels.LabelSpec({}, ('value',), {})
      self._sums = step_sums.StepSums(features.shape[1], spec)
    self._sums.update(features, _one_task(targets))
    return self

  def predict(self, features: np.ndarray) -> np.ndarray:
    """Float64 `[steps]`."""
    kernel, bias = self._sums.least_squares()
    return (np.asarray(features) @ kernel + bias)[:, 0]

  def score(self, features: np.ndarray, targets: np.ndarray) -> float:
    """R^2."""
    targets = np.asarray(targets)
    residual = np.square(targets - self.predict(features)).mean()
    return float(1 - residual / targets.var())


class LinearDiscriminant(_Estimator):
  """Fisher's linear discriminant of classes, from sums over steps."""

  def __init__(self, num_classes: int):
    """Constructs the probe.

    Args:
      num_classes: classes are 0 to num_classes - 1.
    """
    self._num_classes = num_classes
    self._sums = None

  def partial_fit(
    self, features: np.ndarray, targets: np.ndarray
  ) -> 'LinearDiscriminant':
    """Takes in more steps: `[steps, width]`, int `[steps]`."""
    features, targets = np.asarray(features), np.asarray(targets)
    if self._sums is None:
      spec = probe_labels.LabelSpec({'class': self._num_classes}, (), {})
      self._sums = step_sums.StepSums(features.shape[1], spec)
    self._sums.update(features, _one_task(targets))
    return self

  def predict(self, features: np.ndarray) -> np.ndarray:
    """Int64 `[steps]`."""
    kernel, bias = self._sums.discriminant()
    return (np.asarray(features) @ kernel + bias).argmax(axis=1)

  def score(self, features: np.ndarray, targets: np.ndarray) -> float:
    """The share of steps whose class is right."""
    return float((self.predict(features) == np.asarray(targets)).mean())


def _one_task(targets: np.ndarray) -> np.ndarray:
  """Labels that every step has, `[steps, 1, 2]`."""
  return np.stack([targets, np.ones(len(targets))], axis=1)[:, np.newaxis]


class Rollout(NamedTuple):
  """The labels of a rollout, as `ExactProbes` pass them on.

  Attributes:
    outputs: see `step_sums.labelled_outputs`.
    has_label: the same.
    rows: int `[sampled]`, which of the steps are in the sample.
    where: their places there.
  """

  outputs: np.ndarray
  has_label: np.ndarray
  rows: np.ndarray
  where: slice


class ExactProbes:
  """Exact probes of all representations that are not too wide, in one pass.

  Wide ones, the input image above all, have least squares and discriminant of
  the first steps, and no logistic regression.

  Attributes:
    narrow: those with a logistic regression.
    num_sampled: steps that the logistic regression is given, all if there are
      no more than that.
  """

  PROBES = ('exact', 'beside')

  def __init__(
    self,
    widths: Mapping[str, int],
    spec: probe_labels.LabelSpec,
    num_tasks: int,
    num_steps: int,
    seed: int,
  ):
    """Constructs the probes.

    Args:
      widths: width of each representation.
      spec: the labels.
      num_tasks: see `probe_labels.Labels`.
      num_steps: of all rollouts together.
      seed: of the sample.
    """
    self._widths = widths
    self.narrow = tuple(k for k, v in widths.items() if v <= MAX_WIDTH)
    self._spec = spec
    self._num_tasks = num_tasks
    self._sums = {
      name: step_sums.StepSums(widths[name], spec, num_tasks)
      for name in self.narrow
    }
    self._wide = {
      name: step_sums.WideSums(widths[name], spec, num_tasks)
      for name, width in widths.items()
      if MAX_WIDTH < width <= MAX_WIDE
    }
    bytes_per_step = 4 * max(1, sum(widths[name] for name in self.narrow))
    bound = min(MAX_SAMPLE_STEPS, MAX_SAMPLE_BYTES // bytes_per_step)
    self.num_sampled = min(num_steps, bound) if spec.classes else 0
    self._num_steps = num_steps
    rng = np.random.default_rng((seed, num_steps, _SAMPLE))
    self._chosen = np.sort(
      rng.choice(num_steps, self.num_sampled, replace=False)
    )
    self._sample = {
      name: np.empty([self.num_sampled, widths[name]], np.float32)
      for name in self.narrow
    }
    self._labels = np.empty(
      [self.num_sampled, num_tasks, len(spec.names) + 1], np.float32
    )
    self._seen = 0

  def begin(self, labels: np.ndarray) -> Rollout:
    """Takes in the labels of a rollout.

    Args:
      labels: `[time, task, label + 1]`.

    Returns:
      What `add` takes.
    """
    end = self._seen + len(labels)
    first, last = np.searchsorted(self._chosen, [self._seen, end])
    rows = self._chosen[first:last] - self._seen
    self._labels[first:last] = labels[rows]
    self._seen = end
    outputs, has_label = step_sums.labelled_outputs(self._spec, labels)
    return Rollout(outputs, has_label, rows, slice(first, last))

  def add(self, name: str, features: np.ndarray, rollout: Rollout) -> None:
    """Takes in a representation; several may be added at the same time.

    Args:
      name: which; nothing is done about those that are not in `names`.
      features: float32 `[time, width]`.
      rollout: what `begin` returned of the rollout.
    """
    if name in self._sums:
      self._sums[name].add(features, rollout.outputs, rollout.has_label)
      self._sample[name][rollout.where] = features[rollout.rows]
    elif name in self._wide:
      self._wide[name].add(features, rollout.outputs, rollout.has_label)

  @property
  def names(self) -> tuple[str, ...]:
    """Which representations have exact probes.

    Wide ones need steps with the labels of all tasks.
    """
    return tuple(
      name
      for name in self._widths
      if name in self.narrow
      or (name in self._wide and self._wide[name].num_steps)
    )

  @property
  def num_wide_steps(self) -> int:
    """Steps that the probes of wide ones are fitted to; 0 without any."""
    return max((wide.num_steps for wide in self._wide.values()), default=0)

  def weights(self, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Solves for the probes of a representation.

    Args:
      name: one of `names`.

    Returns:
      Kernel float64 `[probe, width, task, output]` and bias `[probe, task,
      output]`, for each of `PROBES`: least squares with logistic regression,
      and least squares with the linear discriminant. Where the logistic
      regression is given a sample alone, they change places: it might miss
      what all steps tell.
    """
    if name in self._wide:
      # One probe, which stands for both.
      return tuple(
        np.stack([x] * len(self.PROBES)) for x in self._wide[name].solve()
      )
    sums, kernels, biases = self._sums[name], [], []
    mixing = whitening(self._sample[name])
    sample = self._sample[name] @ mixing
    for task in range(self._num_tasks):
      kernel, bias = (np.stack([x, x]) for x in sums.least_squares(task))
      discriminant = sums.discriminant(task)
      labels = self._labels[:, task]
      there = labels[:, -1] > 0
      for column, where in self._spec.heads():
        weights, intercept = logistic_regression(
          sample[there],
          labels[there, column].astype(np.int64),
          where.stop - where.start,
        )
        kernel[0][:, where], bias[0][where] = mixing @ weights, intercept
        kernel[1][:, where], bias[1][where] = (
          x[..., where] for x in discriminant
        )
      kernels.append(kernel)
      biases.append(bias)
    order = 1 if self.num_sampled == self._num_steps else -1
    return (
      np.stack(kernels, axis=2)[::order],
      np.stack(biases, axis=1)[::order],
    )

"""Exact linear probes, beside the Keras probe that Adam trains.

If the Keras probe finds nothing, its optimiser may be to blame. Least squares
for values and the linear discriminant for classes follow from sums over all
steps (`step_sums.py`). Multinomial logistic regression, which minimises the
Keras probe's cross-entropy, is scikit-learn's: on all steps or, if these are
too many, on a sample of them drawn uniformly in advance.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from sklearn import linear_model

from analysis.common import feature_sums
from analysis.probe import bits as bits_lib
from analysis.probe import labels as labels_lib
from analysis.probe import step_sums

# The sums of a representation grow with its width squared. Above the first
# width only some of the steps are summed, above the second none.
MAX_WIDTH, MAX_WIDE = 1024, 4096
# Wide representations are summed over the first steps only.
MAX_WIDE_STEPS = 100_000
# Limits of the sample for the logistic regression.
MAX_SAMPLE_STEPS = 50_000
MAX_SAMPLE_BYTES = 512 << 20
_MAX_ITERATIONS = 1000
_SAMPLE = 7


def whitening(features: np.ndarray) -> np.ndarray:
  """Returns a linear map to uncorrelated numbers of standard deviation 1.

  Logistic regression then takes tens of iterations instead of thousands.

  Args:
    features: float `[steps, width]`, roughly standardised.

  Returns:
    float32 `[width, rank]`, without directions that vary only by rounding.
  """
  if not len(features):
    return np.zeros([features.shape[1], 1], np.float32)
  covariance = np.cov(features.T, bias=True).reshape([features.shape[1]] * 2)
  variances, directions = np.linalg.eigh(covariance)
  kept = variances > feature_sums.RIDGE * variances.mean()
  # At least one direction is kept, even if nothing varies.
  kept[-1] = True
  scale = np.sqrt(np.maximum(variances[kept], np.finfo(np.float32).tiny))
  return (directions[:, kept] / scale).astype(np.float32)


def logistic_regression(
  features: np.ndarray, classes: np.ndarray, num_classes: int
) -> tuple[np.ndarray, np.ndarray]:
  """Multinomial logistic regression: kernel and bias.

  scikit-learn's default penalty is half the squared weights, against the loss
  summed over all steps: negligible from a few thousand steps on.

  Args:
    features: float `[steps, width]`, roughly uncorrelated and of deviation 1.
    classes: int `[steps]`.
    num_classes: how many classes there are; not all need occur.

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
    # For two classes, scikit-learn returns only the weights of the second.
    found = np.concatenate([np.zeros_like(found), found], axis=1)
    intercept = np.append(0, intercept)
  kernel[:, present] = found
  bias[present] = intercept
  return kernel, bias


class SampledLabels(NamedTuple):
  """The labels of a rollout, and which of its steps are in the sample.

  Attributes:
    outputs: float64 `[time, task, output]`, see `step_sums.labelled_outputs`.
    has_label: bool `[time, task]`.
    rows: int `[sampled]`, the sampled steps of the rollout.
    where: the places of these steps in the sample.
    labelled: int `[steps]`, the steps that have the labels of all tasks.
    wide: the first of these, over which wide representations are summed.
  """

  outputs: np.ndarray
  has_label: np.ndarray
  rows: np.ndarray
  where: slice
  labelled: np.ndarray
  wide: np.ndarray


class ExactProbes:
  """Exact probes of all representations that are not too wide, in one pass.

  Wide ones, such as the input image, have least squares and the discriminant,
  fitted to the first steps only, and no logistic regression.

  Attributes:
    narrow: representations with a logistic regression.
    num_sampled: steps that the logistic regression is fitted to.
  """

  def __init__(
    self,
    widths: Mapping[str, int],
    spec: labels_lib.LabelSpec,
    num_tasks: int,
    num_steps: int,
    seed: int,
  ):
    """Prepares sums and sample.

    Args:
      widths: width of each representation.
      spec: names and kinds of the labels.
      num_tasks: see `labels.Labels`.
      num_steps: steps of all rollouts together.
      seed: the seed of the sample.
    """
    self.narrow = tuple(k for k, v in widths.items() if v <= MAX_WIDTH)
    self._widths = widths
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
    chosen = rng.choice(num_steps, self.num_sampled, replace=False)
    self._chosen = np.sort(chosen)
    self._sample = {
      name: np.empty([self.num_sampled, widths[name]], np.float32)
      for name in self.narrow
    }
    self._labels = np.empty(
      [self.num_sampled, num_tasks, len(spec.names) + 1], np.float32
    )
    self._num_seen = self._num_wide = 0

  def begin(self, labels: np.ndarray) -> SampledLabels:
    """Begins a rollout; returns its labels as `add` takes them.

    Args:
      labels: float32 `[time, task, label + 1]`, see `labels.Labels.tasks`.
    """
    end = self._num_seen + len(labels)
    first, last = np.searchsorted(self._chosen, [self._num_seen, end])
    rows = self._chosen[first:last] - self._num_seen
    self._labels[first:last] = labels[rows]
    self._num_seen = end
    outputs, has_label = step_sums.labelled_outputs(self._spec, labels)
    (labelled,) = np.nonzero(has_label.all(axis=1))
    wide = labelled[: MAX_WIDE_STEPS - self._num_wide]
    self._num_wide += len(wide)
    where = slice(first, last)
    return SampledLabels(outputs, has_label, rows, where, labelled, wide)

  def add(
    self,
    name: str,
    features: np.ndarray | bits_lib.NormalBits,
    labels: SampledLabels,
  ) -> None:
    """Adds a representation of a rollout, float32 `[time, width]`.

    A representation that is too wide is ignored. Threads may add several
    representations at once.
    """
    if name in self._sums:
      self._sums[name].add(features, labels.outputs, labels.has_label)
      self._sample[name][labels.where] = features[labels.rows]
    elif name in self._wide:
      rows = labels.wide
      self._wide[name].add(features[rows], labels.outputs[rows])

  @property
  def names(self) -> tuple[str, ...]:
    """Representations that have exact probes.

    Wide representations need steps that have the labels of all tasks.
    """
    wide = [name for name, sums in self._wide.items() if sums.num_steps]
    return tuple(x for x in self._widths if x in self.narrow or x in wide)

  @property
  def num_wide_steps(self) -> int:
    """Steps that probes of wide representations are fitted to; 0 if none."""
    return max((wide.num_steps for wide in self._wide.values()), default=0)

  def of_wide(self, name: str) -> feature_sums.FeatureSums:
    """Sums over the numbers of a wide representation, one of `names`."""
    return self._wide[name].of_features

  def weights(self, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Solves for the probes of a representation, one of `names`.

    There are two probes. Both are least squares for values. For classes, the
    first is the logistic regression and the second the linear discriminant. If
    the logistic regression is fitted to only a sample of the steps, the
    discriminant comes first, because it uses all steps. Wide representations
    have only one probe, with the discriminant.

    Returns:
      Kernel float64 `[probe, width, task, output]` and bias `[probe, task,
      output]`.
    """
    if name in self._wide:
      kernel, bias = self._wide[name].probes()
      return kernel[np.newaxis], bias[np.newaxis]
    kernels, biases = [], []
    mixing = whitening(self._sample[name])
    sample = self._sample[name] @ mixing
    for task in range(self._num_tasks):
      kernel, bias = (np.stack([x] * 2) for x in self._sums[name].probe(task))
      labels = self._labels[:, task]
      has_label = labels[:, -1] > 0
      for column, where in self._spec.heads():
        weights, intercept = logistic_regression(
          sample[has_label],
          labels[has_label, column].astype(np.int64),
          where.stop - where.start,
        )
        kernel[0][:, where], bias[0][where] = mixing @ weights, intercept
      kernels.append(kernel)
      biases.append(bias)
    order = 1 if self.num_sampled == self._num_steps else -1
    kernel, bias = np.stack(kernels, axis=2), np.stack(biases, axis=1)
    return kernel[::order], bias[::order]

"""Sums over steps, from which linear probes follow exactly.

Least squares for values and Fisher's linear discriminant for classes: float64,
gathered rollout by rollout, mergeable.
"""

import numpy as np
from scipy import linalg

from analysis.probe import labels as probe_labels

# Added to the variance of each number, relative to the mean variance of all.
# Numbers that only differ by float32's rounding, ten-thousandths of their
# deviation, then count as equal; what is found changes by as little.
RIDGE = 1e-8
# Of wide representations only the first steps are summed up, so many at once.
MAX_WIDE_STEPS = 100_000
_WIDE_BLOCK = 4096
# In place of the logarithm of a class's share, where it never occurs.
NEVER = -1e9


def labelled_outputs(
  spec: probe_labels.LabelSpec, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Takes labels apart into what to put out and whether there is a label.

  Args:
    spec: the labels.
    labels: `[time, task, label + 1]`, as `probe_labels.Labels.tasks`.

  Returns:
    float64 `[time, task, output]`, zeros without label; bool `[time, task]`.
  """
  has_label = labels[..., -1] > 0
  return spec.as_outputs(labels) * has_label[..., np.newaxis], has_label


class StepSums:
  """Sums over steps from which exact probes of a representation follow.

  Tasks share the products of the representation's numbers with each other; what
  belongs to steps that lack a task's label is kept apart and subtracted.
  """

  def __init__(
    self,
    width: int,
    spec: probe_labels.LabelSpec,
    num_tasks: int = 1,
  ):
    """Constructs the sums.

    Args:
      width: numbers per step.
      spec: the labels.
      num_tasks: see `probe_labels.Labels`.
    """
    self._spec = spec
    # Of each number, products of two, and steps: all, and those without label.
    self._all = self._zeros(width)
    self._missing = [self._zeros(width) for _ in range(num_tasks)]
    # Of outputs, and products of a number with an output.
    self._outputs = np.zeros([num_tasks, spec.num_outputs])
    self._cross = np.zeros([width, num_tasks, spec.num_outputs])

  @staticmethod
  def _zeros(width: int) -> list[np.ndarray]:
    return [np.zeros([width]), np.zeros([width, width]), np.zeros([])]

  @staticmethod
  def _add(sums: list[np.ndarray], features: np.ndarray) -> None:
    sums[0] += features.sum(axis=0)
    sums[1] += features.T @ features
    sums[2] += len(features)

  def update(self, features: np.ndarray, labels: np.ndarray) -> 'StepSums':
    """Takes in steps.

    Args:
      features: `[time, width]`, about standardised: what deviates little from a
        large mean is lost.
      labels: `[time, task, label + 1]`, as `probe_labels.Labels.tasks`.
    """
    return self.add(features, *labelled_outputs(self._spec, labels))

  def add(
    self, features: np.ndarray, outputs: np.ndarray, has_label: np.ndarray
  ) -> 'StepSums':
    """The same, from what `labelled_outputs` made of the labels."""
    features = features.astype(np.float64)
    self._add(self._all, features)
    for task, sums in enumerate(self._missing):
      without = ~has_label[:, task]
      if without.any():
        self._add(sums, features[without])
    self._outputs += outputs.sum(axis=0)
    flat = outputs.reshape([len(outputs), -1])
    self._cross += (features.T @ flat).reshape(self._cross.shape)
    return self

  def merge(self, other: 'StepSums') -> 'StepSums':
    """Takes in the sums over other steps."""
    pairs = [(self._all, other._all), *zip(self._missing, other._missing)]
    for mine, others in pairs:
      for sums, more in zip(mine, others):
        sums += more
    self._outputs += other._outputs
    self._cross += other._cross
    return self

  def _labelled(self, task: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Sums over the steps that have a label: of numbers, products, steps."""
    total, products, count = (
      whole - without for whole, without in zip(self._all, self._missing[task])
    )
    return total, products, float(count)

  @staticmethod
  def _solve(covariance: np.ndarray, right: np.ndarray) -> np.ndarray:
    variance = np.trace(covariance) / len(covariance)
    if not variance > 0:
      return np.zeros_like(right)
    ridge = RIDGE * variance * np.eye(len(covariance))
    return np.linalg.solve(covariance + ridge, right)

  def least_squares(self, task: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The linear map with the least squared error: kernel and bias.

    Args:
      task: which task.

    Returns:
      float64 `[width, output]`, `[output]`; zeros where no step has a label.
    """
    total, products, count = self._labelled(task)
    cross, outputs = self._cross[:, task], self._outputs[task]
    if not count:
      return np.zeros_like(cross), np.zeros_like(outputs)
    mean, mean_output = total / count, outputs / count
    covariance = products / count - np.outer(mean, mean)
    right = cross / count - np.outer(mean, mean_output)
    kernel = self._solve(covariance, right)
    return kernel, mean_output - mean @ kernel

  def discriminant(self, task: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Fisher's linear discriminant of each categorical label: kernel and bias.

    The most probable class, were the numbers of each class normal, with a mean
    of their own and a covariance they share.

    Args:
      task: which task.

    Returns:
      float64 `[width, output]`, `[output]`; zeros for outputs that are values.
    """
    total, products, count = self._labelled(task)
    kernel = np.zeros_like(self._cross[:, task])
    bias = np.zeros_like(self._outputs[task])
    if not count:
      return kernel, bias
    for _, where in self._spec.heads():
      counts = self._outputs[task, where]
      occurs = np.maximum(counts, 1)
      means = self._cross[:, task, where] / occurs
      between = (means * counts) @ means.T
      found = self._solve((products - between) / count, means)
      kernel[:, where] = found
      log_share = np.where(counts > 0, np.log(occurs / count), NEVER)
      bias[where] = log_share - np.sum(means * found, axis=0) / 2
    return kernel, bias


class WideSums:
  """Sums over the first steps that have labels of all tasks.

  Attributes:
    num_steps: how many these are.
  """

  def __init__(self, width: int, spec: probe_labels.LabelSpec, num_tasks: int):
    """Constructs the sums; arguments as of `StepSums`."""
    self._spec = spec
    self._sums = StepSums(width, spec, num_tasks)
    self._waiting = []
    self._num_waiting = 0
    self.num_steps = 0

  def add(
    self, features: np.ndarray, outputs: np.ndarray, has_label: np.ndarray
  ) -> None:
    """Takes in steps, as `StepSums.add`, unless there are enough."""
    left = MAX_WIDE_STEPS - self.num_steps
    (rows,) = np.nonzero(has_label.all(axis=1))
    rows = rows[:left]
    self._waiting.append((features[rows], outputs[rows]))
    self._num_waiting += len(rows)
    self.num_steps += len(rows)
    if self._num_waiting >= _WIDE_BLOCK:
      self._flush()

  def _flush(self) -> None:
    if self._num_waiting:
      features, outputs = map(np.concatenate, zip(*self._waiting))
      self._sums.add(features, outputs, np.ones(outputs.shape[:2], bool))
    self._waiting, self._num_waiting = [], 0

  def solve(self) -> tuple[np.ndarray, np.ndarray]:
    """Least squares for values, the linear discriminant for classes.

    As of `StepSums`, but that all tasks have the same steps, so that one
    factorisation serves all: what the classes of a task differ by, which the
    discriminant leaves out of the covariance, is of a rank below their number
    (Woodbury's identity).

    Returns:
      Kernel float64 `[width, task, output]` and bias `[task, output]`.
    """
    self._flush()
    total, products, count = self._sums._labelled(0)
    cross, outputs = self._sums._cross, self._sums._outputs
    if not count:
      return np.zeros_like(cross), np.zeros_like(outputs)
    mean = total / count
    covariance = products / count - np.outer(mean, mean)
    variance = np.trace(covariance) / len(covariance)
    if not variance > 0:
      return np.zeros_like(cross), outputs / count
    covariance[np.diag_indices_from(covariance)] += RIDGE * variance
    factor = linalg.cho_factor(covariance, overwrite_a=True)
    kernels, biases = [], []
    for task in range(len(outputs)):
      mean_output = outputs[task] / count
      right = cross[:, task] / count - np.outer(mean, mean_output)
      kernel = linalg.cho_solve(factor, right)
      bias = mean_output - mean @ kernel
      for _, where in self._spec.heads():
        counts = outputs[task, where]
        occurs = np.maximum(counts, 1)
        means = cross[:, task, where] / occurs
        apart = (means - mean[:, np.newaxis]) * np.sqrt(counts / count)
        found = linalg.cho_solve(factor, means)
        between = linalg.cho_solve(factor, apart)
        within = np.eye(len(counts)) - apart.T @ between
        found += between @ np.linalg.solve(within, apart.T @ found)
        kernel[:, where] = found
        log_share = np.where(counts > 0, np.log(occurs / count), NEVER)
        bias[where] = log_share - np.sum(means * found, axis=0) / 2
      kernels.append(kernel)
      biases.append(bias)
    return np.stack(kernels, axis=1), np.stack(biases)

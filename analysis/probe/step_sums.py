"""Sums over steps from which exact linear probes follow.

Least squares for values, Fisher's linear discriminant for classes. The sums are
float64 and are gathered rollout by rollout.
"""

import functools

import numpy as np
from scipy import linalg

from analysis.common import feature_sums
from analysis.probe import bits as bits_lib
from analysis.probe import blocks
from analysis.probe import labels as labels_lib

_WIDE_BLOCK = 4096
# Replaces the logarithm of the share of a class that never occurs.
NEVER = -1e9


def labelled_outputs(
  spec: labels_lib.LabelSpec, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Splits labels of `Labels.tasks` into outputs, and whether there is a label.

  Returns:
    float64 `[time, task, output]`, zeros without a label; bool `[time, task]`.
  """
  has_label = labels[..., -1] > 0
  return spec.as_outputs(labels) * has_label[..., np.newaxis], has_label


class _FactoredSums(feature_sums.FeatureSums):
  """`FeatureSums` of wide representations: factorised once for all tasks.

  The covariance within classes is the total covariance minus that between
  classes, whose rank is below the number of classes. So Woodbury's identity
  inverts it with the factorised total.
  """

  @functools.cached_property
  def _factor(self) -> tuple[np.ndarray, bool] | None:
    covariance = self.covariance
    variance = np.trace(covariance) / len(covariance)
    if not variance > 0:
      return None
    covariance[np.diag_indices_from(covariance)] += (
      feature_sums.RIDGE * variance
    )
    return linalg.cho_factor(covariance, overwrite_a=True)

  def solve(self, right: np.ndarray) -> np.ndarray:
    """See `FeatureSums`."""
    if self._factor is None:
      return np.zeros_like(right)
    return linalg.cho_solve(self._factor, right)

  def solve_within(self, means: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """See `FeatureSums`."""
    apart = means - self.mean[:, np.newaxis]
    apart *= np.sqrt(counts / self.count)
    found, between = self.solve(means), self.solve(apart)
    within = np.eye(len(counts)) - apart.T @ between
    return found + between @ np.linalg.solve(within, apart.T @ found)


class StepSums:
  """Sums over steps from which exact probes of a representation follow.

  All tasks share the products of the representation's numbers; the products of
  steps that lack a task's label are summed separately and subtracted.
  """

  def __init__(
    self, width: int, spec: labels_lib.LabelSpec, num_tasks: int = 1
  ):
    self._spec = spec
    # Totals, products and counts: of all steps, and of those without a label.
    self._all = self._zeros(width)
    self._missing = [self._zeros(width) for _ in range(num_tasks)]
    # Sums of the outputs, and of their products with the numbers.
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

  def add(
    self, features: np.ndarray, outputs: np.ndarray, has_label: np.ndarray
  ) -> None:
    """Adds steps.

    Args:
      features: `[time, width]`, roughly standardised: a small deviation from a
        large mean would be lost to rounding.
      outputs: float64 `[time, task, output]`, see `labelled_outputs`.
      has_label: bool `[time, task]`.
    """
    features = features.astype(np.float64)
    self._add(self._all, features)
    for task, sums in enumerate(self._missing):
      without = ~has_label[:, task]
      if without.any():
        self._add(sums, features[without])
    self._outputs += outputs.sum(axis=0)
    flat = outputs.reshape([len(outputs), -1])
    self._cross += (features.T @ flat).reshape(self._cross.shape)

  def add_bits(
    self,
    own: bits_lib.OwnProducts,
    others: bits_lib.Products,
    outputs: np.ndarray,
    number: int,
  ) -> None:
    """Adds normalised bits of steps that have the labels of all tasks.

    Args:
      own: products of the bits with each other.
      others: products of the bits with 1, then with the outputs of all tasks.
      outputs: float64 `[task, output]`, sums over the steps.
      number: how many steps.
    """
    total, *cross = others.total().T
    for whole, more in zip(self._all, (total, own.total(), number)):
      whole += more
    self._outputs += outputs
    self._cross += np.transpose(cross).reshape(self._cross.shape)

  def of_task(
    self,
    task: int,
    kind: type[feature_sums.FeatureSums] = feature_sums.FeatureSums,
  ) -> feature_sums.FeatureSums:
    """Sums over the steps that have a task's label."""
    total, products, count = (
      whole - without for whole, without in zip(self._all, self._missing[task])
    )
    return kind(total, products, float(count))

  def probe(
    self, task: int = 0, sums: feature_sums.FeatureSums | None = None
  ) -> tuple[np.ndarray, np.ndarray]:
    """Solves for the exact probe of a task: kernel and bias.

    It is least squares for each value, and the linear discriminant for each
    categorical label. The discriminant chooses the most probable class,
    assuming that the numbers are normal, with one mean for each class and a
    common covariance.

    Args:
      task: which task.
      sums: of the steps that have its label; `of_task` by default.

    Returns:
      float64 `[width, output]`, `[output]`; zeros where no step has a label.
    """
    sums = sums or self.of_task(task)
    cross, outputs = self._cross[:, task], self._outputs[task]
    if not sums.count:
      return np.zeros_like(cross), np.zeros_like(outputs)
    mean, mean_output = sums.mean, outputs / sums.count
    kernel = sums.solve(cross / sums.count - np.outer(mean, mean_output))
    bias = mean_output - mean @ kernel
    for _, where in self._spec.heads():
      counts = outputs[where]
      occurs = np.maximum(counts, 1)
      means = cross[:, where] / occurs
      found = sums.solve_within(means, counts)
      kernel[:, where] = found
      log_share = np.where(counts > 0, np.log(occurs / sums.count), NEVER)
      bias[where] = log_share - np.sum(means * found, axis=0) / 2
    return kernel, bias


class WideSums:
  """Sums over the first steps that have the labels of all tasks, in blocks.

  Attributes:
    num_steps: how many steps these are.
  """

  def __init__(self, width: int, spec: labels_lib.LabelSpec, num_tasks: int):
    self.num_steps = 0
    self._num_tasks = num_tasks
    self._sums = StepSums(width, spec, num_tasks)
    # Steps not yet added.
    self._waiting = blocks.Blocks(_WIDE_BLOCK)
    # Of bits: `bits.OwnProducts`, `bits.Products`, and sums of outputs.
    self._of_bits = None

  def add(
    self, features: np.ndarray | bits_lib.NormalBits, outputs: np.ndarray
  ) -> None:
    """Adds steps that have all labels, see `StepSums.add`."""
    if not len(outputs):
      return
    self.num_steps += len(outputs)
    if isinstance(features, bits_lib.NormalBits):
      self._add_bits(features, outputs)
      return
    if self._waiting.put(len(outputs), features, outputs):
      self._flush()

  def _add_bits(
    self, features: bits_lib.NormalBits, outputs: np.ndarray
  ) -> None:
    flat = outputs.reshape([len(outputs), -1])
    if self._of_bits is None:
      self._of_bits = (
        bits_lib.OwnProducts(features.transform),
        bits_lib.Products(features.transform, 1 + flat.shape[1]),
        np.zeros(outputs.shape[1:]),
      )
    own, others, total = self._of_bits
    own.add(features)
    others.add(features, bits_lib.after_one(flat))
    total += outputs.sum(axis=0)

  def _flush(self) -> None:
    if self._waiting:
      features, outputs = map(np.concatenate, self._waiting.take())
      self._sums.add(features, outputs, np.ones(outputs.shape[:2], bool))

  @functools.cached_property
  def of_features(self) -> feature_sums.FeatureSums:
    """Sums over all steps, after the last `add`."""
    self._flush()
    if self._of_bits is not None:
      self._sums.add_bits(*self._of_bits, self.num_steps)
      self._of_bits = None
    return self._sums.of_task(0, _FactoredSums)

  def probes(self) -> tuple[np.ndarray, np.ndarray]:
    """Solves for the exact probes of all tasks; there must be steps.

    Returns:
      Kernel float64 `[width, task, output]` and bias `[task, output]`.
    """
    sums = self.of_features
    kernels, biases = zip(
      *(self._sums.probe(task, sums) for task in range(self._num_tasks))
    )
    return np.stack(kernels, axis=1), np.stack(biases)

"""Joint sums of several representations, to find what one adds to others.

Two exact probes follow from the sums: one reads some given representations, the
other reads these and one more. Both are built from the same components. First
come uncorrelated components of the given numbers, then those of the residuals:
the other numbers after regression on the given ones. A linear function of the
given numbers has no residuals, so it adds exactly nothing.
"""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
import itertools
from typing import Any
from typing import NamedTuple

import numpy as np

from analysis.common import feature_sums
from analysis.probe import bits as bits_lib
from analysis.probe import exact_probe
from analysis.probe import labels as labels_lib
from analysis.probe import step_sums

# Least variance of a component of the residuals after regression on a wide
# representation, relative to the variance before. Products with a wide one are
# in single precision, so components with less variance are rounding.
_LEAST_LEFT = 1e-5


class Moments(NamedTuple):
  """Moments of the numbers of some representations, and of outputs.

  Attributes:
    mean: float64 `[width]`.
    covariance: float64 `[width, width]`.
    cross: float64 `[width, output]`, covariances with the outputs.
  """

  mean: np.ndarray
  covariance: np.ndarray
  cross: np.ndarray


class JointSums:
  """Sums over steps, of single representations and of pairs.

  Attributes:
    count: how many steps.
    names: the representations.
  """

  def __init__(
    self,
    widths: Mapping[str, int],
    sets: Iterable[Sequence[str]],
    num_outputs: int,
  ):
    """Constructs the sums.

    Args:
      widths: width of each representation.
      sets: representations whose joint moments will be needed. Products of a
        wide representation with itself are not summed: `WideSums` has them.
      num_outputs: outputs of all tasks together.
    """
    self.count = 0
    sets = [tuple(names) for names in sets]
    self.names = tuple(dict.fromkeys(itertools.chain(*sets)))
    self._pairs = dict.fromkeys(
      tuple(sorted(pair))
      for names in sets
      for pair in itertools.combinations_with_replacement(names, 2)
      if pair[0] != pair[1] or widths[pair[0]] <= exact_probe.MAX_WIDTH
    )
    self._products = {
      (one, other): np.zeros([widths[one], widths[other]])
      for one, other in self._pairs
    }
    self._totals = {name: np.zeros([widths[name]]) for name in self.names}
    self._cross = {
      name: np.zeros([widths[name], num_outputs]) for name in self.names
    }
    self._outputs = np.zeros([num_outputs])
    # Sums of bits, which `_collect` adds to those above: products of a pair,
    # and of a representation with 1 and the outputs.
    self._of_bits = {}

  def add(
    self,
    features: Mapping[str, np.ndarray | bits_lib.NormalBits],
    outputs: np.ndarray,
    each: Callable[[Callable[[Any], None], Iterable[Any]], Any] = map,
  ) -> None:
    """Adds steps.

    Args:
      features: by name float32 `[time, width]`, roughly standardised. Products
        with a wide representation are in single precision, unless it is bits.
      outputs: float64 `[time, output]`.
      each: `map`, or a function like it that uses threads.
    """
    single = {name: features[name] for name in self.names}
    bits = {
      name: single.pop(name)
      for name, x in features.items()
      if isinstance(x, bits_lib.NormalBits)
    }
    double = {
      name: x.astype(np.float64)
      for name, x in single.items()
      if x.shape[1] <= exact_probe.MAX_WIDTH
    }
    self.count += len(outputs)
    self._outputs += outputs.sum(axis=0)

    def add_bits(key, name, others):
      if key not in self._of_bits:
        products = bits_lib.Products(bits[name].transform, others.shape[1])
        self._of_bits[key] = products
      self._of_bits[key].add(bits[name], others)

    def add_pair(pair):
      name, other = pair if pair[0] in bits else pair[::-1]
      if name in bits:
        add_bits((name, other), name, double[other])
        return
      source = double if set(pair) <= set(double) else single
      one, other = (source[name] for name in pair)
      self._products[pair] += one.T @ other

    def add_name(name):
      if name in bits:
        add_bits((name,), name, bits_lib.after_one(outputs))
        return
      x = double.get(name, single[name])
      self._totals[name] += x.sum(axis=0, dtype=np.float64)
      self._cross[name] += x.T @ outputs.astype(x.dtype)

    list(each(add_pair, self._pairs))
    list(each(add_name, self.names))

  def _collect(self) -> None:
    """Adds the sums of bits to the other sums."""
    for (name, *other), products in self._of_bits.items():
      found = products.total()
      if not other:
        self._totals[name] += found[:, 0]
        self._cross[name] += found[:, 1:]
      elif (name, *other) in self._products:
        self._products[name, *other] += found
      else:
        self._products[*other, name] += found.T
    self._of_bits = {}

  @property
  def mean_outputs(self) -> np.ndarray:
    """float64 `[output]`."""
    return self._outputs / self.count

  def covariance(self, one: str, other: str) -> np.ndarray:
    """float64 `[width of one, width of other]`."""
    self._collect()
    if (one, other) not in self._products:
      return self.covariance(other, one).T
    means = np.outer(self._totals[one], self._totals[other]) / self.count
    return (self._products[one, other] - means) / self.count

  def cross(self, name: str) -> np.ndarray:
    """Covariances with the outputs, float64 `[width, output]`."""
    self._collect()
    means = np.outer(self._totals[name], self.mean_outputs)
    return (self._cross[name] - means) / self.count

  def mean(self, name: str) -> np.ndarray:
    """float64 `[width]`."""
    self._collect()
    return self._totals[name] / self.count

  def moments(self, names: Sequence[str]) -> Moments:
    """The moments of some representations side by side, none of them wide."""
    return Moments(
      np.concatenate([self.mean(name) for name in names]),
      np.block([[self.covariance(x, y) for y in names] for x in names]),
      np.concatenate([self.cross(name) for name in names]),
    )


def _whitening(covariance: np.ndarray, least: float) -> np.ndarray:
  """Returns a map to uncorrelated numbers of deviation 1: `[width, rank]`.

  Directions whose variance is at most `least` count as rounding.
  """
  variances, directions = np.linalg.eigh(covariance)
  kept = variances > least
  return directions[:, kept] / np.sqrt(variances[kept])


def components(
  covariance: np.ndarray,
  num_given: int,
  variances: np.ndarray | None = None,
  least: float = feature_sums.RIDGE,
) -> tuple[np.ndarray, np.ndarray]:
  """Finds uncorrelated components of given numbers, and of the residuals.

  Args:
    covariance: `[width, width]`.
    num_given: how many of the numbers are given; they are the first.
    variances: `[width]`, of the numbers before any regression; by default, the
      diagonal of the covariance.
    least: share of their mean variance below which components are rounding.

  Returns:
    Linear maps to components of deviation 1, float64 `[width, rank]`: of the
    given numbers, and of the residuals of the others.
  """
  if variances is None:
    variances = np.diag(covariance)
  given, others = slice(None, num_given), slice(num_given, None)
  least = least * np.asarray(variances)
  first = np.zeros([len(covariance), 0])
  left = covariance[others, others]
  if num_given:
    white = _whitening(covariance[given, given], least[given].mean())
    first = np.pad(white, [(0, len(covariance) - num_given), (0, 0)])
    shared = white.T @ covariance[given, others]
    left = left - shared.T @ shared
  white = _whitening(left, least[others].mean())
  second = np.pad(white, [(num_given, 0), (0, 0)])
  if num_given:
    second[given] = -first[given] @ (shared @ white)
  return first, second


def least_squares(
  moments: Moments,
  num_given: int,
  variances: np.ndarray | None = None,
  least: float = feature_sums.RIDGE,
) -> tuple[np.ndarray, np.ndarray]:
  """Solves least squares from the given numbers, and from all numbers.

  Args:
    moments: of the numbers; the given ones are the first.
    num_given: how many are given.
    variances: see `components`.
    least: see `components`.

  Returns:
    Two kernels `[width, output]`; the first is zero for numbers not given.
  """
  first, second = components(moments.covariance, num_given, variances, least)
  given = first @ (first.T @ moments.cross)
  return given, given + second @ (second.T @ moments.cross)


class WithoutWide:
  """Residuals of representations after regression on a wide one.

  The covariance of the wide one is factorised once, for all given sets.
  """

  def __init__(
    self, sums: JointSums, wide: str, of_wide: feature_sums.FeatureSums
  ):
    """Constructs it.

    Args:
      sums: of the wide representation, and of all pairs with it.
      wide: its name.
      of_wide: sums over its own numbers in the same steps.
    """
    self._sums = sums
    self._wide = wide
    names = [name for name in sums.names if name != wide]
    self._shared = {name: sums.covariance(wide, name) for name in names}
    kernels = of_wide.solve(
      np.concatenate([sums.cross(wide), *self._shared.values()], axis=1)
    )
    ends = np.cumsum([x.shape[1] for x in self._shared.values()])
    self._of_outputs, *of_names = np.split(
      kernels, len(sums.mean_outputs) + np.append(0, ends[:-1]), axis=1
    )
    self._of_names = dict(zip(names, of_names))

  def least_squares(
    self, names: Sequence[str], num_given: int
  ) -> tuple[np.ndarray, np.ndarray]:
    """Like `least_squares`; the wide representation is given, and is first."""
    moments = self._sums.moments(names)
    shared = np.concatenate([self._shared[name] for name in names], axis=1)
    kernel = np.concatenate([self._of_names[name] for name in names], axis=1)
    left = moments._replace(
      covariance=moments.covariance - shared.T @ kernel,
      cross=moments.cross - shared.T @ self._of_outputs,
    )
    variances = np.diag(moments.covariance)
    return tuple(
      np.concatenate([self._of_outputs - kernel @ found, found])
      for found in least_squares(left, num_given, variances, _LEAST_LEFT)
    )


def discriminant(
  kernel: np.ndarray, cross: np.ndarray, share: np.ndarray, mean: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Returns Fisher's linear discriminant, given least squares for the classes.

  Let T be the covariance, U the class means minus the overall mean, and P the
  diagonal matrix of the classes' shares. Then least squares is T^-1 U P. The
  covariance within classes is W = T - U P U', and
  W^-1 U = T^-1 U (1 - P U' T^-1 U)^-1.

  Args:
    kernel: `[width, class]`, least squares for ones and zeros.
    cross: `[width, class]`, covariances with the ones and zeros.
    share: `[class]`, the share of steps in each class.
    mean: `[width]`.

  Returns:
    Kernel `[width, class]` and bias `[class]`.
  """
  occurs = share > 0
  safe = np.where(occurs, share, 1)
  apart, solved = cross / safe, kernel / safe
  # If classes do not overlap, the covariance within them is rounding.
  within = (1 + feature_sums.RIDGE) * np.eye(len(share))
  within -= share[:, np.newaxis] * (apart.T @ solved)
  solved = solved @ np.linalg.inv(within)
  log_share = np.where(occurs, np.log(safe), step_sums.NEVER)
  bias = log_share - np.sum(apart * solved, axis=0) / 2 - mean @ solved
  return solved, bias


def probe(
  kernel: np.ndarray,
  cross: np.ndarray,
  mean: np.ndarray,
  mean_outputs: np.ndarray,
  spec: labels_lib.LabelSpec,
) -> tuple[np.ndarray, np.ndarray]:
  """Completes exact probes, given least squares for all outputs.

  Args:
    kernel: `[width, task, output]`.
    cross: `[width, task, output]`, covariances with the outputs.
    mean: `[width]`.
    mean_outputs: `[task, output]`.
    spec: the labels; classes get the discriminant.

  Returns:
    Kernel `[width, task, output]` and bias `[task, output]`.
  """
  kernel = kernel.copy()
  bias = mean_outputs - np.tensordot(mean, kernel, 1)
  for task, (_, where) in itertools.product(range(len(bias)), spec.heads()):
    kernel[:, task, where], bias[task, where] = discriminant(
      kernel[:, task, where],
      cross[:, task, where],
      mean_outputs[task, where],
      mean,
    )
  return kernel, bias

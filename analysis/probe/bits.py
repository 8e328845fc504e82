"""Normalised bits, such as those of images, kept sparse.

At each step a bit has two normalised values, one for 0 and one for 1. Few bits
of an image are 1. So the normalised bits of a rollout are the values for 0,
which all rollouts share, plus a sparse matrix, which is not zero where a bit is
1. Sums of products and linear maps are computed from these two parts. They
equal those of dense bits up to rounding.
"""

import functools

import numpy as np
from scipy import sparse

from analysis.probe import blocks


class BitTransform:
  """Normalises bits; like the functions of `normalisation.StepNormaliser`.

  Attributes:
    zero: float64 `[time, width]`, the normalised value of 0 at each step.
    rise: float64 `[time, width]`, the normalised value of 1, minus `zero`.
  """

  def __init__(self, zero: np.ndarray, one: np.ndarray):
    """Takes the normalised values of 0 and 1, float32 `[time, width]`."""
    self._zero, self._one = zero, one
    self.zero = zero.astype(np.float64)
    self.rise = one.astype(np.float64) - zero

  def __call__(self, bits: np.ndarray) -> np.ndarray:
    """Normalises uint8 `[time, width]`; returns float32."""
    number = len(bits)
    return np.where(bits != 0, self._one[:number], self._zero[:number])


class NormalBits:
  """Normalised bits of some steps, kept sparse.

  Attributes:
    transform: normalises them.
    bits: uint8 `[n, width]`.
    steps: int `[n]`, the step of each row, each step at most once.
  """

  def __init__(
    self,
    transform: BitTransform,
    bits: np.ndarray,
    steps: np.ndarray | None = None,
  ):
    """Takes the bits of a rollout, or of some of its steps."""
    self.transform = transform
    self.bits = bits
    self.steps = np.arange(len(bits)) if steps is None else steps

  def __len__(self) -> int:
    return len(self.bits)

  def __getitem__(self, rows: np.ndarray) -> 'NormalBits':
    """Some of the steps: `rows` are indices."""
    return NormalBits(self.transform, self.bits[rows], self.steps[rows])

  @functools.cached_property
  def rises(self) -> sparse.csr_matrix:
    """The sparse part, `rise` where a bit is 1: float64 `[n, width]`."""
    width = self.bits.shape[1]
    rows, columns = np.divmod(np.flatnonzero(self.bits), width)
    starts = np.searchsorted(rows, np.arange(len(self.bits) + 1))
    numbers = self.transform.rise[self.steps[rows], columns]
    return sparse.csr_matrix((numbers, columns, starts), self.bits.shape)


def dense(features: np.ndarray | NormalBits) -> np.ndarray:
  """Returns float32 `[time, width]`, of features that may be kept sparse."""
  if isinstance(features, NormalBits):
    return features.transform(features.bits)
  return features


def after_one(numbers: np.ndarray) -> np.ndarray:
  """Prepends a column of ones to `[n, width]`: products with it are sums."""
  return np.pad(numbers, [(0, 0), (1, 0)], constant_values=1)


class Products:
  """Sums of products of normalised bits with other numbers."""

  # Steps that are multiplied at once. The product of few is as large as that of
  # many.
  BLOCK = 4096

  def __init__(self, transform: BitTransform, width: int):
    self._transform = transform
    num_steps, num_bits = transform.zero.shape
    self._by_step = np.zeros([num_steps, width])
    self._of_rises = np.zeros([num_bits, width])
    self._waiting = blocks.Blocks(self.BLOCK)

  def add(self, bits: NormalBits, others: np.ndarray) -> None:
    """Adds steps; `others` are float64 `[n, width]`."""
    self._by_step[bits.steps] += others
    if self._waiting.put(len(bits), bits.rises, others):
      self._flush()

  def _flush(self) -> None:
    if self._waiting:
      rises, others = self._waiting.take()
      rises = sparse.vstack(rises, 'csr').T.tocsr()
      self._of_rises += rises @ np.concatenate(others)

  def total(self) -> np.ndarray:
    """float64 `[bit, width]`."""
    self._flush()
    return self._transform.zero.T @ self._by_step + self._of_rises


class OwnProducts:
  """Sums of products of normalised bits with each other."""

  BLOCK = 16384

  def __init__(self, transform: BitTransform):
    self._transform = transform
    # By step: the number of rows, and the sum of their sparse parts.
    self._counts = np.zeros([len(transform.zero), 1])
    self._rises = np.zeros_like(transform.zero)
    num_bits = transform.zero.shape[1]
    self._of_rises = np.zeros([num_bits, num_bits])
    self._block = np.empty_like(self._of_rises)
    self._waiting = blocks.Blocks(self.BLOCK)

  def add(self, bits: NormalBits) -> None:
    """Adds steps."""
    self._counts[bits.steps] += 1
    self._rises[bits.steps] += bits.rises
    if self._waiting.put(len(bits), bits.rises):
      self._flush()

  def _flush(self) -> None:
    if self._waiting:
      (rises,) = self._waiting.take()
      rises = sparse.vstack(rises, 'csr')
      (rises.T.tocsr() @ rises).toarray(out=self._block)
      self._of_rises += self._block

  def total(self) -> np.ndarray:
    """float64 `[bit, bit]`, symmetric."""
    self._flush()
    zero = self._transform.zero
    # The products of zero and rises are doubled here. The mean with the
    # transpose, below, then has them and their transpose once each.
    found = zero.T @ (self._counts * zero + 2 * self._rises)
    found += self._of_rises
    found += found.T.copy()
    found /= 2
    return found


class LinearMap:
  """A linear map of features, which may be normalised bits."""

  def __init__(self, kernel: np.ndarray, dtype: type = np.float32):
    """Constructs it.

    Args:
      kernel: `[width, output]`.
      dtype: the type it computes in; bits always use float64.
    """
    self._kernel = kernel.astype(dtype)
    # The outputs of bits that are all 0, `[time, output]`.
    self._of_zero = None

  def __call__(self, features: np.ndarray | NormalBits) -> np.ndarray:
    """Maps `[n, width]` to `[n, output]`."""
    if not isinstance(features, NormalBits):
      return features.astype(self._kernel.dtype, copy=False) @ self._kernel
    if self._of_zero is None:
      self._kernel = self._kernel.astype(np.float64)
      self._of_zero = features.transform.zero @ self._kernel
    return features.rises @ self._kernel + self._of_zero[features.steps]

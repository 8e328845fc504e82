"""Applies all probes of a representation at once."""

from collections.abc import Sequence

import numpy as np

from analysis.probe import bits as bits_lib


class Reader:
  """Applies all probes of a representation at once."""

  def __init__(
    self, copies: int, weights: Sequence[tuple[np.ndarray, np.ndarray]]
  ):
    """Constructs the reader.

    Args:
      copies: copies of the representation: 1, or one for each Keras probe. The
        exact probes read the first.
      weights: kernels `[probe, width, task, output]` and biases `[probe, task,
        output]`: of the Keras probes, then of the exact ones if there are any.
    """
    kernel = np.concatenate([kernel for kernel, _ in weights])
    bias = np.concatenate([bias for _, bias in weights])
    self._num_probes, width, *self._columns = kernel.shape
    copy_of = np.zeros([self._num_probes], np.int64)
    copy_of[:copies] = np.arange(copies)
    self._of_copy = []
    for copy in range(copies):
      (probes,) = np.nonzero(copy_of == copy)
      columns = np.moveaxis(kernel[probes], 1, 0).reshape([width, -1])
      self._of_copy.append(
        (
          probes,
          bits_lib.LinearMap(columns),
          bias[probes].ravel().astype(np.float32),
        )
      )

  def __call__(
    self, features: Sequence[np.ndarray | bits_lib.NormalBits]
  ) -> np.ndarray:
    """Predicts float32 `[time, probe, task, output]` from each copy's features.

    A copy's features are `[time, width]`.
    """
    num_steps = len(features[0])
    shape = [num_steps, self._num_probes, *self._columns]
    predictions = np.empty(shape, np.float32)
    for copy, (probes, read, bias) in zip(features, self._of_copy):
      found = read(copy) + bias
      predictions[:, probes] = found.reshape([num_steps, -1, *self._columns])
    return predictions

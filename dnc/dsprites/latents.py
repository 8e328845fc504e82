"""The latents of dSprites: their names, sizes and values, and sprite indices.

Every combination of classes of the five latents is one sprite. Sprites are
numbered as the original file stores them: the last latent, `y_position`, varies
fastest (PROTOCOL, "Data: dSprites").

All functions check the classes or indices that they take. They raise TypeError
unless these are integers, and ValueError if one is out of range.
"""

from collections.abc import Sequence

import numpy as np

# As in TFDS, whose features are `label_<name>` and `value_<name>`.
NAMES = ('shape', 'scale', 'orientation', 'x_position', 'y_position')
SIZES = (3, 6, 40, 32, 32)
NUM_LATENTS = len(NAMES)
NUM_SPRITES = 737280


def _grid(start: float, stop: float, size: int) -> np.ndarray:
  grid = np.linspace(start, stop, size)
  grid.flags.writeable = False
  return grid


# The values of each latent's classes, float64; orientations in radians.
VALUES = (
  _grid(1.0, 3.0, 3),
  _grid(0.5, 1.0, 6),
  _grid(0.0, 2.0 * np.pi, 40),
  _grid(0.0, 1.0, 32),
  _grid(0.0, 1.0, 32),
)
# A square, an ellipse and a heart look the same after 1/4, 1/2 or a whole turn.
SYMMETRIES = (4, 2, 1)


def _as_integers(name: str, numbers: np.ndarray) -> np.ndarray:
  numbers = np.asarray(numbers)
  if not np.issubdtype(numbers.dtype, np.integer):
    raise TypeError(f'{name} must be integers, got {numbers.dtype}')
  return numbers


def check_classes(
  classes: np.ndarray | Sequence, sizes: Sequence[int] = SIZES
) -> np.ndarray:
  """Checks classes and returns them as int64.

  Args:
    classes: integers [..., 5], class indices in the order of `NAMES`.
    sizes: number of classes of each latent.
  """
  classes = _as_integers('classes', classes)
  if classes.ndim < 1 or classes.shape[-1] != NUM_LATENTS:
    raise ValueError(
      f'classes must have shape [..., {NUM_LATENTS}] ({", ".join(NAMES)}), '
      f'got {list(classes.shape)}'
    )
  for i, (name, size) in enumerate(zip(NAMES, sizes)):
    wrong = (classes[..., i] < 0) | (classes[..., i] >= size)
    if wrong.any():
      raise ValueError(
        f'{name} class {classes[..., i][wrong].flat[0]} is out of range: '
        f'allowed are 0 to {size - 1}'
      )
  return classes.astype(np.int64)


def check_index(index: np.ndarray | Sequence | int) -> np.ndarray:
  """Checks sprite indices, integers [...], and returns them as int64."""
  index = _as_integers('index', index)
  wrong = (index < 0) | (index >= NUM_SPRITES)
  if wrong.any():
    raise ValueError(
      f'sprite index {index[wrong].flat[0]} is out of range: allowed are 0 '
      f'to {NUM_SPRITES - 1}'
    )
  return index.astype(np.int64)


def classes_to_index(classes: np.ndarray | Sequence) -> np.ndarray:
  """Computes sprite indices: classes [..., 5] -> int64 [...]."""
  columns = np.moveaxis(check_classes(classes), -1, 0)
  return np.ravel_multi_index(tuple(columns), SIZES)


def index_to_classes(index: np.ndarray | Sequence | int) -> np.ndarray:
  """Computes the classes of sprites: indices [...] -> int64 [..., 5]."""
  return np.stack(np.unravel_index(check_index(index), SIZES), axis=-1)


def class_values(classes: np.ndarray | Sequence) -> np.ndarray:
  """Looks up latent values: classes [..., 5] -> float64 [..., 5]."""
  classes = check_classes(classes)
  values = [grid[classes[..., i]] for i, grid in enumerate(VALUES)]
  return np.stack(values, axis=-1)


def classes_to_values(classes: np.ndarray | Sequence) -> np.ndarray:
  """Looks up latent values in TFDS's precision: float32 [..., 5]."""
  return class_values(classes).astype(np.float32)


def variances() -> np.ndarray:
  """Computes the variance of each latent's value over all sprites: float64 [5].

  It is the mean squared error of a probe that always predicts the mean
  (PROTOCOL, "Test 1", last row of the table).
  """
  return np.array([grid.var() for grid in VALUES])

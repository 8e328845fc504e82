"""Compiles functions with Numba, which may not be installed.

`in_parts` runs such a function on all processor cores.
"""

from collections.abc import Callable
import concurrent.futures
import contextlib
import functools
import importlib.util

import numpy as np

from dnc.recurrence import compiled
from dnc.system import paths


@functools.cache
def is_installed() -> bool:
  """Whether Numba is installed."""
  return importlib.util.find_spec('numba') is not None


def jit(function: Callable) -> Callable:
  """Compiles a function at its first call; keeps the code where it can.

  Numba compiles again when the function's file changes, but not when these
  options do: whoever changes them must also touch the files that use `jit`.
  """
  import numba

  compiled_function = numba.njit(
    fastmath={'reassoc', 'contract', 'nsz'}, nogil=True, error_model='numpy'
  )(function)
  # Without a home, Numba would make a folder called `~`.
  if paths.has_home():
    # If neither this folder nor the home can be written, the code is not kept.
    with contextlib.suppress(RuntimeError):
      compiled_function.enable_caching()
  return compiled_function


def usable(array: np.ndarray) -> np.ndarray:
  """Returns an array, or a copy, of the kind for which Numba has compiled."""
  return np.require(array, requirements='CAW')


@functools.cache
def _threads() -> concurrent.futures.ThreadPoolExecutor:
  return concurrent.futures.ThreadPoolExecutor(compiled.num_cores())


def in_parts(function: Callable, size: int, *arguments) -> None:
  """Calls `function(low, high, *arguments)` for each part of `range(size)`."""
  bounds = np.linspace(0, size, compiled.num_cores() + 1).astype(int)
  parts = [
    _threads().submit(function, low, high, *arguments)
    for low, high in zip(bounds[:-1], bounds[1:])
    if low < high
  ]
  for part in parts:
    part.result()

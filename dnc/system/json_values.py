"""Converts values to the types of JSON."""

from collections.abc import Mapping
import math
from typing import Any

import numpy as np


def clean(value: Any) -> Any:
  """Returns a copy of `value` in the types of JSON.

  Args:
    value: mappings, lists, tuples, NumPy arrays and scalars, nested. Numbers
      that are not finite become None.
  """
  if isinstance(value, Mapping):
    return {str(key): clean(item) for key, item in value.items()}
  if isinstance(value, list | tuple):
    return [clean(item) for item in value]
  if isinstance(value, np.ndarray | np.generic):
    return clean(value.tolist())
  if isinstance(value, float) and not math.isfinite(value):
    return None
  return value

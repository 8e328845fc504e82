"""Sets options of Matplotlib and NumPy for a while, then restores the user's.

A user's program, notebook or configuration file may have changed these options
for the whole process.
"""

from collections.abc import Iterator
from collections.abc import Mapping
import contextlib
import os
import sys
import types
from typing import Any

import numpy as np


def _load_matplotlib() -> types.ModuleType:
  """Imports Matplotlib, even if MPLBACKEND is unknown and would make it fail.

  A known backend is set afterwards, as Matplotlib would have done.
  """
  is_loaded = 'matplotlib' in sys.modules
  backend = os.environ.pop('MPLBACKEND', None)
  try:
    import matplotlib
  finally:
    if backend is not None:
      os.environ['MPLBACKEND'] = backend
  if backend and not is_loaded:
    # We use no backend, so an unknown one does no harm.
    with contextlib.suppress(ValueError):
      matplotlib.rcParams['backend'] = backend
  return matplotlib


matplotlib = _load_matplotlib()


@contextlib.contextmanager
def drawing(settings: Mapping[str, Any] | None = None) -> Iterator[None]:
  """Gives Matplotlib its defaults, plus these settings, within the block.

  It is also a decorator. The backend stays the user's, because we use none.
  """
  with matplotlib.rc_context():
    matplotlib.rcdefaults()
    matplotlib.rcParams.update(settings or {})
    yield


@contextlib.contextmanager
def computing() -> Iterator[None]:
  """Makes NumPy treat infinities and NaN as it does by default, in the block.

  It is also a decorator.
  """
  with np.errstate(divide='warn', over='warn', under='ignore', invalid='warn'):
    yield

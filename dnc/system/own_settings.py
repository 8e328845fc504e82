"""Settings of libraries that are ours while we need them, and then the user's.

Programs, notebooks and configuration files change them for a whole process.
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
  """Imports Matplotlib, which does not load if MPLBACKEND is unknown to it.

  A backend that is known is the user's then, as if Matplotlib had set it.
  """
  is_loaded = 'matplotlib' in sys.modules
  backend = os.environ.pop('MPLBACKEND', None)
  try:
    import matplotlib
  finally:
    if backend is not None:
      os.environ['MPLBACKEND'] = backend
  if backend and not is_loaded:
    # Nothing of ours uses a backend.
    with contextlib.suppress(ValueError):
      matplotlib.rcParams['backend'] = backend
  return matplotlib


matplotlib = _load_matplotlib()


@contextlib.contextmanager
def drawing(settings: Mapping[str, Any] | None = None) -> Iterator[None]:
  """While it lasts, Matplotlib has its defaults and these settings.

  It is also a decorator. The backend stays, since nothing of ours uses it.
  """
  with matplotlib.rc_context():
    matplotlib.rcdefaults()
    matplotlib.rcParams.update(settings or {})
    yield


@contextlib.contextmanager
def computing() -> Iterator[None]:
  """While it lasts, NumPy treats infinities and NaN as it does by default.

  It is also a decorator.
  """
  with np.errstate(divide='warn', over='warn', under='ignore', invalid='warn'):
    yield

"""Settings of libraries that are ours while we need them, and then the user's.

Programs, notebooks and configuration files change them for a whole process.
"""

from collections.abc import Iterator
from collections.abc import Mapping
import contextlib
from typing import Any

import matplotlib
import numpy as np


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

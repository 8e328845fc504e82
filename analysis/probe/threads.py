"""Threads that work on representations side by side."""

from collections.abc import Iterator
from concurrent import futures
import contextlib
import os

import threadpoolctl


@contextlib.contextmanager
def threads() -> Iterator[futures.ThreadPoolExecutor]:
  """Threads for whole representations, without threads in BLAS.

  These speed small matrix products up little, because they wait for each other.
  """
  with (
    threadpoolctl.threadpool_limits(1, 'blas'),
    futures.ThreadPoolExecutor(os.cpu_count()) as pool,
  ):
    yield pool

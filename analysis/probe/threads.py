"""Threads that work on representations side by side, or ahead."""

from collections.abc import Iterator
from concurrent import futures
import contextlib
import os
from typing import TypeVar

import threadpoolctl

_Item = TypeVar('_Item')


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


def ahead(items: Iterator[_Item]) -> Iterator[_Item]:
  """Makes each item in a thread while the previous one is used."""
  with futures.ThreadPoolExecutor(1) as pool:
    future = pool.submit(next, items, None)
    while (item := future.result()) is not None:
      future = pool.submit(next, items, None)
      yield item

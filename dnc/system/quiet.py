"""Hides the logs of libraries."""

from collections.abc import Iterator
import contextlib

from absl import logging


@contextlib.contextmanager
def tfds_logs() -> Iterator[None]:
  """Hides TFDS's logs: it logs each step and warns about its own calls."""
  verbosity = logging.get_verbosity()
  logging.set_verbosity(logging.ERROR)
  try:
    yield
  finally:
    logging.set_verbosity(verbosity)

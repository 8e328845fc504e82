"""Hides the logs of libraries."""

from collections.abc import Iterator
import contextlib

from absl import logging


@contextlib.contextmanager
def tfds_logs() -> Iterator[None]:
  """Hides the logs of TFDS, which logs each step and warns about itself."""
  verbosity = logging.get_verbosity()
  logging.set_verbosity(logging.ERROR)
  try:
    yield
  finally:
    logging.set_verbosity(verbosity)

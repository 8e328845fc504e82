"""Keeps libraries from talking where our own lines say what matters."""

from collections.abc import Iterator
import contextlib

from absl import logging


@contextlib.contextmanager
def tfds_logs() -> Iterator[None]:
  """Silences TFDS: it logs every step it takes, and warns of its own calls."""
  verbosity = logging.get_verbosity()
  logging.set_verbosity(logging.ERROR)
  try:
    yield
  finally:
    logging.set_verbosity(verbosity)

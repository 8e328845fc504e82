"""Data for several tests, made once per process and removed at its end."""

import functools
import os
import tempfile

from dnc.dsprites import table

ROOT = os.path.abspath(os.path.join(__file__, *['..'] * 3))
DSPRITES_FRAMES = os.path.join(ROOT, 'testdata', 'dsprites_frames.npz')


@functools.cache
def _folder() -> tempfile.TemporaryDirectory:
  return tempfile.TemporaryDirectory(prefix='dnc_test_data_')


def data_dir() -> str:
  """Returns a --data_dir that holds the table of rendered sprites."""
  rendered_table()
  return _folder().name


@functools.cache
def rendered_table() -> table.SpriteTable:
  """Returns the table of all rendered sprites."""
  return table.load_table(table.RENDERED, _folder().name)

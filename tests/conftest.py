"""Sets the folder that all processes of a test session share."""

import gc
import os

import pytest

from tests.support import evaluated_run


@pytest.fixture(scope='session', autouse=True)
def session_folder(tmp_path_factory):
  """Each worker of pytest-xdist has its own folder within the shared one."""
  folder = tmp_path_factory.getbasetemp()
  if 'PYTEST_XDIST_WORKER' in os.environ:
    folder = folder.parent
  evaluated_run.session_folder = str(folder)


def pytest_collection_finish():
  """Garbage collection need not walk through the modules again and again."""
  gc.freeze()

"""Sets what test files share, and keeps them from changing each other."""

import gc
import os
from unittest import mock

import pytest

from tests.support import evaluated_run


@pytest.fixture(scope='session', autouse=True)
def session_folder(tmp_path_factory):
  """Each worker of pytest-xdist has its own folder within the shared one."""
  folder = tmp_path_factory.getbasetemp()
  if 'PYTEST_XDIST_WORKER' in os.environ:
    folder = folder.parent
  evaluated_run.session_folder = str(folder)


@pytest.fixture(scope='module', autouse=True)
def own_environment():
  """Commands that run in this process set variables of TensorFlow."""
  with mock.patch.dict(os.environ):
    yield


def pytest_collection_modifyitems(items):
  """One worker makes the shared run while the other needs nothing of it."""
  needs_it = {
    item.module: getattr(item.module, 'evaluated_run', None) is evaluated_run
    for item in items
  }
  first = next((module for module in needs_it if needs_it[module]), None)
  items.sort(
    key=lambda item: 0 if item.module is first else 1 + needs_it[item.module]
  )


def pytest_collection_finish():
  """Garbage is collected less often, and not among the modules.

  Tracing makes many objects and little garbage.
  """
  gc.freeze()
  gc.set_threshold(50_000, 20, 20)

"""Tells the tests which folder all processes of their session share."""

import os

import pytest

from tests.support import evaluated_run


@pytest.fixture(scope='session', autouse=True)
def session_folder(tmp_path_factory):
  """Workers of pytest-xdist have folders of their own within that one."""
  folder = tmp_path_factory.getbasetemp()
  if 'PYTEST_XDIST_WORKER' in os.environ:
    folder = folder.parent
  evaluated_run.session_folder = str(folder)

"""Tests for analysis.work_files; beam_engine_test has real workers use them."""

import os
import socket
import subprocess
import sys
import tempfile

from absl.testing import absltest

from analysis import work_files
from dnc.system import errors
from dnc.system import spreading
from tests.support import spread_stages

_STAGE = spread_stages.Stage
_FIRST, _SECOND, _TOTAL = (0, 0, 0), (0, 0, 1), (1, 1, 0)


class WorkFilesTest(absltest.TestCase):
  def setUp(self):
    super().setUp()
    self._run = self.enterContext(tempfile.TemporaryDirectory())
    self._folder = os.path.join(self._run, 'work')

  def _write(self, *tasks):
    work_files.write_tasks(self._folder, spread_stages.Source(self._run), tasks)

  def _found(self, *elements):
    paths = [work_files.result_path(self._folder, x) for x in elements]
    return work_files.TaskFiles(paths)

  def _mark(self, element, host, pid):
    path = work_files.result_path(self._folder, element)
    with open(path + '.begun', 'w') as file:
      file.write(f'{host} {pid}')

  def test_work_leaves_what_it_finds_which_other_work_reads(self):
    self._write(
      spreading.Assignment(_STAGE, _STAGE.halves, [3, 5], (1,)),
      spreading.Assignment(
        _STAGE, _STAGE.totals, [10], (self._found(_FIRST, _SECOND),)
      ),
    )
    elements = [_FIRST, _SECOND, _TOTAL]
    self.assertEqual(work_files.missing(self._folder, elements), elements)
    self.assertFalse(work_files.have_begun(self._folder, elements))
    for element in elements:
      # However often it is tried.
      work_files.work(self._folder, element, ())
      work_files.work(self._folder, element, ())
    self.assertEqual(work_files.missing(self._folder, elements), [])
    self.assertTrue(work_files.have_begun(self._folder, elements))
    self.assertEqual(list(self._found(_SECOND, _FIRST)), [2, 4 / 3])
    self.assertEqual(list(self._found(_TOTAL)), [10 + sum([4 / 3, 2])])
    with open(os.path.join(self._run, 'notes')) as notes:
      self.assertLen(list(notes), 2)

  def test_a_mistake_of_the_user_is_raised_where_it_is_read(self):
    self._write(
      spreading.Assignment(_STAGE, _STAGE.refused, [1, 2]),
      spreading.Assignment(
        _STAGE, _STAGE.totals, [10], (self._found(_FIRST, _SECOND),)
      ),
    )
    for element in (_FIRST, _SECOND, _TOTAL):
      work_files.work(self._folder, element, ())
    self.assertEqual(list(self._found(_FIRST)), [1])
    for element in (_SECOND, _TOTAL):  # Also by what needs it.
      with self.assertRaisesRegex(errors.UsageError, '^--x=2: must be less$'):
        list(self._found(element))

  def test_without_the_tasks_nothing_is_done(self):
    work_files.work(self._folder, _FIRST, ())
    self.assertFalse(os.path.exists(self._folder))

  def test_lost_is_what_a_process_of_this_machine_left(self):
    self._write()
    gone = subprocess.Popen([sys.executable, '-c', ''])
    gone.wait()
    here = socket.gethostname()
    for host, pid, expected in (
      (here, gone.pid, gone.pid),
      (here, os.getpid(), None),
      (f'not-{here}', gone.pid, None),
    ):
      self._mark(_FIRST, host, pid)
      found = work_files.lost_by(self._folder, _FIRST)
      self.assertEqual(found, expected, (host, pid))
    self.assertIsNone(work_files.lost_by(self._folder, _SECOND))
    # It finished just before.
    self._mark(_FIRST, here, gone.pid)
    with open(work_files.result_path(self._folder, _FIRST), 'w'):
      pass
    self.assertIsNone(work_files.lost_by(self._folder, _FIRST))
    work_files.forget_begun(self._folder, [_FIRST, _SECOND])
    self.assertFalse(work_files.have_begun(self._folder, [_FIRST]))


if __name__ == '__main__':
  absltest.main()

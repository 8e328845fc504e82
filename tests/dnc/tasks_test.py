"""Tests of the registry of tasks; each task has its own task_test."""

import subprocess
import sys
import types
from unittest import mock

from absl.testing import absltest
from absl.testing import parameterized

from dnc import config as config_lib
from dnc import tasks


class TasksTest(parameterized.TestCase):
  @parameterized.parameters(*tasks.NAMES)
  def test_a_task_goes_by_its_name(self, name):
    task = tasks.get(name)
    self.assertEqual(task.name, name)
    self.assertEqual(task.config_class.TASK, name)
    self.assertNotEmpty(task.tests)
    self.assertContainsSubset(task.tests, config_lib.TESTS)
    self.assertNotEmpty(task.description)

  def test_no_such_task(self):
    with self.assertRaisesRegex(ValueError, "'copy': must be one of dsprites"):
      tasks.get('copy')

  def test_a_new_task_takes_a_folder_and_a_line(self):
    folder = types.ModuleType('dnc.new_task')
    folder.TASK = object()
    with (
      mock.patch.dict(sys.modules, {'dnc.new_task': folder}),
      mock.patch.dict(tasks._FOLDERS, new='dnc.new_task'),
    ):
      self.assertIs(tasks.get('new'), folder.TASK)

  def test_light_to_import(self):
    code = (
      'import sys; from dnc import tasks; '
      '[tasks.get(name).config_class() for name in tasks.NAMES]; '
      "sys.exit('tensorflow' in sys.modules)"
    )
    subprocess.run([sys.executable, '-c', code], check=True)


if __name__ == '__main__':
  absltest.main()

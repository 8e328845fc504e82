"""Tests of the registry of tasks; each task has its own task_test."""

import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile

from absl.testing import absltest
from absl.testing import parameterized

from dnc import config as config_lib
from dnc import tasks
from tests.support import commands
from tests.support import testing_data

# Trains without compiling, which takes seconds and computes the same.
_TRAIN = """
from dnc.system import command_line
command_line.load_tensorflow(use_one_dnn=True)
from dnc import unroll
unroll.can_compile = lambda: False
import train
train.define_flags()
command_line.run(train.main)
"""


def _replace(path, old, new):
  with open(path, encoding='utf-8') as file:
    text = file.read()
  with open(path, 'w', encoding='utf-8') as file:
    file.write(text.replace(old, new))


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
    root = self.enterContext(tempfile.TemporaryDirectory())
    for name in ('dnc', 'train.py', 'evaluate.py'):
      source = os.path.join(testing_data.ROOT, name)
      copy = shutil.copytree if os.path.isdir(source) else shutil.copy
      copy(source, os.path.join(root, name))
    # The folder: a copy of repeat-copy under another name.
    folder = os.path.join(root, 'dnc', 'parrot')
    shutil.copytree(os.path.join(root, 'dnc', 'repeat_copy'), folder)
    for path in glob.glob(os.path.join(folder, '*.py')):
      _replace(path, 'dnc.repeat_copy', 'dnc.parrot')
      _replace(path, 'tasks.REPEAT_COPY', "'parrot'")
    _replace(os.path.join(folder, 'config.py'), '    4, ', '    5, ')
    # The line.
    _replace(
      os.path.join(root, 'dnc', 'tasks.py'),
      "REPEAT_COPY: 'dnc.repeat_copy'",
      "REPEAT_COPY: 'dnc.repeat_copy', 'parrot': 'dnc.parrot'",
    )

    def output_of(*arguments):
      return subprocess.run(
        [sys.executable, *arguments],
        cwd=root,
        env={**os.environ, 'PYTHONPATH': root},
        capture_output=True,
        text=True,
        check=False,
      )

    self.assertIn(
      '(one of dsprites, repeat_copy, parrot;',
      output_of('train.py', '--help').stdout,
    )
    small = ('--num_training_iterations=1', '--memory_size=4', '--word_size=3')
    flags = ('--task=parrot', '--model_dir=run', *small)
    result = output_of('-c', _TRAIN, *flags)
    self.assertEqual(result.returncode, 0, msg=result.stderr)
    self.assertEqual(commands.errors_in(result.stderr), '')
    with open(os.path.join(root, 'run', 'config.json')) as file:
      saved = json.load(file)
    self.assertEqual((saved['task'], saved['num_bits']), ('parrot', 5))
    result = output_of('evaluate.py', '--model_dir=run', '--offsets=1')
    self.assertIn(
      '--offsets=1: not a flag for a run of --task=parrot', result.stderr
    )

  def test_light_to_import(self):
    code = (
      'import sys; from dnc import tasks; '
      '[tasks.get(name).config_class() for name in tasks.NAMES]; '
      "sys.exit('tensorflow' in sys.modules)"
    )
    subprocess.run([sys.executable, '-c', code], check=True)


if __name__ == '__main__':
  absltest.main()

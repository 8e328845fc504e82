"""Runs `train.py` and `evaluate.py` as a user does, on real files.

train_test and evaluate_test check their flags.
"""

import contextlib
import glob
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

import tensorflow as tf

from dnc.system import errors
import evaluate
from tests.support import commands
from tests.support import evaluated_run
from tests.support import testing_data

# An LSTM starts in half the time.
_SMALL_LSTM = (
  '--preset=quick',
  '--core=lstm',
  *evaluated_run.MODEL_FLAGS[4:],
)


class CommandsTest(tf.test.TestCase):
  """All run in one folder that holds `runs/`, as a checkout does."""

  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls._shared = evaluated_run.get()
    cls._folder = cls.enterClassContext(tempfile.TemporaryDirectory())

  @classmethod
  def _options(cls, **environment):
    return dict(
      cwd=cls._folder,
      env={**os.environ, 'PYTHONPATH': testing_data.ROOT, **environment},
      stdout=subprocess.PIPE,
      stderr=subprocess.PIPE,
      text=True,
    )

  @classmethod
  def _run(cls, script, *flags, **environment):
    return subprocess.run(
      evaluated_run.command(script, *flags),
      **cls._options(**environment),
      check=False,
    )

  @staticmethod
  def _evaluate(run, *flags):
    """Evaluates in this process."""
    commands.run(
      evaluate,
      f'--data_dir={testing_data.data_dir()}',
      f'--model_dir={run.model_dir}',
      *evaluated_run.EVALUATION_FLAGS,
      *flags,
    )

  def _assert_refused(self, result, pattern):
    """Asserts one line that says what is wrong, and an error status."""
    self.assertNotEqual(result.returncode, 0)
    self.assertLen(result.stderr.splitlines(), 1, msg=result.stderr)
    self.assertRegex(result.stderr, pattern)

  def test_train_then_evaluate(self):
    trained = self._shared.trained
    self.assertEqual(trained.returncode, 0, msg=trained.stderr)
    self.assertEqual(commands.errors_in(trained.stderr), '')
    self.assertRegex(trained.stdout, r'update \d+ .*loss .*IoU .*steps/s')
    model_dir = self._shared.model_dir
    with open(os.path.join(model_dir, 'training.json')) as file:
      self.assertContainsSubset(['loss', 'iou', 'pixel_error'], json.load(file))

    evaluated = self._shared.evaluated
    self.assertEqual(evaluated.returncode, 0, msg=evaluated.stderr)
    self.assertEqual(commands.errors_in(evaluated.stderr), '')
    self.assertNotIn('did not vary', evaluated.stdout)
    # Tables go to files; the output ends with the answers and the report.
    self.assertNotIn('|', evaluated.stdout)
    lines = evaluated.stdout.splitlines()
    self.assertLess(len(lines), 32)
    (first,) = (
      i for i, line in enumerate(lines) if line.startswith('Test 1, ')
    )
    for i in range(4):
      line = lines[first + i]
      self.assertRegex(line, rf'^Test {i + 1}, .*\? (Yes|No|Cannot tell)')
      self.assertLessEqual(len(line.partition('? ')[2].split()), 30)
    header, *table = lines[first + 4 : -1]
    self.assertRegex(header, '^ +read words +memory$')
    self.assertRegex(table[-2], r'^used +\S+ +\S+$')
    self.assertRegex(table[-1], r'^follows +\S.*')
    self.assertLess(max(map(len, table)), 80)
    self.assertRegex(lines[-1], '^report: runs/.*/evaluation/report.html$')

    folder = self._shared.folder
    with open(os.path.join(folder, 'probe.json')) as file:
      scores = json.load(file)['scores']
    self.assertEqual(list(scores['test']['memory']), ['5', '0', '-1'])
    self.assertEqual(
      set(scores['test']['memory']['5']),
      {'shape', 'scale', 'orientation', 'x_position', 'y_position'},
    )
    with open(os.path.join(folder, 'mutual_information.json')) as file:
      found = json.load(file)['results']
    self.assertLen(found['memory']['scores'][0], 5 * 4)
    self.assertEqual(found['memory']['lags'], [1, 0])
    self.assertIn('controller_cell', found)
    with open(os.path.join(folder, 'lesion.json')) as file:
      self.assertLen(json.load(file)['scores']['no_usage']['iou'], 5)
    with open(os.path.join(folder, 'predictions.png'), 'rb') as file:
      self.assertEqual(tf.io.decode_png(file.read()).shape[-1], 1)

  def test_the_same_evaluation_leaves_the_same(self):
    copy = self._shared.copy(os.path.join(self._folder, 'again'))
    with contextlib.redirect_stdout(io.StringIO()) as output:
      self._evaluate(copy)
    self.assertIn('traces: reading', output.getvalue())
    self.assertNotIn('traces: writing', output.getvalue())
    tables = ('probe', 'mutual_information', 'lesion', 'intervention')
    for name in ('report.md', *(f'{x}.md' for x in tables)):
      texts = []
      for run in (self._shared, copy):
        with open(os.path.join(run.folder, name), encoding='utf-8') as file:
          # What was run is another process, in another folder.
          texts.append(file.read().partition('## What was run')[0])
      self.assertEqual(*texts)

  def test_nobody_reads_the_output(self):
    process = subprocess.Popen(
      evaluated_run.command('train.py', *_SMALL_LSTM, '--seed=7'),
      **self._options(),
    )
    process.stdout.close()
    with process.stderr:
      self.assertEqual(commands.errors_in(process.stderr.read()), '')
    self.assertNotEqual(process.wait(), 0)

  def test_ctrl_c_then_the_same_command(self):
    # Enough epochs that it is still running when the signal comes.
    flags = (*_SMALL_LSTM, '--num_epochs=1000', '--model_dir=stopped')
    process = subprocess.Popen(
      evaluated_run.command('train.py', *flags), **self._options()
    )
    for line in process.stdout:
      if 'steps/s' in line:
        break
    process.send_signal(signal.SIGINT)
    output, stderr = process.communicate(timeout=60)
    self.assertEqual(process.returncode, 130)
    self.assertEqual(commands.errors_in(stderr), '')
    self.assertIn('the same command resumes it', output)

    process = subprocess.Popen(
      evaluated_run.command('train.py', *flags), **self._options()
    )
    line = process.stdout.readline()
    process.kill()
    process.communicate()
    self.assertRegex(line, r'resuming stopped after [1-9]')

  def test_ctrl_c_while_traces_are_written(self):
    root = os.path.join(self._folder, 'interrupted')
    model_dir = self._shared.copy(root).model_dir
    command = [
      sys.executable,
      '-c',
      # One batch per shard, and more shards than there is time for.
      'from dnc.system import command_line\n'
      'command_line.load_tensorflow()\n'
      'from dnc.traces import shards\n'
      'shards._SHARD_BYTES = 1\n'
      'import evaluate\n'
      'evaluate.define_flags()\n'
      'command_line.run(evaluate.main)\n',
      f'--data_dir={testing_data.data_dir()}',
      f'--model_dir={model_dir}',
      '--num_rollouts=16000',
      '--rollout_length=15',
    ]
    process = subprocess.Popen(command, **self._options())
    shards = os.path.join(
      model_dir, 'evaluation', 'traces', 'probe_16000+*', '*-of-?????'
    )
    while len(glob.glob(shards)) < 3 and process.poll() is None:
      time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    self.assertEqual(process.returncode, 130, msg=stderr)
    self.assertLen(commands.errors_in(stderr).splitlines(), 1, msg=stderr)
    self.assertRegex(stdout, r'traces: 17,600 rollouts x 15 .* in all, free')
    there = len(glob.glob(shards))
    self.assertEqual(
      stdout.splitlines()[-1],
      f'traces: {there} of 1100 shards are written; the same command writes '
      'the rest',
    )

  def test_locations_that_the_memory_does_not_have(self):
    with self.assertRaisesRegex(
      errors.UsageError, '--locations=0,20: must be in 0 to 19'
    ):
      self._evaluate(self._shared, '--test=mi', '--locations=0,20')

  def test_traces_of_another_model(self):
    # As if the folder of traces had been copied from another run.
    other = self._shared.copy(os.path.join(self._folder, 'other'))
    (traces,) = glob.glob(os.path.join(other.folder, 'traces', 'mi_*'))
    path = os.path.join(traces, 'metadata.json')
    with open(path) as file:
      metadata = json.load(file)
    metadata['run'] = 'dnc_9x9_seed0_01234567'
    with open(path, 'w') as file:
      json.dump(metadata, file)
    with self.assertRaisesRegex(
      errors.UsageError, 'mi_.*traces have run .*delete the folder'
    ):
      self._evaluate(other, '--test=mi')

  def test_original_without_network_or_file(self):
    result = self._run(
      'train.py',
      *evaluated_run.MODEL_FLAGS,
      '--dataset=dsprites',
      '--model_dir=original',
      f'--data_dir={self.get_temp_dir()}',
      # No server listens there.
      HTTPS_PROXY='http://127.0.0.1:9',
      HTTP_PROXY='http://127.0.0.1:9',
      NO_PROXY='',
      no_proxy='',
    )
    self._assert_refused(result, '--dataset=dsprites.*dsprites_rendered')


if __name__ == '__main__':
  tf.test.main()

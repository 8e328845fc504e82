"""Runs `train.py` and `evaluate.py` as a user does, on real files.

train_test and evaluate_test check their flags.
"""

import functools
import glob
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from unittest import mock

import tensorflow as tf

from dnc.system import errors
import evaluate
from tests.support import commands
from tests.support import evaluated_run
from tests.support import testing_data
import train

# An LSTM starts in half the time. Enough epochs that it is still running when
# the signal comes.
_SMALL_LSTM = (
  '--preset=quick',
  '--core=lstm',
  *evaluated_run.MODEL_FLAGS[4:],
  '--num_epochs=1000',
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
      found = json.load(file)
    self.assertLen(found['scores']['no_usage']['iou'], 5)
    # Half of a rollout of 15 steps, and 10.
    self.assertEqual((found['lesion_step'], found['reset_interval']), (7, 10))
    with open(os.path.join(folder, 'predictions.png'), 'rb') as file:
      self.assertEqual(tf.io.decode_png(file.read()).shape[-1], 1)

  @classmethod
  @functools.cache
  def _stopped(cls):
    """Trains until Ctrl-C; the command, its exit status and its outputs."""
    command = evaluated_run.command(
      'train.py', *_SMALL_LSTM, '--model_dir=stopped'
    )
    process = subprocess.Popen(command, **cls._options())
    for line in process.stdout:
      if 'steps/s' in line:
        break
    process.send_signal(signal.SIGINT)
    return command, *process.communicate(timeout=60), process.returncode

  def test_ctrl_c_then_the_same_command_whose_output_nobody_reads(self):
    command, output, stderr, returncode = self._stopped()
    self.assertEqual(returncode, 130)
    self.assertEqual(commands.errors_in(stderr), '')
    self.assertIn('the same command resumes it', output)

    process = subprocess.Popen(command, **self._options())
    line = process.stdout.readline()
    process.stdout.close()
    with process.stderr:
      self.assertEqual(commands.errors_in(process.stderr.read()), '')
    self.assertNotEqual(process.wait(), 0)
    self.assertRegex(line, r'resuming stopped after [1-9]')

  def test_ctrl_c_while_traces_are_written(self):
    self._stopped()
    model_dir = os.path.join(self._folder, 'stopped')
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
      commands.run(
        evaluate,
        f'--data_dir={testing_data.data_dir()}',
        f'--model_dir={other.model_dir}',
        *evaluated_run.EVALUATION_FLAGS,
        '--test=mi',
      )

  def test_original_without_network_or_file(self):
    # No server listens there.
    proxy = dict.fromkeys(('HTTPS_PROXY', 'HTTP_PROXY'), 'http://127.0.0.1:9')
    with (
      mock.patch.dict(os.environ, proxy, NO_PROXY='', no_proxy=''),
      self.assertRaisesRegex(
        errors.UsageError, '^--dataset=dsprites.*dsprites_rendered'
      ),
    ):
      commands.run(
        train,
        *_SMALL_LSTM,
        '--dataset=dsprites',
        f'--model_dir={os.path.join(self._folder, "original")}',
        f'--data_dir={self.get_temp_dir()}',
      )


if __name__ == '__main__':
  tf.test.main()

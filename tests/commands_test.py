"""Runs `train.py` and `evaluate.py` as a user does, on real files.

Their flags are in train_test and evaluate_test.
"""

import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import tensorflow as tf

from tests.support import data as testing_data

_SMALL_MODEL = (
  '--preset=quick',
  '--memory_size=5',
  '--word_size=4',
  '--hidden_size=8',
  '--batch_size=2',
  '--rollouts_per_epoch=8',
  '--min_length=20',
  '--max_length=30',
  '--tbptt_length=10',
  '--report_interval=2',
)
# Starts in half the time.
_SMALL_LSTM = (
  '--preset=quick',
  '--core=lstm',
  *(flag for flag in _SMALL_MODEL[3:]),
)
_SMALL_EVALUATION = (
  '--num_rollouts=10',
  '--num_isolated=0',
  '--num_seeds=1',
  '--offsets=0,10,-1',
  '--num_sequences=3',
  '--rollout_length=15',
  '--num_lesioned=3',
)


class CommandsTest(tf.test.TestCase):
  """All in one folder that holds `runs/`, as a checkout does."""

  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls._folder = cls.enterClassContext(tempfile.TemporaryDirectory())
    cls._trained = cls._run('train.py', *_SMALL_MODEL)
    (name,) = os.listdir(os.path.join(cls._folder, 'runs'))
    cls._model_dir = os.path.join(cls._folder, 'runs', name)
    cls._evaluated = cls._run('evaluate.py', *_SMALL_EVALUATION)

  @classmethod
  def _command(cls, script, *flags):
    return [
      sys.executable,
      os.path.join(testing_data.ROOT, script),
      f'--data_dir={testing_data.data_dir()}',
      *flags,
    ]

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
      cls._command(script, *flags),
      **cls._options(**environment),
      check=False,
    )

  def _assert_refused(self, result, pattern):
    """One line that says what is wrong, and a status that says so too."""
    self.assertNotEqual(result.returncode, 0)
    self.assertLen(result.stderr.splitlines(), 1, msg=result.stderr)
    self.assertRegex(result.stderr, pattern)

  def test_train_then_evaluate_then_again(self):
    self.assertEqual(self._trained.returncode, 0, msg=self._trained.stderr)
    self.assertEqual(self._trained.stderr, '')
    self.assertRegex(self._trained.stdout, r'update \d+ .*loss .*IoU .*steps/s')
    with open(os.path.join(self._model_dir, 'training.json')) as file:
      self.assertContainsSubset(['loss', 'iou', 'pixel_error'], json.load(file))

    first = self._evaluated
    self.assertEqual(first.returncode, 0, msg=first.stderr)
    self.assertEqual(first.stderr, '')
    self.assertIn('# Test 1: linear probe', first.stdout)
    self.assertIn('# Test 2: mutual information', first.stdout)
    self.assertIn('# Test 3: lesions of the memory', first.stdout)
    self.assertNotIn('did not vary', first.stdout)
    folder = os.path.join(self._model_dir, 'evaluation')
    with open(os.path.join(folder, 'probe.json')) as file:
      scores = json.load(file)['scores']
    self.assertEqual(list(scores['test']['memory']), ['0', '10', '-1'])
    self.assertEqual(
      set(scores['test']['memory']['10']),
      {'shape', 'scale', 'orientation', 'x_position', 'y_position'},
    )
    with open(os.path.join(folder, 'mutual_information.json')) as file:
      found = json.load(file)['results']
    self.assertLen(found['memory']['scores'][0], 5 * 4)
    self.assertEqual(found['memory']['lags'], [0, 1, 5, 10])
    self.assertIn('controller_cell', found)
    with open(os.path.join(folder, 'lesion.json')) as file:
      self.assertLen(json.load(file)['scores']['no_usage']['iou'], 3)
    with open(os.path.join(folder, 'predictions.png'), 'rb') as file:
      self.assertEqual(tf.io.decode_png(file.read()).shape[-1], 1)

    def tables(output):
      return [line for line in output.splitlines() if line.startswith('|')]

    again = self._run('evaluate.py', '--test=probe', *_SMALL_EVALUATION)
    self.assertIn('traces: reading', again.stdout)
    found = tables(again.stdout)
    self.assertGreater(len(found), 50)
    self.assertEqual(found, tables(first.stdout)[: len(found)])

  def test_nobody_reads_the_output(self):
    process = subprocess.Popen(
      self._command('train.py', *_SMALL_LSTM, '--seed=7'), **self._options()
    )
    process.stdout.close()
    with process.stderr:
      self.assertEqual(process.stderr.read(), '')
    self.assertNotEqual(process.wait(), 0)

  def test_ctrl_c_then_the_same_command(self):
    # Epochs enough that it is still running when the signal comes.
    flags = (*_SMALL_LSTM, '--num_epochs=1000', '--model_dir=stopped')
    process = subprocess.Popen(
      self._command('train.py', *flags), **self._options()
    )
    for line in process.stdout:
      if 'steps/s' in line:
        break
    process.send_signal(signal.SIGINT)
    output, stderr = process.communicate(timeout=60)
    self.assertEqual(process.returncode, 130)
    self.assertEqual(stderr, '')
    self.assertIn('the same command goes on', output)

    process = subprocess.Popen(
      self._command('train.py', *flags), **self._options()
    )
    line = process.stdout.readline()
    process.kill()
    process.communicate()
    self.assertRegex(line, r'resuming stopped after [1-9]')

  def test_ctrl_c_while_traces_are_written(self):
    model_dir = os.path.join(self._folder, 'interrupted')
    shutil.copytree(self._model_dir, model_dir)
    command = [
      sys.executable,
      '-c',
      # Shards of a batch, and more of them than there is time for.
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
    self.assertLen(stderr.splitlines(), 1, msg=stderr)
    self.assertRegex(stdout, r'traces: 17,600 rollouts x 15 .* in all, free')
    there = len(glob.glob(shards))
    self.assertEqual(
      stdout.splitlines()[-1],
      f'traces: {there} of 1100 shards are there; the same command goes on '
      'from here',
    )

  def test_locations_that_the_memory_does_not_have(self):
    result = self._run(
      'evaluate.py', '--test=mi', '--locations=0,20', *_SMALL_EVALUATION
    )
    self._assert_refused(result, '--locations=0,20: must be of 0 to 19')

  def test_traces_of_another_model(self):
    # As if the folder of traces had been copied from another run.
    other = os.path.join(self._folder, 'other')
    shutil.copytree(self._model_dir, other)
    (traces,) = glob.glob(os.path.join(other, 'evaluation', 'traces', 'mi_*'))
    path = os.path.join(traces, 'metadata.json')
    with open(path) as file:
      metadata = json.load(file)
    metadata['run'] = 'dnc_9x9_seed0_01234567'
    with open(path, 'w') as file:
      json.dump(metadata, file)
    result = self._run(
      'evaluate.py', '--test=mi', f'--model_dir={other}', *_SMALL_EVALUATION
    )
    self._assert_refused(result, 'mi_.*traces with run .*delete the folder')

  def test_original_without_network_or_file(self):
    result = self._run(
      'train.py',
      *_SMALL_MODEL,
      '--dataset=dsprites',
      '--model_dir=original',
      f'--data_dir={self.get_temp_dir()}',
      # Nobody listens there.
      HTTPS_PROXY='http://127.0.0.1:9',
      HTTP_PROXY='http://127.0.0.1:9',
      NO_PROXY='',
      no_proxy='',
    )
    self._assert_refused(result, '--dataset=dsprites.*dsprites_rendered')


if __name__ == '__main__':
  tf.test.main()

"""Runs `train.py` and `evaluate.py` as a user does, on real files."""

import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from absl.testing import parameterized
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


class CommandsTest(tf.test.TestCase, parameterized.TestCase):
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
  def _options(cls, cwd=None, **environment):
    return dict(
      cwd=cwd or cls._folder,
      env={**os.environ, 'PYTHONPATH': testing_data.ROOT, **environment},
      stdout=subprocess.PIPE,
      stderr=subprocess.PIPE,
      text=True,
    )

  @classmethod
  def _run(cls, script, *flags, cwd=None, **environment):
    return subprocess.run(
      cls._command(script, *flags),
      **cls._options(cwd, **environment),
      check=False,
    )

  def _without_tensorflow(self):
    """A PYTHONPATH on which TensorFlow cannot be imported."""
    folder = os.path.join(self.get_temp_dir(), 'no_tensorflow')
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, 'tensorflow.py'), 'w') as file:
      file.write('raise ImportError("imported for nothing")')
    return os.pathsep.join([folder, testing_data.ROOT])

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

  @parameterized.parameters(
    ('train.py', '--preset=fast', r'--preset=fast.*post\|quick'),
    ('train.py', '--memory_size=0', '--memory_size=0: must be at least 1'),
    ('train.py', '--memory_size=many', '--memory_size=many'),
    ('train.py', '--min_length=9 --max_length=3', '--max_length=3.*at least'),
    ('train.py', '--dataset=mnist', '--dataset=mnist.*dsprites_rendered'),
    ('train.py', '--dataset=/no/d.npz', '--dataset=/no/d.npz .*No such file'),
    ('train.py', '--memorysize=3', 'memorysize'),
    ('train.py', '--varying=x', '--varying=x: must be some of .*x_position'),
    ('train.py', '--fixed=shape', '--fixed=shape: must .*shape:2,scale:5'),
    (
      'train.py',
      '--task=repeat_copy --fixed=shape:1',
      '--fixed=shape:1: not a flag of --task=repeat_copy',
    ),
    ('evaluate.py', '--fixed=shape:3', '--fixed=shape:3: .*shape are 0 to 2'),
    ('train.py', 'quick', 'quick: not a flag'),
    ('evaluate.py', '--offsets=0,x', '--offsets=0,x: must be whole numbers'),
    ('evaluate.py', '--lags=0,x', '--lags=0,x: must be whole numbers'),
    ('evaluate.py', '--lags=500', '--lags=500: must be of 0 to 487'),
    ('evaluate.py', '--locations=-1', '--locations=-1: must be whole .* 0'),
    ('evaluate.py', '--test=lesions', '--test=lesions.*probe'),
    ('evaluate.py', '--num_lesioned=1', '--num_lesioned=1: .*at least 2'),
    ('evaluate.py', '--lesion_step=500', '--lesion_step=500: .*0 to 499'),
    ('evaluate.py', '--reset_interval=0', '--reset_interval=0: .*1 to 499'),
    ('evaluate.py', '--num_rollouts=1', '--num_rollouts=1.*at least 2'),
    ('evaluate.py', '--offsets=0,one', '--offsets=0,one: must be whole'),
    ('evaluate.py', '--num_isolated=1', '--num_isolated=1: .* 0 for none'),
    ('evaluate.py', '--representations=x', '--representations=x.*read_words'),
    ('evaluate.py', '--export=x', '--export=x: .*read_words.*loss'),
    ('evaluate.py', '--export=loss', '--export=loss: .*which Test 1 probes'),
    ('evaluate.py', '--dataset=/no/d.h5', '--dataset=/no/d.h5 .*No such file'),
  )
  def test_wrong_flag(self, script, flags, pattern):
    # It does not wait for TensorFlow.
    result = self._run(
      script, *flags.split(), PYTHONPATH=self._without_tensorflow()
    )
    self._assert_refused(result, pattern)

  def test_no_run_to_evaluate(self):
    result = self._run(
      'evaluate.py',
      cwd=self.get_temp_dir(),
      PYTHONPATH=self._without_tensorflow(),
    )
    self._assert_refused(result, r'no run to evaluate in runs/.*train\.py')

  def test_a_folder_that_is_no_run(self):
    result = self._run('evaluate.py', '--model_dir=/nonexistent')
    self._assert_refused(result, '--model_dir=/nonexistent.*config.json')

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

  def test_a_folder_that_cannot_be_written(self):
    file = os.path.join(self._folder, 'file')
    with open(file, 'w'):
      pass
    result = self._run('train.py', *_SMALL_MODEL, f'--model_dir={file}/run')
    self._assert_refused(result, 'file/run cannot be used: Not a dir')

  def test_another_run_in_the_folder(self):
    result = self._run(
      'train.py', *_SMALL_MODEL, '--seed=2', f'--model_dir={self._model_dir}'
    )
    self._assert_refused(result, 'another run .--seed=0 there, 2 asked for')

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

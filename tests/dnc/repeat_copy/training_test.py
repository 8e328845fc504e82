"""Tests of training on repeat-copy, as a user runs it."""

import contextlib
import dataclasses
import io
import json
import os
import re
import shlex
import signal
import tempfile
from unittest import mock

from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from dnc import config as config_lib
from dnc import unroll
from dnc.config import runs
from dnc.repeat_copy import training
from dnc.system import errors
from dnc.system import files
import evaluate
from tests.support import commands
from tests.support import training_runs
import train

_CONFIG = config_lib.RepeatCopyConfig(
  num_bits=3,
  max_length=1,
  memory_size=4,
  word_size=5,
  num_read_heads=1,
  hidden_size=32,
  num_training_iterations=250,
  learning_rate=0.01,
  report_interval=50,
  checkpoint_interval=100,
)
# A folder whose name means something to shells, TensorFlow and our flags.
_WHOLE = "lr=[1e-2], *'"


class TrainingTest(tf.test.TestCase, parameterized.TestCase):
  """Tests share runs, because making the graphs takes seconds."""

  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    # Compiling takes seconds per graph and computes the same.
    cls.enterClassContext(
      mock.patch.object(unroll, 'can_compile', return_value=False)
    )
    cls._folder = cls.enterClassContext(tempfile.TemporaryDirectory())
    flags = [f'--{k}={v}' for k, v in dataclasses.asdict(_CONFIG).items()]
    cls._trained = cls._run(
      train, '--task=repeat_copy', f'--model_dir={_WHOLE}', *flags
    )

  @classmethod
  def _run(cls, command, *flags):
    """Runs a command in the folder of the runs; returns its output."""
    with (
      contextlib.chdir(cls._folder),
      contextlib.redirect_stdout(io.StringIO()) as output,
    ):
      commands.run(command, *flags)
    return output.getvalue()

  def _whole(self, name):
    with open(os.path.join(self._folder, _WHOLE, name)) as file:
      return json.load(file)

  @staticmethod
  def _reports(output):
    """Update, loss and percentage of bits right, from each report."""
    line = (
      r'update (\d+)  \d+%  loss ([\d.]+)  ([\d.]+)% of bits right, '
      r'.*% of sequences  .* steps/s  .* left'
    )
    return np.array(re.findall(line, output), np.float64)

  def _train(self, name, config=_CONFIG, interrupt_at=None):
    """Trains; after `interrupt_at` lines, sends the signal of Ctrl-C."""
    lines = []

    def log(line):
      lines.append(line)
      if len(lines) == interrupt_at:
        os.kill(os.getpid(), signal.SIGINT)

    model_dir = os.path.join(self._folder, name)
    return training.train(config, model_dir, log=log), lines

  def test_learns(self):
    first = self._trained.splitlines()[0]
    watch = ['tensorboard', f'--logdir={_WHOLE}']
    self.assertEqual(shlex.split(first.partition('to watch: ')[2]), watch)
    reports = self._reports(self._trained)
    self.assertAllEqual(reports[:, 0], [50, 100, 150, 200, 250])
    self.assertLess(reports[-1, 1], reports[0, 1] / 2)
    # Guessing gets half of the bits right.
    result = self._whole(runs.RESULT_FILE)
    self.assertGreater(result['bit_accuracy'], 0.8)
    self.assertAllClose(reports[-1, 2], 100 * result['bit_accuracy'], atol=0.01)

  def test_resumed_is_as_never_stopped(self):
    model_dir = os.path.join(self._folder, 'resumed')
    # Ctrl-C with the second report.
    result, lines = self._train('resumed', interrupt_at=3)
    self.assertIsNone(result)
    self.assertIn('stopped after 100 updates; the same command', lines[-1])
    result, lines = self._train('resumed')
    self.assertIn('after 100 updates', lines[0])
    self.assertEqual(result, self._whole(runs.RESULT_FILE))
    training_runs.assert_same(
      self, os.path.join(self._folder, _WHOLE), model_dir
    )

  def test_a_finished_run_stays_as_it_is(self):
    result, lines = self._train(_WHOLE)
    self.assertRegex(
      lines[0], re.escape(_WHOLE) + ' is already trained: 250 updates; on'
    )
    self.assertLen(lines, 1)
    self.assertEqual(result, self._whole(runs.RESULT_FILE))

  def test_a_loss_that_is_not_finite_can_be_seen_again(self):
    wild = dataclasses.replace(
      _CONFIG, learning_rate=1e30, max_grad_norm=1e30, clip_value=0.0
    )
    with self.assertRaisesRegex(errors.UsageError, 'diverged: update 2 has'):
      self._train('wild', wild)
    model_dir = os.path.join(self._folder, 'wild')
    self.assertFalse(training.replay(model_dir)['finite'])

  def test_another_run_in_the_folder_is_refused(self):
    other = dataclasses.replace(_CONFIG, num_bits=4)
    with self.assertRaisesRegex(errors.UsageError, 'num_bits=3 there, 4 asked'):
      self._train(_WHOLE, other)
    model_dir = os.path.join(self._folder, 'sprites')
    os.makedirs(model_dir)
    runs.save(config_lib.TrainingConfig(), model_dir)
    with self.assertRaisesRegex(errors.UsageError, '--task=dsprites'):
      self._train('sprites')

  def test_evaluate_lesions_it(self):
    flags = (f'--model_dir={_WHOLE}', '--preset=quick')
    output = self._run(evaluate, *flags)
    self.assertIn('has only --test=lesion', output)
    found = self._whole(os.path.join('evaluation', 'lesion.json'))
    self.assertEqual(found['num_sequences'], 100)
    self.assertIn(found['verdict'].split('. ')[0], output)
    folder = os.path.join(self._folder, _WHOLE, 'evaluation')
    with open(os.path.join(folder, 'report.md'), encoding='utf-8') as file:
      text = file.read()
    self.assertIn(found['verdict'], text)
    self.assertIn('The network is given a pattern', text)
    self.assertNotIn('sprite', text)
    self.assertCountEqual(
      re.findall(r'figures/(.+)\)', text),
      [
        f'lesion_{x}.svg'
        for x in ('course', 'loss', 'bit_accuracy', 'sequence_accuracy')
      ],
    )
    self.assertTrue(os.path.exists(os.path.join(folder, 'report.html')))
    # Not the sequences that training reports on, but equally hard ones.
    self.assertAllClose(
      np.mean(found['scores']['intact']['bit_accuracy']),
      self._whole(runs.RESULT_FILE)['bit_accuracy'],
      atol=0.1,
    )

  def test_evaluate_refuses_what_does_not_fit_before_it_writes(self):
    model_dir = os.path.join(self._folder, _WHOLE)
    for flag, pattern in (
      (
        '--test=mi',
        f'--test=mi: .*{re.escape(_WHOLE)} is a run of --task=repeat_copy',
      ),
      ('--reset_interval=7', '--reset_interval=7: must be in 1 to 5'),
      ('--lesion_step=6', '--lesion_step=6: must be in 0 to 5'),
      ('--lesion_step=5', '--lesion_step=5: only 0 sequences .* bit_accuracy'),
    ):
      with (
        mock.patch.object(files, 'only_writer') as writer,
        self.assertRaisesRegex(errors.UsageError, pattern),
      ):
        commands.run(evaluate, f'--model_dir={model_dir}', flag)
      writer.assert_not_called()


if __name__ == '__main__':
  tf.test.main()

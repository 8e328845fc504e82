"""Tests for analysis.results.running, with scripts in place of ours."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from unittest import mock

from absl.testing import absltest
from absl.testing import parameterized

from analysis.results import keeping
from analysis.results import kinds
from analysis.results import running
from dnc.config import runs
from dnc.system import errors
from dnc.system import files
from tests.analysis.results import examples

# Puts a planted folder where the flags would put theirs.
_FAKE = """\
import json, shutil, sys
words = ' '.join(sys.argv)
with open('calls.txt', 'a') as file:
  file.write(words + '\\n')
with open('folders.json') as file:
  shutil.copytree(*json.load(file)[words], dirs_exist_ok=True)
"""
_WAITS_FOR_CTRL_C = """\
import signal, sys, time
def stop(number, frame):
  open('saved', 'w').close()
  sys.exit(130)
signal.signal(signal.SIGINT, stop)
signal.signal(signal.SIGTERM, stop)
open('started', 'w').close()
time.sleep(60)
"""
_KEPT = 'kept'
_LSTM, _SHORT = kinds.KINDS['lstm'], kinds.KINDS['truncation_5']


class RunningTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.enterContext(
      contextlib.chdir(self.enterContext(tempfile.TemporaryDirectory()))
    )
    files.write_text('train.py', _FAKE)
    files.write_text('evaluate.py', _FAKE)

  def _plant(self, kind, seed):
    """Plants a run; returns the two commands that make it."""
    model_dir = kind.model_dir(seed)
    planted = os.path.join('planted', model_dir)
    examples.write_training(planted)
    of_evaluation = os.path.join('planted', 'evaluation', model_dir)
    examples.write_evaluation(of_evaluation, kind, seed)
    train = ' '.join(['train.py', *kind.flags(), f'--seed={seed}'])
    preset = '' if kind.is_full else '--preset=quick '
    evaluate = f'evaluate.py {preset}--model_dir={model_dir}'
    folders = {}
    with contextlib.suppress(FileNotFoundError), open('folders.json') as file:
      folders = json.load(file)
    folders[train] = planted, model_dir
    folders[evaluate] = (
      of_evaluation,
      os.path.join(model_dir, runs.EVALUATION_DIR),
    )
    files.write_json('folders.json', folders)
    return [train, evaluate]

  def _calls(self):
    with open('calls.txt') as file:
      return file.read().splitlines()

  def test_only_what_is_missing_is_run(self):
    first, short, second = (
      self._plant(*each) for each in ((_LSTM, 0), (_SHORT, 0), (_LSTM, 1))
    )
    names = ('lstm', 'truncation_5')
    self.assertEqual(
      list(running.plan(names, 2, _KEPT)),
      [
        'lstm: 0 of 2 evaluated, 0 trained here',
        'truncation_5: 0 of 1 evaluated, 0 trained here',
        'to run: 3 trainings, 3 evaluations',
      ],
    )
    running.run_missing(names, 2, _KEPT)
    # The first seed of all kinds comes first.
    self.assertEqual(self._calls(), [*first, *short, *second])
    self.assertEqual(
      running.read(_LSTM, 1, _KEPT).numbers['prediction', 'loss'], 101.0
    )

    running.run_missing(names, 2, _KEPT)
    self.assertLen(self._calls(), 6)
    path = os.path.join(_LSTM.model_dir(0), runs.EVALUATION_DIR, 'report.json')
    os.remove(path)
    os.remove(keeping.path(_KEPT, _LSTM, 0))
    self.assertEqual(
      list(running.plan(names, 2, _KEPT)),
      [
        'lstm: 1 of 2 evaluated, 2 trained here; a training takes 0:00:30',
        'truncation_5: 1 of 1 evaluated, 1 trained here; a training takes '
        '0:00:30',
        'to run: 0 trainings, 1 evaluations',
      ],
    )
    running.run_missing(names, 2, _KEPT)
    self.assertEqual(self._calls()[6:], first[1:])

  def test_numbers_outlive_their_runs(self):
    self._plant(_LSTM, 0)
    running.run_missing(['lstm'], 1, _KEPT)
    found = running.read(_LSTM, 0, _KEPT)
    shutil.rmtree(runs.RUNS_DIR)
    self.assertEqual(
      list(running.plan(['lstm'], 1, _KEPT)),
      [
        'lstm: 1 of 1 evaluated, 0 trained here',
        'to run: 0 trainings, 0 evaluations',
      ],
    )
    running.run_missing(['lstm'], 1, _KEPT)
    self.assertLen(self._calls(), 2)
    self.assertEqual(running.read(_LSTM, 0, _KEPT).numbers, found.numbers)
    self.assertIsNone(running.read(_LSTM, 0, 'another'))

  def test_kinds_share_runs(self):
    names = ('model_b', 'truncation_15')
    *_, line = running.plan(names, 1, _KEPT)
    self.assertEqual(line, 'to run: 1 trainings, 1 evaluations')
    self._plant(kinds.KINDS['model_b'], 0)
    running.run_missing(names, 1, _KEPT)
    self.assertLen(self._calls(), 2)

  def test_a_model_of_the_posts_size_has_the_defaults(self):
    self._plant(kinds.KINDS['full_model_a'], 0)
    running.run_missing(['full_model_a'], 1, _KEPT)
    train, evaluate = self._calls()
    self.assertEqual(
      train, 'train.py --memory_size=256 --word_size=64 --seed=0'
    )
    self.assertNotIn('--preset', evaluate)
    self.assertTrue(running.is_evaluated(kinds.KINDS['full_model_a'], 0))
    self.assertFalse(running.is_evaluated(kinds.KINDS['model_a'], 0))

  def test_a_script_fails(self):
    files.write_text('train.py', 'raise SystemExit(3)')
    with self.assertRaisesRegex(
      errors.UsageError, 'train.py --preset=quick --seed=0 ended with status 3'
    ):
      running.run_missing(['model_b'], 1, _KEPT)

  def test_an_evaluation_without_numbers(self):
    self._plant(_LSTM, 0)
    files.write_text('evaluate.py', '')
    with self.assertRaisesRegex(errors.UsageError, 'runs/lstm.* lacks numbers'):
      running.run_missing(['lstm'], 1, _KEPT)

  @parameterized.parameters(
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGTERM, signal.default_int_handler),
    (signal.SIGTERM, signal.SIG_IGN),
  )
  def test_a_signal_ends_the_script_in_its_own_way(self, number, on_ctrl_c):
    files.write_text('train.py', _WAITS_FOR_CTRL_C)
    before = signal.signal(signal.SIGINT, on_ctrl_c)
    self.addCleanup(signal.signal, signal.SIGINT, before)
    handlers = [signal.getsignal(x) for x in (signal.SIGINT, signal.SIGTERM)]

    def interrupt():
      while not os.path.exists('started'):
        time.sleep(0.01)
      os.kill(os.getpid(), number)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with self.assertRaises(KeyboardInterrupt):
      running.run_missing(['model_b'], 1, _KEPT)
    thread.join()
    self.assertTrue(os.path.exists('saved'))
    self.assertEqual(
      [signal.getsignal(x) for x in (signal.SIGINT, signal.SIGTERM)], handlers
    )

  @parameterized.parameters(
    (signal.SIGINT, signal.default_int_handler, signal.SIGINT),
    (signal.SIGTERM, signal.default_int_handler, signal.SIGINT),
    (signal.SIGTERM, signal.SIG_IGN, signal.SIGTERM),
  )
  def test_a_signal_while_a_script_is_started(self, number, on_ctrl_c, passed):
    # The script ends by itself only if it misses the signal.
    files.write_text('train.py', 'import time; time.sleep(60)')
    before = signal.signal(signal.SIGINT, on_ctrl_c)
    self.addCleanup(signal.signal, signal.SIGINT, before)
    handlers = [signal.getsignal(x) for x in (signal.SIGINT, signal.SIGTERM)]
    sent = []

    class Started(subprocess.Popen):
      def __init__(self, *args, **options):
        super().__init__(*args, **options)
        signal.raise_signal(number)
        signal.raise_signal(number)

      def send_signal(self, sig):
        sent.append(sig)
        super().send_signal(sig)

    with mock.patch.object(subprocess, 'Popen', Started):
      with self.assertRaises(KeyboardInterrupt):
        running.run_missing(['model_b'], 1, _KEPT)
    self.assertEqual(sent, [passed])
    self.assertEqual(
      [signal.getsignal(x) for x in (signal.SIGINT, signal.SIGTERM)], handlers
    )

  def test_a_script_that_was_interrupted_itself(self):
    files.write_text('train.py', 'raise SystemExit(130)')
    with self.assertRaises(KeyboardInterrupt):
      running.run_missing(['model_b'], 1, _KEPT)


if __name__ == '__main__':
  absltest.main()

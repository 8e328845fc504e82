"""Tests that several workers or devices train like one, and lose no work."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading

from absl.testing import parameterized
import tensorflow as tf

from dnc.next_sprite import training
from tests.support import commands
from tests.support import distribution_worker
from tests.support import testing_data
from tests.support import training_runs

_WORKER = ('-m', 'tests.support.distribution_worker')
# Seconds after which a process is killed; far more than any process takes.
_TIMEOUT = 300


def _addresses():
  """Two free addresses on this machine."""
  with socket.socket() as one, socket.socket() as other:
    for found in (one, other):
      found.bind(('127.0.0.1', 0))
    return [f'127.0.0.1:{found.getsockname()[1]}' for found in (one, other)]


def _tf_config(addresses, index):
  return json.dumps(
    dict(cluster=dict(worker=addresses), task=dict(type='worker', index=index))
  )


class DistributionTest(tf.test.TestCase, parameterized.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls._folder = cls.enterClassContext(tempfile.TemporaryDirectory())
    cls._data_dir = testing_data.data_dir()
    workers = cls._start_workers(*_WORKER, cls._folder, cls._data_dir)
    cls._train('alone')
    cls._chief, cls._follower = (cls._finish(x) for x in workers)

  @classmethod
  def _train(cls, name, config=distribution_worker.LSTM):
    """Trains in this process alone; returns the lines of its log."""
    lines = []
    training.train(config, cls._dir(name), cls._data_dir, lines.append)
    return lines

  @classmethod
  def _dir(cls, name):
    return os.path.join(cls._folder, name)

  @classmethod
  def _start(cls, *arguments, **environment):
    process = subprocess.Popen(
      [sys.executable, *arguments],
      cwd=testing_data.ROOT,
      env={**os.environ, 'PYTHONPATH': testing_data.ROOT, **environment},
      stdout=subprocess.PIPE,
      stderr=subprocess.PIPE,
      text=True,
    )
    timer = threading.Timer(_TIMEOUT, process.kill)
    timer.start()
    cls.addClassCleanup(timer.cancel)
    cls.addClassCleanup(process.communicate)
    cls.addClassCleanup(process.kill)
    return process

  @classmethod
  def _start_workers(cls, *arguments, by_number=True):
    addresses = _addresses()
    return [
      cls._start(
        *arguments,
        *([str(index)] if by_number else []),
        TF_CONFIG=_tf_config(addresses, index),
      )
      for index in range(2)
    ]

  @staticmethod
  def _finish(process):
    """Returns its status, its trainings (folder, result, log), and stderr."""
    stdout, stderr = process.communicate()
    found = [json.loads(line) for line in stdout.splitlines()]
    return process.returncode, found, stderr

  def _outcomes(self, name):
    """Results and logs in a folder: of the chief, and of the follower."""
    return [
      [(result, log) for folder, result, log in found if folder == name]
      for _, found, _ in (self._chief, self._follower)
    ]

  def test_stopped_and_resumed_by_two_is_as_never_stopped_by_one(self):
    chief, follower = self._outcomes('stopped')
    # All stop after the same update, whichever worker gets the signal.
    self.assertIsNone(chief[0][0], msg=self._chief)
    self.assertIsNone(follower[0][0], msg=self._follower)
    self.assertRegex(chief[0][1][-1], 'stopped after 5 .* command resumes it')
    self.assertRegex(
      follower[0][1][-1], 'stopped.* command on all .* resumes it'
    )
    with open(self._dir('stopped/training.json')) as file:
      self.assertEqual(chief[2][0], json.load(file))
    self.assertEqual(follower[1][0], {})
    training_runs.assert_close(self, self._dir('alone'), self._dir('stopped'))

  def test_only_the_chief_writes(self):
    self.assertFalse(os.path.exists(self._dir('elsewhere')))

  def test_workers_that_see_different_folders_are_told(self):
    outcomes = self._outcomes('stopped')[0], self._outcomes('elsewhere')[1]
    for error, number in ((outcomes[0][1][0], 5), (outcomes[1][0][0], 0)):
      self.assertRegex(
        error,
        f'--model_dir=.*: this worker finds {number} updates, .*same folder',
      )

  def test_workers_with_different_flags_are_told(self):
    for ((error, _),) in self._outcomes('flags'):
      self.assertIn('the workers were given different flags', error)
    self.assertFalse(os.path.exists(self._dir('flags')))

  def test_a_batch_that_cannot_be_divided_is_told(self):
    for ((error, _),) in self._outcomes('odd'):
      self.assertRegex(error, '--batch_size=3: must be a multiple of 2')
    self.assertFalse(os.path.exists(self._dir('odd')))

  def test_a_lost_worker_ends_the_run_and_no_work_is_lost(self):
    self.assertEqual(self._follower[0], -signal.SIGKILL)
    ((error, log),), _ = self._outcomes('lost')
    self.assertRegex(error, r'a worker is lost \(.*1 does not answer.*checkpo')
    self.assertEqual(log[-1], 'saved after 4 updates')
    # One process resumes the training of several.
    log = self._train('lost')
    self.assertRegex(log[0], 'resuming .* after 4 updates')
    training_runs.assert_close(self, self._dir('alone'), self._dir('lost'))

  def test_two_devices_train_as_one(self):
    process = self._start(*_WORKER, self._folder, self._data_dir, 'mirrored')
    with distribution_worker.without_extras():
      self._train('one_device', distribution_worker.DNC)
    status, _, stderr = self._finish(process)
    self.assertEqual(status, 0, msg=stderr)
    training_runs.assert_close(
      self, self._dir('one_device'), self._dir('mirrored')
    )

  def test_a_lost_chief_ends_the_command(self):
    chief, follower = self._start_workers(
      'train.py',
      '--strategy=multi_worker',
      '--core=lstm',
      '--hidden_size=8',
      '--batch_size=2',
      '--min_length=12',
      '--max_length=20',
      '--tbptt_length=8',
      '--report_interval=2',
      f'--model_dir={self._dir("command")}',
      f'--data_dir={self._data_dir}',
      by_number=False,
    )
    for line in chief.stdout:
      if line.startswith('update 2 '):
        break
    chief.kill()
    stdout, stderr = follower.communicate()
    self.assertRegex(stdout, 'waiting for 2 workers: 127.0.0.1:')
    self.assertEqual(follower.returncode, 1)
    lines = commands.errors_in(stderr).splitlines()
    self.assertLen(lines, 1, msg=stderr)
    self.assertRegex(
      lines[0], r'train.py: a worker is lost \(worker 0 does not'
    )

  def test_nobody_waits_for_ever(self):
    process = self._start(
      'train.py',
      '--strategy=multi_worker',
      f'--model_dir={self._dir("waiting")}',
      TF_CONFIG=_tf_config(_addresses(), 0),
    )
    self.assertIn('waiting for 2 workers', process.stdout.readline())
    process.send_signal(signal.SIGINT)
    self.assertEqual(process.wait(), -signal.SIGINT)


if __name__ == '__main__':
  tf.test.main()

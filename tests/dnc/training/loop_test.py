"""Tests of the training loop, with a model of one number.

Trainings of real models are in tests/dnc/next_sprite/training_test.py.
"""

import json
import math
import os
import signal
import tempfile

import tensorflow as tf

from dnc import config as config_lib
from dnc.config import runs
from dnc.system import errors
from dnc.system import files
from dnc.system import progress
from dnc.training import checkpoints as checkpoints_lib
from dnc.training import loop
from dnc.training import session
from dnc.training import tally as tally_lib
from dnc.training import trainer as trainer_lib

_CONFIG = config_lib.RepeatCopyConfig(
  num_training_iterations=10, report_interval=4, checkpoint_interval=3
)


class _NumberTrainer(trainer_lib.Trainer):
  """Halves a number at each update, until an update diverges."""

  def __init__(self, diverges_at=math.inf):
    super().__init__(_CONFIG)
    self.tally = tally_lib.Tally()
    self.number = tf.Variable(1024.0)
    self._diverges_at = diverges_at

  def update(self):
    if self.num_updates + 1 >= self._diverges_at:
      return dict(loss=math.nan, grad_norm=1.0, num_steps=2, finite=False)
    loss = self.number.read_value()
    self.number.assign(self.number / 2)
    self.tally.add(loss, loss, tf.constant(2))
    return dict(loss=loss, grad_norm=loss, num_steps=2, finite=True)


class _NumberSession(session.Session):
  SCORES = dict(loss='The number.', number='The number.')

  def updates(self, stop_requested):
    del stop_requested
    while not self.is_finished():
      yield self.trainer.update()

  def is_finished(self):
    return self.trainer.num_updates >= _CONFIG.num_training_iterations

  def _score(self):
    return dict(loss=float(self.trainer.number))

  def data_of(self, metrics):
    return dict(number=float(self.trainer.number))

  def _position_text(self):
    return f'{self.trainer.num_updates} of 10'

  def _seconds_left(self, steps_per_second, updates_per_second):
    return (10 - self.trainer.num_updates) / updates_per_second

  def quality_text(self, scores):
    return f'number {scores["loss"]:g}'


class LoopTest(tf.test.TestCase):
  def setUp(self):
    super().setUp()
    self._model_dir = self.enterContext(tempfile.TemporaryDirectory())
    self._lines = []

  def _train(self, log=None, **options):
    """Trains as a task's `train` does; returns the trainer and the result."""
    console = progress.as_console(log or self._lines.append)
    trainer = _NumberTrainer(**options)
    checkpoints = checkpoints_lib.Checkpoints(
      self._model_dir, _CONFIG, trainer, console
    )
    checkpoints.restore()
    under_way = _NumberSession(_CONFIG, self._model_dir, trainer, console)
    return trainer, loop.train(under_way, checkpoints)

  def _updates(self, kind):
    rows = runs.read_metrics(self._model_dir)
    return [row['update'] for row in rows if row['kind'] == kind]

  def test_trains_to_the_last_update(self):
    trainer, result = self._train()
    self.assertEqual(float(trainer.number), 1.0)
    self.assertEqual(result, dict(loss=1.0))
    with open(os.path.join(self._model_dir, runs.RESULT_FILE)) as file:
      self.assertEqual(json.load(file), result)
    self.assertEqual(self._updates('report'), [4, 8, 10])
    self.assertEqual(self._updates('validation'), [3, 6, 9, 10])
    self.assertStartsWith(self._lines[0], f'training in {self._model_dir}; ')
    self.assertEqual(
      self._lines[-1],
      f'trained {self._model_dir}: 10 updates; on unseen data loss 1, number 1',
    )

  def test_stopped_and_resumed(self):
    def interrupt(line):
      self._lines.append(line)
      if line.startswith('update 4 '):
        os.kill(os.getpid(), signal.SIGTERM)

    trainer, result = self._train(interrupt)
    self.assertIsNone(result)
    self.assertEqual(trainer.num_updates, 4)
    self.assertEqual(
      self._lines[-1], 'stopped after 4 updates; the same command resumes it'
    )
    self._lines.clear()
    trainer, result = self._train()
    self.assertEqual(
      self._lines[0], f'resuming {self._model_dir} after 4 updates'
    )
    self.assertEqual((float(trainer.number), result['loss']), (1.0, 1.0))
    self.assertEqual(self._updates('report'), [4, 8, 10])

  def test_a_finished_run_says_so_in_one_line(self):
    self._train()
    self._lines.clear()
    self.assertEqual(self._train()[1], dict(loss=1.0))
    self.assertEqual(
      self._lines,
      [
        f'{self._model_dir} is already trained: 10 updates; on unseen data '
        'loss 1, number 1'
      ],
    )

  def test_a_loss_that_is_not_finite_ends_it(self):
    with self.assertRaisesRegex(errors.UsageError, 'update 6 has loss nan'):
      self._train(diverges_at=6)
    folder, cause = loop.diverged(self._model_dir)
    self.assertEqual(
      cause, dict(num_updates=5, loss='nan', grad_norm='1.0', number=32.0)
    )
    # The state before the update.
    trainer = _NumberTrainer()
    checkpoints_lib.read(folder, _CONFIG, trainer)
    self.assertEqual(float(trainer.number), 32.0)

  def test_a_damaged_record_is_told(self):
    path = os.path.join(self._model_dir, loop.DIVERGED_DIR, loop.CAUSE_FILE)
    for text in ('{', '5', ''):
      files.write_text(path, text)
      with self.assertRaisesRegex(errors.UsageError, f'^{path} is damaged'):
        loop.diverged(self._model_dir)

  def test_nothing_diverged(self):
    with self.assertRaisesRegex(errors.UsageError, 'no run diverged there'):
      loop.diverged(self._model_dir)

  def test_a_second_signal_is_not_held_back(self):
    # A shell starts background jobs that ignore Ctrl-C.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    self.addCleanup(signal.signal, signal.SIGINT, before)
    with loop.stop_requests(self._lines.append) as requested:
      signal.raise_signal(signal.SIGINT)
      self.assertTrue(requested.is_set())
      with self.assertRaises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    self.assertEqual(self._lines, ['stopping after this update'])


if __name__ == '__main__':
  tf.test.main()

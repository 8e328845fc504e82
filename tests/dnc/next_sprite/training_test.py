"""Tests of whole trainings on real sprites, with models of a few units."""

import dataclasses
import glob
import itertools
import json
import os
import shutil
import signal
import tempfile
import threading
from unittest import mock

import numpy as np
import tensorflow as tf

from dnc import unroll
from dnc.config import runs
from dnc.next_sprite import model
from dnc.next_sprite import rollouts
from dnc.next_sprite import trainer as trainer_lib
from dnc.next_sprite import training
from dnc.system import errors
from dnc.training import loop
from dnc.training import session
from dnc.training import summaries
from tests.support import testing_data
from tests.support import training_runs

# Most tests do not depend on the core. Only DncTest uses a memory. What is
# exposed, and a twin of the task, must be stopped, resumed, restored and
# replayed as all else.
_CONFIG = dataclasses.replace(
  training_runs.LSTM, expose='controller_hidden', recall=2
)
_OF_EXPOSING = {'expose_loss'}
_WILD = dict(learning_rate=1e30, max_grad_norm=1e30, clip_value=0.0)


def _truncate(path):
  with open(path, 'r+b') as file:
    file.truncate(os.path.getsize(path) // 2)


def _flip_a_bit(path):
  with open(path, 'r+b') as file:
    file.seek(1000)
    byte = file.read(1)
    file.seek(1000)
    file.write(bytes([byte[0] ^ 1]))


def _squares(logits, targets):
  return tf.reduce_sum(tf.square(logits - targets), axis=2)


def _overflowing_loss():
  """An LSTM's outputs stay finite; their squares overflow."""
  return mock.patch.dict(model.LOSSES, {_CONFIG.loss: _squares})


class _Lines:
  """A log that sends a signal after some lines, by default Ctrl-C's."""

  def __init__(self, interrupt_at=None, signal_number=signal.SIGINT):
    self.lines = []
    self._interrupt_at = interrupt_at
    self._signal_number = signal_number

  def __call__(self, line):
    self.lines.append(line)
    if len(self.lines) == self._interrupt_at:
      os.kill(os.getpid(), self._signal_number)


class _WholeRun:
  """Makes one whole run for a class of tests, which do not change it."""

  _CONFIG = _CONFIG

  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    # Compiling takes seconds per graph and computes the same.
    cls.enterClassContext(
      mock.patch.object(unroll, 'can_compile', return_value=False)
    )
    cls._log = _Lines()
    cls._whole = os.path.join(
      cls.enterClassContext(tempfile.TemporaryDirectory()), 'whole'
    )
    cls._result = cls._train(cls._whole, log=cls._log)

  @classmethod
  def _train(cls, model_dir, config=None, log=None):
    return training.train(
      config or cls._CONFIG, model_dir, testing_data.data_dir(), log or _Lines()
    )

  def _dir(self, name):
    return os.path.join(self.get_temp_dir(), name)

  def _harmed(self, harm):
    """Copies the run and harms its newest checkpoint; returns both paths."""
    model_dir = self._dir(harm.__name__)
    shutil.copytree(self._whole, model_dir)
    newest = max(glob.glob(os.path.join(model_dir, runs.CHECKPOINT_DIR, '0*')))
    harm(glob.glob(os.path.join(newest, '*.data*'))[0])
    return model_dir, newest


class DncTest(_WholeRun, tf.test.TestCase):
  # Two checkpoints: with each, drawing a memory takes a second.
  _CONFIG = dataclasses.replace(
    training_runs.CONFIG,
    num_epochs=1,
    report_interval=3,
    checkpoint_interval=5,
    show_every=2,
  )

  def test_shows_itself_in_tensorboard(self):
    tags = set()
    folder = os.path.join(self._whole, summaries.SUMMARY_DIR)
    for name in os.listdir(folder):
      for event in tf.compat.v1.train.summary_iterator(
        os.path.join(folder, name)
      ):
        tags.update(value.tag for value in event.summary.value)
    self.assertContainsSubset(
      {f'training/{name}' for name in summaries.TRAINING.keys() - _OF_EXPOSING}
      | {f'validation/{name}' for name in self._result}
      | {'validation/true_beside_predicted', 'memory/words', 'memory/links'},
      tags,
    )

  def test_what_is_done_again_comes_out_the_same(self):
    model_dir, newest = self._harmed(_flip_a_bit)
    folder = os.path.dirname(newest)
    before = sorted(glob.glob(os.path.join(folder, '0*')))[-2]
    log = _Lines()
    self.assertEqual(self._train(model_dir, log=log), self._result)
    self.assertIn(f'after {int(os.path.basename(before))} u', log.lines[1])
    training_runs.assert_same(self, self._whole, model_dir)


class TrainTest(_WholeRun, tf.test.TestCase):
  def test_leaves_what_it_says(self):
    model_dir, log, result = self._whole, self._log, self._result
    self.assertEqual(runs.load(model_dir), _CONFIG)
    with open(os.path.join(model_dir, runs.RESULT_FILE)) as file:
      self.assertEqual(json.load(file), result)
    self.assertBetween(result['iou'], 0, 1)
    self.assertTrue(any('steps/s' in line for line in log.lines))
    rows = runs.read_metrics(model_dir)
    reports = [row for row in rows if row['kind'] == 'report']
    validations = [row for row in rows if row['kind'] == 'validation']
    number = rows[-1]['update']
    self.assertEqual(
      [row['update'] for row in reports], [*range(7, number, 7), number]
    )
    self.assertEqual(
      [row['update'] for row in validations], [*range(4, number, 4), number]
    )
    self.assertEqual(validations[-1]['validation'], result)
    self.assertEqual(rows[-1]['num_steps'], self._num_steps())

  @staticmethod
  def _num_steps():
    spec = rollouts.training_spec(_CONFIG, 'train')
    number = _CONFIG.num_epochs * _CONFIG.rollouts_per_epoch
    # The first steps ask for no image.
    return sum(
      rollouts.length(spec, index) - _CONFIG.recall for index in range(number)
    )

  def test_reported_loss_is_the_mean_over_steps(self):
    # The same updates by hand.
    trainer = trainer_lib.SpriteTrainer(_CONFIG, testing_data.rendered_table())
    losses, steps, exposed = [], [], []
    for metrics in itertools.islice(
      training.updates(
        _CONFIG, testing_data.rendered_table(), trainer, threading.Event()
      ),
      7,
    ):
      losses.append(float(metrics['loss']))
      steps.append(float(metrics['num_steps']))
      exposed.append(float(metrics['expose_loss']))
    first = runs.read_metrics(self._whole)[1]
    self.assertEqual((first['kind'], first['update']), ('report', 7))
    self.assertAllClose(
      first['training']['loss'], np.average(losses, weights=steps), rtol=1e-6
    )
    self.assertAllClose(
      first['training']['expose_loss'], np.mean(exposed), rtol=1e-6
    )
    line = next(x for x in self._log.lines if x.startswith('update 7 '))
    self.assertRegex(line, r'  loss [\d.]+  expose loss [\d.]+  ')

  def test_the_layer_that_reads_is_no_part_of_the_model(self):
    trained = training.restore(self._whole).model
    plain = model.SpritePredictor(training_runs.LSTM)
    shapes = [
      [(v.name, v.shape) for v in x.variables] for x in (trained, plain)
    ]
    self.assertEqual(*shapes)
    # And it is trained.
    self.assertNotAllEqual(trained.variables[-1], plain.variables[-1])

  def test_keeps_the_last_three_and_the_best(self):
    rows = runs.read_metrics(self._whole)
    losses = {
      row['update']: row['validation']['loss']
      for row in rows
      if row['kind'] == 'validation'
    }
    best = min(losses, key=losses.get)
    folder = os.path.join(self._whole, runs.CHECKPOINT_DIR)
    self.assertCountEqual(
      os.listdir(folder),
      [*(f'{n:08}' for n in sorted(losses)[-3:]), f'best_{best:08}'],
    )
    number = training.restore(self._whole, 'best').num_updates
    self.assertEqual(number, best)

  def test_stopped_and_resumed_is_as_never_stopped(self):
    parts = self._dir('stopped')
    updates_then = 0
    for number in (signal.SIGINT, signal.SIGTERM):
      log = _Lines(interrupt_at=2, signal_number=number)
      self.assertIsNone(self._train(parts, log=log))
      self.assertIn('the same command resumes it', log.lines[-1])
      updates_before = updates_then
      updates_then = training.restore(parts).num_updates
      self.assertGreater(updates_then, updates_before)
    self.assertLess(updates_then, training.restore(self._whole).num_updates)
    log = _Lines()
    self.assertEqual(self._train(parts, log=log), self._result)
    self.assertIn(f'after {updates_then} updates', log.lines[0])
    training_runs.assert_same(self, self._whole, parts)

  def test_ctrl_c_after_the_last_update_stops_nothing(self):
    folder = self._dir('late')

    def interrupt(self):
      os.kill(os.getpid(), signal.SIGINT)
      return validate(self)

    validate = session.Session.validate
    last = dataclasses.replace(_CONFIG, checkpoint_interval=1000)
    log = _Lines()
    with mock.patch.object(session.Session, 'validate', interrupt):
      self.assertIsNotNone(self._train(folder, last, log))
    self.assertIn('stopping after this update', log.lines)
    self.assertStartsWith(log.lines[-1], 'trained ')
    self.assertTrue(os.path.exists(os.path.join(folder, runs.RESULT_FILE)))

  def test_a_damaged_checkpoint_is_passed_over(self):
    # DncTest resumes training from the checkpoint before.
    for harm in (_truncate, os.remove, _flip_a_bit):
      model_dir, newest = self._harmed(harm)
      log = _Lines()
      training.restore(model_dir, log=log)
      self.assertRegex(log.lines[0], f'{newest} is damaged .*skipped')

  def test_no_sound_checkpoint_is_told(self):
    model_dir = self._dir('all_harmed')
    shutil.copytree(self._whole, model_dir)
    pattern = os.path.join(model_dir, runs.CHECKPOINT_DIR, '*', '*.index')
    for path in glob.glob(pattern):
      _truncate(path)
    for action in (training.restore, self._train):
      with self.assertRaisesRegex(
        errors.UsageError, 'checkpoints: every checkpoint is damaged'
      ):
        action(model_dir)

  def test_a_checkpoint_of_another_run_is_told(self):
    model_dir = self._dir('other')
    shutil.copytree(self._whole, model_dir)
    # The shapes of the weights are the same.
    runs.save(dataclasses.replace(_CONFIG, seed=1), model_dir)
    with self.assertRaisesRegex(errors.UsageError, 'not fit .* config.json'):
      training.restore(model_dir)

  def test_a_finished_run_stays_as_it_is(self):
    folder = os.path.join(self._whole, runs.CHECKPOINT_DIR)

    def written():
      return {e.name: e.stat().st_mtime_ns for e in os.scandir(folder)}

    before = written(), runs.read_metrics(self._whole)
    log = _Lines()
    self.assertEqual(self._train(self._whole, log=log), self._result)
    self.assertLen(log.lines, 1)
    self.assertIn('is already trained', log.lines[0])
    self.assertEqual((written(), runs.read_metrics(self._whole)), before)

  def test_another_run_in_the_folder_is_refused(self):
    other = dataclasses.replace(_CONFIG, hidden_size=9, seed=1)
    with self.assertRaisesRegex(
      errors.UsageError, 'hidden_size=8 there, 9 asked.*seed=0 there, 1 asked'
    ):
      self._train(self._whole, other)
    self.assertEqual(runs.load(self._whole), _CONFIG)

  def test_a_loss_that_is_not_finite_ends_it_and_can_be_seen_again(self):
    self.enterContext(_overflowing_loss())
    wild = dataclasses.replace(_CONFIG, **_WILD, checkpoint_interval=1)
    model_dir = self._dir('wild')
    with self.assertRaisesRegex(
      errors.UsageError, r'diverged: update 2 has loss nan.*wild/diverged'
    ):
      self._train(model_dir, wild)
    cause = loop.diverged(model_dir)[1]
    again = training.replay(model_dir, testing_data.data_dir())
    self.assertFalse(again['finite'])
    self.assertEqual(cause['num_updates'], 1)
    self.assertEqual(cause['loss'], str(float(again['loss'])))
    # The batch of that update, and the weights before it.
    self.assertAllEqual(again['batch'].index, cause['rollouts'])
    self.assertEqual(cause['first_step'], 8)
    self.assertEqual(int(again['trainer'].tally.num_updates), 1)
    # The same command diverges again.
    with self.assertRaisesRegex(errors.UsageError, 'diverged: update 2 '):
      self._train(model_dir, wild)
    with self.assertRaisesRegex(errors.UsageError, 'no run diverged there'):
      training.replay(self._whole)

  def test_a_validation_that_is_not_finite_is_not_the_end_of_the_line(self):
    self.enterContext(_overflowing_loss())
    # The weights after the last update are validated but never trained on.
    once = dataclasses.replace(
      _CONFIG, **_WILD, num_epochs=1, rollouts_per_epoch=2, tbptt_length=0
    )
    model_dir = self._dir('once')
    self.assertIsNotNone(self._train(model_dir, once))
    with open(os.path.join(model_dir, runs.RESULT_FILE)) as file:
      self.assertIsNone(json.load(file)['loss'])

  def test_sizes_that_cannot_fit_are_told_at_once(self):
    large = dataclasses.replace(training_runs.CONFIG, memory_size=10**6)
    model_dir = self._dir('large')
    with self.assertRaisesRegex(
      errors.UsageError, r'--memory_size=1000000 .* at least .* GB .* available'
    ):
      self._train(model_dir, large)
    self.assertFalse(os.path.exists(model_dir))

  def test_no_checkpoint_is_told(self):
    model_dir = self._dir('empty')
    runs.save(_CONFIG, model_dir)
    with self.assertRaisesRegex(errors.UsageError, 'no checkpoint'):
      training.restore(model_dir)

  def test_what_is_no_run_is_told(self):
    with self.assertRaisesRegex(errors.UsageError, 'no config.json'):
      training.restore(self._dir('nowhere'))


if __name__ == '__main__':
  tf.test.main()

"""Tests of training on real sprites, with models of a few units."""

import dataclasses
import functools
import glob
import json
import os
import shutil
import signal
import tempfile

import numpy as np
import tensorflow as tf

from dnc import config as config_lib
from dnc import errors
from dnc import predictor as predictor_lib
from dnc import rollouts
from dnc import training
from dnc import training_loop
from tests import testing_data

_CONFIG = config_lib.TrainingConfig(
  memory_size=4,
  word_size=3,
  num_read_heads=2,
  hidden_size=8,
  num_epochs=2,
  rollouts_per_epoch=5,
  min_length=12,
  max_length=20,
  batch_size=2,
  tbptt_length=8,
  report_interval=7,
  checkpoint_interval=4,
)


def _weights(model_dir):
  _, predictor, _ = training.restore_predictor(model_dir)
  return [v.numpy() for v in predictor.trainable_variables]


class _Lines:
  """Takes the log; after some lines it does what Ctrl-C does."""

  def __init__(self, interrupt_at=None):
    self.lines = []
    self._interrupt_at = interrupt_at

  def __call__(self, line):
    self.lines.append(line)
    if len(self.lines) == self._interrupt_at:
      os.kill(os.getpid(), signal.SIGINT)


class TrainerTest(tf.test.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls._table = testing_data.rendered_table()

  @classmethod
  @functools.cache
  def _cached_trainer(cls, config):
    """A trainer, and the values of its variables before any update."""
    trainer = training.Trainer(config, cls._table)
    return trainer, [v.numpy() for v in trainer.variables]

  def _trainer(self, **changes):
    """A trainer as it is before any update; making its graph takes seconds."""
    trainer, initial = self._cached_trainer(
      dataclasses.replace(_CONFIG, **changes)
    )
    for variable, value in zip(trainer.variables, initial, strict=True):
      variable.assign(value)
    return trainer

  def _batch(self, indices, config=_CONFIG):
    spec = training.rollout_spec(config, 'train')
    return rollouts.make_batch(self._table, spec, indices)

  def test_starts_by_predicting_the_mean_image(self):
    batch = self._batch([0, 1])
    loss = self._trainer().update(batch)['loss']
    mean = self._table.mean_image().clip(1e-3, 1 - 1e-3).astype(np.float64)
    true = np.unpackbits(batch.target[:8], axis=-1)
    cost = -np.log(np.where(true, mean, 1 - mean)).sum(axis=(2, 3)).mean()
    # Random weights change a little of what the mean image alone would cost.
    self.assertAllClose(loss, cost, rtol=0.1)

  def test_padding_counts_for_nothing(self):
    # The same two rollouts; the second batch has room for longer ones.
    plain = self._batch([0, 1])
    time = [(0, 8)]
    padded = plain._replace(
      **{
        name: np.pad(
          value, time + [(0, 0)] * (value.ndim - 1), constant_values=7
        )
        for name, value in plain._asdict().items()
        if name not in ('length', 'index')
      }
    )
    results = []
    for batch in (plain, padded):
      trainer = self._trainer()
      metrics = []
      while not trainer.num_batches.numpy():
        metrics.append(trainer.update(batch))
      weights = [v.numpy() for v in trainer.predictor.variables]
      results.append((metrics, weights))
    self.assertAllClose(*results, rtol=0, atol=0)

  def test_filler_rollouts_count_for_nothing(self):
    filled = self._trainer().update(self._batch([0, -1]))
    alone = self._trainer(batch_size=1).update(self._batch([0]))
    self.assertAllClose(filled['loss'], alone['loss'])
    self.assertAllClose(filled['grad_norm'], alone['grad_norm'])
    self.assertAllEqual(filled['num_steps'], 8)

  def test_state_is_carried_over_between_segments(self):
    batch = self._batch([0, 1])
    end = int(batch.length.max())
    trainer = self._trainer(learning_rate=1e-30, final_learning_rate=1e-30)
    losses, steps = [], []
    while not trainer.num_batches.numpy():
      metrics = trainer.update(batch)
      losses.append(metrics['loss'] * metrics['num_steps'])
      steps.append(int(metrics['num_steps']))
    self.assertLen(steps, -(-end // 8))
    self.assertEqual(sum(steps), batch.length.sum())
    predictor = trainer.predictor
    logits, _, _ = predictor(
      rollouts.model_inputs(batch), predictor.initial_state(2)
    )
    expected = predictor_lib.score(
      logits, rollouts.model_targets(batch), rollouts.mask(batch.length, end)
    )
    self.assertAllClose(sum(losses), expected.loss, rtol=1e-5)
    # And it starts from zeros again with the next batch.
    self.assertAllClose(trainer.update(batch)['loss'] * 16, losses[0])

  def test_a_gradient_that_is_not_finite_changes_nothing(self):
    trainer = self._trainer()
    trainer.predictor.core.output_linear.b.assign(tf.fill([4096], np.nan))
    before = [v.numpy() for v in trainer.variables]
    self.assertFalse(trainer.update(self._batch([0, 1]))['finite'])
    for variable, value in zip(trainer.variables, before):
      np.testing.assert_array_equal(variable, value)

  def test_one_graph_for_every_length(self):
    trainer = self._trainer()
    for indices in ([0, 1], [2, 3], [4, -1]):
      batch = self._batch(indices)
      while not trainer.update(batch)['finished']:
        pass
    self.assertEqual(int(trainer.num_batches), 3)
    self.assertEqual(trainer.update.experimental_get_tracing_count(), 1)

  def test_learning_rate_falls_from_first_batch_to_last(self):
    trainer = self._trainer()
    rates = []
    for _ in range(_CONFIG.num_batches):
      finished = False
      while not finished:
        finished = trainer.update(self._batch([0, 1]))['finished']
      rates.append(float(trainer.learning_rate))
    self.assertLen(rates, 2 * 3)
    self.assertAllClose(rates, np.linspace(3e-3, 1e-4, 6), rtol=1e-5)

  def test_learns(self):
    trainer = self._trainer(
      hidden_size=64,
      min_length=10,
      max_length=10,
      tbptt_length=0,
      num_epochs=60,
    )
    batch = self._batch(
      [0, 1], dataclasses.replace(_CONFIG, min_length=10, max_length=10)
    )
    losses = [float(trainer.update(batch)['loss']) for _ in range(60)]
    self.assertLess(losses[-1], losses[0] / 2)


class TrainTest(tf.test.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls._log = _Lines()
    cls._whole = os.path.join(
      cls.enterClassContext(tempfile.TemporaryDirectory()), 'whole'
    )
    cls._result = cls._train(cls._whole, log=cls._log)

  @staticmethod
  def _train(model_dir, config=_CONFIG, log=None):
    return training.train(
      config, model_dir, testing_data.data_dir(), log or _Lines()
    )

  def _dir(self, name):
    return os.path.join(self.get_temp_dir(), name)

  def test_leaves_what_it_says(self):
    model_dir, log, result = self._whole, self._log, self._result
    self.assertEqual(config_lib.load(model_dir), _CONFIG)
    with open(os.path.join(model_dir, training_loop.RESULT_FILE)) as file:
      self.assertEqual(json.load(file), result)
    self.assertBetween(result['iou'], 0, 1)
    self.assertTrue(any('steps/s' in line for line in log.lines))

    tags = {}
    folder = os.path.join(model_dir, training.SUMMARY_DIR)
    for name in os.listdir(folder):
      for event in tf.compat.v1.train.summary_iterator(
        os.path.join(folder, name)
      ):
        for value in event.summary.value:
          tags[value.tag] = value
    self.assertContainsSubset(
      [
        'training/loss',
        'validation/loss',
        'validation/pixel_error',
        'validation/iou',
        'validation/true_beside_predicted',
      ],
      tags,
    )
    png = tags['validation/true_beside_predicted'].tensor.string_val[2]
    self.assertEqual(tf.io.decode_png(png).shape, [130, 658, 1])

  def test_stopped_and_resumed_is_as_never_stopped(self):
    parts = self._dir('stopped')
    log = _Lines(interrupt_at=2)
    self.assertIsNone(self._train(parts, log=log))
    self.assertIn('the same command goes on', log.lines[-1])
    updates_then = training.restore_predictor(parts)[2]
    self.assertLess(updates_then, training.restore_predictor(self._whole)[2])
    log = _Lines()
    self.assertEqual(self._train(parts, log=log), self._result)
    self.assertIn(f'after {updates_then} updates', log.lines[0])
    for a, b in zip(_weights(self._whole), _weights(parts)):
      np.testing.assert_array_equal(a, b)

  def test_a_finished_run_stays_as_it_is(self):
    before = _weights(self._whole)
    folder = os.path.join(self._whole, config_lib.CHECKPOINT_DIR)
    written = {e.name: e.stat().st_mtime_ns for e in os.scandir(folder)}
    self.assertEqual(self._train(self._whole), self._result)
    self.assertEqual(
      {e.name: e.stat().st_mtime_ns for e in os.scandir(folder)}, written
    )
    for a, b in zip(before, _weights(self._whole)):
      np.testing.assert_array_equal(a, b)

  def test_another_run_in_the_folder_is_refused(self):
    other = dataclasses.replace(_CONFIG, memory_size=5, seed=1)
    with self.assertRaisesRegex(
      errors.UsageError, 'memory_size=4 there, 5 asked.*seed=0 there, 1 asked'
    ):
      self._train(self._whole, other)
    self.assertEqual(config_lib.load(self._whole), _CONFIG)

  def test_a_loss_that_is_not_finite_ends_it(self):
    wild = dataclasses.replace(
      _CONFIG, learning_rate=1e30, max_grad_norm=1e30, clip_value=0.0
    )
    model_dir = self._dir('wild')
    with self.assertRaisesRegex(errors.UsageError, 'diverged after update'):
      self._train(model_dir, wild)

  def test_a_checkpoint_that_is_no_good_is_told(self):
    def damage(path):
      with open(path, 'r+b') as file:
        file.truncate(1000)

    def other_config(path):
      del path
      # The shapes of the weights are the same.
      config_lib.save(dataclasses.replace(_CONFIG, memory_size=5), model_dir)

    for number, harm in enumerate((damage, os.remove, other_config)):
      model_dir = self._dir(f'harmed_{number}')
      shutil.copytree(self._whole, model_dir)
      pattern = os.path.join(model_dir, config_lib.CHECKPOINT_DIR, '*.data*')
      harm(max(glob.glob(pattern), key=os.path.getmtime))
      with self.assertRaisesRegex(
        errors.UsageError, 'damaged, or does not fit'
      ):
        training.restore_predictor(model_dir)
      if harm is not other_config:
        with self.assertRaisesRegex(
          errors.UsageError, 'damaged, or does not fit'
        ):
          self._train(model_dir)

  def test_no_checkpoint_is_told(self):
    model_dir = self._dir('empty')
    config_lib.save(_CONFIG, model_dir)
    with self.assertRaisesRegex(errors.UsageError, 'no checkpoint'):
      training.restore_predictor(model_dir)

  def test_what_is_no_run_is_told(self):
    with self.assertRaisesRegex(errors.UsageError, 'no config.json'):
      training.restore_predictor(self._dir('nowhere'))


if __name__ == '__main__':
  tf.test.main()

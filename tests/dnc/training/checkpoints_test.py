"""Tests of checkpoints that are whole or absent."""

import glob
import os
import tempfile
from unittest import mock

import tensorflow as tf

from dnc import config as config_lib
from dnc.config import runs
from dnc.system import errors
from dnc.training import checkpoints
from dnc.training import tally

_CONFIG = config_lib.TrainingConfig()


class _Trainer(tf.Module):
  def __init__(self):
    super().__init__()
    self.value = tf.Variable(0)
    self.tally = tally.Tally()
    self.run_name = tf.Variable(_CONFIG.name())


class CheckpointsTest(tf.test.TestCase):
  def setUp(self):
    super().setUp()
    self._model_dir = self.enterContext(tempfile.TemporaryDirectory())
    self._folder = os.path.join(self._model_dir, runs.CHECKPOINT_DIR)
    self._lines = []
    self._trainer, self._checkpoints = self._open()

  def _open(self):
    trainer = _Trainer()
    return trainer, checkpoints.Checkpoints(
      self._model_dir, _CONFIG, trainer, self._lines.append
    )

  def _save(self, *numbers):
    for number in numbers:
      self._trainer.value.assign(number)
      self._trainer.tally.num_updates.assign(number)
      self._checkpoints.save(number)

  def _restored(self):
    trainer, saved = self._open()
    return int(trainer.value) if saved.restore() else None

  def test_fingerprint_is_of_the_weights(self):
    one, other = tf.Module(), tf.Module()
    one.value, other.value = tf.Variable(0), tf.Variable(0)
    expected = checkpoints.fingerprint(one)
    self.assertEqual(checkpoints.fingerprint(other), expected)
    other.value.assign(1)
    self.assertNotEqual(checkpoints.fingerprint(other), expected)

  def test_nothing_to_restore(self):
    self.assertIsNone(self._restored())

  def test_restores_the_newest_and_keeps_three(self):
    self._save(9, 10, 100, 1_000)
    self.assertEqual(self._restored(), 1_000)
    self.assertCountEqual(
      os.listdir(self._folder), ['00000010', '00000100', '00001000']
    )

  def test_a_folder_of_any_name(self):
    # TensorFlow's reader takes it for a pattern, of no file.
    self._model_dir = os.path.join(self._model_dir, 'lr=[1e-2] *?\\ {x} %s')
    self._trainer, self._checkpoints = self._open()
    self._save(1, 2)
    self.assertEqual(self._restored(), 2)
    trainer = _Trainer()
    num_updates = checkpoints.restore_parts(
      self._model_dir, _CONFIG, 'newest', self.fail, value=trainer.value
    )
    self.assertEqual((int(trainer.value), num_updates), (2, 2))

  def test_keeps_the_best_beside_them(self):
    self._save(1)
    self._checkpoints.save_best(1)
    self._save(2)
    self._checkpoints.save_best(2)
    self._save(3, 4, 5)
    self.assertIn('best_00000002', os.listdir(self._folder))
    self.assertNotIn('best_00000001', os.listdir(self._folder))
    best = checkpoints.sound(self._model_dir, self.fail, 'best')
    checkpoints.read(best, _CONFIG, self._trainer)
    self.assertEqual(int(self._trainer.value), 2)

  def test_passes_over_what_is_damaged(self):
    self._save(1, 2, 3)
    (index,) = glob.glob(os.path.join(self._folder, '00000003', '*.index'))
    os.remove(index)
    os.truncate(os.path.join(self._folder, '00000002', 'checksums.json'), 5)
    self.assertEqual(self._restored(), 1)
    self.assertLen(self._lines, 2)
    self.assertRegex(self._lines[0], r'00000003 is damaged \(.*index is missin')
    self.assertRegex(self._lines[1], r'00000002 is damaged \(it cannot be read')

  def test_a_damaged_one_is_written_anew(self):
    self._save(1, 2)
    (data,) = glob.glob(os.path.join(self._folder, '00000002', '*.data*'))
    os.truncate(data, 1)
    self._save(2)
    self.assertEqual(self._restored(), 2)
    self.assertEmpty(self._lines)

  def test_a_process_killed_while_it_wrote(self):
    self._save(1)
    with mock.patch.object(os, 'rename', side_effect=SystemExit):
      # As after a kill, nothing tidies up.
      with mock.patch('shutil.rmtree'), self.assertRaises(SystemExit):
        self._save(2)
    self.assertIn('00000002.partial', os.listdir(self._folder))
    self.assertEqual(self._restored(), 1)
    self._checkpoints.remove_partial()
    self.assertEqual(os.listdir(self._folder), ['00000001'])

  def test_a_disk_that_is_full_leaves_what_was_there(self):
    self._save(1)
    full = OSError(28, 'No space left on device')
    with mock.patch.object(tf.train.Checkpoint, 'write', side_effect=full):
      with self.assertRaisesRegex(OSError, 'No space left'):
        self._save(2)
    self.assertEqual(os.listdir(self._folder), ['00000001'])
    self.assertEqual(self._restored(), 1)

  def test_another_runs(self):
    self._save(1)
    other = config_lib.TrainingConfig(seed=1)
    with self.assertRaisesRegex(
      errors.UsageError, f'it belongs to {_CONFIG.name()}'
    ):
      checkpoints.Checkpoints(
        self._model_dir, other, _Trainer(), self._lines.append
      ).restore()


if __name__ == '__main__':
  tf.test.main()

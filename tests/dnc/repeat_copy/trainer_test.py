"""Tests of one update on repeat-copy."""

from unittest import mock

import numpy as np
import tensorflow as tf

from dnc import config as config_lib
from dnc import unroll
from dnc.repeat_copy import data
from dnc.repeat_copy import trainer as trainer_lib

_CONFIG = config_lib.RepeatCopyConfig(
  num_bits=2, memory_size=3, word_size=2, num_read_heads=1, hidden_size=4
)


class CopyTrainerTest(tf.test.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    # Compiling takes seconds and computes the same.
    cls.enterClassContext(
      mock.patch.object(unroll, 'can_compile', return_value=False)
    )
    cls._trainer = trainer_lib.CopyTrainer(_CONFIG)

  def test_an_update(self):
    batch = data.make_batch(_CONFIG, 'train', self._trainer.num_updates)
    core = self._trainer.core
    outputs, _, _ = unroll.unroll(
      core, batch.observations, core.initial_state(_CONFIG.batch_size)
    )
    expected = data.masked_sigmoid_cross_entropy(
      outputs, batch.target, batch.mask
    )
    before = [v.numpy() for v in core.trainable_variables]
    number = self._trainer.num_updates
    metrics = self._trainer.update()
    self.assertAllClose(metrics['loss'], expected)
    self.assertEqual(int(metrics['num_steps']), tf.size(batch.mask))
    self.assertEqual(self._trainer.num_updates, number + 1)
    for variable, value in zip(core.trainable_variables, before):
      self.assertNotAllEqual(variable, value)

  def test_a_loss_that_is_not_finite_changes_nothing(self):
    bias = self._trainer.core.output_linear.b
    whole = bias.numpy()
    bias.assign(tf.fill(bias.shape, np.nan))
    before = [v.numpy() for v in self._trainer.variables]
    self.assertFalse(self._trainer.update()['finite'])
    for variable, value in zip(self._trainer.variables, before):
      np.testing.assert_array_equal(variable, value)
    bias.assign(whole)

  def test_unseen_sequences_are_the_same_each_time(self):
    scores = [self._trainer.score() for _ in range(2)]
    self.assertAllEqual(*scores)
    self.assertBetween(float(scores[0]['bit_accuracy']), 0.3, 0.7)


if __name__ == '__main__':
  tf.test.main()

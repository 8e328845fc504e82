"""Tests of the base of every task's trainer."""

import tensorflow as tf

from dnc import config as config_lib
from dnc.training import tally as tally_lib
from dnc.training import trainer as trainer_lib


class TrainerTest(tf.test.TestCase):
  def test_knows_its_run_and_its_updates(self):
    config = config_lib.RepeatCopyConfig(seed=3)
    trainer = trainer_lib.Trainer(config)
    trainer.tally = tally_lib.Tally()
    self.assertEqual(trainer.run_name.numpy().decode(), config.name())
    self.assertEqual(trainer.num_updates, 0)
    trainer.tally.add(tf.constant(1.0), tf.constant(1.0), tf.constant(2))
    self.assertEqual(trainer.num_updates, 1)
    self.assertEqual(trainer.finish_report(), dict(loss=1.0, grad_norm=1.0))


if __name__ == '__main__':
  tf.test.main()

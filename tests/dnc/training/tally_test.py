"""Tests of counts and sums."""

import tensorflow as tf

from dnc.training import tally as tally_lib


class TallyTest(tf.test.TestCase):
  def _tally(self):
    tally = tally_lib.Tally()
    add = tf.function(tally.add)
    for loss, norm, steps in ((4.0, 1.0, 1), (1.0, 3.0, 3)):
      add(tf.constant(loss), tf.constant(norm), tf.constant(steps))
    return tally

  def test_means_are_by_steps_and_by_updates(self):
    tally = self._tally()
    self.assertEqual((int(tally.num_updates), int(tally.num_steps)), (2, 4))
    self.assertEqual(tally.finish_report(), dict(loss=7 / 4, grad_norm=2.0))

  def test_a_report_begins_anew(self):
    tally = self._tally()
    tally.finish_report()
    tally.add(tf.constant(5.0), tf.constant(6.0), tf.constant(7))
    self.assertEqual(tally.finish_report(), dict(loss=5.0, grad_norm=6.0))
    self.assertEqual((int(tally.num_updates), int(tally.num_steps)), (3, 11))

  def test_the_lowest_validation_is_the_best(self):
    tally = tally_lib.Tally()
    best = [tally.validate(loss) for loss in (3.0, 2.0, 2.5, float('nan'), 1.0)]
    self.assertEqual(best, [True, True, False, False, True])


if __name__ == '__main__':
  tf.test.main()

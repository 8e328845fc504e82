"""Tests that the sequences of tasks have all that `Sequences` promises."""

import os
import typing

import numpy as np
import tensorflow as tf

from dnc import config as config_lib
from dnc import tasks
from dnc.training import sequences
from tests.support import testing_data

_COPY_RUN = os.path.join(testing_data.ROOT, 'testdata', 'repeat_copy_run')


class SequencesTest(tf.test.TestCase):
  def test_metrics_make_one_number_of_a_sequence(self):
    metric = sequences.Metric('worst', np.min)
    self.assertEqual(metric.of_sequence(np.array([0.5, 0.25])), 0.25)
    self.assertFalse(metric.lower_is_better)

  def test_repeat_copy_keeps_the_promises(self):
    task = tasks.get(tasks.REPEAT_COPY)
    found = task.sequences(
      task.restore(_COPY_RUN), config_lib.EvaluationConfig()
    )
    for name in typing.get_type_hints(sequences.Sequences):
      self.assertTrue(hasattr(found, name), msg=name)
    self.assertEqual(found.metrics[0].name, 'loss')
    self.assertTrue(found.metrics[0].lower_is_better)
    steps = sum(len(segment.inputs) for segment in found.segments(0, 64))
    self.assertLessEqual(steps, found.num_steps)


if __name__ == '__main__':
  tf.test.main()

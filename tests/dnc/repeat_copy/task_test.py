"""Tests of the registry's object for repeat-copy."""

import os

import tensorflow as tf

from dnc import config as config_lib
from dnc import tasks
from tests.support import testing_data

_MODEL_DIR = os.path.join(testing_data.ROOT, 'testdata', 'repeat_copy_run')


class RepeatCopyTest(tf.test.TestCase):
  def setUp(self):
    super().setUp()
    self._task = tasks.get(tasks.REPEAT_COPY)

  def test_has_no_sprites_and_leaves_an_evaluation_as_it_is(self):
    training = self._task.config_class()
    evaluation = config_lib.EvaluationConfig()
    self.assertEqual(self._task.evaluation_of(training, evaluation), evaluation)
    self.assertIsNone(self._task.load_table(training, evaluation, None))

  def test_a_restored_model_copies_its_sequences(self):
    trained = self._task.restore(_MODEL_DIR)
    self.assertEqual(trained.num_updates, 12_000)
    found = self._task.sequences(trained, config_lib.EvaluationConfig(seed=5))
    self.assertEqual(found.task, self._task.name)
    (segment,) = found.segments(0, 8)
    self.assertEqual(segment.inputs.shape[2], found.input_size)
    self.assertCountEqual(
      segment.counts, [metric.name for metric in found.metrics]
    )
    state, outputs = trained.core.initial_state(8), []
    for inputs in segment.inputs:
      output, state = trained.core(inputs, state)
      outputs.append(output)
    right = found.scores(tf.stack(outputs), segment.targets)
    counted = segment.counts['sequence_accuracy']
    self.assertEqual(right['sequence_accuracy'].numpy()[counted].min(), 1.0)


if __name__ == '__main__':
  tf.test.main()

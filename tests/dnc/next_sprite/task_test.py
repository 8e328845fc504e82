"""Tests of the registry's object for next-sprite prediction."""

import tensorflow as tf

from dnc import config as config_lib
from dnc import tasks
from dnc.next_sprite import model
from tests.support import testing_data


class NextSpriteTest(tf.test.TestCase):
  def setUp(self):
    super().setUp()
    self._task = tasks.get(tasks.NEXT_SPRITE)

  def test_an_evaluation_is_on_rollouts_like_those_of_the_training(self):
    training = config_lib.TrainingConfig(varying=('scale',))
    evaluation = config_lib.EvaluationConfig(seed=3)
    found = self._task.evaluation_of(training, evaluation)
    self.assertEqual((found.varying, found.seed), (('scale',), 3))
    table = self._task.load_table(training, found, testing_data.data_dir())
    self.assertEqual(
      table.fingerprint, testing_data.rendered_table().fingerprint
    )

  def test_a_twin_says_what_it_shows_and_asks_for(self):
    plain = self._task.description
    for settings in (dict(seed=0), dict(show_every=1, recall=None)):
      self.assertEqual(self._task.describe(settings), plain)
    for settings, said in (
      (dict(show_every=4, recall=None), 'image is shown once in 4 steps only'),
      (dict(show_every=1, recall=0), 'shown 0\nsteps before'),
    ):
      text = self._task.describe(settings)
      self.assertIn('In this twin of the task', text)
      self.assertIn(said.replace('\n', ' '), text.replace('\n', ' '))

  def test_a_model_trained_to_show_is_not_said_to_be_never_told(self):
    self.assertIn('never told', self._task.describe(dict(expose=None)))
    text = self._task.describe(dict(expose='read_words')).replace('\n', ' ')
    self.assertNotIn('never told', text)
    self.assertIn('read them off its read words', text)

  def test_sequences_are_those_of_the_evaluation(self):
    config = config_lib.TrainingConfig(
      memory_size=3, word_size=2, num_read_heads=2, hidden_size=4
    )
    predictor = model.SpritePredictor(config)
    evaluation = config_lib.EvaluationConfig(
      rollout_length=20, varying=('x_position',), fixed=(('shape', 1),)
    )
    found = self._task.sequences(
      tasks.TrainedModel(config, predictor, predictor.core, 0),
      evaluation,
      testing_data.rendered_table(),
    )
    self.assertEqual((found.task, found.num_steps), (self._task.name, 20))
    (segment,) = found.segments(0, 2)
    self.assertEqual(segment.inputs.shape, [20, 2, found.input_size])
    actions = segment.inputs[:, :, -5:]
    self.assertAllEqual(
      tf.reduce_any(actions != 0, axis=[0, 1]), [False] * 3 + [True, False]
    )
    scores = found.scores(2 * segment.targets - 1, segment.targets)
    self.assertCountEqual(scores, [metric.name for metric in found.metrics])
    self.assertAllEqual(scores['iou'], tf.ones([20, 2]))


if __name__ == '__main__':
  tf.test.main()

"""Tests of the predictor and its scores, with images of known overlap."""

import doctest
import functools

import numpy as np
import tensorflow as tf

from dnc import config as config_lib
from dnc.next_sprite import model as predictor_lib
from dnc.next_sprite import rollouts

_CONFIG = config_lib.TrainingConfig(
  memory_size=3, word_size=2, num_read_heads=2, num_write_heads=2, hidden_size=4
)


@functools.cache
def _predictor(seed=0):
  return predictor_lib.SpritePredictor(
    config_lib.TrainingConfig(
      memory_size=3,
      word_size=2,
      num_read_heads=2,
      num_write_heads=2,
      hidden_size=4,
      seed=seed,
    )
  )


class ScoreTest(tf.test.TestCase):
  def _score(self, logits, targets, mask):
    return predictor_lib.score(
      tf.constant(logits, tf.float32),
      tf.constant(targets, tf.float32),
      tf.constant(mask, tf.float32),
    )

  def test_known_images(self):
    # One pixel right, one missed, one too many, one rightly off.
    sums = self._score([[[2, -3, 1, -1]]], [[[1, 1, 0, 0]]], [[1]])
    self.assertAllClose(sums.iou, 1 / 3)
    self.assertAllClose(sums.pixel_error, 2 / 4)
    expected = -np.log([1 / (1 + np.exp(-z)) for z in (2, -3, -1, 1)]).sum()
    self.assertAllClose(sums.loss, expected)
    self.assertAllClose(sums.num_steps, 1)

  def test_no_sprite_and_none_predicted_is_right(self):
    self.assertAllClose(self._score([[[-1, -1]]], [[[0, 0]]], [[1]]).iou, 1)

  def test_padding_may_hold_anything(self):
    real, target = [1.0, -1.0], [1, 0]
    alone = self._score([[real]], [[target]], [[1]])
    for value in (1e30, np.inf, np.nan):
      padded = self._score(
        [[real], [[value, value]]], [[target], [[0, 1]]], [[1], [0]]
      )
      self.assertAllEqual(alone, padded)

  def test_means(self):
    sums = predictor_lib.Prediction(
      loss=30.0, pixel_error=0.5, iou=2.0, num_steps=5.0
    )
    self.assertEqual(
      predictor_lib.means(sums), dict(loss=6.0, pixel_error=0.1, iou=0.4)
    )


class SpritePredictorTest(tf.test.TestCase):
  def test_example_in_the_docstring(self):
    results = doctest.testmod(predictor_lib)
    self.assertGreater(results.attempted, 0)
    self.assertEqual(results.failed, 0)

  def test_weights_are_the_seeds(self):
    again = predictor_lib.SpritePredictor(_CONFIG)
    for a, b, c in zip(
      _predictor(0).trainable_variables,
      again.trainable_variables,
      _predictor(1).trainable_variables,
    ):
      np.testing.assert_array_equal(a, b)
      if a.shape.rank == 2:
        self.assertNotAllClose(a, c)

  def test_weights_have_sonnets_scale(self):
    weights = _predictor().core.controller.input_to_hidden
    rows = rollouts.INPUT_SIZE + 2 * 2
    self.assertEqual(weights.shape, [rows, 4 * 4])
    # A normal distribution cut off at two deviations has 0.88 of one.
    self.assertAllClose(np.std(weights), 0.8796 * rows**-0.5, rtol=0.01)
    self.assertAllEqual(
      _predictor().core.controller.b, np.repeat([0, 1, 0, 0], 4)
    )

  def test_starts_from_the_mean_image(self):
    mean = np.full([64, 64], 0.25, np.float32)
    mean[0, 0] = 0.0
    bias = predictor_lib.SpritePredictor(_CONFIG, mean).core.output_linear.b
    self.assertAllClose(bias[1:], np.full([4095], np.log(0.25 / 0.75)))
    # Never on is not impossible.
    self.assertAllClose(bias[0], np.log(0.001 / 0.999), rtol=1e-4)

  def test_records_what_it_names(self):
    predictor = _predictor()
    inputs = tf.random.stateless_normal([3, 2, rollouts.INPUT_SIZE], [0, 1])
    names = tuple(x for x in config_lib.EXPORTS if x != 'loss')
    _, state, recorded = predictor(inputs, predictor.initial_state(2), names)
    self.assertEqual(
      {name: value.shape[2] for name, value in recorded.items()} | {'loss': 1},
      predictor_lib.widths(_CONFIG),
    )
    self.assertEqual(tuple(predictor_lib.widths(_CONFIG)), config_lib.EXPORTS)
    memory = state.access_state.memory
    for slot in range(3):
      for word in range(2):
        self.assertAllEqual(
          recorded['memory'][-1, :, 2 * slot + word], memory[:, slot, word]
        )
    self.assertAllEqual(
      recorded['read_words'][-1], tf.reshape(state.access_output, [2, -1])
    )
    access = state.access_state
    self.assertAllEqual(recorded['usage'][-1], access.usage)
    for head in range(2):
      self.assertAllEqual(
        recorded['read_weights'][-1][:, 3 * head : 3 * head + 3],
        access.read_weights[:, head],
      )
      self.assertAllEqual(
        recorded['write_weights'][-1][:, 3 * head : 3 * head + 3],
        access.write_weights[:, head],
      )
    controller = state.controller_state
    self.assertAllEqual(recorded['controller_hidden'][-1], controller.hidden)
    self.assertAllEqual(recorded['controller_cell'][-1], controller.cell)


if __name__ == '__main__':
  tf.test.main()

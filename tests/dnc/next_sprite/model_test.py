"""Tests of the predictor."""

import doctest
import functools

import numpy as np
import tensorflow as tf

from dnc import config as config_lib
from dnc.next_sprite import model
from dnc.next_sprite import rollouts
from dnc.training import cores

_CONFIG = config_lib.TrainingConfig(
  memory_size=3, word_size=2, num_read_heads=2, num_write_heads=2, hidden_size=4
)


@functools.cache
def _predictor(seed=0):
  return model.SpritePredictor(
    config_lib.TrainingConfig(
      memory_size=3,
      word_size=2,
      num_read_heads=2,
      num_write_heads=2,
      hidden_size=4,
      seed=seed,
    )
  )


class SpritePredictorTest(tf.test.TestCase):
  def test_example_in_the_docstring(self):
    results = doctest.testmod(model)
    self.assertGreater(results.attempted, 0)
    self.assertEqual(results.failed, 0)

  def test_weights_are_the_seeds(self):
    again = model.SpritePredictor(_CONFIG)
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
    bias = model.SpritePredictor(_CONFIG, mean).core.output_linear.b
    self.assertAllClose(bias[1:], np.full([4095], np.log(0.25 / 0.75)))
    # Never on is not impossible.
    self.assertAllClose(bias[0], np.log(0.001 / 0.999), rtol=1e-4)

  def test_records_what_it_names(self):
    predictor = _predictor()
    inputs = tf.random.stateless_normal([3, 2, rollouts.INPUT_SIZE], [0, 1])
    names = tuple(x for x in config_lib.EXPORTS if x != 'loss')
    _, state, recorded = predictor(inputs, predictor.initial_state(2), names)
    self.assertEqual(
      {name: value.shape[2] for name, value in recorded.items()},
      cores.widths(_CONFIG),
    )
    self.assertEqual(tuple(cores.widths(_CONFIG)), names)
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

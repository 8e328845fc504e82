"""Tests of the predictor."""

import doctest
from unittest import mock

from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from dnc import config as config_lib
from dnc import unroll
from dnc.next_sprite import model
from dnc.next_sprite import rollouts
from dnc.training import cores

_CONFIG = config_lib.TrainingConfig(
  memory_size=3, word_size=2, num_read_heads=2, num_write_heads=2, hidden_size=4
)


class SpritePredictorTest(tf.test.TestCase, parameterized.TestCase):
  def test_example_in_the_docstring(self):
    results = doctest.testmod(model)
    self.assertGreater(results.attempted, 0)
    self.assertEqual(results.failed, 0)

  def test_starts_from_the_mean_image(self):
    mean = np.full([64, 64], 0.25, np.float32)
    mean[0, 0] = 0.0
    bias = model.SpritePredictor(_CONFIG, mean).core.output_linear.b
    self.assertAllClose(bias[1:], np.full([4095], np.log(0.25 / 0.75)))
    # Never on is not impossible.
    self.assertAllClose(bias[0], np.log(0.001 / 0.999), rtol=1e-4)

  def test_records_what_it_names(self):
    predictor = model.SpritePredictor(_CONFIG)
    inputs = tf.random.stateless_normal([3, 2, rollouts.INPUT_SIZE], [0, 1])
    names = tuple(x for x in config_lib.EXPORTS if x != 'loss')
    _, state, recorded = predictor(inputs, predictor.initial_state(2), names)
    self.assertEqual(
      {name: value.shape[2] for name, value in recorded.items()},
      cores.widths(_CONFIG),
    )
    self.assertEqual(tuple(cores.widths(_CONFIG)), names)
    for name in names:
      self.assertAllEqual(recorded[name][-1], cores.represent(state, name))

  @parameterized.parameters(config_lib.DNC, config_lib.LSTM)
  def test_a_reset_controller_learns(self, core):
    config = config_lib.TrainingConfig(
      hidden_size=4, core=core, reset_controller=True
    )
    predictor = model.SpritePredictor(config)
    inputs = tf.random.stateless_normal([3, 2, rollouts.INPUT_SIZE], [0, 1])
    with (
      mock.patch.object(unroll, 'can_compile', return_value=False),
      tf.GradientTape() as tape,
    ):
      logits, *_ = predictor(inputs, predictor.initial_state(2))
      loss = tf.reduce_sum(tf.square(logits))
    variables = predictor.learned_variables
    gradients = dict(
      zip((v.ref() for v in variables), tape.gradient(loss, variables))
    )
    controller = predictor.core.controller
    unused = gradients.pop(controller.hidden_to_hidden.ref())
    self.assertAllEqual(unused, tf.zeros([4, 16]))
    biases = tf.reshape(gradients[controller.b.ref()], [4, 4])
    # Of the input, forget, cell and output gates.
    is_used = tf.reduce_any(biases != 0, axis=1)
    self.assertAllEqual(is_used, [True, False, True, True])
    used = gradients[controller.input_to_hidden.ref()]
    self.assertTrue(np.any(used))


if __name__ == '__main__':
  tf.test.main()

"""Tests of the predictor."""

import doctest

import numpy as np
import tensorflow as tf

from dnc import config as config_lib
from dnc.next_sprite import model
from dnc.next_sprite import rollouts
from dnc.training import cores

_CONFIG = config_lib.TrainingConfig(
  memory_size=3, word_size=2, num_read_heads=2, num_write_heads=2, hidden_size=4
)


class SpritePredictorTest(tf.test.TestCase):
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


if __name__ == '__main__':
  tf.test.main()

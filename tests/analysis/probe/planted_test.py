"""Tests for analysis.probe.planted."""

import numpy as np
from sklearn import linear_model
import tensorflow as tf

from analysis.probe import labels as labels_lib
from analysis.probe import planted
from dnc.dsprites import latents


def _outputs(rng, number):
  spec = labels_lib.latent_spec()
  classes = latents.index_to_classes(
    rng.integers(latents.NUM_SPRITES, size=number)
  )
  labels = latents.classes_to_values(classes)
  labels[:, 0] = classes[:, 0]
  return spec.as_outputs(labels)


class PlantedMemoryTest(tf.test.TestCase):
  def test_as_much_is_found_as_closed_form_says(self):
    outputs = _outputs(np.random.default_rng(0), 20_000)
    mean, deviation = outputs.mean(0), outputs.std(0)
    for width in (20, 100):
      memory = planted.PlantedMemory(1, width, mean, deviation)
      features = memory.features(0, outputs)
      self.assertEqual(features.shape, (20_000, width))
      attainable = memory.attainable(np.cov(outputs.T))
      train, test = slice(0, 10_000), slice(10_000, None)
      model = linear_model.LinearRegression()
      model.fit(features[train], outputs[train])
      missed = np.square(model.predict(features[test]) - outputs[test])
      found = 1 - missed.mean(0) / outputs[test].var(0)
      # 10,000 steps estimate it within 0.015, and 100 weights cost a percent.
      self.assertAllClose(found, attainable, atol=0.03)
      self.assertAllInRange(attainable, 0.2, 0.8)

  def test_what_does_not_vary_is_left_out(self):
    outputs = _outputs(np.random.default_rng(0), 100)
    outputs[:, 3] = 0.5
    deviation = outputs.std(0)
    deviation[3] = 0
    memory = planted.PlantedMemory(0, 30, outputs.mean(0), deviation)
    self.assertAllInRange(memory.features(0, outputs), -10.0, 10.0)
    attainable = memory.attainable(np.cov(outputs.T))
    self.assertAllEqual(np.isnan(attainable), np.arange(7) == 3)

  def test_noise_depends_on_seed_and_index(self):
    outputs = _outputs(np.random.default_rng(0), 100)

    def features(seed, index):
      memory = planted.PlantedMemory(seed, 30, outputs.mean(0), outputs.std(0))
      return memory.features(index, outputs)

    self.assertAllEqual(features(0, 3), features(0, 3))
    self.assertNotAllEqual(features(0, 3), features(0, 4))
    self.assertNotAllEqual(features(0, 3), features(1, 3))
    # Only the noise differs, with deviation 1: the difference has 1.4.
    self.assertNear(np.std(features(0, 3) - features(0, 4)), 2**0.5, 0.06)


class RotatingMemoryTest(tf.test.TestCase):
  def test_slots_are_written_in_turn_and_keep_what_they_have(self):
    rng = np.random.default_rng(0)
    outputs = rng.standard_normal((40, 3)) + 2
    outputs[:, 1] = 5
    memory = planted.RotatingMemory(0, outputs.mean(0), np.array([2, 0, 1]))
    self.assertEqual(memory.width, 32)
    found, weights = memory.features(0, outputs)
    self.assertAllEqual(weights.argmax(1), np.arange(40) % 16)
    self.assertAllEqual(weights.sum(1), np.ones([40]))
    words = found.reshape([40, 16, 2])
    expected = (outputs - outputs.mean(0))[:, ::2] / [2, 1]
    for step in (0, 5, 39):
      for slot in range(16):
        written = step - (step - slot) % 16
        if written < 0:
          self.assertAllEqual(words[step, slot], [0, 0])
        else:
          self.assertAllClose(words[step, slot], expected[written], atol=0.4)
    # The noise stays as well.
    self.assertAllEqual(words[16, 5], words[5, 5])


if __name__ == '__main__':
  tf.test.main()

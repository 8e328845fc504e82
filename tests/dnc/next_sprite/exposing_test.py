"""Tests of the exposing loss; trainer_test trains with it."""

import doctest
from unittest import mock

import numpy as np
import tensorflow as tf

from dnc import config as config_lib
from dnc import unroll
from dnc.dsprites import latents
from dnc.next_sprite import exposing
from dnc.next_sprite import model
from dnc.next_sprite import rollouts
from dnc.training import cores

# Of two rollouts with 5 and 3 steps, and a filler.
_LENGTHS = (5, 3, 0)
_NUMBERS = np.arange(5 * 3 * 5).reshape(5, 3, 5)


def _batch():
  """Different classes at every step, also of padding."""
  fields = dict.fromkeys(rollouts.RolloutBatch._fields)
  fields['classes'] = tf.constant(_NUMBERS % latents.SIZES, tf.int32)
  fields['length'] = tf.constant(_LENGTHS)
  return rollouts.RolloutBatch(**fields)


class LabelsTest(tf.test.TestCase):
  def test_labels_come_from_the_whole_rollouts(self):
    batch = _batch()
    labels = exposing.find_labels(batch, (-1, 0, 3), start=2, stop=4)
    self.assertEqual(labels.classes.shape, [2, 3, 3, 5])
    # Of the first rollout both steps, of the second step 2 alone.
    for number, offset, there in (
      # A rollout's last step has no next one.
      (0, -1, [[1, 0, 0], [1, 0, 0]]),
      (1, 0, [[1, 1, 0], [1, 0, 0]]),
      # From before the segment; step 2 has nothing 3 steps before.
      (2, 3, [[0, 0, 0], [1, 0, 0]]),
    ):
      weights = labels.weights[:, :, number]
      self.assertAllClose(weights, np.array(there) / np.sum(there))
      for step, rollout in zip(*np.nonzero(there)):
        self.assertAllEqual(
          labels.classes[step, rollout, number],
          batch.classes[2 + step - offset, rollout],
        )

  def test_a_segment_without_labels_weighs_nothing(self):
    labels = exposing.find_labels(_batch(), (-1,), start=4, stop=5)
    self.assertAllEqual(labels.weights, np.zeros([1, 3, 1]))


class LatentReaderTest(tf.test.TestCase):
  def test_example_in_the_docstring(self):
    results = doctest.testmod(exposing)
    self.assertGreater(results.attempted, 0)
    self.assertEqual(results.failed, 0)

  def test_first_it_knows_the_means_alone(self):
    # Over all sprites: ln 3 for the shape, and four variances.
    every = np.stack([np.arange(5 * 960) % size for size in latents.SIZES], -1)
    reader = exposing.LatentReader(2, 1)
    losses = reader.losses(tf.ones([960 * 5, 1, 2]), every[:, None, None, :])
    self.assertAllClose(tf.reduce_mean(losses), np.log(3) + 4, rtol=1e-5)

  def test_loss_by_hand(self):
    random = np.random.RandomState(0)
    reader = exposing.LatentReader(width=6, num_offsets=2)
    reader.w.assign(random.randn(6, 2 * 7))
    reader.b.assign(random.randn(2 * 7))
    held = random.randn(2, 3, 6)
    labels = exposing.find_labels(_batch(), (0, 1), start=1, stop=3)
    expected = 0.0
    for number, offset in enumerate((0, 1)):
      losses = []
      for step in (0, 1):
        for rollout in (0, 1):
          out = held[step, rollout] @ reader.w.numpy() + reader.b.numpy()
          shapes, others = np.split(out.reshape(2, 7)[number], [3])
          at = 1 + step - offset
          shape, *rest = _NUMBERS[at, rollout] % latents.SIZES
          loss = np.log(np.exp(shapes).sum()) - shapes[shape]
          for guess, grid, own in zip(others, latents.VALUES[1:], rest):
            loss += (guess - (grid[own] - grid.mean()) / grid.std()) ** 2
          losses.append(loss)
      expected += np.mean(losses)
    self.assertAllClose(
      reader.loss(tf.constant(held, tf.float32), labels), expected, rtol=1e-5
    )

  def test_sums_until_it_reports(self):
    reader = exposing.LatentReader(2, 1)
    reader.add(tf.constant(3.0))
    reader.add(tf.constant(4.0))
    self.assertEqual(reader.finish_report(2), 3.5)
    reader.add(tf.constant(5.0))
    self.assertEqual(reader.finish_report(1), 5.0)

  def test_its_gradient_reaches_the_core(self):
    # Compiling takes seconds and computes the same.
    self.enterContext(
      mock.patch.object(unroll, 'can_compile', return_value=False)
    )
    config = config_lib.TrainingConfig(
      memory_size=3, word_size=2, num_read_heads=2, hidden_size=4
    )
    predictor = model.SpritePredictor(config)
    core, learned = predictor.core, predictor.learned_variables
    inputs = tf.random.stateless_uniform([5, 3, rollouts.INPUT_SIZE], [0, 1])
    labels = exposing.find_labels(_batch(), (0,), start=0, stop=5)
    names = ('memory', 'read_words', 'controller_hidden')
    with tf.GradientTape(persistent=True) as tape:
      _, _, held = predictor(inputs, predictor.initial_state(3), names)
      losses = {}
      for name in names:
        reader = exposing.LatentReader(cores.widths(config)[name], 1)
        reader.w.assign(tf.ones_like(reader.w))
        losses[name] = reader.loss(held[name], labels)
    for name, loss in losses.items():
      gradients = tape.gradient(
        loss, learned, unconnected_gradients=tf.UnconnectedGradients.ZERO
      )
      reached = {v.ref(): np.any(g) for v, g in zip(learned, gradients)}
      self.assertTrue(reached[core.controller.input_to_hidden.ref()], name)
      # The controller holds what it read of what was written before.
      written = core.access.interface['write_vectors'].w
      self.assertTrue(reached[written.ref()], name)
      self.assertFalse(reached[core.output_linear.w.ref()], name)


if __name__ == '__main__':
  tf.test.main()

"""Tests that snapshots predict what the model does, changed or not."""

import numpy as np
import tensorflow as tf

from analysis.intervention import running
from dnc import config as config_lib
from dnc import unroll
from dnc.next_sprite import model as model_lib
from dnc.next_sprite import rollouts
from tests.support import cores
from tests.support import testing_data


class RunnerTest(tf.test.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    config = config_lib.TrainingConfig(
      memory_size=4, word_size=3, num_read_heads=2, hidden_size=6
    )
    predictor = model_lib.SpritePredictor(config)
    cores.randomise(predictor, 0.3)
    cls._core = predictor.core
    cls._runner = running.Runner(predictor)
    spec = rollouts.RolloutSpec(0, 'evaluation', 9, 9)
    cls._batch = rollouts.make_batch(
      testing_data.rendered_table(), spec, range(2)
    )
    cls._outputs, _, recorded = unroll.unroll(
      cls._core,
      rollouts.model_inputs(cls._batch),
      cls._core.initial_state(2),
      record=lambda state: (state.access_output, state.access_state.memory),
      compiled=False,
    )
    cls._words, cls._memory = (x.numpy().reshape([9, 2, -1]) for x in recorded)
    cls._snapshots = cls._runner.snapshots(cls._batch, [3, 7], [-1, 2])

  def test_representations(self):
    ((steps, held),) = self._runner.representations(self._batch)
    self.assertAllEqual(steps, range(9))
    self.assertAllClose(held['read_words'], self._words)
    self.assertAllClose(held['memory'], self._memory)
    self.assertEqual(
      self._runner.widths, {k: x.shape[2] for k, x in held.items()}
    )

  def test_snapshots_are_the_steps(self):
    snapshots = self._snapshots
    self.assertAllEqual(snapshots.steps, [3, 3, 7, 7])
    self.assertAllEqual(snapshots.rollouts, [0, 1, 0, 1])
    self.assertAllEqual(snapshots.classes[2, 0], self._batch.classes[8, 0])
    self.assertAllEqual(snapshots.classes[1, 1], self._batch.classes[1, 1])
    self.assertAllClose(snapshots.memory[:2], self._memory[3])
    for changed in ((), ('read_words',), ('memory',)):
      own = [getattr(snapshots, name) for name in changed]
      logits = self._runner.logits(snapshots, *changed, *own)
      expected = tf.reshape(tf.gather(self._outputs, [3, 7]), [4, -1])
      self.assertAllClose(logits, expected, rtol=1e-4, atol=1e-4)

  def test_changed_words_change_the_output_alone(self):
    change = np.linspace(-1, 1, 6)
    snapshots = self._snapshots[np.array([1])]
    before, after = (
      self._runner.logits(
        snapshots, 'read_words', snapshots.read_words + x
      ).numpy()
      for x in (0, change)
    )
    weights = self._core.output_linear.w.numpy()[-6:]
    # Within the core's clip_value.
    within = np.abs(after) < 19
    self.assertAllClose(
      (after - before)[within], (change @ weights)[within[0]], atol=1e-3
    )

  def test_a_changed_memory_is_read_anew(self):
    snapshots = self._snapshots
    zeros = np.zeros_like(snapshots.memory)
    logits = self._runner.logits(snapshots, 'memory', zeros)
    words = self._runner.logits(
      snapshots, 'read_words', np.zeros_like(snapshots.read_words)
    )
    self.assertAllClose(logits, words)
    intact = self._runner.logits(snapshots)
    self.assertNotAllClose(logits, intact)


if __name__ == '__main__':
  tf.test.main()

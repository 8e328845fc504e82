"""Tests that snapshots predict what the model does, changed or not."""

from unittest import mock

import numpy as np
import tensorflow as tf

from analysis.common import orders
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
    cls._predictor = model_lib.SpritePredictor(config)
    cores.randomise(cls._predictor, 0.3)
    cls._core = cls._predictor.core
    cls._runner = running.Runner(cls._predictor)
    spec = rollouts.RolloutSpec(0, 'evaluation', 9, 9)
    cls._batch = rollouts.make_batch(
      testing_data.rendered_table(), spec, range(2)
    )
    cls._outputs, _, (words, memory, *cls._weights) = unroll.unroll(
      cls._core,
      rollouts.model_inputs(cls._batch),
      cls._core.initial_state(2),
      record=lambda state: (
        state.access_output,
        state.access_state.memory,
        state.access_state.write_weights,
        state.access_state.read_weights,
      ),
      compiled=False,
    )
    cls._words, cls._memory = (
      x.numpy().reshape([9, 2, -1]) for x in (words, memory)
    )
    # What is carried on from segment to segment counts.
    cls.enterClassContext(mock.patch.object(running, '_SEGMENT_LENGTH', 4))
    cls._snapshots = cls._runner.snapshots(cls._batch, [3, 7], [-1, 2])

  def _memories(self):
    """The memory with its slots in each order, `[time, batch, width]`."""
    sorted_by = {
      f'memory{order}': orders.reordered(
        order, self._memory, weights.numpy().reshape([9, 2, -1]), 4
      )
      for order, weights in zip(
        (orders.BY_WRITING, orders.BY_READING), self._weights
      )
    }
    return {'memory': self._memory, **sorted_by}

  def test_representations(self):
    parts = list(self._runner.representations(self._batch))
    self.assertEqual([len(steps) for steps, _ in parts], [4, 4, 1])
    self.assertAllEqual(np.concatenate([x for x, _ in parts]), range(9))
    held = {
      name: np.concatenate([x[name] for _, x in parts]) for name in parts[0][1]
    }
    self.assertAllClose(held['read_words'], self._words)
    for name, memory in self._memories().items():
      self.assertAllClose(held[name], memory)
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
    for name, memory in self._memories().items():
      self.assertAllClose(snapshots.held(name)[2:], memory[7])
    for changed in ((), ('read_words',), *([x] for x in running.MEMORIES)):
      own = [snapshots.held(name) for name in changed]
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

  def test_changed_slots_go_back_to_their_places(self):
    snapshots = self._snapshots
    change = np.repeat([1.0, 2.0, 4.0, 8.0], 3)
    for name in running.MEMORIES[1:]:
      changed = snapshots.whole_memory(name, snapshots.held(name) + change)
      found = (changed - snapshots.memory).reshape([4, 4, 3])
      # The n-th of the sorted slots has changed by 2^n.
      places = np.argsort(found[:, :, 0], axis=1)
      self.assertAllClose(np.sort(found, axis=1)[:, :, 0], [change[::3]] * 4)
      memory = orders.taken(snapshots.memory, places, 4)
      self.assertAllEqual(memory, snapshots.held(name))

  def test_only_the_first_slots_fit(self):
    with mock.patch.object(running, 'MAX_WIDTH', 7):
      runner = running.Runner(self._predictor)
      self.assertEqual(runner.num_sorted, 2)
      snapshots = runner.snapshots(self._batch, [3, 7], [-1, 2])
      for name in running.MEMORIES[1:]:
        held = snapshots.held(name)
        self.assertAllClose(held, self._snapshots.held(name)[:, :6])
        changed = snapshots.whole_memory(name, held + 1)
        self.assertAllEqual(
          (changed != snapshots.memory).sum(axis=1), [6, 6, 6, 6]
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

"""Tests of cores: their weights, and the names of their representations."""

import numpy as np
import tensorflow as tf

from dnc import config as config_lib
from dnc.training import cores

_INPUT_SIZE, _OUTPUT_SIZE = 400, 5


def _config(**changes):
  return config_lib.TrainingConfig(
    memory_size=3,
    word_size=2,
    num_read_heads=2,
    num_write_heads=2,
    hidden_size=4,
    **changes,
  )


def _core(**changes):
  return cores.make_core(_config(**changes), _INPUT_SIZE, _OUTPUT_SIZE)


class MakeCoreTest(tf.test.TestCase):
  def test_weights_are_the_seeds(self):
    for a, b, c in zip(
      _core().trainable_variables,
      _core().trainable_variables,
      _core(seed=1).trainable_variables,
    ):
      np.testing.assert_array_equal(a, b)
      if a.shape.rank == 2:
        self.assertNotAllClose(a, c)

  def test_weights_have_sonnets_scale(self):
    controller = _core().controller
    rows = _INPUT_SIZE + 2 * 2
    self.assertEqual(controller.input_to_hidden.shape, [rows, 4 * 4])
    # Truncation at two standard deviations leaves a deviation of 0.88.
    self.assertAllClose(
      np.std(controller.input_to_hidden), 0.8796 * rows**-0.5, rtol=0.02
    )
    self.assertAllEqual(controller.b, np.repeat([0, 1, 0, 0], 4))


class RepresentTest(tf.test.TestCase):
  def test_memory_is_slot_by_slot_and_heads_follow_each_other(self):
    core = _core()
    inputs = tf.random.stateless_normal([2, _INPUT_SIZE], [0, 1])
    _, state = core(inputs, core.initial_state(2))
    widths = cores.widths(_config())
    found = {name: cores.represent(state, name) for name in widths}
    self.assertEqual({k: v.shape[1] for k, v in found.items()}, widths)
    access = state.access_state
    for slot in range(3):
      for word in range(2):
        self.assertAllEqual(
          found['memory'][:, 2 * slot + word], access.memory[:, slot, word]
        )
    for head in range(2):
      self.assertAllEqual(
        found['read_words'][:, 2 * head : 2 * head + 2],
        state.access_output[:, head],
      )
      slots = slice(3 * head, 3 * head + 3)
      self.assertAllEqual(
        found['read_weights'][:, slots], access.read_weights[:, head]
      )
      self.assertAllEqual(
        found['write_weights'][:, slots], access.write_weights[:, head]
      )
    self.assertAllEqual(found['usage'], access.usage)

  def test_a_core_without_memory(self):
    core = cores.make_core(
      _config(), _INPUT_SIZE, _OUTPUT_SIZE, config_lib.LSTM
    )
    _, state = core(tf.ones([1, _INPUT_SIZE]), core.initial_state(1))
    widths = cores.widths(_config(), config_lib.LSTM)
    self.assertEqual(widths, dict(controller_hidden=4, controller_cell=4))
    self.assertAllEqual(
      cores.represent(state, 'controller_hidden'), state.hidden
    )
    self.assertAllEqual(cores.represent(state, 'controller_cell'), state.cell)


if __name__ == '__main__':
  tf.test.main()

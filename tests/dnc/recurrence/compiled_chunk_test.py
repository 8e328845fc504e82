"""Tests that a compiled chunk equals the plain recurrence."""

import tensorflow as tf

from dnc import unroll
from dnc.recurrence import compiled_chunk
from dnc.recurrence import plain
from tests.support import cores

_BATCH = 2
_NUM_STEPS = 7


class CompiledChunkTest(tf.test.TestCase):
  def test_fewer_steps_than_a_chunk_and_a_sequence_that_ends(self):
    core = cores.make_dnc(5, 3)
    inputs = cores.normal(
      [compiled_chunk.CHUNK_STEPS, _BATCH, cores.INPUT_SIZE], 1
    )
    projected, weights = unroll.project_inputs(core, inputs)
    state = core.initial_state(_BATCH)
    lengths = tf.constant([_NUM_STEPS, 4])
    with tf.GradientTape() as tape:
      tape.watch([projected, state])
      expected_state, expected = plain.scan(
        core, weights, projected[:_NUM_STEPS], state, lengths
      )
      loss = tf.reduce_sum(expected.hidden**2) / 2
      loss += tf.reduce_sum(expected_state.access_output)
    d_projected, d_expected = tape.gradient(
      loss, [projected, state], unconnected_gradients='zero'
    )

    chunk = compiled_chunk.chunk_for(
      tuple(core.access.sizes.items()), core.clip_value, None
    )
    arguments = projected, _NUM_STEPS, lengths
    actual_state, kept = chunk.forward(*arguments, state, weights)
    self.assertAllClose(actual_state, expected_state, rtol=1e-9, atol=1e-11)
    self.assertAllClose(kept.hidden[:_NUM_STEPS], expected.hidden)

    # The loss depends on the last words read, and on every hidden state.
    d_state = tf.nest.map_structure(tf.zeros_like, state)
    d_state = d_state._replace(access_output=tf.ones_like(state.access_output))
    d_kept = tf.nest.map_structure(tf.zeros_like, kept)
    d_kept = d_kept._replace(hidden=kept.hidden)
    transposed = tf.nest.map_structure(tf.transpose, weights)
    d_actual, d_gates, d_interface = chunk.backward(
      *arguments, state, weights, transposed, d_state, d_kept
    )
    self.assertAllClose(d_actual, d_expected, rtol=1e-9, atol=1e-11)
    # Zeros after the chunk's last step, and where a sequence has ended.
    self.assertAllClose(d_gates, d_projected, rtol=1e-9, atol=1e-11)
    self.assertAllEqual(d_interface[_NUM_STEPS:], 0 * d_interface[_NUM_STEPS:])
    self.assertAllEqual(d_interface[4:, 1], 0 * d_interface[4:, 1])
    self.assertAllGreater(tf.norm(d_interface[:4], axis=-1), 0)


if __name__ == '__main__':
  tf.test.main()

"""Tests of the memory: DeepMind's numbers, and extreme values."""

from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from dnc import access
from tests.support import cores
from tests.support import golden


def _erase_and_write(memory, address, reset_weights, values):
  return dict(
    memory=access._erase_and_write(memory, address, reset_weights, values)
  )


def _write_weights(memory, usage, **inputs):
  module = access.MemoryAccess(
    memory_size=memory.shape[1],
    word_size=memory.shape[2],
    num_writes=inputs['write_gate'].shape[1],
  )
  return dict(write_weights=module._write_weights(inputs, memory, usage))


def _read_weights(memory, prev_read_weights, link, **inputs):
  module = access.MemoryAccess(
    memory_size=memory.shape[1],
    word_size=memory.shape[2],
    num_reads=prev_read_weights.shape[1],
    num_writes=link.shape[1],
  )
  weights = module._read_weights(inputs, memory, prev_read_weights, link)
  return dict(read_weights=weights)


PIECES = {
  'erase_and_write': _erase_and_write,
  'erase_and_write_nozero': _erase_and_write,
  'access_write_weights': _write_weights,
  'access_read_weights': _read_weights,
}


class AccessTest(golden.PiecesTestCase, parameterized.TestCase):
  @parameterized.product(case=list(PIECES), dtype=(tf.float32, tf.float64))
  def test_reference(self, case, dtype):
    self.check_piece(case, PIECES[case], dtype)


class ExtremesTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.parameters(tf.float32, tf.float64)
  def test_usage_memory_keys_strengths_and_gates(self, dtype):
    core = cores.make_dnc(6, 3, 2, 2, dtype=dtype)
    flat, state = cores.extreme_interfaces(core, np.random.default_rng(1))
    with tf.GradientTape() as tape:
      tape.watch([flat, state])
      loss, final = 0, state
      for _ in range(4):
        words, final = core.access.read_and_write(
          core.access.split_interface(flat), final
        )
        for value in (words, *tf.nest.flatten(final)):
          cores.assert_finite(self, value)
          loss += tf.reduce_sum(tf.sin(value))
    by_flat, by_state = tape.gradient(loss, (flat, golden.named_state(state)))
    self.assertIsNone(by_state.pop('write_weights'))
    cores.assert_finite(self, (by_flat, by_state))
    self.assertGreater(tf.norm(by_flat), 0)


if __name__ == '__main__':
  tf.test.main()

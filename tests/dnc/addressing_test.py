"""Tests of the three ways of addressing: DeepMind's numbers, and properties."""

from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from dnc import addressing
from tests.support import golden

_TOLERANCE = 1e-5


def _linkage(write_weights, prev_read_weights):
  num_steps, batch_size, num_writes, memory_size = write_weights.shape
  linkage = addressing.TemporalLinkage(
    memory_size, num_writes, dtype=write_weights.dtype
  )
  state, states = linkage.initial_state(batch_size), []
  for t in range(num_steps):
    state = linkage(write_weights[t], state)
    states.append(state)
  return dict(
    link=tf.stack([s.link for s in states]),
    precedence_weights=tf.stack([s.precedence_weights for s in states]),
    forward=linkage.directional_read_weights(
      state.link, prev_read_weights, forward=True
    ),
    backward=linkage.directional_read_weights(
      state.link, prev_read_weights, forward=False
    ),
  )


def _linkage_step(write_weights, prev_link, prev_precedence_weights):
  linkage = addressing.TemporalLinkage(
    write_weights.shape[2], write_weights.shape[1]
  )
  return linkage(
    write_weights,
    addressing.TemporalLinkageState(prev_link, prev_precedence_weights),
  )._asdict()


def _cosine(strength_op):
  def weights(memory, keys, strengths):
    module = addressing.CosineWeights(
      keys.shape[1], keys.shape[2], strength_op=strength_op
    )
    return dict(weights=module(memory, keys, strengths))

  return weights


def _weighted_softmax(activations, strengths):
  return {
    name: addressing.weighted_softmax(activations, strengths, op)
    for name, op in dict(softplus=tf.nn.softplus, identity=tf.identity).items()
  }


def _usage(write_weights, free_gate, read_weights, prev_usage):
  freeness = addressing.Freeness(prev_usage.shape[1])
  return dict(
    usage=freeness(write_weights, free_gate, read_weights, prev_usage)
  )


def _usage_parts(write_weights, free_gate, read_weights, prev_usage):
  freeness = addressing.Freeness(prev_usage.shape[1])
  return dict(
    after_write=freeness._usage_after_write(prev_usage, write_weights),
    after_read=freeness._usage_after_read(prev_usage, free_gate, read_weights),
  )


def _allocation(usage):
  freeness = addressing.Freeness(usage.shape[1])
  return dict(allocation=freeness._allocation(usage))


def _write_allocation_weights(usage, write_gates):
  freeness = addressing.Freeness(usage.shape[1])
  return dict(
    weights=freeness.write_allocation_weights(
      usage, write_gates, num_writes=write_gates.shape[1]
    )
  )


PIECES = {
  'cosine_weights': _cosine(tf.nn.softplus),
  'cosine_weights_identity_op': _cosine(tf.identity),
  'weighted_softmax': _weighted_softmax,
  'temporal_linkage': _linkage,
  'temporal_linkage_step': _linkage_step,
  'freeness_usage': _usage,
  'freeness_parts': _usage_parts,
  'allocation': _allocation,
  'allocation_distinct': _allocation,
  'write_allocation_weights': _write_allocation_weights,
  'write_allocation_weights_distinct': _write_allocation_weights,
}


class AddressingTest(golden.PiecesTestCase, parameterized.TestCase):
  @parameterized.product(case=list(PIECES), dtype=(tf.float32, tf.float64))
  def test_reference(self, case, dtype):
    self.check_piece(case, PIECES[case], dtype)

  def test_gradient_stops_at_write_weights(self):
    inputs = {
      k: tf.constant(v) for k, v in self.part('freeness_usage', 'in').items()
    }
    with tf.GradientTape() as tape:
      tape.watch(inputs)
      usage = _usage(**inputs)['usage']
    self.assertIsNone(tape.gradient(usage, inputs)['write_weights'])


class AllocationTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.product(
    memory_size=(1, 9, 50),
    num_writes=(1, 4),
  )
  def test_allocation_goes_to_the_least_used(self, memory_size, num_writes):
    rng = np.random.default_rng(memory_size + num_writes)
    batch_size = 30
    usage = rng.uniform(0, 1, [batch_size, memory_size])
    usage[:10] = 1 - usage[:10] ** 5
    gates = rng.uniform(0, 1, [batch_size, num_writes])
    freeness = addressing.Freeness(memory_size)
    allocation = freeness.write_allocation_weights(
      tf.constant(usage, tf.float32), tf.constant(gates, tf.float32), num_writes
    ).numpy()
    self._assert_in_0_to_1(allocation)
    self._assert_in_0_to_1(allocation.sum(-1))
    for head in range(num_writes):
      rows = np.arange(batch_size)
      least = usage[rows, np.argmin(usage, axis=1)]
      # Not exact: rounding may choose between usages that hardly differ.
      chosen = usage[rows, np.argmax(allocation[:, head], axis=1)]
      self.assertAllClose(chosen, least, rtol=0, atol=_TOLERANCE)
      usage = 1 - (1 - usage) * (1 - gates[:, [head]] * allocation[:, head])

  def test_heads_that_write_are_given_different_free_slots(self):
    usage = np.ones([1, 9])
    usage[0, [1, 4, 5, 8]] = 0
    allocation = addressing.Freeness(9).write_allocation_weights(
      tf.constant(usage, tf.float32), tf.ones([1, 4]), num_writes=4
    )
    self.assertAllClose(
      tf.reduce_max(allocation, axis=2), tf.ones([1, 4]), atol=1e-5
    )
    self.assertSetEqual(
      set(tf.argmax(allocation, axis=2).numpy()[0].tolist()), {1, 4, 5, 8}
    )

  def _assert_in_0_to_1(self, values):
    self.assertGreaterEqual(np.min(values), -_TOLERANCE)
    self.assertLessEqual(np.max(values), 1 + _TOLERANCE)


if __name__ == '__main__':
  tf.test.main()

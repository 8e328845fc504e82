"""Tests that the compiled access equals the plain one, also in edge cases."""

import functools

from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from dnc import access
from dnc import addressing
from dnc import util
from dnc.recurrence import compiled_access
from tests.support import cores

_BATCH = 3
_WORD_SIZE = 4
_NUM_READS = 2


def _sizes(memory_size, num_writes):
  return dict(
    memory_size=memory_size,
    word_size=_WORD_SIZE,
    num_reads=_NUM_READS,
    num_writes=num_writes,
  )


def _uniform(shape, seed, low=0.0, high=1.0):
  return tf.random.stateless_uniform(
    shape, [seed, 3], low, high, dtype=tf.float64
  )


def _weights(shape, seed):
  """Read or write weights: each row sums to less than 1."""
  return 0.9 * tf.nn.softmax(3 * _uniform(shape, seed))


class BarrierTest(tf.test.TestCase):
  def test_seen_with_this_version_of_tensorflow(self):
    # Look for a public function before naming another version here.
    self.assertStartsWith(tf.__version__, '2.21.')
    self.assertFalse(hasattr(tf.raw_ops, 'XlaOptimizationBarrier'))
    barrier = tf.function(
      lambda x: compiled_access._barrier(2 * x), jit_compile=True
    )
    self.assertAllEqual(barrier(tf.constant([1.0, 3.0])), [2.0, 6.0])
    text = barrier.experimental_get_compiler_ir(tf.constant([1.0]))('hlo')
    self.assertIn('opt-barrier', text)


def _random(plain):
  """A random interface and state."""
  sizes = plain.sizes
  slots, reads = sizes['memory_size'], sizes['num_reads']
  writes = sizes['num_writes']
  width = sum(
    tf.TensorShape(shape).num_elements()
    for shape in plain._interface_shapes.values()
  )
  link = _uniform([_BATCH, writes, slots, slots], 0, high=0.1)
  return (
    _uniform([_BATCH, width], 1, -3, 3),
    access.AccessState(
      memory=_uniform([_BATCH, slots, _WORD_SIZE], 2, -1, 1),
      read_weights=_weights([_BATCH, reads, slots], 3),
      write_weights=_weights([_BATCH, writes, slots], 4),
      linkage=addressing.TemporalLinkageState(
        link=tf.linalg.set_diag(link, tf.zeros(link.shape[:-1], link.dtype)),
        precedence_weights=_weights([_BATCH, writes, slots], 5),
      ),
      usage=_uniform([_BATCH, slots], 6),
    ),
  )


def _saturated(plain):
  """Keys that all match one slot, which is written and erased entirely.

  There the factor 1 - w e is exactly 0. Usages are exactly 0 and 1, with ties.
  """
  flat, state = _random(plain)
  slots = plain.sizes['memory_size']
  memory = tf.eye(slots, _WORD_SIZE, [_BATCH], tf.float64)
  parts = {}
  for name, shape in plain._interface_shapes.items():
    parts[name] = _uniform([_BATCH, *shape], 7, -1, 1)
  one_hot = tf.one_hot([0] * _BATCH, _WORD_SIZE, dtype=tf.float64)
  ones = tf.ones_like(parts['write_keys'])
  parts['write_keys'] = ones * one_hot[:, tf.newaxis]
  parts['write_strengths'] = tf.fill(parts['write_strengths'].shape, 800.0)
  parts['erase_vectors'] = tf.fill(parts['erase_vectors'].shape, 800.0)
  parts['write_gate'] = tf.fill(parts['write_gate'].shape, 800.0)
  parts['allocation_gate'] = tf.fill(parts['allocation_gate'].shape, -800.0)
  parts['read_strengths'] = tf.fill(parts['read_strengths'].shape, -40.0)
  flat = tf.concat(
    [
      tf.reshape(tf.cast(part, tf.float64), [_BATCH, -1])
      for part in parts.values()
    ],
    axis=1,
  )
  usage = tf.constant([[0.0, 1.0, 0.0, 1.0, 1.0, 0.0]] * _BATCH, tf.float64)
  zeros = tf.zeros_like
  return flat, state._replace(
    memory=memory,
    usage=usage[:, :slots],
    write_weights=zeros(state.write_weights),
    read_weights=zeros(state.read_weights),
  )


def _gradients(module, flat, state, weights):
  """New words and state, and gradients of their weighted sum."""
  with tf.GradientTape() as tape:
    tape.watch([flat, state])
    new = module.read_and_write(module.split_interface(flat), state)
  weights = tf.nest.pack_sequence_as(new, weights)
  gradients = tape.gradient(
    new,
    [flat, state],
    output_gradients=weights,
    unconnected_gradients=tf.UnconnectedGradients.ZERO,
  )
  return new, gradients


@functools.cache
def _compiled(memory_size, num_writes):
  """The compiled access: new words and state, gradients of the weighted sum.

  All numbers are arguments, because XLA would compute constants differently.
  """
  module = compiled_access.CompiledMemoryAccess(
    **_sizes(memory_size, num_writes)
  )

  @tf.function(jit_compile=True, autograph=False)
  def step(flat, state, d_words, weights):
    (words, new_state), (d_flat, d_state) = _gradients(
      module,
      flat,
      module.fold(state),
      tf.nest.flatten((d_words, module.fold(weights))),
    )
    return (words, module.unfold(new_state)), [d_flat, module.unfold(d_state)]

  return step


class CompiledMemoryAccessTest(tf.test.TestCase, parameterized.TestCase):
  def _assert_same(self, make, memory_size, num_writes):
    """Asserts the same words, state and gradients as with the plain access."""
    plain = access.MemoryAccess(**_sizes(memory_size, num_writes))
    flat, state = make(plain)
    weights = access.AccessState(
      *(
        tf.nest.map_structure(
          lambda x: _uniform(x.shape, 20 + x.shape.rank, -1, 1), part
        )
        for part in state
      )
    )
    d_words = _uniform([_BATCH, _NUM_READS, _WORD_SIZE], 19, -1, 1)
    expected = _gradients(
      plain, flat, state, tf.nest.flatten((d_words, weights))
    )
    actual = _compiled(memory_size, num_writes)(flat, state, d_words, weights)
    actual, expected = map(tf.nest.flatten, (actual, expected))
    self.assertEqual(len(actual), len(expected))
    for a, b in zip(actual, expected):
      tf.debugging.assert_all_finite(a, 'compiled')
      self.assertAllClose(a, b, rtol=1e-9, atol=1e-11)
    return expected

  # compiled_test has a memory of one slot.
  @parameterized.parameters(1, 3)
  def test_random(self, num_writes):
    self._assert_same(_random, 6, num_writes)

  @parameterized.parameters(1, 3)
  def test_saturated(self, num_writes):
    _, _, _, write_weights, *_ = self._assert_same(_saturated, 6, num_writes)
    # Checks the case itself: only one slot is written.
    self.assertAllEqual(write_weights[:, 0], tf.one_hot([0] * _BATCH, 6))

  def test_extremes(self):
    core = cores.make_dnc(6, 3, 2, 2, dtype=tf.float32)
    flat, state = cores.extreme_interfaces(core, np.random.default_rng(1))
    module = compiled_access.CompiledMemoryAccess(**core.access.sizes)

    @tf.function(jit_compile=True, autograph=False)
    def step(flat, state):
      with tf.GradientTape() as tape:
        tape.watch([flat, state])
        new = module.read_and_write(
          module.split_interface(flat), module.fold(state)
        )
        loss = tf.add_n(
          [tf.reduce_sum(tf.sin(x)) for x in tf.nest.flatten(new)]
        )
      return new, tape.gradient(
        loss,
        [flat, state],
        unconnected_gradients=tf.UnconnectedGradients.ZERO,
      )

    new, (d_flat, d_state) = step(flat, state)
    cores.assert_finite(self, (new, d_flat, d_state))
    self.assertGreater(tf.norm(d_flat), 0)

  def test_factor_of_zero_has_the_gradient_of_the_reference(self):
    x = tf.constant([[[2.0, 0.0], [-1.0, 1e-30]]])
    upstream = tf.constant([[2.0, 3.0], [4.0, 5.0]])

    def gradient(product, upstream):
      with tf.GradientTape() as tape:
        tape.watch(x)
        y = product(x)
      return tape.gradient(y, x, output_gradients=upstream)

    expected = gradient(lambda x: util.reduce_prod(x, 0), upstream)
    self.assertAllEqual(expected, [[[2.0, 0.0], [4.0, 5.0]]])
    actual = gradient(compiled_access._single_factor, upstream[tf.newaxis])
    self.assertAllEqual(actual, expected)


if __name__ == '__main__':
  tf.test.main()

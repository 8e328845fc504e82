"""Tests of the core as Sonnet users use it; its numbers are in golden_test."""

import doctest
import os

from absl.testing import parameterized
import numpy as np
import sonnet as snt
import tensorflow as tf

from dnc import dnc
from dnc import unroll


def _core(**kwargs):
  return dnc.DNC(
    access_config=dict(memory_size=5, word_size=3, num_reads=2, num_writes=2),
    controller_config=dict(hidden_size=4),
    output_size=6,
    **kwargs,
  )


def _inputs(num_steps, batch_size):
  return tf.random.stateless_normal([num_steps, batch_size, 8], [1, 2])


# Time and batch.
_EXPORT_SIZES = ((5, 2), (1, 3), (7, 1))


class _Exported(tf.Module):
  """A core for `tf.saved_model.save`, over any time and batch."""

  def __init__(self, core, unroll_fn):
    super().__init__()
    self.core = core
    self._unroll = unroll_fn

  @tf.function(input_signature=[tf.TensorSpec([None, None, 8])])
  def __call__(self, inputs):
    initial_state = self.core.initial_state(tf.shape(inputs)[1])
    return self._unroll(self.core, inputs, initial_state)[:2]


def _weights_by_name(core):
  return {v.name: v.numpy() for v in core.variables}


class DNCTest(tf.test.TestCase, parameterized.TestCase):
  def test_example_in_the_docstring(self):
    results = doctest.testmod(dnc, extraglobs={'tf': tf, 'snt': snt})
    self.assertGreater(results.attempted, 0)
    self.assertEqual(results.failed, 0)

  def test_shapes(self):
    core = _core()
    output, state = core(tf.ones([7, 2, 4]), core.initial_state(7))
    self.assertEqual(output.shape, [7, 6])
    self.assertEqual(state.access_output.shape, [7, 2, 3])
    self.assertEqual(state.controller_state.hidden.shape, [7, 4])
    self.assertEqual(state.access_state.memory.shape, [7, 5, 3])
    self.assertEqual(state.access_state.read_weights.shape, [7, 2, 5])
    self.assertEqual(state.access_state.write_weights.shape, [7, 2, 5])
    self.assertEqual(state.access_state.usage.shape, [7, 5])
    linkage = state.access_state.linkage
    self.assertEqual(linkage.link.shape, [7, 2, 5, 5])
    self.assertEqual(linkage.precedence_weights.shape, [7, 2, 5])

  @parameterized.parameters(tf.float32, tf.float64)
  def test_dtype(self, dtype):
    core = _core(dtype=dtype)
    output, state = core(tf.ones([1, 8], dtype), core.initial_state(1))
    for tensor in [output, *tf.nest.flatten(state), *core.variables]:
      self.assertEqual(tensor.dtype, dtype)

  def test_variables_are_created_once_with_names_that_explain(self):
    core = _core()
    for _ in range(2):
      core(tf.ones([1, 8]), core.initial_state(1))
    names = [v.name for v in core.variables]
    self.assertLen(set(names), 3 + 2 * 10 + 2)
    self.assertLen(names, len(set(names)))
    self.assertIn('dnc/memory_access/write_gate/w:0', names)
    self.assertIn('dnc/lstm/w_i:0', names)
    self.assertIn('dnc/output_linear/b:0', names)

  def test_static_and_dynamic_unroll(self):
    core = _core()
    inputs = tf.random.stateless_normal([4, 3, 8], [1, 2])
    lengths = tf.constant([4, 1, 2])
    static = snt.static_unroll(core, inputs, core.initial_state(3), lengths)
    dynamic = tf.function(snt.dynamic_unroll)(
      core, inputs, core.initial_state(3), lengths
    )
    for a, b in zip(tf.nest.flatten(static), tf.nest.flatten(dynamic)):
      self.assertAllClose(a, b)

  def test_checkpoint(self):
    saved, restored = _core(), _core()
    for core in (saved, restored):
      core(tf.ones([1, 8]), core.initial_state(1))
    path = tf.train.Checkpoint(core=saved).write(
      os.path.join(self.get_temp_dir(), 'core')
    )
    tf.train.Checkpoint(core=restored).read(path).assert_consumed()
    for name, value in _weights_by_name(saved).items():
      np.testing.assert_array_equal(_weights_by_name(restored)[name], value)

  @parameterized.parameters(snt.dynamic_unroll, unroll.unroll)
  def test_saved_model(self, unroll_fn):
    module = _Exported(_core(), unroll_fn)
    module(_inputs(1, 1))
    path = os.path.join(self.get_temp_dir(), 'saved_model')
    tf.saved_model.save(module, path)
    expected = [module(_inputs(*sizes)) for sizes in _EXPORT_SIZES]
    # What was loaded must not lean on what was saved.
    for variable in module.core.variables:
      variable.assign(tf.zeros_like(variable))
    loaded = tf.saved_model.load(path)
    for sizes, results in zip(_EXPORT_SIZES, expected):
      actual = tf.nest.flatten(loaded(_inputs(*sizes)))
      self.assertLen(actual, len(tf.nest.flatten(results)))
      for a, b in zip(actual, tf.nest.flatten(results)):
        self.assertAllEqual(a, b)
      self.assertNotAllClose(results[0], tf.zeros_like(results[0]))

  @parameterized.parameters(
    ('memory_size', dict(access_config=dict(memory_size=0))),
    ('num_writes', dict(access_config=dict(num_writes=0))),
    ('output_size', dict(output_size=0)),
    ('clip_value', dict(clip_value=-1.0)),
  )
  def test_impossible_sizes_are_named(self, name, arguments):
    defaults = dict(
      access_config={}, controller_config=dict(hidden_size=2), output_size=1
    )
    with self.assertRaisesRegex(ValueError, name):
      dnc.DNC(**{**defaults, **arguments})


if __name__ == '__main__':
  tf.test.main()

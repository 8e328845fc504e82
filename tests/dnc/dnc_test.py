"""Tests of the core as an `RNNCore`, and of properties for any weights.

golden_test checks its numbers.
"""

import doctest
import os

from absl.testing import parameterized
import numpy as np
import sonnet as snt
import tensorflow as tf

from dnc import dnc
from dnc import unroll
from tests.support import cores
from tests.support import golden


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
_EXPORT_SIZES = ((5, 2), (1, 3))
_TOLERANCE = 1e-5
# memory_size, word_size, num_reads, num_writes: the smallest, and others.
_SIZES = (
  (1, 1, 1, 1),
  *np.random.default_rng(6).integers(1, (31, 7, 5, 6), [3, 4]).tolist(),
)


class _Exported(tf.Module):
  """A core for `tf.saved_model.save`, for any time and batch."""

  def __init__(self, core):
    super().__init__()
    self.core = core

  def _outputs_and_state(self, unroll_fn, inputs):
    initial_state = self.core.initial_state(tf.shape(inputs)[1])
    return unroll_fn(self.core, inputs, initial_state)[:2]

  @tf.function(input_signature=[tf.TensorSpec([None, None, 8])])
  def sonnet(self, inputs):
    return self._outputs_and_state(snt.dynamic_unroll, inputs)

  @tf.function(input_signature=[tf.TensorSpec([None, None, 8])])
  def ours(self, inputs):
    return self._outputs_and_state(unroll.unroll, inputs)


def _weights_by_name(core):
  return {v.name: v.numpy() for v in core.variables}


class DNCTest(tf.test.TestCase, parameterized.TestCase):
  def test_example_in_the_docstring(self):
    results = doctest.testmod(dnc, extraglobs={'tf': tf, 'snt': snt})
    self.assertGreater(results.attempted, 0)
    self.assertEqual(results.failed, 0)

  def test_sizes_are_those_of_state_and_output(self):
    core = _core()
    self.assertEqual(core.output_size, [6])
    self.assertEqual(core.access.output_size, [2, 3])
    for dtype in (None, tf.float16):
      state = core.initial_state(7, dtype)
      cores.assert_of_size(self, core, state, dtype or tf.float32)
      state = core.access.initial_state(7, dtype)
      cores.assert_of_size(self, core.access, state, dtype or tf.float32)

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
    # test_saved_model has it in a graph.
    dynamic = snt.dynamic_unroll(core, inputs, core.initial_state(3), lengths)
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

  def test_saved_model(self):
    module = _Exported(_core())
    # Functions that make variables are traced twice.
    module.core(tf.ones([1, 8]), module.core.initial_state(1))
    path = os.path.join(self.get_temp_dir(), 'saved_model')
    tf.saved_model.save(module, path)
    expected = [
      (name, sizes, getattr(module, name)(_inputs(*sizes)))
      for name in ('sonnet', 'ours')
      for sizes in _EXPORT_SIZES
    ]
    # The loaded module must not depend on the saved one.
    for variable in module.core.variables:
      variable.assign(tf.zeros_like(variable))
    loaded = tf.saved_model.load(path)
    for name, sizes, results in expected:
      actual = tf.nest.flatten(getattr(loaded, name)(_inputs(*sizes)))
      self.assertLen(actual, len(tf.nest.flatten(results)))
      for a, b in zip(actual, tf.nest.flatten(results)):
        self.assertAllEqual(a, b)
      self.assertNotAllClose(results[0], tf.zeros_like(results[0]))

  @parameterized.parameters(
    ('memory_size', dict(access_config=dict(memory_size=0))),
    ('num_writes', dict(access_config=dict(num_writes=0))),
    ('output_size', dict(output_size=0)),
    ('clip_value', dict(clip_value=-1.0)),
    ('clip_value', dict(clip_value=float('nan'))),
    ('clip_value', dict(clip_value='high')),
    ('word_size', dict(access_config=dict(word_size=4.5))),
    ('num_reads', dict(access_config=dict(num_reads=None))),
    ('hidden_size', dict(controller_config=dict(hidden_size='8'))),
    ('hidden_size', dict(controller_config=dict(hidden_size=0))),
    ('dtype', dict(dtype=tf.int32)),
    ('dtype', dict(dtype='real')),
  )
  def test_impossible_arguments_are_named(self, name, arguments):
    defaults = dict(
      access_config={}, controller_config=dict(hidden_size=2), output_size=1
    )
    with self.assertRaisesRegex(ValueError, f'^{name} must be'):
      dnc.DNC(**{**defaults, **arguments})

  def test_takes_the_numbers_of_a_sweep_and_names_of_dtypes(self):
    core = dnc.DNC(
      dict(memory_size=4.0, word_size=np.float32(3), num_reads=np.int8(2)),
      dict(hidden_size=5.0),
      np.float64(6),
      clip_value=np.float32(20),
      dtype='float64',
    )
    state = core.initial_state(2.0)
    output, state = core(tf.ones([2, 7], tf.float64), state)
    self.assertEqual(output.shape, (2, 6))
    self.assertEqual(state.access_state.memory.shape, (2, 4, 3))
    self.assertEqual(state.access_state.memory.dtype, tf.float64)
    state = core.initial_state(tf.constant(2))
    self.assertEqual(state.access_state.memory.shape, (2, 4, 3))
    for wrong in (-1, tf.constant(2.7), tf.constant([2])):
      with self.assertRaisesRegex(ValueError, '^batch_size must be'):
        core.initial_state(wrong)


def _states(core, inputs, state):
  """Returns the states after each step, by name."""
  states = []
  for step in inputs:
    _, state = core(step, state)
    states.append(golden.named_state(state))
  return {k: tf.stack([s[k] for s in states]) for k in states[0]}


def _project(outputs, state, cotangents):
  """Returns a random linear function of outputs and state."""
  values = [outputs, *tf.nest.flatten(state)]
  return tf.add_n([tf.reduce_sum(c * v) for c, v in zip(cotangents, values)])


def _central_differences(function, variable, delta=1e-5):
  """The gradient of `function()`, a float64 scalar, w.r.t. `variable`."""
  value = variable.numpy()
  gradient = np.zeros_like(value)
  for index in np.ndindex(*value.shape):
    ends = []
    for sign in (1, -1):
      moved = value.copy()
      moved[index] += sign * delta
      variable.assign(moved)
      ends.append(function().numpy())
    gradient[index] = (ends[0] - ends[1]) / (2 * delta)
  variable.assign(value)
  return gradient


def _step_by_step(core, inputs, state, write_weights=None):
  """Returns outputs and last state.

  `write_weights` replaces the previous step's, which only usage depends on.
  """
  outputs = []
  for t, step in enumerate(tf.unstack(inputs)):
    if write_weights is not None:
      state = state._replace(
        access_state=state.access_state._replace(write_weights=write_weights[t])
      )
    output, state = core(step, state)
    outputs.append(output)
  return tf.stack(outputs), state


class InvariantsTest(tf.test.TestCase, parameterized.TestCase):
  def _assert_within(self, values, low, high):
    self.assertGreaterEqual(np.min(values), low - _TOLERANCE)
    self.assertLessEqual(np.max(values), high + _TOLERANCE)

  def _assert_invariants(self, states):
    states = {name: np.asarray(value) for name, value in states.items()}
    for name in ('read_weights', 'write_weights', 'precedence_weights'):
      self._assert_within(states[name], 0, 1)
      self._assert_within(states[name].sum(-1), 0, 1)
    self._assert_within(states['usage'], 0, 1)
    link = states['link']
    self._assert_within(link, 0, 1)
    self._assert_within(link.sum(-1), 0, 1)
    self._assert_within(link.sum(-2), 0, 1)
    diagonal = np.diagonal(link, axis1=-2, axis2=-1)
    np.testing.assert_array_equal(diagonal, np.zeros_like(diagonal))

  @parameterized.parameters(*((sizes,) for sizes in _SIZES))
  def test_state_stays_where_it_belongs(self, sizes):
    rng = np.random.default_rng(sum(sizes))
    core = cores.make_dnc(*sizes, dtype=tf.float32, scale=2.0)
    batch_size, num_steps = 4, 40
    state = cores.random_state(core, rng, batch_size)
    self._assert_invariants(golden.named_state(state))
    inputs = 3 * rng.standard_normal([num_steps, batch_size, cores.INPUT_SIZE])
    states = _states(core, tf.constant(inputs, tf.float32), state)
    self.assertEqual(states['usage'].shape[:2], [num_steps, batch_size])
    self._assert_invariants(states)


class GradientTest(tf.test.TestCase, parameterized.TestCase):
  """Backpropagation against finite differences over several steps.

  The core stops the gradient from usage to the previous step's write weights;
  finite differences do not. So the differentiated function takes these write
  weights, which only usage depends on, as constants.
  """

  @parameterized.parameters(
    ((4, 2, 1, 1), None),
    ((3, 2, 2, 2), 0.4),
  )
  def test_finite_differences(self, sizes, clip_value):
    rng = np.random.default_rng(7)
    core = cores.make_dnc(*sizes, 3, clip_value, scale=0.7)
    batch_size, num_steps = 2, 3
    state = tf.nest.map_structure(
      tf.Variable, cores.random_state(core, rng, batch_size)
    )
    inputs = tf.Variable(
      rng.standard_normal([num_steps, batch_size, cores.INPUT_SIZE])
    )
    cotangents = [
      tf.constant(
        rng.standard_normal([num_steps, batch_size, cores.OUTPUT_SIZE])
      ),
      *(
        tf.constant(rng.standard_normal(x.shape))
        for x in tf.nest.flatten(state)
      ),
    ]

    def tensors(x):
      return tf.nest.map_structure(tf.convert_to_tensor, x)

    with tf.GradientTape() as tape:
      results = _step_by_step(core, tensors(inputs), tensors(state))
      loss = _project(*results, cotangents)
    written = _states(core, inputs[:-1], tensors(state))
    written = tf.concat(
      [state.access_state.write_weights[tf.newaxis], written['write_weights']],
      axis=0,
    )

    @tf.function(autograph=False)
    def stopped():
      results = _step_by_step(core, tensors(inputs), tensors(state), written)
      return _project(*results, cotangents)

    self.assertAllClose(loss, stopped(), rtol=1e-12)
    named = {f'state.{k}': v for k, v in golden.named_state(state).items()}
    named['inputs'] = inputs
    named.update((v.name, v) for v in core.trainable_variables)
    gradients = tape.gradient(
      loss, named, unconnected_gradients=tf.UnconnectedGradients.ZERO
    )
    self.assertAllEqual(
      gradients.pop('state.write_weights'),
      tf.zeros_like(state.access_state.write_weights),
    )
    for name, gradient in gradients.items():
      expected = _central_differences(stopped, named[name])
      self.assertGreater(np.max(np.abs(expected)), 1e-6, name)
      self.assertAllClose(gradient, expected, rtol=1e-6, atol=1e-8, msg=name)


class ManyStepsTest(tf.test.TestCase):
  def test_no_number_is_lost(self):
    core = cores.make_dnc(5, 3, 2, 1, dtype=tf.float32, scale=0.5)
    cores.sharpen(core)
    inputs = cores.normal([300, 1, cores.INPUT_SIZE], 2, tf.float32)

    @tf.function(autograph=False)
    def train():
      return cores.with_gradients(
        lambda *sequence: snt.dynamic_unroll(core, *sequence),
        core,
        inputs,
        core.initial_state(1),
      )

    outputs, state, gradients = train()
    self.assertEqual(outputs.shape, [300, 1, cores.OUTPUT_SIZE])
    cores.assert_finite(self, (outputs, state, gradients))


if __name__ == '__main__':
  tf.test.main()

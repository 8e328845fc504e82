"""Tests that the compiled recurrence is `snt.dynamic_unroll`.

In float64, where slots that tie sort alike on both sides; see
testdata/golden/FORMAT.md for what float32 does to ties.
"""

import contextlib
import os
import subprocess
import sys
from unittest import mock

from absl import logging
from absl.testing import parameterized
import sonnet as snt
import tensorflow as tf

from dnc import dnc
from dnc import unroll
from dnc.recurrence import compiled as fast_recurrence

_BATCH = 4
_INPUT_SIZE = 7
_OUTPUT_SIZE = 5
_K = fast_recurrence.CHUNK_STEPS
_LENGTHS = 'train_on_lengths'


def _normal(shape, seed, dtype=tf.float64):
  return tf.random.stateless_normal(shape, [seed, 17], dtype=dtype)


def _core(dtype=tf.float64, num_writes=1, clip_value=None, memory_size=6):
  core = dnc.DNC(
    access_config=dict(
      memory_size=memory_size, word_size=4, num_reads=2, num_writes=num_writes
    ),
    controller_config=dict(hidden_size=8),
    output_size=_OUTPUT_SIZE,
    clip_value=clip_value,
    dtype=dtype,
  )
  core(tf.zeros([1, _INPUT_SIZE], dtype), core.initial_state(1))
  for number, variable in enumerate(core.trainable_variables):
    variable.assign(_normal(variable.shape, number, dtype))
  return core


def _compiled(core, inputs, state, sequence_length=None):
  return unroll.unroll(core, inputs, state, sequence_length, compiled=True)[:2]


def _function(core, way):
  """Outputs, last state and gradients of a random function of both.

  Of sequences of any length, in one graph.
  """
  dtype = core.trainable_variables[0].dtype

  def run(inputs, state, sequence_length):
    with tf.GradientTape() as tape:
      tape.watch([inputs, state])
      outputs, last_state = way(core, inputs, state, sequence_length)
      shape = tf.shape(outputs)
      shape = [shape[0], *outputs.shape[1:]]
      loss = tf.reduce_sum(outputs * _normal(shape, 1, dtype))
      for number, value in enumerate(tf.nest.flatten(last_state)):
        loss += tf.reduce_sum(value * _normal(value.shape, 2 + number, dtype))
    sources = (core.trainable_variables, inputs, state)
    gradients = tape.gradient(
      loss, sources, unconnected_gradients=tf.UnconnectedGradients.ZERO
    )
    return outputs, last_state, gradients

  signature = tf.TensorSpec([None, _BATCH, _INPUT_SIZE], dtype)
  concrete = {}

  def call(inputs, state, sequence_length=None):
    key = sequence_length is None
    if key not in concrete:
      concrete[key] = tf.function(run).get_concrete_function(
        signature,
        state,
        None if key else tf.TensorSpec([_BATCH], tf.int32),
      )
    arguments = [inputs, *tf.nest.flatten(state)]
    if not key:
      arguments.append(sequence_length)
    return concrete[key](*arguments)

  return call


def _carried(core, dtype=tf.float64):
  """A state that no two slots share."""
  inputs = 3 * _normal([9, _BATCH, _INPUT_SIZE], 99, dtype)
  return snt.dynamic_unroll(core, inputs, core.initial_state(_BATCH))[1]


class FastRecurrenceTest(tf.test.TestCase, parameterized.TestCase):
  def _assert_same(self, actual, expected):
    actual, expected = map(tf.nest.flatten, (actual, expected))
    self.assertEqual(len(actual), len(expected))
    for a, b in zip(actual, expected):
      self.assertAllClose(a, b, rtol=1e-9, atol=1e-11)

  def test_any_length(self):
    core = _core(memory_size=9)
    actual = _function(core, _compiled)
    expected = _function(core, snt.dynamic_unroll)
    state = _carried(core)
    for num_steps in (1, _K - 1, _K, _K + 1, 300):
      with self.subTest(num_steps=num_steps):
        inputs = _normal([num_steps, _BATCH, _INPUT_SIZE], num_steps)
        self._assert_same(actual(inputs, state), expected(inputs, state))

  def test_within_a_function_that_xla_compiles(self):
    core = _core()
    inputs = _normal([_K + 2, _BATCH, _INPUT_SIZE], 0)
    state = _carried(core)

    def gradient(way):
      with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs, last_state = way(core, inputs, state)
        loss = tf.reduce_sum(outputs**2) + tf.reduce_sum(last_state[0])
      return outputs, tape.gradient(loss, [inputs, *core.trainable_variables])

    actual = tf.function(lambda: gradient(_compiled), jit_compile=True)()
    self._assert_same(actual, gradient(snt.dynamic_unroll))

  def test_any_length_is_compiled_once(self):
    folder = self.get_temp_dir()
    flags = f'--xla_dump_to={folder} --xla_dump_hlo_as_text'
    command = [
      sys.executable,
      '-m',
      'tests.dnc.recurrence.compiled_test',
      _LENGTHS,
    ]
    subprocess.run(command, env=dict(os.environ, XLA_FLAGS=flags), check=True)
    compiled = [
      name
      for name in os.listdir(folder)
      if name.endswith('before_optimizations.txt')
    ]
    for name in ('forward', 'backward'):
      with self.subTest(name=name):
        self.assertLen([x for x in compiled if f'__{name}_' in x], 1)

  def test_write_heads_clipping_and_lengths(self):
    core = _core(num_writes=3, clip_value=0.3)
    inputs = _normal([_K + 5, _BATCH, _INPUT_SIZE], 0)
    lengths = tf.constant([_K + 5, _K, 3, 0])
    state = _carried(core)
    actual = _function(core, _compiled)(inputs, state, lengths)
    self._assert_same(
      actual, _function(core, snt.dynamic_unroll)(inputs, state, lengths)
    )
    self.assertAllClose(tf.reduce_max(tf.abs(actual[0])), 0.3)

  def test_float32(self):
    core = _core(tf.float32, memory_size=16)
    inputs = _normal([_K + 2, _BATCH, _INPUT_SIZE], 0, tf.float32)
    state = _carried(core, tf.float32)
    actual = _function(core, _compiled)(inputs, state)
    expected = _function(core, snt.dynamic_unroll)(inputs, state)
    for a, b in zip(*map(tf.nest.flatten, (actual[:2], expected[:2]))):
      self.assertAllClose(a, b, rtol=0, atol=1e-5)
    for a, b in zip(*map(tf.nest.flatten, (actual[2], expected[2]))):
      self.assertAllClose(
        a, b, rtol=0, atol=1e-4 * float(tf.norm(b, float('inf')))
      )

  def test_records_with_gradient(self):
    core = _core()
    inputs = _normal([_K + 2, _BATCH, _INPUT_SIZE], 0)

    def record(state):
      access = state.access_state
      return dict(link=access.linkage.link, usage=tf.square(access.usage))

    def run(compiled):
      with tf.GradientTape() as tape:
        _, _, recorded = unroll.unroll(
          core,
          inputs,
          core.initial_state(_BATCH),
          record=record,
          compiled=compiled,
        )
        loss = sum(
          tf.reduce_sum(value * _normal(value.shape, 5))
          for value in recorded.values()
        )
      return recorded, tape.gradient(
        loss,
        core.trainable_variables,
        unconnected_gradients=tf.UnconnectedGradients.ZERO,
      )

    self._assert_same(
      tf.function(run)(compiled=True), tf.function(run)(compiled=False)
    )

  def test_eager_unknown_batch_and_no_steps(self):
    core = _core()
    state_spec = tf.nest.map_structure(
      lambda x: tf.TensorSpec([None, *x.shape[1:]], x.dtype),
      core.initial_state(1),
    )
    run = tf.function(
      lambda inputs, state: _compiled(core, inputs, state),
      input_signature=[
        tf.TensorSpec([None, None, _INPUT_SIZE], tf.float64),
        state_spec,
      ],
    )
    inputs = _normal([3, 2, _INPUT_SIZE], 0)
    state = core.initial_state(2)
    expected = snt.dynamic_unroll(core, inputs, state)
    self._assert_same(run(inputs, state), expected)
    self._assert_same(_compiled(core, inputs, state), expected)
    outputs, last_state = run(inputs[:0], state)
    self.assertEqual(outputs.shape, [0, 2, _OUTPUT_SIZE])
    self._assert_same(last_state, state)

  def test_known_batch_after_unknown(self):
    # The chunks are those that were traced for batches of any size.
    core = _core(memory_size=5)
    state = _carried(core)
    spec = tf.nest.map_structure(
      lambda x: tf.TensorSpec([None, *x.shape[1:]], x.dtype), state
    )
    inputs = _normal([_K + 2, _BATCH, _INPUT_SIZE], 0)
    inputs_spec = tf.TensorSpec([None, None, _INPUT_SIZE], tf.float64)

    def gradient(inputs, state):
      with tf.GradientTape() as tape:
        outputs, last_state = _compiled(core, inputs, state)
        loss = tf.reduce_sum(outputs**2)
        loss += tf.reduce_sum(last_state.access_output)
      return tape.gradient(loss, core.trainable_variables)

    unknown = tf.function(gradient).get_concrete_function(inputs_spec, spec)
    expected = unknown(inputs, *tf.nest.flatten(state))
    self._assert_same(tf.function(gradient)(inputs, state), expected)

  def test_shards_are_equal(self):
    with mock.patch.object(fast_recurrence, '_num_cores', return_value=4):
      shards = [fast_recurrence._num_shards(n) for n in (16, 6, 7, 2, 1, None)]
    self.assertEqual(shards, [4, 3, 1, 2, 1, 1])


class CanCompileTest(tf.test.TestCase):
  def setUp(self):
    super().setUp()
    unroll.can_compile.cache_clear()
    self.addCleanup(unroll.can_compile.cache_clear)

  def test_here(self):
    with self.assertNoLogs(logging.get_absl_logger(), 'WARNING'):
      self.assertTrue(unroll.can_compile())

  def test_without_xla_falls_back_and_says_so_once(self):
    core = _core()
    inputs = _normal([2, _BATCH, _INPUT_SIZE], 0)
    state = core.initial_state(_BATCH)
    error = tf.errors.UnimplementedError(None, None, 'no XLA\nhere')
    function = tf.function

    def without_xla(*args, jit_compile=None, **kwargs):
      if jit_compile:
        raise error
      return function(*args, **kwargs)

    with contextlib.ExitStack() as stack:
      stack.enter_context(mock.patch.object(tf, 'function', without_xla))
      stack.enter_context(
        mock.patch.object(
          fast_recurrence, 'run', side_effect=AssertionError('compiled')
        )
      )
      logs = stack.enter_context(
        self.assertLogs(logging.get_absl_logger(), 'WARNING')
      )
      for _ in range(2):
        outputs = unroll.unroll(core, inputs, state)[0]
    self.assertLen(logs.output, 1)
    self.assertIn('runs slower: no XLA', logs.output[0])
    self.assertAllClose(outputs, snt.dynamic_unroll(core, inputs, state)[0])

  def test_not_on_a_gpu(self):
    with mock.patch.object(
      tf.config, 'list_logical_devices', return_value=['/GPU:0']
    ):
      self.assertFalse(unroll.can_compile())


def _train_on_lengths():
  """What `test_any_length_is_compiled_once` runs by itself."""
  core = _core()
  run = _function(core, _compiled)
  for num_steps in (_K, 1, 7, _K + 1, 3 * _K - 2):
    inputs = _normal([num_steps, _BATCH, _INPUT_SIZE], 0)
    run(inputs, core.initial_state(_BATCH))


if __name__ == '__main__':
  if _LENGTHS in sys.argv:
    _train_on_lengths()
  else:
    tf.test.main()

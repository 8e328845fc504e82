"""Tests that the compiled recurrence equals `snt.dynamic_unroll`.

In float64, both sort slots of equal usage alike; testdata/golden/FORMAT.md says
what float32 does to ties. Compiling takes most of the time, so each test checks
much with one core; a step of the reference takes long, so chunks are short.
"""

import functools
import os
import subprocess
import sys
from unittest import mock

from absl.testing import parameterized
import sonnet as snt
import tensorflow as tf

from dnc import unroll
from dnc.recurrence import compiled
from dnc.recurrence import compiled_chunk
import tests
from tests.support import cores

_BATCH = 4
_K = 5
_in_short_chunks = mock.patch.object(compiled_chunk, 'CHUNK_STEPS', _K)
_ANY_LENGTH = 'any_length'


def _inputs(num_steps, batch_size=_BATCH, dtype=tf.float64):
  shape = [num_steps, batch_size, cores.INPUT_SIZE]
  return cores.normal(shape, num_steps, dtype)


def _compiled(core, *arguments, **kwargs):
  return unroll.unroll(core, *arguments, compiled=True, **kwargs)


def _carried(core, dtype=tf.float64):
  """A state in which no two slots are alike."""
  state = core.initial_state(_BATCH)
  return snt.dynamic_unroll(core, 3 * _inputs(9, dtype=dtype), state)[1]


def _function(core, way, dtype=tf.float64):
  """`cores.with_gradients` for sequences of any length, in one graph."""
  return tf.function(
    lambda inputs, state: cores.with_gradients(
      lambda *sequence: way(core, *sequence), core, inputs, state
    ),
    input_signature=[
      tf.TensorSpec([None, _BATCH, cores.INPUT_SIZE], dtype),
      tf.nest.map_structure(
        lambda x: tf.TensorSpec(x.shape, x.dtype), core.initial_state(_BATCH)
      ),
    ],
    autograph=False,
  )


class CompiledTest(tf.test.TestCase, parameterized.TestCase):
  def _assert_same(self, actual, expected, rtol=1e-9, atol=1e-11):
    actual, expected = map(tf.nest.flatten, (actual, expected))
    self.assertEqual(len(actual), len(expected))
    for a, b in zip(actual, expected):
      self.assertAllClose(a, b, rtol=rtol, atol=atol)

  @_in_short_chunks
  def any_length(self):
    """Runs in its own process for the test below."""
    core = cores.make_dnc(memory_size=9)
    actual = _function(core, _compiled)
    state = _carried(core)
    for num_steps in (_K, 1, _K - 1, _K + 1, 3 * _K - 2):
      with self.subTest(num_steps=num_steps):
        inputs = _inputs(num_steps)
        # Without a graph, whose making would take longest.
        expected = cores.with_gradients(
          functools.partial(snt.dynamic_unroll, core), core, inputs, state
        )
        self._assert_same(actual(inputs, state), expected)

  def test_any_length_is_right_and_compiled_once(self):
    folder = self.get_temp_dir()
    flags = dict(
      XLA_FLAGS=f'{tests.QUICKLY} --xla_dump_to={folder} '
      '--xla_dump_hlo_as_text',
      TF_XLA_FLAGS='',  # What other processes have compiled is not used.
    )
    command = [sys.executable, '-m', 'tests.dnc.recurrence.compiled_test']
    subprocess.run(
      [*command, _ANY_LENGTH], env={**os.environ, **flags}, check=True
    )
    modules = [
      name
      for name in os.listdir(folder)
      if name.endswith('before_optimizations.txt')
    ]
    for name in ('forward', 'backward'):
      with self.subTest(name=name):
        self.assertLen([x for x in modules if f'__{name}_' in x], 1)

  def test_one_slot_a_reset_controller_and_no_steps(self):
    core = cores.make_dnc(memory_size=1, reset_controller=True)
    inputs, state = _inputs(2), _carried(core)
    self._assert_same(
      *(
        cores.with_gradients(functools.partial(way, core), core, inputs, state)
        for way in (_compiled, snt.dynamic_unroll)
      )
    )
    outputs, last_state, _ = _compiled(core, inputs[:0], state)
    self.assertEqual(outputs.shape, [0, _BATCH, cores.OUTPUT_SIZE])
    self._assert_same(last_state, state)

  @_in_short_chunks
  def test_write_heads_clipping_lengths_and_records(self):
    core = cores.make_dnc(num_writes=3, clip_value=0.3)
    inputs, state = _inputs(_K + 2), _carried(core)
    lengths = tf.constant([_K + 2, _K, 3, 0])

    def record(state):
      access = state.access_state
      return dict(link=access.linkage.link, usage=tf.square(access.usage))

    def unroll_recorded(inputs, state, lengths, **way):
      def with_recorded(inputs, state):
        outputs, last_state, recorded = unroll.unroll(
          core, inputs, state, lengths, record, **way
        )
        # So that the loss depends on what was recorded.
        return outputs, (last_state, recorded)

      return cores.with_gradients(with_recorded, core, inputs, state)

    keeping = functools.partial(
      unroll_recorded, compiled=True, keep_states=True
    )
    # Chunks traced for an unknown batch size are reused for known sizes, and
    # those compiled for two sequences are, by two processor cores, for four.
    unknown = tf.function(
      keeping,
      input_signature=[
        tf.TensorSpec([None, None, cores.INPUT_SIZE], tf.float64),
        cores.batch_free_spec(state),
        tf.TensorSpec([None], tf.int32),
      ],
      autograph=False,
    )
    half = tf.nest.map_structure(lambda x: x[1:3], state)
    for num_steps in (_K + 2, 3 * _K - 2):
      some = (
        _inputs(num_steps)[:, 1:3],
        half,
        lengths[1:3] + num_steps - _K - 2,
      )
      # Without a graph, whose making would take longest.
      self._assert_same(unknown(*some), unroll_recorded(*some, compiled=False))
    # With zero steps, nothing is done.
    outputs, (last_state, _), _ = unknown(inputs[:0, :2], half, [0, 0])
    self.assertEqual(outputs.shape, [0, 2, cores.OUTPUT_SIZE])
    self._assert_same(last_state, half)

    arguments = inputs, state, lengths
    expected = unroll_recorded(*arguments, compiled=False)
    known = tf.function(keeping, autograph=False)
    self._assert_same(known(*arguments), expected)
    # Eager, and without the states.
    self._assert_same(unroll_recorded(*arguments, compiled=True), expected)
    outputs, (last_state, _), _ = expected
    self._assert_same(
      (outputs, last_state), snt.dynamic_unroll(core, inputs, state, lengths)
    )
    self.assertAllClose(tf.reduce_max(tf.abs(outputs)), 0.3)

  @_in_short_chunks
  def test_within_a_function_that_xla_compiles(self):
    core = cores.make_dnc()
    # One sequence is one part: XLA compiles each part again.
    inputs = _inputs(_K + 2, batch_size=1)
    state = tf.nest.map_structure(lambda x: x[:1], _carried(core))

    def gradient(way):
      with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs, last_state = way(core, inputs, state)[:2]
        loss = tf.reduce_sum(outputs**2) + tf.reduce_sum(last_state[0])
      return outputs, tape.gradient(loss, [inputs, *core.trainable_variables])

    actual = tf.function(
      lambda: gradient(_compiled), jit_compile=True, autograph=False
    )()
    self._assert_same(actual, gradient(snt.dynamic_unroll))

  def test_float32_and_two_thousand_steps(self):
    dtype = tf.float32
    core = cores.make_dnc(5, 3, dtype=dtype, scale=0.5)
    inputs, state = _inputs(27, dtype=dtype), _carried(core, dtype)
    function = _function(core, _compiled, dtype)
    *actual, gradients = function(inputs, state)
    *expected, expected_gradients = cores.with_gradients(
      lambda *sequence: snt.dynamic_unroll(core, *sequence),
      core,
      inputs,
      state,
    )
    self._assert_same(actual, expected, rtol=0, atol=1e-5)
    for a, b in zip(*map(tf.nest.flatten, (gradients, expected_gradients))):
      self.assertAllClose(
        a, b, rtol=0, atol=1e-4 * float(tf.norm(b, float('inf')))
      )

    cores.sharpen(core)
    results = function(_inputs(2000, dtype=dtype), core.initial_state(_BATCH))
    cores.assert_finite(self, results)
    self.assertGreater(tf.linalg.global_norm(results[2][0]), 0)

  # Compiling gradients takes most of the time: once is enough.
  @parameterized.parameters(
    (tf.float16, 0.005, True), (tf.bfloat16, 0.03, False)
  )
  def test_half_precision(self, dtype, tolerance, with_gradient):
    # From an empty memory, where all slots are equally used.
    core, single = (
      cores.make_dnc(8, num_reads=1, dtype=x, scale=0.5)
      for x in (dtype, tf.float32)
    )
    inputs = _inputs(6, dtype=dtype)
    for variable, half in zip(single.variables, core.variables):
      variable.assign(tf.cast(half, tf.float32))

    def run(core, way):
      state = core.initial_state(_BATCH)
      with tf.GradientTape() as tape:
        outputs, last_state = way(core, tf.cast(inputs, core.dtype), state)[:2]
        loss = tf.reduce_sum(tf.cast(outputs, tf.float32) ** 2)
      gradients = []
      if with_gradient or way != _compiled:
        gradients = tape.gradient(loss, core.trainable_variables)
      cores.assert_finite(self, (outputs, last_state, gradients))
      flat = [tf.reshape(tf.cast(x, tf.float32), [-1]) for x in gradients]
      found = [tf.cast(outputs, tf.float32)]
      return [*found, tf.concat(flat, axis=0)] if flat else found

    expected = run(single, snt.dynamic_unroll)
    for way in (snt.dynamic_unroll, _compiled):
      for found, wanted in zip(run(core, way), expected):
        error = tf.norm(found - wanted) / tf.norm(wanted)
        self.assertLess(error, tolerance)

  def test_parts_are_equal(self):
    with mock.patch.object(compiled, 'num_cores', return_value=4):
      parts = [compiled._num_parts(n) for n in (16, 6, 7, 2, 1, 0, None)]
    self.assertEqual(parts, [4, 3, 1, 2, 1, 1, 1])


if __name__ == '__main__':
  if _ANY_LENGTH in sys.argv:
    CompiledTest('any_length').debug()
  else:
    tf.test.main()

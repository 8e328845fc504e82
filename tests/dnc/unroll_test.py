"""Tests of `unroll`: its arguments, its outputs, and where it compiles.

recurrence/plain_test and compiled_test check the recurrence.
"""

import contextlib
import functools
from unittest import mock

from absl import logging
from absl.testing import parameterized
import numpy as np
import sonnet as snt
import tensorflow as tf

from dnc import dnc
from dnc import lesions
from dnc import lstm
from dnc import unroll
from dnc.recurrence import compiled as compiled_lib
from tests.support import cores

_BATCH = 3

_unroll = functools.partial(unroll.unroll, compiled=False)


# Nobody changes it.
_core = functools.cache(cores.make_dnc)


def _inputs(num_steps, batch_size=_BATCH):
  return cores.normal([num_steps, batch_size, cores.INPUT_SIZE], 0)


def _make_lstm():
  return lstm.LSTMCore(dict(hidden_size=4), output_size=5, dtype=tf.float64)


class UnrollTest(tf.test.TestCase, parameterized.TestCase):
  def test_clips_outputs(self):
    core = cores.make_dnc(clip_value=0.3)
    outputs = _unroll(core, _inputs(5), core.initial_state(_BATCH))[0]
    self.assertAllClose(tf.reduce_max(tf.abs(outputs)), 0.3)

  def test_a_reset_controller_forgets_but_the_memory_does_not(self):
    core = cores.make_dnc(reset_controller=True)
    inputs = _inputs(5)
    _, state, _ = _unroll(core, 3 * inputs, core.initial_state(_BATCH))
    found, expected = (
      cores.with_gradients(
        lambda *sequence, way=way: way(core, *sequence), core, inputs, state
      )
      for way in (_unroll, snt.dynamic_unroll)
    )
    tf.nest.map_structure(
      functools.partial(self.assertAllClose, rtol=1e-9, atol=1e-11),
      found,
      expected,
    )
    zeros = core.initial_state(_BATCH)
    for name, is_used in (
      ('controller_state', False),
      ('access_state', True),
      ('access_output', True),
    ):
      changed = state._replace(**{name: getattr(zeros, name)})
      outputs = _unroll(core, inputs, changed)[0]
      self.assertEqual(
        not np.allclose(outputs, expected[0], rtol=1e-9), is_used, msg=name
      )

  def test_sequence_length_of_any_kind(self):
    core = _core()
    inputs, state = _inputs(6), core.initial_state(_BATCH)
    expected = snt.dynamic_unroll(core, inputs, state, tf.constant([6, 2, 0]))
    for length in (
      [6, 2, 0],
      np.array([6, 2, 0], np.int64),
      np.array([5.5, 2, 0]),
    ):
      actual = _unroll(core, inputs, state, length)
      self.assertAllClose(actual[0], expected[0])
    # Beyond the last step, and beyond what int32 holds.
    for length in ([2**40, 2, 0], np.array([np.nan, 2, -np.inf])):
      actual = _unroll(core, inputs, state, length)
      self.assertAllClose(actual[0], expected[0])
    expected = snt.dynamic_unroll(core, inputs, state, 2)
    actual = _unroll(core, inputs, state, 2)
    self.assertAllClose(actual[0], expected[0])
    tf.nest.map_structure(self.assertAllClose, actual[1], expected[1])

  def test_takes_arrays_as_dynamic_unroll_does(self):
    core = cores.make_dnc(dtype=tf.float32)
    inputs, state = tf.cast(_inputs(4), tf.float32), core.initial_state(_BATCH)
    expected = snt.dynamic_unroll(core, inputs, state)
    arrays = inputs.numpy(), tf.nest.map_structure(lambda x: x.numpy(), state)
    self.assertAllClose(
      snt.dynamic_unroll(core, arrays[0], state)[0], expected[0]
    )
    for given in (
      arrays,
      (inputs.numpy().astype(np.float64), tuple(state)),
      (inputs.numpy().tolist(), tf.nest.flatten(state)),
    ):
      actual = _unroll(core, *given)
      self.assertAllClose(actual[0], expected[0])
      tf.nest.map_structure(self.assertAllClose, actual[1], expected[1])

  @parameterized.parameters(_core, _make_lstm)
  def test_no_sequence_or_no_step(self, make_core):
    core = make_core()
    for num_steps, batch_size in ((3, 0), (0, 2), (0, 0)):
      inputs = _inputs(num_steps, batch_size).numpy()
      state = core.initial_state(batch_size)
      with tf.GradientTape() as tape:
        outputs, last, _ = _unroll(core, inputs, state)
        loss = tf.reduce_sum(outputs)
      self.assertEqual(outputs.shape, (num_steps, batch_size, 5))
      tf.nest.map_structure(self.assertAllEqual, last, state)
      for gradient in tape.gradient(
        loss,
        core.trainable_variables,
        unconnected_gradients=tf.UnconnectedGradients.ZERO,
      ):
        self.assertAllEqual(gradient, tf.zeros_like(gradient))

  def test_no_sequence_compiled(self):
    core = _core()
    state = core.initial_state(0)
    outputs, last, _ = unroll.unroll(core, _inputs(3, 0), state, compiled=True)
    self.assertEqual(outputs.shape, (3, 0, 5))
    tf.nest.map_structure(self.assertAllEqual, last, state)

  @parameterized.parameters(
    (dict(inputs=tf.zeros([2, 3, 7])), 'input_sequence is float32'),
    (dict(inputs=tf.zeros([2, 3, 7], tf.int64)), 'input_sequence is int64'),
    (dict(inputs=np.zeros([2, 3, 9])), 'has 9 numbers a step: must have 7'),
    (dict(inputs=np.zeros([2, 3])), r'must be \[time, batch, ...\]'),
    (dict(inputs=np.zeros([2, 4, 7])), r'initial_state .*: must be .* \(4, '),
    (dict(dtype=tf.float32), 'initial_state has a float32 tensor'),
    (dict(inputs=np.zeros([2, 3, 7], complex)), 'complex128: must be real'),
    (dict(inputs=np.zeros([2, 3, 7], 'M8[s]')), r'datetime64\[s\]: must be'),
    (dict(inputs=np.ma.masked_equal(np.zeros([2, 3, 7]), 0)), 'masked values'),
    (
      dict(inputs=[np.ma.masked_equal(np.zeros([3, 7]), 0)] * 2),
      'input_sequence has masked values',
    ),
    (dict(inputs=np.full([2, 3, 7], None)), 'input_sequence is object'),
    (dict(inputs=None), 'input_sequence is or has a NoneType'),
    (
      dict(inputs=tf.RaggedTensor.from_tensor(tf.zeros([2, 3, 7]))),
      'input_sequence is or has a RaggedTensor: .* sequence_length says',
    ),
    (dict(inputs=tf.sparse.eye(3)), 'input_sequence is or has a SparseTensor'),
    (dict(state=None), 'initial_state is or has a NoneType'),
    (
      dict(state=[np.ma.masked_equal(np.zeros(3), 0)]),
      'initial_state has mask',
    ),
    (
      dict(length=np.ma.masked_equal([1, 2, 2], 1)),
      'sequence_length has masked values',
    ),
    (dict(length=['a'] * 3), 'sequence_length is string'),
    (dict(length=[2, 1]), r'sequence_length has shape \(2,\): must have \(3,'),
  )
  def test_what_does_not_fit_is_named(self, change, message):
    core = _core()
    state = core.initial_state(_BATCH, change.get('dtype'))
    state = change.get('state', state)
    inputs = change.get('inputs', _inputs(2))
    with self.assertRaisesRegex(ValueError, message):
      _unroll(core, inputs, state, change.get('length'))

  def test_other_cores_and_unknown_sizes_are_refused(self):
    with self.assertRaisesRegex(ValueError, 'core is a LSTM: must be a DNC'):
      _unroll(snt.LSTM(3), _inputs(2), snt.LSTM(3).initial_state(_BATCH))
    core = dnc.DNC(dict(memory_size=2, word_size=2), dict(hidden_size=2), 1)
    spec = tf.TensorSpec([None, _BATCH, None], tf.float32)
    function = tf.function(
      lambda x: _unroll(core, x, core.initial_state(_BATCH)),
      [spec],
      autograph=False,
    )
    with self.assertRaisesRegex(ValueError, 'its size must be known'):
      function(tf.zeros([2, _BATCH, 7]))

  def test_a_state_of_another_core_is_refused(self):
    with self.assertRaisesRegex(ValueError, 'has 2 tensors: must have 9'):
      _unroll(_core(), _inputs(2), _make_lstm().initial_state(_BATCH))

  def test_unknown_time_and_batch_take_one_graph(self):
    core = _core()
    traces = []

    @tf.function(
      input_signature=[
        tf.TensorSpec([None, None, cores.INPUT_SIZE], tf.float64),
        cores.batch_free_spec(core.initial_state(1)),
      ]
    )
    def unroll_any(inputs, state):
      traces.append(None)
      return _unroll(core, inputs, state)[0]

    for num_steps, batch_size in ((4, 2), (1, 3), (7, 1)):
      inputs = _inputs(num_steps, batch_size)
      state = core.initial_state(batch_size)
      self.assertAllClose(
        unroll_any(inputs, state), snt.dynamic_unroll(core, inputs, state)[0]
      )
    self.assertLen(traces, 1)

  def test_creates_the_variables_of_a_new_core(self):
    core = dnc.DNC(
      dict(memory_size=4, word_size=2), dict(hidden_size=3), output_size=2
    )
    inputs = tf.ones([2, 1, 5])

    @tf.function
    def unroll_new():
      return _unroll(core, inputs, core.initial_state(1))[0]

    self.assertEqual(unroll_new().shape, [2, 1, 2])
    self.assertNotEmpty(core.trainable_variables)
    self.assertAllClose(
      unroll_new(), snt.dynamic_unroll(core, inputs, core.initial_state(1))[0]
    )

  def test_refuses_a_projected_hidden_state(self):
    core = dnc.DNC({}, dict(hidden_size=3, projection_size=2), output_size=2)
    with self.assertRaisesRegex(ValueError, 'projection_size'):
      unroll.unroll(core, tf.ones([2, 1, 5]), core.initial_state(1))

  def test_refuses_to_compile_another_access(self):
    lesioned = lesions.LesionedDNC(_core(), 'no_usage')
    state = lesioned.initial_state(_BATCH)
    with self.assertRaisesRegex(ValueError, 'no compiled form of Lesioned'):
      unroll.unroll(lesioned, _inputs(2), state, compiled=True)


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
    inputs, state = _inputs(2), core.initial_state(_BATCH)
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
          compiled_lib, 'scan', side_effect=AssertionError('compiled')
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


if __name__ == '__main__':
  tf.test.main()

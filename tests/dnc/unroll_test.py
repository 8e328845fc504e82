"""Tests that `unroll`, not compiled, is `snt.dynamic_unroll`.

In values and gradients; for the compiled one see fast_recurrence_test.py.
"""

import functools

from absl.testing import parameterized
import numpy as np
import sonnet as snt
import tensorflow as tf

from dnc import dnc
from dnc import unroll

_BATCH = 3
_INPUT_SIZE = 7


_unroll = functools.partial(unroll.unroll, compiled=False)


def _core(num_writes=1, clip_value=None):
  core = dnc.DNC(
    access_config=dict(
      memory_size=6, word_size=4, num_reads=2, num_writes=num_writes
    ),
    controller_config=dict(hidden_size=8),
    output_size=5,
    clip_value=clip_value,
    dtype=tf.float64,
  )
  core(tf.zeros([1, _INPUT_SIZE], tf.float64), core.initial_state(1))
  for number, variable in enumerate(core.trainable_variables):
    variable.assign(_normal(variable.shape, number))
  return core


def _normal(shape, seed):
  return tf.random.stateless_normal(shape, [seed, 17], dtype=tf.float64)


def _run(function, core, inputs, state):
  """Outputs, final state and gradients of a random function of both."""
  with tf.GradientTape() as tape:
    tape.watch([inputs, state])
    outputs, final_state = function(inputs, state)[:2]
    loss = tf.reduce_sum(outputs * _normal(outputs.shape, 1))
    for number, value in enumerate(tf.nest.flatten(final_state)):
      loss += tf.reduce_sum(value * _normal(value.shape, 2 + number))
  sources = (core.trainable_variables, inputs, state)
  gradients = tape.gradient(
    loss, sources, unconnected_gradients=tf.UnconnectedGradients.ZERO
  )
  return outputs, final_state, gradients


class UnrollTest(tf.test.TestCase, parameterized.TestCase):
  def _assert_same(self, core, num_steps, sequence_length=None, carried=False):
    inputs = _normal([num_steps, _BATCH, _INPUT_SIZE], 0)
    state = core.initial_state(_BATCH)
    if carried:
      _, state = snt.dynamic_unroll(core, 3 * inputs, state)
    actual = _run(
      tf.function(lambda x, s: _unroll(core, x, s, sequence_length)),
      core,
      inputs,
      state,
    )
    expected = _run(
      tf.function(lambda x, s: snt.dynamic_unroll(core, x, s, sequence_length)),
      core,
      inputs,
      state,
    )
    for a, b in zip(tf.nest.flatten(actual), tf.nest.flatten(expected)):
      self.assertAllClose(a, b, rtol=1e-9, atol=1e-11)

  @parameterized.parameters(1, 2, 9)
  def test_any_length(self, num_steps):
    self._assert_same(_core(), num_steps)

  def test_several_write_heads(self):
    self._assert_same(_core(num_writes=3), 5)

  def test_clipping(self):
    core = _core(clip_value=0.3)
    outputs = _unroll(
      core,
      _normal([5, _BATCH, _INPUT_SIZE], 0),
      core.initial_state(_BATCH),
    )[0]
    self.assertAllClose(tf.reduce_max(tf.abs(outputs)), 0.3)
    self._assert_same(core, 5)

  def test_carried_state(self):
    self._assert_same(_core(), 5, carried=True)

  def test_sequence_length(self):
    self._assert_same(_core(), 6, sequence_length=tf.constant([6, 2, 0]))

  def test_sequence_length_of_any_kind(self):
    core = _core()
    inputs = _normal([6, _BATCH, _INPUT_SIZE], 0)
    state = core.initial_state(_BATCH)
    expected = snt.dynamic_unroll(core, inputs, state, tf.constant([6, 2, 0]))
    for length in ([6, 2, 0], np.array([6, 2, 0], np.int64)):
      actual = _unroll(core, inputs, state, length)
      self.assertAllClose(actual[0], expected[0])

  def test_unknown_time_and_batch_take_one_graph(self):
    core = _core()
    state_spec = tf.nest.map_structure(
      lambda x: tf.TensorSpec([None, *x.shape[1:]], x.dtype),
      core.initial_state(1),
    )
    traces = []

    @tf.function(
      input_signature=[
        tf.TensorSpec([None, None, _INPUT_SIZE], tf.float64),
        state_spec,
      ]
    )
    def run(inputs, state):
      traces.append(None)
      return _unroll(core, inputs, state)[0]

    for num_steps, batch_size in ((4, 2), (1, 3), (7, 1)):
      inputs = _normal([num_steps, batch_size, _INPUT_SIZE], 0)
      state = core.initial_state(batch_size)
      self.assertAllClose(
        run(inputs, state), snt.dynamic_unroll(core, inputs, state)[0]
      )
    self.assertLen(traces, 1)

  def test_records_the_state_after_every_step(self):
    core = _core()
    inputs = _normal([4, _BATCH, _INPUT_SIZE], 0)
    state = core.initial_state(_BATCH)
    _, _, memory = _unroll(
      core, inputs, state, record=lambda s: s.access_state.memory
    )
    for t in range(4):
      _, state = core(inputs[t], state)
      self.assertAllClose(memory[t], state.access_state.memory)

  def test_creates_the_variables_of_a_new_core(self):
    core = dnc.DNC(
      dict(memory_size=4, word_size=2), dict(hidden_size=3), output_size=2
    )
    inputs = tf.ones([2, 1, 5])

    @tf.function
    def run():
      return _unroll(core, inputs, core.initial_state(1))[0]

    self.assertEqual(run().shape, [2, 1, 2])
    self.assertNotEmpty(core.trainable_variables)
    self.assertAllClose(
      run(), snt.dynamic_unroll(core, inputs, core.initial_state(1))[0]
    )

  def test_padding_has_no_gradient(self):
    core = _core()
    length = tf.constant([2, 4, 1])
    inputs = tf.Variable(_normal([4, _BATCH, _INPUT_SIZE], 0))
    real = tf.transpose(tf.sequence_mask(length, 4))
    with tf.GradientTape() as tape:
      outputs = _unroll(core, inputs, core.initial_state(_BATCH))[0]
      loss = tf.reduce_sum(outputs * tf.cast(real[..., None], tf.float64))
    gradient = tape.gradient(loss, inputs).numpy()
    self.assertTrue(np.all(gradient[~real] == 0))
    self.assertTrue(np.all(np.any(gradient != 0, axis=2) == real))


if __name__ == '__main__':
  tf.test.main()

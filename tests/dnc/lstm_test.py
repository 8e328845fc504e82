"""Tests of the core without a memory."""

from absl.testing import parameterized
import sonnet as snt
import tensorflow as tf

from dnc import dnc
from dnc import lstm
from dnc import unroll

_BATCH = 3
_INPUT_SIZE = 7


def _normal(shape, seed):
  return tf.random.stateless_normal(shape, [seed, 17], dtype=tf.float64)


def _core(clip_value=None):
  core = lstm.LSTMCore(
    controller_config=dict(hidden_size=8),
    output_size=5,
    clip_value=clip_value,
    dtype=tf.float64,
  )
  core(tf.zeros([1, _INPUT_SIZE], tf.float64), core.initial_state(1))
  for number, variable in enumerate(core.trainable_variables):
    variable.assign(_normal(variable.shape, number))
  return core


def _run(function, core, inputs, state):
  """Outputs, final state and gradients of a random function of both."""
  with tf.GradientTape() as tape:
    tape.watch([inputs, state])
    outputs, final_state = function(core, inputs, state)[:2]
    loss = tf.reduce_sum(outputs * _normal(outputs.shape, 1))
    for number, value in enumerate(tf.nest.flatten(final_state)):
      loss += tf.reduce_sum(value * _normal(value.shape, 2 + number))
  sources = (core.trainable_variables, inputs, state)
  return outputs, final_state, tape.gradient(loss, sources)


class LSTMCoreTest(tf.test.TestCase, parameterized.TestCase):
  def test_is_a_dnc_that_reads_nothing(self):
    # Whose output layer does not look at the words read, nor the controller.
    core = _core(clip_value=0.5)
    whole = dnc.DNC(
      access_config=dict(memory_size=4, word_size=3, num_reads=1),
      controller_config=dict(hidden_size=8),
      output_size=5,
      clip_value=0.5,
      dtype=tf.float64,
    )
    inputs = _normal([6, _BATCH, _INPUT_SIZE], 0)
    whole(inputs[0], whole.initial_state(_BATCH))
    for layer, name, rows in (
      ('controller', 'input_to_hidden', 3),
      ('controller', 'hidden_to_hidden', 0),
      ('output_linear', 'w', 3),
    ):
      value = getattr(getattr(core, layer), name)
      getattr(getattr(whole, layer), name).assign(
        tf.pad(value, [[0, rows], [0, 0]])
      )
    for layer in ('controller', 'output_linear'):
      getattr(whole, layer).b.assign(getattr(core, layer).b)
    expected, _ = snt.dynamic_unroll(whole, inputs, whole.initial_state(_BATCH))
    actual, _ = snt.dynamic_unroll(core, inputs, core.initial_state(_BATCH))
    self.assertAllClose(actual, expected, rtol=1e-12)
    self.assertAllEqual(tf.abs(actual) <= 0.5, tf.ones_like(actual, bool))
    self.assertAllClose(tf.reduce_max(tf.abs(actual)), 0.5)

  @parameterized.parameters(
    dict(num_steps=1),
    dict(num_steps=9),
    dict(num_steps=9, sequence_length=[9, 0, 4]),
    dict(num_steps=9, clip_value=0.3),
  )
  def test_unroll(self, num_steps, sequence_length=None, clip_value=None):
    core = _core(clip_value)
    if sequence_length is not None:
      sequence_length = tf.constant(sequence_length)
    inputs = _normal([num_steps, _BATCH, _INPUT_SIZE], 0)
    state = snt.LSTMState(_normal([_BATCH, 8], 1), _normal([_BATCH, 8], 2))

    def plain(core, inputs, state):
      return snt.dynamic_unroll(core, inputs, state, sequence_length)

    def fast(core, inputs, state):
      return unroll.unroll(core, inputs, state, sequence_length)

    results = _run(plain, core, inputs, state), _run(fast, core, inputs, state)
    self.assertAllClose(*results, rtol=1e-10, atol=1e-12)
    graph = _run(tf.function(fast), core, inputs, state)
    self.assertAllClose(graph, results[0], rtol=1e-10, atol=1e-12)

  def test_records_every_step(self):
    core = _core()
    inputs = _normal([4, _BATCH, _INPUT_SIZE], 0)
    state = core.initial_state(_BATCH)
    _, _, recorded = unroll.unroll(
      core, inputs, state, record=lambda state: dict(twice=2 * state.cell)
    )
    for step in range(4):
      _, state = core(inputs[step], state)
      self.assertAllClose(recorded['twice'][step], 2 * state.cell)

  @parameterized.parameters(
    (dict(output_size=0), 'output_size must be at least 1'),
    (dict(output_size=5, clip_value=-1.0), 'clip_value must be 0 or more'),
  )
  def test_wrong_sizes(self, arguments, message):
    with self.assertRaisesRegex(ValueError, message):
      lstm.LSTMCore(controller_config=dict(hidden_size=8), **arguments)


if __name__ == '__main__':
  tf.test.main()

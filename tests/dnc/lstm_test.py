"""Tests of the core without a memory."""

from absl.testing import parameterized
import numpy as np
import sonnet as snt
import tensorflow as tf

from dnc import dnc
from dnc import lstm
from dnc import unroll
from tests.support import cores

_BATCH = 3


def _core(clip_value=None, reset_controller=False):
  core = lstm.LSTMCore(
    controller_config=dict(hidden_size=8),
    output_size=5,
    clip_value=clip_value,
    dtype=tf.float64,
    reset_controller=reset_controller,
  )
  core(tf.zeros([1, cores.INPUT_SIZE], tf.float64), core.initial_state(1))
  cores.randomise(core)
  return core


class LSTMCoreTest(tf.test.TestCase, parameterized.TestCase):
  def test_sizes_are_those_of_state_and_output(self):
    core = _core()
    self.assertEqual(core.output_size, [5])
    cores.assert_of_size(self, core, core.initial_state(2), tf.float64)
    state = core.initial_state(2, tf.float32)
    cores.assert_of_size(self, core, state, tf.float32)

  def test_is_a_dnc_that_reads_nothing(self):
    # The DNC's controller and output layer ignore the read words.
    core = _core(clip_value=0.5)
    whole = dnc.DNC(
      access_config=dict(memory_size=4, word_size=3, num_reads=1),
      controller_config=dict(hidden_size=8),
      output_size=5,
      clip_value=0.5,
      dtype=tf.float64,
    )
    inputs = cores.normal([6, _BATCH, cores.INPUT_SIZE], 0)
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
    dict(num_steps=9, reset_controller=True),
  )
  def test_unroll(self, num_steps, sequence_length=None, **options):
    core = _core(**options)
    if sequence_length is not None:
      sequence_length = tf.constant(sequence_length)
    inputs = cores.normal([num_steps, _BATCH, cores.INPUT_SIZE], 0)
    state = snt.LSTMState(
      cores.normal([_BATCH, 8], 1), cores.normal([_BATCH, 8], 2)
    )

    def gradients(unroll_fn):
      return cores.with_gradients(
        lambda *sequence: unroll_fn(core, *sequence, sequence_length),
        core,
        inputs,
        state,
      )

    self.assertAllClose(
      tf.function(gradients, autograph=False)(unroll.unroll),
      gradients(snt.dynamic_unroll),
      rtol=1e-10,
      atol=1e-12,
    )

  @parameterized.parameters(True, False)
  def test_a_reset_controller_keeps_nothing(self, reset_controller):
    core = _core(reset_controller=reset_controller)
    inputs = cores.normal([4, _BATCH, cores.INPUT_SIZE], 0)
    outputs = unroll.unroll(core, inputs, core.initial_state(_BATCH))[0]
    alone = [core(step, core.initial_state(_BATCH))[0] for step in inputs]
    is_same = np.isclose(outputs, alone, rtol=1e-10).all((1, 2))
    self.assertAllEqual(is_same, [True] + 3 * [reset_controller])

  def test_records_every_step(self):
    core = _core()
    inputs = cores.normal([4, _BATCH, cores.INPUT_SIZE], 0)
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

"""Tests that the plain recurrence equals `snt.dynamic_unroll`."""

import functools

from absl.testing import parameterized
import numpy as np
import sonnet as snt
import tensorflow as tf

from dnc import unroll
from tests.support import cores

_BATCH = 3

_unroll = functools.partial(unroll.unroll, compiled=False)


def _inputs(num_steps):
  return cores.normal([num_steps, _BATCH, cores.INPUT_SIZE], 0)


class PlainTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.parameters(
    dict(num_steps=1),
    dict(num_steps=5, num_writes=3, clip_value=0.3, is_carried=True),
    # In a graph, whose making takes longest.
    dict(num_steps=6, sequence_length=[6, 2, 0], in_graph=True),
  )
  def test_is_dynamic_unroll(
    self,
    num_steps,
    sequence_length=None,
    is_carried=False,
    in_graph=False,
    **sizes,
  ):
    core = cores.make_dnc(**sizes)
    inputs, state = _inputs(num_steps), core.initial_state(_BATCH)
    if is_carried:
      _, state = snt.dynamic_unroll(core, 3 * inputs, state)
    if sequence_length is not None:
      sequence_length = tf.constant(sequence_length)

    def gradients(way):
      return cores.with_gradients(
        lambda *sequence: way(core, *sequence, sequence_length),
        core,
        inputs,
        state,
      )

    way = functools.partial(gradients, _unroll)
    actual = tf.function(way, autograph=False)() if in_graph else way()
    expected = gradients(snt.dynamic_unroll)
    for a, b in zip(tf.nest.flatten(actual), tf.nest.flatten(expected)):
      self.assertAllClose(a, b, rtol=1e-9, atol=1e-11)

  def test_records_the_state_after_every_step(self):
    core, inputs = cores.make_dnc(), _inputs(4)
    state = core.initial_state(_BATCH)
    _, _, memory = _unroll(
      core, inputs, state, record=lambda s: s.access_state.memory
    )
    for t in range(4):
      _, state = core(inputs[t], state)
      self.assertAllClose(memory[t], state.access_state.memory)

  def test_padding_has_no_gradient(self):
    core = cores.make_dnc()
    length = tf.constant([2, 4, 1])
    inputs = tf.Variable(_inputs(4))
    real = tf.transpose(tf.sequence_mask(length, 4))
    with tf.GradientTape() as tape:
      outputs = _unroll(core, inputs, core.initial_state(_BATCH))[0]
      loss = tf.reduce_sum(outputs * tf.cast(real[..., None], tf.float64))
    gradient = tape.gradient(loss, inputs).numpy()
    self.assertTrue(np.all(gradient[~real] == 0))
    self.assertTrue(np.all(np.any(gradient != 0, axis=2) == real))


if __name__ == '__main__':
  tf.test.main()

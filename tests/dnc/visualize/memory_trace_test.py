"""Tests that a memory trace agrees with stepping a core by hand."""

import functools

from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from dnc import dnc
from dnc.visualize import memory_trace

_INPUT_SIZE = 7


def _core(num_writes):
  core = dnc.DNC(
    access_config=dict(
      memory_size=6, word_size=4, num_reads=3, num_writes=num_writes
    ),
    controller_config=dict(hidden_size=8),
    output_size=5,
    clip_value=0.6,
  )
  core(tf.zeros([1, _INPUT_SIZE]), core.initial_state(1))
  for number, variable in enumerate(core.trainable_variables):
    variable.assign(tf.random.stateless_normal(variable.shape, [number, 3]))
  return core


@functools.cache
def _traced(num_writes):
  """A core, its tracer, and its trace of ten steps."""
  core = _core(num_writes)
  tracer = memory_trace.Tracer(core, _INPUT_SIZE)
  return core, tracer, tracer(_inputs(10))


def _inputs(num_steps):
  return np.random.RandomState(5).randn(num_steps, _INPUT_SIZE).astype('f')


class MemoryTraceTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.parameters(1, 2)
  def test_state_of_each_step(self, num_writes):
    core, _, trace = _traced(num_writes)
    inputs = _inputs(10)
    self.assertAllEqual(trace.link_steps, [1, 4, 6, 9])
    links = dict(zip(trace.link_steps, trace.link))
    state = core.initial_state(1)
    for step, value in enumerate(tf.constant(inputs)):
      _, state = core(value[tf.newaxis], state)
      access = state.access_state
      for name in ('memory', 'read_weights', 'write_weights', 'usage'):
        self.assertAllClose(
          getattr(trace, name)[step], getattr(access, name)[0], atol=1e-5
        )
      self.assertAllClose(
        trace.read_words[step], state.access_output[0], atol=1e-5
      )
      if step in links:
        self.assertAllClose(links[step], access.linkage.link[0], atol=1e-5)
    # The compared numbers are not all alike.
    self.assertGreater(trace.link[-1].max(), 1e-3)
    self.assertGreater(np.ptp(trace.read_weights, axis=2).max(), 1e-3)

  @parameterized.parameters(1, 2)
  def test_gates_of_each_step(self, num_writes):
    core, _, trace = _traced(num_writes)
    inputs = _inputs(10)
    state, previous = core.initial_state(1), None
    for step, value in enumerate(tf.constant(inputs)):
      previous, (_, state) = state, core(value[tf.newaxis], state)
      hidden = state.controller_state.hidden
      for name in ('write_gate', 'allocation_gate', 'free_gate', 'read_mode'):
        layer = core.access.interface[name]
        raw = tf.matmul(hidden, layer.w) + layer.b
        shape = getattr(trace, name)[step].shape
        squash = tf.nn.softmax if name == 'read_mode' else tf.sigmoid
        self.assertAllClose(
          getattr(trace, name)[step],
          squash(tf.reshape(raw, shape)),
          atol=1e-5,
        )
      # The free gates account for the usage of the step.
      retention = np.prod(
        1
        - trace.free_gate[step][:, np.newaxis]
        * previous.access_state.read_weights[0],
        axis=0,
      )
      before = previous.access_state
      written = 1 - np.prod(1 - before.write_weights[0], axis=0)
      used = before.usage[0] + (1 - before.usage[0]) * written
      self.assertAllClose(trace.usage[step], used * retention, atol=1e-5)

  def test_read_modes_are_backward_forward_content(self):
    core, tracer, _ = _traced(2)
    layer = core.access.interface['read_mode']
    for variable in (layer.w, layer.b):
      self.addCleanup(variable.assign, variable.numpy())
    layer.w.assign(tf.zeros_like(layer.w))
    shares = np.array([0.05, 0.1, 0.15, 0.3, 0.4])
    layer.b.assign(np.tile(np.log(shares), 3))
    inputs = _inputs(4)
    trace = tracer(inputs)
    self.assertAllClose(trace.read_mode, np.tile(shares, [4, 3, 1]))
    # Subtract the linked modes' shares from the last step's read weights.
    link, before = trace.link[-1], trace.read_weights[-2]
    backward = np.einsum('hji,rj->rhi', link, before)
    forward = np.einsum('hij,rj->rhi', link, before)
    content = trace.read_weights[-1] - np.einsum(
      'rhi,h->ri', backward, shares[:2]
    )
    content -= np.einsum('rhi,h->ri', forward, shares[2:4])
    # The rest is the share of the content mode, whose weights sum to 1.
    self.assertAllClose(content.sum(axis=1), [0.4] * 3, atol=1e-5)

  def test_short_sequences(self):
    _, tracer, whole = _traced(1)
    for num_steps, steps in ((1, [0]), (3, [0, 1, 2]), (5, [0, 1, 2, 4])):
      trace = tracer(_inputs(10)[:num_steps])
      self.assertAllEqual(trace.link_steps, steps)
      self.assertAllClose(trace.memory, whole.memory[:num_steps], atol=1e-6)

  def test_uses_the_current_weights(self):
    core, tracer, _ = _traced(1)
    before = tracer(_inputs(3))
    bias = core.access.interface['write_gate'].b
    self.addCleanup(bias.assign, bias.numpy())
    bias.assign([-100.0])
    after = tracer(_inputs(3))
    self.assertNotAllClose(before.memory, after.memory)
    self.assertAllClose(after.memory, np.zeros_like(after.memory))


if __name__ == '__main__':
  tf.test.main()

"""Properties of the core that hold whatever its sizes, weights and inputs."""

import itertools

from absl.testing import parameterized
import numpy as np
import sonnet as snt
import tensorflow as tf

from dnc import access
from dnc import addressing
from dnc import dnc
from dnc import unroll
from dnc.recurrence import compiled_access as fast_access
from tests.support import golden

_INPUT_SIZE = 3
_OUTPUT_SIZE = 4
_TOLERANCE = 1e-5
# Each: memory_size, word_size, num_reads, num_writes; the least, and others.
_SIZES = (
  (1, 1, 1, 1),
  *np.random.default_rng(6).integers(1, (31, 7, 5, 6), [3, 4]).tolist(),
)


def _core(sizes, hidden_size=6, clip_value=None, dtype=tf.float32):
  names = ('memory_size', 'word_size', 'num_reads', 'num_writes')
  core = dnc.DNC(
    dict(zip(names, sizes)),
    dict(hidden_size=hidden_size),
    _OUTPUT_SIZE,
    clip_value,
    dtype=dtype,
  )
  core(tf.zeros([1, _INPUT_SIZE], dtype), core.initial_state(1))
  return core


def _randomise(core, rng, scale):
  """Weights large enough for gates that open and close."""
  for variable in core.trainable_variables:
    variable.assign(scale * rng.standard_normal(variable.shape))


def _sub_simplex(rng, shape):
  """Non-negative, sums over the last axis in [0, 1]; some sharp, some flat."""
  sharpness = rng.choice([0.0, 1.0, 30.0], [*shape[:-1], 1])
  weights = np.exp(sharpness * rng.uniform(-1, 0, shape))
  total = rng.uniform(0, 1, [*shape[:-1], 1])
  return total * weights / weights.sum(-1, keepdims=True)


def _random_state(core, rng, batch_size):
  """A state that satisfies what `_assert_invariants` asserts."""

  def like(x, values):
    return tf.constant(values, x.dtype)

  zeros = core.initial_state(batch_size)
  memory = zeros.access_state
  link, precedence = memory.linkage
  precedence_weights = _sub_simplex(rng, precedence.shape)
  links = rng.uniform(0, 1, link.shape) * (1 - np.eye(link.shape[-1]))
  links /= np.maximum(
    1e-9,
    np.maximum(
      links.sum(-1).max(-1, initial=0), links.sum(-2).max(-1, initial=0)
    ),
  )[..., np.newaxis, np.newaxis]
  # To the slot last written to, nothing has been written after it yet.
  links *= 1 - precedence_weights[..., np.newaxis, :]
  return dnc.DNCState(
    access_output=like(
      zeros.access_output, rng.standard_normal(zeros.access_output.shape)
    ),
    access_state=access.AccessState(
      memory=like(memory.memory, rng.standard_normal(memory.memory.shape)),
      read_weights=like(
        memory.read_weights, _sub_simplex(rng, memory.read_weights.shape)
      ),
      write_weights=like(
        memory.write_weights, _sub_simplex(rng, memory.write_weights.shape)
      ),
      linkage=addressing.TemporalLinkageState(
        like(link, links), like(precedence, precedence_weights)
      ),
      usage=like(memory.usage, rng.uniform(0, 1, memory.usage.shape)),
    ),
    controller_state=tf.nest.map_structure(
      lambda x: like(x, rng.uniform(-1, 1, x.shape)), zeros.controller_state
    ),
  )


def _states_by_step(core, inputs, state):
  """The states after each step, one by one."""
  states = []
  for step in inputs:
    _, state = core(step, state)
    states.append(golden.named_state(state))
  return {k: tf.stack([s[k] for s in states]) for k in states[0]}


def _states_by_unroll(core, inputs, state):
  return unroll.unroll(core, inputs, state, record=golden.named_state)[2]


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

  @parameterized.product(
    sizes=_SIZES,
    states_of=(_states_by_step, _states_by_unroll),
  )
  def test_state_stays_where_it_belongs(self, sizes, states_of):
    rng = np.random.default_rng(sum(sizes))
    core = _core(sizes)
    _randomise(core, rng, scale=2.0)
    batch_size, num_steps = 4, 40
    state = _random_state(core, rng, batch_size)
    self._assert_invariants(golden.named_state(state))
    inputs = tf.constant(
      3 * rng.standard_normal([num_steps, batch_size, _INPUT_SIZE]), tf.float32
    )
    states = states_of(core, inputs, state)
    self.assertEqual(states['usage'].shape[:2], [num_steps, batch_size])
    self._assert_invariants(states)

  @parameterized.product(
    memory_size=(1, 2, 9, 50),
    num_writes=(1, 4),
  )
  def test_allocation_goes_to_the_least_used(self, memory_size, num_writes):
    rng = np.random.default_rng(memory_size + num_writes)
    batch_size = 30
    usage = rng.uniform(0, 1, [batch_size, memory_size])
    usage[:10] = 1 - usage[:10] ** 5
    gates = rng.uniform(0, 1, [batch_size, num_writes])
    freeness = addressing.Freeness(memory_size)
    allocation = freeness.write_allocation_weights(
      tf.constant(usage, tf.float32), tf.constant(gates, tf.float32), num_writes
    ).numpy()
    self._assert_within(allocation, 0, 1)
    self._assert_within(allocation.sum(-1), 0, 1)
    for head in range(num_writes):
      rows = np.arange(batch_size)
      least = usage[rows, np.argmin(usage, axis=1)]
      # Near enough: rounding may choose between usages that hardly differ.
      chosen = usage[rows, np.argmax(allocation[:, head], axis=1)]
      self.assertAllClose(chosen, least, rtol=0, atol=_TOLERANCE)
      usage = 1 - (1 - usage) * (1 - gates[:, [head]] * allocation[:, head])

  def test_heads_that_write_are_given_different_free_slots(self):
    usage = np.ones([1, 9])
    usage[0, [1, 4, 5, 8]] = 0
    allocation = addressing.Freeness(9).write_allocation_weights(
      tf.constant(usage, tf.float32), tf.ones([1, 4]), num_writes=4
    )
    self.assertAllClose(
      tf.reduce_max(allocation, axis=2), tf.ones([1, 4]), atol=1e-5
    )
    self.assertSetEqual(
      set(tf.argmax(allocation, axis=2).numpy()[0].tolist()), {1, 4, 5, 8}
    )


def _project(outputs, state, cotangents):
  """A random linear function of outputs and state."""
  values = [outputs, *tf.nest.flatten(state)]
  return tf.add_n([tf.reduce_sum(c * v) for c, v in zip(cotangents, values)])


def _central_differences(function, variable, delta=1e-5):
  """The gradient of `function()`, a float64 scalar, by `variable`."""
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
  """Outputs and final state; usage may be told what was written before."""
  outputs = []
  for t, step in enumerate(tf.unstack(inputs)):
    if write_weights is not None:
      state = state._replace(
        access_state=state.access_state._replace(write_weights=write_weights[t])
      )
    output, state = core(step, state)
    outputs.append(output)
  return tf.stack(outputs), state


def _unroll(core, inputs, state):
  return unroll.unroll(core, inputs, state)[:2]


class GradientTest(tf.test.TestCase, parameterized.TestCase):
  """Backpropagation against finite differences of several steps.

  The core stops the gradient from usage to the write weights of the step
  before, and finite differences do not. So they are taken of a function in
  which these write weights, which are nothing but usage's, are constants:
  those of the unchanged inputs. Usage itself, allocation and all else move.
  """

  @parameterized.named_parameters(
    ('step_by_step', _step_by_step, (4, 2, 1, 1), None),
    ('step_by_step_heads_clipped', _step_by_step, (3, 2, 2, 2), 0.4),
    ('unroll_heads', _unroll, (3, 2, 2, 2), None),
  )
  def test_finite_differences(self, run, sizes, clip_value):
    rng = np.random.default_rng(7)
    core = _core(sizes, 3, clip_value, dtype=tf.float64)
    _randomise(core, rng, scale=0.7)
    batch_size, num_steps = 2, 3
    state = tf.nest.map_structure(
      tf.Variable, _random_state(core, rng, batch_size)
    )
    inputs = tf.Variable(
      rng.standard_normal([num_steps, batch_size, _INPUT_SIZE])
    )
    cotangents = [
      tf.constant(rng.standard_normal([num_steps, batch_size, _OUTPUT_SIZE])),
      *(
        tf.constant(rng.standard_normal(x.shape))
        for x in tf.nest.flatten(state)
      ),
    ]

    def tensors(x):
      return tf.nest.map_structure(tf.convert_to_tensor, x)

    with tf.GradientTape() as tape:
      loss = _project(*run(core, tensors(inputs), tensors(state)), cotangents)
    written = _states_by_step(core, inputs[:-1], tensors(state))
    written = tf.concat(
      [state.access_state.write_weights[tf.newaxis], written['write_weights']],
      axis=0,
    )

    @tf.function
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


def _extremes(core, rng, dtype):
  """Raw interfaces and states of the memory, a case in each of the batch."""
  cases = list(
    itertools.product(
      ('zero', 'one', 'both', 'random'),  # Usage.
      ('zero', 'zero rows', 'random'),  # Memory.
      ('zero', 'random'),  # Keys.
      ('one-hot', 'random'),  # Read and write weights of the step before.
      (-40.0, 0.0, 40.0),  # Strengths.
      (-1000.0, 0.0, 1000.0),  # Gates: exactly 0, 1/2, exactly 1.
    )
  )
  state = _random_state(core, rng, len(cases)).access_state
  changed = {
    name: getattr(state, name).numpy()
    for name in ('usage', 'memory', 'read_weights', 'write_weights')
  }
  layers = core.access.interface
  interface = {
    name: rng.standard_normal([len(cases), layer.output_size])
    for name, layer in layers.items()
  }
  for case, names in enumerate(cases):
    usage, memory, keys, weights, strengths, gates = names
    changed['usage'][case] *= usage == 'random'
    changed['usage'][case] += usage == 'one'
    changed['usage'][case, ::2] += usage == 'both'
    changed['memory'][case] *= memory != 'zero'
    changed['memory'][case, ::2] *= memory != 'zero rows'
    for name in ('read_weights', 'write_weights'):
      changed[name][case] *= weights != 'one-hot'
      changed[name][case, :, 1] += weights == 'one-hot'
    for kind in ('read', 'write'):
      interface[f'{kind}_keys'][case] *= keys == 'random'
      interface[f'{kind}_strengths'][case] = strengths
    for name in ('free', 'write', 'allocation'):
      interface[f'{name}_gate'][case] = gates
    interface['erase_vectors'][case] = gates
  raw = tf.constant(np.concatenate(list(interface.values()), axis=1), dtype)
  state = state._replace(**tf.nest.map_structure(tf.constant, changed))
  return raw, state


class NumericalSafetyTest(tf.test.TestCase, parameterized.TestCase):
  def _assert_finite(self, nest):
    for value in tf.nest.flatten(nest):
      self.assertTrue(np.all(np.isfinite(value)))

  @parameterized.parameters(tf.float32, tf.float64)
  def test_extremes_of_usage_memory_keys_and_strengths(self, dtype):
    core = _core((6, 3, 2, 2), dtype=dtype)
    raw, state = _extremes(core, np.random.default_rng(1), dtype)
    with tf.GradientTape() as tape:
      tape.watch([raw, state])
      loss, final = 0, state
      for _ in range(4):
        words, final = core.access.read_and_write(
          core.access.split_interface(raw), final
        )
        for value in (words, *tf.nest.flatten(final)):
          self._assert_finite(value)
          loss += tf.reduce_sum(tf.sin(value))
    by_raw, by_state = tape.gradient(loss, (raw, golden.named_state(state)))
    self.assertIsNone(by_state.pop('write_weights'))
    self._assert_finite((by_raw, by_state))
    self.assertGreater(tf.norm(by_raw), 0)

  def test_extremes_where_it_is_compiled(self):
    core = _core((6, 3, 2, 2))
    raw, state = _extremes(core, np.random.default_rng(1), tf.float32)
    fast = fast_access.FastMemoryAccess(**core.access.sizes)

    @tf.function(jit_compile=True)
    def run(raw, state):
      with tf.GradientTape() as tape:
        tape.watch([raw, state])
        new = fast.read_and_write(fast.split_interface(raw), fast.fold(state))
        loss = tf.add_n(
          [tf.reduce_sum(tf.sin(x)) for x in tf.nest.flatten(new)]
        )
      return new, tape.gradient(
        loss,
        [raw, state],
        unconnected_gradients=tf.UnconnectedGradients.ZERO,
      )

    new, (by_raw, by_state) = run(raw, state)
    self._assert_finite((new, by_raw, by_state))
    self.assertGreater(tf.norm(by_raw), 0)

  @parameterized.parameters(snt.dynamic_unroll, unroll.unroll)
  def test_two_thousand_steps(self, unroll_fn):
    rng = np.random.default_rng(2)
    core = _core((5, 3, 2, 1))
    interface = core.access.interface
    interface['read_strengths'].b.assign([-40.0, 40.0])
    interface['write_strengths'].b.assign([40.0])
    inputs = tf.constant(
      rng.standard_normal([2000, 1, _INPUT_SIZE]), tf.float32
    )

    @tf.function
    def run():
      with tf.GradientTape() as tape:
        outputs, state = unroll_fn(core, inputs, core.initial_state(1))[:2]
        loss = tf.reduce_mean(tf.square(outputs))
      return outputs, state, tape.gradient(loss, core.trainable_variables)

    outputs, state, gradients = run()
    self.assertEqual(outputs.shape, [2000, 1, _OUTPUT_SIZE])
    self._assert_finite((outputs, state, gradients))
    self.assertGreater(tf.linalg.global_norm(gradients), 0)


if __name__ == '__main__':
  tf.test.main()

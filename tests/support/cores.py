"""Small cores with random weights, random states for them, and gradients."""

from collections.abc import Callable
import itertools
from typing import Any

import numpy as np
import tensorflow as tf

from dnc import access
from dnc import addressing
from dnc import dnc

INPUT_SIZE = 7
OUTPUT_SIZE = 5


def normal(shape: Any, seed: int, dtype: tf.DType = tf.float64) -> tf.Tensor:
  """Normal random numbers, the same for the same seed."""
  return tf.random.stateless_normal(shape, [seed, 17], dtype=dtype)


def make_dnc(
  memory_size: int = 6,
  word_size: int = 4,
  num_reads: int = 2,
  num_writes: int = 1,
  hidden_size: int = 8,
  clip_value: float | None = None,
  dtype: tf.DType = tf.float64,
  scale: float = 1.0,
  reset_controller: bool = False,
) -> dnc.DNC:
  """A core with weights large enough that its gates open and close."""
  core = dnc.DNC(
    access_config=dict(
      memory_size=memory_size,
      word_size=word_size,
      num_reads=num_reads,
      num_writes=num_writes,
    ),
    controller_config=dict(hidden_size=hidden_size),
    output_size=OUTPUT_SIZE,
    clip_value=clip_value,
    dtype=dtype,
    reset_controller=reset_controller,
  )
  core(tf.zeros([1, INPUT_SIZE], dtype), core.initial_state(1))
  randomise(core, scale)
  return core


def randomise(core: tf.Module, scale: float = 1.0) -> None:
  """Draws all weights from a normal distribution."""
  for number, variable in enumerate(core.trainable_variables):
    variable.assign(scale * normal(variable.shape, number, variable.dtype))


def sharpen(core: dnc.DNC) -> None:
  """Makes one head look up content as flatly as possible, others sharply."""
  interface = core.access.interface
  interface['read_strengths'].b.assign([-40.0, 40.0])
  interface['write_strengths'].b.assign([40.0])


def assert_finite(test: tf.test.TestCase, nest: Any) -> None:
  """Asserts that no number of a nest is NaN or infinite."""
  for value in tf.nest.flatten(nest):
    test.assertTrue(np.all(np.isfinite(value)))


def assert_of_size(
  test: tf.test.TestCase, core: Any, state: Any, dtype: tf.DType
) -> None:
  """Asserts that a state is of zeros and of the core's `state_size`."""
  tf.nest.assert_same_structure(state, core.state_size)
  for value, size in zip(*map(tf.nest.flatten, (state, core.state_size))):
    test.assertIsInstance(size, tf.TensorShape)
    test.assertEqual(value.shape[1:], size)
    # A lesioned core counts steps.
    test.assertEqual(value.dtype, dtype if size.rank else tf.int32)
    test.assertAllEqual(value, tf.zeros_like(value))


def batch_free_spec(values: Any) -> Any:
  """Specifies tensors like `values` for any batch size."""
  return tf.nest.map_structure(
    lambda x: tf.TensorSpec([None, *x.shape[1:]], x.dtype), values
  )


def with_gradients(
  function: Callable, core: tf.Module, inputs: tf.Tensor, state: Any
) -> tuple:
  """Calls `function(inputs, state)`, which unrolls `core`.

  Returns:
    Outputs, last state, and the gradients of a random linear function of both
    with respect to the core's variables, `inputs` and `state`.
  """
  with tf.GradientTape() as tape:
    tape.watch([inputs, state])
    outputs, last_state = function(inputs, state)[:2]
    loss = tf.reduce_sum(outputs * normal(tf.shape(outputs), 1, outputs.dtype))
    for number, value in enumerate(tf.nest.flatten(last_state)):
      loss += tf.reduce_sum(
        value * normal(tf.shape(value), 2 + number, value.dtype)
      )
  sources = (core.trainable_variables, inputs, state)
  gradients = tape.gradient(
    loss, sources, unconnected_gradients=tf.UnconnectedGradients.ZERO
  )
  return outputs, last_state, gradients


def _sub_simplex(rng: np.random.Generator, shape: Any) -> np.ndarray:
  """Non-negative weights, some sharp, some flat; the last axis sums to <= 1."""
  sharpness = rng.choice([0.0, 1.0, 30.0], [*shape[:-1], 1])
  weights = np.exp(sharpness * rng.uniform(-1, 0, shape))
  total = rng.uniform(0, 1, [*shape[:-1], 1])
  return total * weights / weights.sum(-1, keepdims=True)


def random_state(
  core: dnc.DNC, rng: np.random.Generator, batch_size: int
) -> dnc.DNCState:
  """A state with the properties that every state of a DNC has."""

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
  # Nothing has been written after the last written slot.
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


def extreme_interfaces(
  core: dnc.DNC, rng: np.random.Generator
) -> tuple[tf.Tensor, access.AccessState]:
  """Raw interfaces and states: a batch of extreme cases."""
  cases = list(
    itertools.product(
      ('zero', 'one', 'both', 'random'),  # Usage.
      ('zero', 'zero rows', 'random'),  # Memory.
      ('zero', 'random'),  # Keys.
      ('one-hot', 'random'),  # Read and write weights of the previous step.
      (-40.0, 0.0, 40.0),  # Strengths.
      (-1000.0, 0.0, 1000.0),  # Gates: exactly 0, 1/2, exactly 1.
    )
  )
  state = random_state(core, rng, len(cases)).access_state
  changed = {
    name: getattr(state, name).numpy()
    for name in ('usage', 'memory', 'read_weights', 'write_weights')
  }
  interface = {
    name: rng.standard_normal([len(cases), layer.output_size])
    for name, layer in core.access.interface.items()
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
  flat = tf.constant(
    np.concatenate(list(interface.values()), axis=1), state.memory.dtype
  )
  state = state._replace(**tf.nest.map_structure(tf.constant, changed))
  return flat, state

"""Every function of the memory alone, against DeepMind's: values, gradients.

`testdata/golden/FORMAT.md`, section "pieces.npz", names the cases.
"""

import os

from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from dnc import access
from dnc import addressing
from dnc import util
from tests.support import golden

# Equal usages, and heads that are served one after the other: which slot the
# second head gets depends on rounding, so slots are compared in sorted order.
_SLOT_TIES = ('write_allocation_weights',)


def _linkage(write_weights, prev_read_weights):
  num_steps, batch_size, num_writes, memory_size = write_weights.shape
  linkage = addressing.TemporalLinkage(
    memory_size, num_writes, dtype=write_weights.dtype
  )
  state, states = linkage.initial_state(batch_size), []
  for t in range(num_steps):
    state = linkage(write_weights[t], state)
    states.append(state)
  return dict(
    link=tf.stack([s.link for s in states]),
    precedence_weights=tf.stack([s.precedence_weights for s in states]),
    forward=linkage.directional_read_weights(
      state.link, prev_read_weights, forward=True
    ),
    backward=linkage.directional_read_weights(
      state.link, prev_read_weights, forward=False
    ),
  )


def _linkage_step(write_weights, prev_link, prev_precedence_weights):
  linkage = addressing.TemporalLinkage(
    write_weights.shape[2], write_weights.shape[1]
  )
  return linkage(
    write_weights,
    addressing.TemporalLinkageState(prev_link, prev_precedence_weights),
  )._asdict()


def _cosine(strength_op):
  def run(memory, keys, strengths):
    module = addressing.CosineWeights(
      keys.shape[1], keys.shape[2], strength_op=strength_op
    )
    return dict(weights=module(memory, keys, strengths))

  return run


def _weighted_softmax(activations, strengths):
  return {
    name: addressing.weighted_softmax(activations, strengths, op)
    for name, op in dict(softplus=tf.nn.softplus, identity=tf.identity).items()
  }


def _usage(write_weights, free_gate, read_weights, prev_usage):
  freeness = addressing.Freeness(prev_usage.shape[1])
  return dict(
    usage=freeness(write_weights, free_gate, read_weights, prev_usage)
  )


def _usage_parts(write_weights, free_gate, read_weights, prev_usage):
  freeness = addressing.Freeness(prev_usage.shape[1])
  return dict(
    after_write=freeness._usage_after_write(prev_usage, write_weights),
    after_read=freeness._usage_after_read(prev_usage, free_gate, read_weights),
  )


def _allocation(usage):
  freeness = addressing.Freeness(usage.shape[1])
  return dict(allocation=freeness._allocation(usage))


def _write_allocation_weights(usage, write_gates):
  freeness = addressing.Freeness(usage.shape[1])
  return dict(
    weights=freeness.write_allocation_weights(
      usage, write_gates, num_writes=write_gates.shape[1]
    )
  )


def _erase_and_write(memory, address, reset_weights, values):
  return dict(
    memory=access._erase_and_write(memory, address, reset_weights, values)
  )


def _write_weights(memory, usage, **inputs):
  module = access.MemoryAccess(
    memory_size=memory.shape[1],
    word_size=memory.shape[2],
    num_writes=inputs['write_gate'].shape[1],
  )
  return dict(write_weights=module._write_weights(inputs, memory, usage))


def _read_weights(memory, prev_read_weights, link, **inputs):
  module = access.MemoryAccess(
    memory_size=memory.shape[1],
    word_size=memory.shape[2],
    num_reads=prev_read_weights.shape[1],
    num_writes=link.shape[1],
  )
  weights = module._read_weights(inputs, memory, prev_read_weights, link)
  return dict(read_weights=weights)


_CASES = {
  'cosine_weights': _cosine(tf.nn.softplus),
  'cosine_weights_identity_op': _cosine(tf.identity),
  'weighted_softmax': _weighted_softmax,
  'temporal_linkage': _linkage,
  'temporal_linkage_step': _linkage_step,
  'freeness_usage': _usage,
  'freeness_parts': _usage_parts,
  'allocation': _allocation,
  'allocation_distinct': _allocation,
  'write_allocation_weights': _write_allocation_weights,
  'write_allocation_weights_distinct': _write_allocation_weights,
  'erase_and_write': _erase_and_write,
  'erase_and_write_nozero': _erase_and_write,
  'access_write_weights': _write_weights,
  'access_read_weights': _read_weights,
  'reduce_prod': lambda x: dict(prod=util.reduce_prod(x, 1)),
  'reduce_prod_zeros': lambda x: dict(prod=util.reduce_prod(x, 1)),
  'batch_gather': lambda values, indices: dict(
    gathered=util.batch_gather(values, indices)
  ),
  'batch_invert_permutation': lambda permutations: dict(
    inverse=util.batch_invert_permutation(permutations)
  ),
}


class PiecesTest(tf.test.TestCase, parameterized.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    with np.load(os.path.join(golden.FOLDER, 'pieces.npz')) as arrays:
      cls._arrays = dict(arrays)

  def _part(self, case, part):
    prefix = f'{case}.{part}.'
    return {
      name.removeprefix(prefix): value
      for name, value in self._arrays.items()
      if name.startswith(prefix)
    }

  def _check(self, case, dtype, prefix, tolerance):
    def cast(value):
      is_float = np.issubdtype(value.dtype, np.floating)
      return tf.constant(value, dtype if is_float else None)

    inputs = {k: cast(v) for k, v in self._part(case, 'in').items()}
    cotangents = self._part(case, 'cotangent')
    with tf.GradientTape() as tape:
      tape.watch([v for v in inputs.values() if v.dtype.is_floating])
      outputs = _CASES[case](**inputs)
      loss = tf.add_n(
        [tf.reduce_sum(outputs[k] * cast(c)) for k, c in cotangents.items()]
        or [tf.zeros([], dtype)]
      )

    expected = self._part(case, f'{prefix}out') or self._part(case, 'out')
    self.assertNotEmpty(expected)
    for name, value in expected.items():
      actual = outputs[name].numpy()
      if case in _SLOT_TIES:
        self.assertAllClose(
          actual[:, 0], value[:, 0], rtol=0, atol=tolerance, msg=name
        )
        actual, value = np.sort(actual, axis=-1), np.sort(value, axis=-1)
      self.assertAllClose(actual, value, rtol=0, atol=tolerance, msg=name)

    if case in _SLOT_TIES:
      return  # The cotangent is not permuted with the slots.
    expected = self._part(case, f'{prefix}grad')
    sources = {k: v for k, v in inputs.items() if k in expected}
    self.assertEqual(set(sources), set(expected))
    for name, value in tape.gradient(loss, sources).items():
      error = golden.relative_error(value, expected[name])
      self.assertLess(error, 10 * tolerance, msg=name)

  @parameterized.parameters(*_CASES)
  def test_float32(self, case):
    self._check(case, tf.float32, '', 2e-6)

  @parameterized.parameters(*_CASES)
  def test_float64(self, case):
    self._check(case, tf.float64, 'f64.', 1e-13)

  def test_gradient_stops_at_write_weights(self):
    inputs = {
      k: tf.constant(v) for k, v in self._part('freeness_usage', 'in').items()
    }
    with tf.GradientTape() as tape:
      tape.watch(inputs)
      usage = _usage(**inputs)['usage']
    self.assertIsNone(tape.gradient(usage, inputs)['write_weights'])

  def test_every_case_of_the_memory_is_replayed(self):
    cases = {name.split('.')[0] for name in self._arrays} - {'meta_json'}
    # The repeat-copy task's loss, which is no part of the memory.
    task = {c for c in cases if c.startswith('masked_sigmoid_cross_entropy')}
    self.assertEqual(set(_CASES), cases - task)


if __name__ == '__main__':
  tf.test.main()

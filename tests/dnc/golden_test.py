"""The whole core against DeepMind's: outputs, states and gradients.

Tolerances in float32 are a few times the noise that the golden files state: how
much the reference's results change when its weights change by rounding (2e-7).
In float64 only the order of summation differs.

Where all slots start out equal, rounding decides which is allocated first. Then
the comparison covers outputs, gradients, and the parts of the states that do
not depend on the order of the slots; see FORMAT.md.
"""

from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from dnc import unroll
from tests.dnc import access_test
from tests.dnc import addressing_test
from tests.dnc import util_test
from tests.support import golden as golden_lib

_SLOT_STATES = (
  'memory',
  'read_weights',
  'write_weights',
  'link',
  'precedence_weights',
  'usage',
)
_CONTROLLER_STATES = (
  'access_output',
  'controller_hidden',
  'controller_cell',
)
_FILES = golden_lib.DNC_FILES + golden_lib.ACCESS_FILES


class GoldenTest(tf.test.TestCase, parameterized.TestCase):
  def _check_states(self, golden, states, expected, atol):
    """Compares states; `expected` by name."""
    for name, value in expected.items():
      actual = states[name]
      if golden.has_slot_ties and name in _SLOT_STATES:
        actual = golden_lib.without_slot_order(name, actual)
        value = golden_lib.without_slot_order(name, value)
      self.assertAllClose(actual, value, rtol=0, atol=atol, msg=name)

  def _check_gradients(self, golden, replay, prefix, tolerance):
    for name in golden.config['no_gradient']:
      self.assertNotIn(name, replay.gradients)
    prefix += 'grad.'
    expected = {
      name.removeprefix(prefix): value
      for name, value in golden.arrays.items()
      if name.startswith(prefix)
    }
    self.assertContainsSubset(
      {k.removeprefix('weights.') for k in golden.weights()},
      set(expected) & set(replay.gradients),
    )
    for name, value in expected.items():
      # Where our graph has no path, the reference's loop returns zeros.
      actual = replay.gradients.get(name, np.zeros_like(value))
      error = golden_lib.relative_error(actual, value)
      self.assertLess(error, tolerance, msg=name)

  @parameterized.parameters(*_FILES)
  def test_float32(self, name):
    golden = golden_lib.Golden(name)
    config, arrays = golden.config, golden.arrays
    replay = golden_lib.replay(golden, tf.float32)

    noise = config['max_abs_diff_f32_vs_f32_weights_perturbed_2e-7']
    output_name = golden.output_name
    self.assertAllClose(
      replay.outputs,
      arrays[output_name],
      rtol=0,
      atol=5 * max(noise[output_name], 1e-7),
    )
    self.assertAllClose(replay.loss, arrays['loss'], rtol=1e-5, atol=1e-5)
    expected = {
      k: arrays[f'state.{k}']
      for k in _SLOT_STATES + _CONTROLLER_STATES
      if f'state.{k}' in arrays
    }
    self.assertContainsSubset(_SLOT_STATES, expected)
    states = dict(replay.states)
    states['memory'] = states['memory'][arrays['memory_steps']]
    states['link'] = states['link'][arrays['link_steps']]
    # M^T M sums N products of entries of up to 4.
    self._check_states(golden, states, expected, atol=2e-5)
    self._check_gradients(
      golden,
      replay,
      '',
      5 * config['grad_max_rel_diff_f32_vs_f32_weights_perturbed_2e-7'],
    )

  @parameterized.parameters(*_FILES)
  def test_float64(self, name):
    golden = golden_lib.Golden(name)
    arrays = golden.arrays
    replay = golden_lib.replay(golden, tf.float64)

    self.assertAllClose(
      replay.outputs,
      arrays[f'f64.{golden.output_name}'],
      rtol=0,
      atol=1e-12,
    )
    self.assertAllClose(replay.loss, arrays['f64.loss'], rtol=0, atol=1e-12)
    every_step = {
      k: arrays[f'f64.state.{k}']
      for k in _SLOT_STATES + _CONTROLLER_STATES
      if f'f64.state.{k}' in arrays
    }
    final = {
      k: arrays[f'f64.state.{k}_final']
      for k in _SLOT_STATES
      if f'f64.state.{k}_final' in arrays
    }
    self.assertNotEmpty(every_step)
    self.assertNotEmpty(final)
    self._check_states(golden, replay.states, every_step, atol=1e-11)
    self._check_states(
      golden, {k: v[-1] for k, v in replay.states.items()}, final, atol=1e-11
    )
    self._check_gradients(golden, replay, 'f64.', 1e-9)

  @parameterized.parameters(
    *((name, False) for name in golden_lib.DNC_FILES),
    ('dnc_b', True),
    ('dnc_i', True),
  )
  def test_over_time(self, name, compiled):
    golden = golden_lib.Golden(name)
    core = golden.core(tf.float64)
    # Without a graph, whose making would take longest; unroll_test has one.
    outputs, state, _ = unroll.unroll(
      core,
      tf.constant(golden.arrays['inputs'], tf.float64),
      golden.initial_state(core, tf.float64),
      compiled=compiled,
    )
    self.assertAllClose(
      outputs, golden.arrays['f64.outputs'], rtol=0, atol=1e-12
    )
    memory = golden_lib.without_slot_order(
      'memory', state.access_state.memory.numpy()
    )
    expected = golden_lib.without_slot_order(
      'memory', golden.arrays['f64.state.memory_final']
    )
    self.assertAllClose(memory, expected, rtol=0, atol=1e-11)

  @parameterized.parameters(*golden_lib.ACCESS_FILES)
  def test_interface(self, name):
    golden = golden_lib.Golden(name)
    core = golden.core(tf.float32)
    expected = {
      key.removeprefix('interface.'): value
      for key, value in golden.arrays.items()
      if key.startswith('interface.')
    }
    self.assertNotEmpty(expected)
    for t, step in enumerate(golden.arrays['inputs']):
      interface = core._read_inputs(tf.constant(step))
      self.assertEqual(set(interface), set(expected))
      for key, value in interface.items():
        self.assertAllClose(value, expected[key][t], rtol=0, atol=5e-6)

  def test_every_piece_of_the_memory_is_tested(self):
    tested = {
      *util_test.PIECES,
      *addressing_test.PIECES,
      *access_test.PIECES,
    }
    cases = {name.split('.')[0] for name in golden_lib.pieces()}
    # The loss of the repeat-copy task is not part of the memory.
    task = {c for c in cases if c.startswith('masked_sigmoid_cross_entropy')}
    self.assertEqual(tested, cases - task - {'meta_json'})

  def test_other_weights_are_noticed(self):
    golden = golden_lib.Golden('dnc_b')
    core = golden.core(tf.float64)
    core.access.interface['write_gate'].b.assign_add(
      np.full([golden.config['num_writes']], 1e-3)
    )
    state = golden.initial_state(core, tf.float64)
    for step in golden.arrays['inputs']:
      output, state = core(tf.constant(step, tf.float64), state)
    self.assertNotAllClose(
      output, golden.arrays['f64.outputs'][-1], rtol=0, atol=1e-12
    )


if __name__ == '__main__':
  tf.test.main()

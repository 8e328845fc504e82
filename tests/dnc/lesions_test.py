"""Tests of cores with a lesion of their memory.

analysis/lesion/side_by_side_test checks the effect of each lesion.
"""

from absl.testing import parameterized
import numpy as np
import sonnet as snt
import tensorflow as tf

from dnc import lesions
from dnc import unroll
from tests.support import cores

_STEPS = 12
_BATCH = 3
_STEP = 6
_INTERVAL = 4


def _inputs(dtype=tf.float64):
  return cores.normal([_STEPS, _BATCH, cores.INPUT_SIZE], 99, dtype)


def _record(state):
  return state.access_state


class LesionsTest(tf.test.TestCase, parameterized.TestCase):
  def test_sizes_are_those_of_the_state(self):
    for lesion in ('no_link', 'earlier_memory'):
      core = lesions.LesionedDNC(cores.make_dnc(), lesion)
      cores.assert_of_size(self, core, core.initial_state(2), tf.float64)

  def test_frozen_memory_stays(self):
    core = cores.make_dnc(num_writes=2)
    lesioned = lesions.LesionedDNC(core, 'frozen_memory', lesion_step=_STEP)
    _, _, states = unroll.unroll(
      lesioned, _inputs(), lesioned.initial_state(_BATCH), record=_record
    )
    for value in (states.memory, *states.linkage):
      value = value.numpy()
      self.assertNotAllClose(value[_STEP - 2], value[_STEP - 1])
      for t in range(_STEP, _STEPS):
        np.testing.assert_array_equal(value[t], value[_STEP - 1])
    # Reading continues.
    reads = states.read_weights.numpy()
    self.assertNotAllClose(reads[-1], reads[_STEP - 1], atol=1e-2)
    np.testing.assert_array_equal(
      states.write_weights[_STEP:], np.zeros([_STEPS - _STEP, _BATCH, 2, 6])
    )

  def test_reset_is_the_zero_state(self):
    core, inputs = cores.make_dnc(), _inputs()
    lesioned = lesions.LesionedDNC(
      core, 'reset_memory', reset_interval=_INTERVAL
    )

    def last_and_all(steps, state):
      return unroll.unroll(lesioned, steps, state, record=_record)[1:]

    last, whole = last_and_all(inputs, lesioned.initial_state(_BATCH))
    # An unused memory in place of the one to be reset.
    state, _ = last_and_all(inputs[:_INTERVAL], lesioned.initial_state(_BATCH))
    fresh = lesioned.initial_state(_BATCH).access_state
    _, after = last_and_all(
      inputs[_INTERVAL : 2 * _INTERVAL], state._replace(access_state=fresh)
    )
    for one, other in zip(whole[:-2], after[:-2]):
      for a, b in zip(tf.nest.flatten(one), tf.nest.flatten(other)):
        self.assertAllClose(a[_INTERVAL : 2 * _INTERVAL], b, atol=1e-12)
    self.assertAllEqual(last.access_state.step, [_STEPS] * _BATCH)

  def test_an_earlier_memory_is_put_back(self):
    core, inputs = cores.make_dnc(), _inputs()
    intact = lesions.LesionedDNC(core, None)
    lesioned = lesions.LesionedDNC(core, 'earlier_memory', reset_interval=1)

    def states(one, steps, state):
      return unroll.unroll(one, steps, state, record=_record)[2]

    whole = states(lesioned, inputs, lesioned.initial_state(_BATCH))
    own = states(intact, inputs, intact.initial_state(_BATCH))
    first = lesions.first_cut('earlier_memory', 0, reset_interval=1)
    self.assertEqual(first, 6)
    for a, b in zip(tf.nest.flatten(whole[:5]), tf.nest.flatten(own[:5])):
      np.testing.assert_array_equal(a[:first], b[:first])
    # Before step 6, the memory before steps 1 to 5 is kept.
    for step, kept in enumerate(whole.earlier, start=1):
      for a, b in zip(tf.nest.flatten(kept), tf.nest.flatten(own[:5])):
        np.testing.assert_array_equal(a[first - 1], b[step - 1])
    self.assertNotAllClose(whole.memory[first], own.memory[first])

  @parameterized.parameters(False, True)
  def test_without_a_lesion_it_is_the_core(self, reset_controller):
    core = cores.make_dnc(
      num_writes=2, clip_value=20.0, reset_controller=reset_controller
    )
    inputs = _inputs()
    expected, state = snt.dynamic_unroll(
      core, inputs, core.initial_state(_BATCH)
    )
    lesioned = lesions.LesionedDNC(core, None)
    outputs, lesioned_state, _ = unroll.unroll(
      lesioned, inputs, lesioned.initial_state(_BATCH)
    )
    self.assertAllClose(outputs, expected, rtol=0, atol=1e-11)
    lesioned_state = tf.nest.flatten(lesioned_state.access_state[:-2])
    for a, b in zip(lesioned_state, tf.nest.flatten(state.access_state)):
      self.assertAllClose(a, b, rtol=0, atol=1e-11)

  def test_the_core_stays_as_it_was(self):
    core = cores.make_dnc()
    parts = set(map(id, core.submodules))
    values = [v.numpy() for v in core.variables]
    lesioned = lesions.LesionedDNC(core, 'no_link')
    unroll.unroll(lesioned, _inputs(), lesioned.initial_state(_BATCH))
    self.assertEqual(set(map(id, core.submodules)), parts)
    self.assertLen(core.variables, len(values))
    for variable, value in zip(core.variables, values):
      np.testing.assert_array_equal(variable, value)
    # The lesioned core shares its weights.
    self.assertEqual(
      {v.ref() for v in lesioned.variables}, {v.ref() for v in core.variables}
    )

  def test_refuses_what_is_no_lesion_of_the_memory(self):
    core = cores.make_dnc()
    with self.assertRaisesRegex(ValueError, "'read_words_zero'"):
      lesions.LesionedDNC(core, 'read_words_zero')
    with self.assertRaisesRegex(ValueError, '-1 and 3'):
      lesions.LesionedDNC(core, 'frozen_memory', -1, 3)
    with self.assertRaisesRegex(ValueError, '0 and 0'):
      lesions.LesionedDNC(core, 'reset_memory', 0, 0)


if __name__ == '__main__':
  tf.test.main()

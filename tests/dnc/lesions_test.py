"""Tests of `lesions` and `lesioned_runs` against a plain loop of core calls."""

from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from analysis.lesion import side_by_side as lesioned_runs
from dnc import dnc
from dnc import lesions
from dnc import unroll

_INPUT_SIZE = 3
_STEPS = 12
_BATCH = 3
_STEP = 6
_INTERVAL = 4


def _normal(shape, seed, dtype=tf.float64):
  return tf.random.stateless_normal(shape, [seed, 17], dtype=dtype)


def _core(num_writes=1, clip_value=None, dtype=tf.float64):
  core = dnc.DNC(
    access_config=dict(
      memory_size=6, word_size=4, num_reads=2, num_writes=num_writes
    ),
    controller_config=dict(hidden_size=8),
    output_size=5,
    clip_value=clip_value,
    dtype=dtype,
  )
  core(tf.zeros([1, _INPUT_SIZE], dtype), core.initial_state(1))
  for number, variable in enumerate(core.trainable_variables):
    variable.assign(_normal(variable.shape, number, dtype))
  return core


def _inputs(dtype=tf.float64):
  return _normal([_STEPS, _BATCH, _INPUT_SIZE], 99, dtype)


def _loop(core, inputs, words=None, edit=None, core_at=None):
  """Outputs `[time, batch, ...]`, states, one call of the core at a time.

  Args:
    core: the core.
    inputs: `[time, batch, input_size]`.
    words: put in place of those read, `[time, batch, num_reads, W]`.
    edit: changes the state of the memory before a step.
    core_at: the core to take at a step.
  """
  state = core.initial_state(inputs.shape[1])
  outputs, states = [], []
  for t in range(len(inputs)):
    if edit is not None:
      state = state._replace(access_state=edit(t, state.access_state))
    output, state = (core_at(t) if core_at else core)(inputs[t], state)
    if words is not None:
      state = state._replace(access_output=words[t])
      hidden = state.controller_state.hidden
      flat = tf.reshape(words[t], [len(hidden), -1])
      output = core.output_linear(tf.concat([hidden, flat], axis=1))
      output = core.clip(output)
    outputs.append(output)
    states.append(state)
  return tf.stack(outputs), states


def _words(states):
  return tf.stack([state.access_output for state in states])


def _that_never_writes(core, **sizes):
  """The same core, but for write gates that are always 0."""
  other = _core(**sizes)
  for ours, theirs in zip(other.variables, core.variables):
    ours.assign(theirs)
  gate = other.access.interface['write_gate']
  gate.w.assign(tf.zeros_like(gate.w))
  gate.b.assign(tf.fill(gate.b.shape, tf.constant(-1e9, gate.b.dtype)))
  return other


def _reset(t, state):
  if t % _INTERVAL:
    return state
  return tf.nest.map_structure(tf.zeros_like, state)


def _exchange(t, state):
  if t == 0 or t % _INTERVAL:
    return state
  return tf.nest.map_structure(lambda x: tf.stack([x[1], x[2], x[0]]), state)


def _without_links(t, state):
  del t
  # Of zeros, and of what was written last, a link matrix of zeros is made.
  zeros = tf.nest.map_structure(tf.zeros_like, state.linkage)
  return state._replace(linkage=zeros)


def _without_usage(t, state):
  del t
  # Usage of a step comes from that before and from what was then written.
  return state._replace(
    usage=tf.zeros_like(state.usage),
    write_weights=tf.zeros_like(state.write_weights),
  )


def _expected(core, inputs, **sizes):
  """Outputs of all runs, from `_loop`."""
  intact, states = _loop(core, inputs)
  words = _words(states)
  mean = tf.reduce_mean(words, axis=[0, 1], keepdims=True)
  silent = _that_never_writes(core, **sizes)

  def loop(**changes):
    return _loop(core, inputs, **changes)[0]

  return dict(
    intact=intact,
    read_words_zero=loop(words=tf.zeros_like(words)),
    read_words_mean=loop(words=tf.broadcast_to(mean, words.shape)),
    read_words_other=loop(
      words=tf.stack([words[:, 1], words[:, 2], words[:, 0]], axis=1)
    ),
    frozen_memory=loop(core_at=lambda t: silent if t >= _STEP else core),
    exchanged_memory=loop(edit=_exchange),
    reset_memory=loop(edit=_reset),
    no_link=loop(edit=_without_links),
    no_usage=loop(edit=_without_usage),
  )


def _record(state):
  return state.access_state


class LesionsTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.parameters(
    dict(num_writes=1), dict(num_writes=3), dict(num_writes=2, clip_value=0.3)
  )
  def test_each_is_what_it_says(self, **sizes):
    core = _core(**sizes)
    inputs = _inputs()
    expected = _expected(core, inputs, **sizes)
    # The memory is frozen at half time.
    found = lesioned_runs.outputs(core, inputs, reset_interval=_INTERVAL)
    self.assertEqual(list(found), [lesions.INTACT, *lesions.NAMES])
    for name in found:
      with self.subTest(name):
        self.assertAllClose(found[name], expected[name], rtol=1e-9, atol=1e-11)
        if name != lesions.INTACT:
          self.assertNotAllClose(found[name], found[lesions.INTACT], atol=1e-3)
    # Before they begin, they change nothing.
    starts = dict.fromkeys(('exchanged_memory', 'reset_memory'), _INTERVAL)
    for name, start in dict(frozen_memory=_STEP, **starts).items():
      np.testing.assert_array_equal(
        found[name][:start], found[lesions.INTACT][:start]
      )
    if 'clip_value' in sizes:
      for outputs in found.values():
        self.assertAllClose(np.abs(outputs).max(), sizes['clip_value'])

  def test_segments_make_no_difference(self):
    core, inputs = _core(), _inputs()
    whole = _expected(core, inputs)
    runs = lesioned_runs.LesionedRuns(core, _INPUT_SIZE, _STEP, _INTERVAL)
    states = runs.initial_states(_BATCH)
    words, _ = runs.read_words(inputs, states[lesions.INTACT])
    mean_words = tf.reduce_mean(words, axis=[0, 1])
    parts = {name: [] for name in whole}
    # Cut before the freezing, at a reset, and between resets.
    for start, end in ((0, 3), (3, 4), (4, 10), (10, _STEPS)):
      for name, outputs, state in runs.run(
        inputs[start:end], states, mean_words
      ):
        states[name] = state
        parts[name].append(outputs)
    for name, outputs in whole.items():
      self.assertAllClose(np.concatenate(parts[name]), outputs, atol=1e-11)

  def test_frozen_memory_stays(self):
    core = _core(num_writes=2)
    lesioned = lesions.LesionedDNC(core, 'frozen_memory', lesion_step=_STEP)
    _, _, states = unroll.unroll(
      lesioned, _inputs(), lesioned.initial_state(_BATCH), record=_record
    )
    for value in (states.memory, *states.linkage):
      value = value.numpy()
      self.assertNotAllClose(value[_STEP - 2], value[_STEP - 1])
      for t in range(_STEP, _STEPS):
        np.testing.assert_array_equal(value[t], value[_STEP - 1])
    # Reading goes on.
    reads = states.read_weights.numpy()
    self.assertNotAllClose(reads[-1], reads[_STEP - 1], atol=1e-2)
    np.testing.assert_array_equal(
      states.write_weights[_STEP:], np.zeros([_STEPS - _STEP, _BATCH, 2, 6])
    )

  def test_reset_is_the_zero_state(self):
    core, inputs = _core(), _inputs()
    lesioned = lesions.LesionedDNC(
      core, 'reset_memory', reset_interval=_INTERVAL
    )

    def run(steps, state):
      return unroll.unroll(lesioned, steps, state, record=_record)[1:]

    last, whole = run(inputs, lesioned.initial_state(_BATCH))
    # A memory that was never used, in place of the one to be reset.
    state, _ = run(inputs[:_INTERVAL], lesioned.initial_state(_BATCH))
    fresh = lesioned.initial_state(_BATCH).access_state
    _, after = run(
      inputs[_INTERVAL : 2 * _INTERVAL], state._replace(access_state=fresh)
    )
    for one, other in zip(whole[:-1], after[:-1]):
      for a, b in zip(tf.nest.flatten(one), tf.nest.flatten(other)):
        self.assertAllClose(a[_INTERVAL : 2 * _INTERVAL], b, atol=1e-12)
    self.assertAllEqual(last.access_state.step, [_STEPS] * _BATCH)

  @parameterized.parameters((1, tf.float32, 1e-5), (2, tf.float64, 1e-11))
  def test_without_a_lesion_it_is_the_compiled_core(
    self, num_writes, dtype, tolerance
  ):
    core = _core(num_writes, clip_value=20.0, dtype=dtype)
    inputs = _inputs(dtype)
    expected, state, _ = unroll.unroll(
      core, inputs, core.initial_state(_BATCH), compiled=True
    )
    lesioned = lesions.LesionedDNC(core, None)
    found, lesioned_state, _ = unroll.unroll(
      lesioned, inputs, lesioned.initial_state(_BATCH)
    )
    self.assertAllClose(found, expected, rtol=0, atol=tolerance)
    if dtype == tf.float32:
      # Slots whose usage ties may be served in another order.
      return
    lesioned_state = tf.nest.flatten(lesioned_state.access_state[:-1])
    for a, b in zip(lesioned_state, tf.nest.flatten(state.access_state)):
      self.assertAllClose(a, b, rtol=0, atol=tolerance)

  def test_a_core_that_ignores_its_words_is_not_changed_at_all(self):
    core = _core(dtype=tf.float32)
    gates = core.controller.input_to_hidden
    gates.assign(tf.concat([gates[:_INPUT_SIZE], 0 * gates[_INPUT_SIZE:]], 0))
    layer = core.output_linear.w
    layer.assign(tf.concat([layer[:8], 0 * layer[8:]], 0))
    found = lesioned_runs.outputs(core, _inputs(tf.float32), _STEP, _INTERVAL)
    for outputs in found.values():
      np.testing.assert_array_equal(outputs, found[lesions.INTACT])

  def test_the_core_stays_as_it_was(self):
    core = _core()
    parts = set(map(id, core.submodules))
    values = [v.numpy() for v in core.variables]
    lesioned = lesions.LesionedDNC(core, 'no_link')
    unroll.unroll(lesioned, _inputs(), lesioned.initial_state(_BATCH))
    self.assertEqual(set(map(id, core.submodules)), parts)
    self.assertLen(core.variables, len(values))
    for variable, value in zip(core.variables, values):
      np.testing.assert_array_equal(variable, value)
    # And lends its weights.
    self.assertEqual(
      {v.ref() for v in lesioned.variables}, {v.ref() for v in core.variables}
    )

  def test_is_never_compiled(self):
    lesioned = lesions.LesionedDNC(_core(), 'no_usage')
    with self.assertRaisesRegex(ValueError, 'no compiled form of Lesioned'):
      unroll.unroll(
        lesioned, _inputs(), lesioned.initial_state(_BATCH), compiled=True
      )

  def test_batches_are_equal_and_never_of_one(self):
    core = _core()
    sizes = [
      lesioned_runs.batch_size(core, n, 32) for n in (2, 32, 33, 100, 200)
    ]
    self.assertEqual(sizes, [2, 32, 17, 25, 29])
    large = dnc.DNC(
      dict(memory_size=1024, word_size=4), dict(hidden_size=8), output_size=5
    )
    self.assertEqual(lesioned_runs.batch_size(large, 100, 32), 3)

  def test_what_cannot_be(self):
    core = _core()
    with self.assertRaisesRegex(ValueError, "'read_words_zero'"):
      lesions.LesionedDNC(core, 'read_words_zero')
    with self.assertRaisesRegex(ValueError, '-1 and 3'):
      lesions.LesionedDNC(core, 'frozen_memory', -1, 3)
    with self.assertRaisesRegex(ValueError, '0 and 0'):
      lesions.LesionedDNC(core, 'reset_memory', 0, 0)
    with self.assertRaisesRegex(ValueError, 'two sequences at least, not 1'):
      lesioned_runs.outputs(core, _inputs()[:, :1])


if __name__ == '__main__':
  tf.test.main()

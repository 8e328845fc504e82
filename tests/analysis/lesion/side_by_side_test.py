"""Tests of the intact and the lesioned models against a loop of core calls."""

from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from analysis.lesion import side_by_side
from dnc import dnc
from dnc import lesions
from tests.support import cores
from tests.support import lesioned_outputs

_STEPS = 16
_BATCH = 3
_STEP = 8
_INTERVAL = 2


def _inputs(dtype=tf.float64):
  return cores.normal([_STEPS, _BATCH, cores.INPUT_SIZE], 99, dtype)


def _loop(core, inputs, words=None, edit=None, core_at=None):
  """Calls the core step by step.

  Args:
    core: the core.
    inputs: `[time, batch, input_size]`.
    words: replace the words read, `[time, batch, num_reads, W]`.
    edit: changes the state of the memory before each step.
    core_at: returns the core to use at a step.

  Returns:
    Outputs `[time, batch, output_size]`, and the states after each step.
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


def _with_gate(core, name, biases, **sizes):
  """Returns the same core, a part of its interface always the same."""
  other = cores.make_dnc(**sizes)
  for ours, theirs in zip(other.variables, core.variables):
    ours.assign(theirs)
  gate = other.access.interface[name]
  gate.w.assign(tf.zeros_like(gate.w))
  gate.b.assign(np.broadcast_to(biases, gate.b.shape))
  return other


def _that_never_writes(core, **sizes):
  return _with_gate(core, 'write_gate', -1e9, **sizes)


def _that_reads_by_content(core, num_writes, **sizes):
  # For each of two read heads: backward modes, forward modes, content mode.
  modes = [*[0.0] * 2 * num_writes, 1e9]
  return _with_gate(
    core, 'read_mode', modes * 2, num_writes=num_writes, **sizes
  )


def _reset(t, state):
  if t % _INTERVAL:
    return state
  return tf.nest.map_structure(tf.zeros_like, state)


def _exchange(t, state):
  if t == 0 or t % _INTERVAL:
    return state
  return tf.nest.map_structure(lambda x: tf.stack([x[1], x[2], x[0]]), state)


def _exchange_contents(t, state):
  return state._replace(memory=_exchange(t, state).memory)


def _earlier():
  """Returns an edit that puts back the memory of five intervals before."""
  before = {}

  def edit(t, state):
    before[t] = state
    then = t - 5 * _INTERVAL
    return before[then] if then > 0 and t % _INTERVAL == 0 else state

  return edit


def _without_links(t, state):
  del t
  # Without links and precedence, a step computes a link matrix of zeros.
  zeros = tf.nest.map_structure(tf.zeros_like, state.linkage)
  return state._replace(linkage=zeros)


def _without_usage(t, state):
  del t
  # A step computes its usage from the previous usage and write weights.
  return state._replace(
    usage=tf.zeros_like(state.usage),
    write_weights=tf.zeros_like(state.write_weights),
  )


def _expected(core, inputs, **sizes):
  """Returns the outputs of all models, from `_loop`."""
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
    exchanged_contents=loop(edit=_exchange_contents),
    earlier_memory=loop(edit=_earlier()),
    reset_memory=loop(edit=_reset),
    no_link=loop(edit=_without_links),
    content_reads=_loop(_that_reads_by_content(core, **sizes), inputs)[0],
    no_usage=loop(edit=_without_usage),
  )


class SideBySideTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.parameters(
    dict(num_writes=1), dict(num_writes=3, clip_value=0.3)
  )
  def test_each_is_what_it_says(self, **sizes):
    core = cores.make_dnc(**sizes)
    inputs = _inputs()
    expected = _expected(core, inputs, **sizes)
    # The memory is frozen halfway.
    found = lesioned_outputs.outputs(core, inputs, reset_interval=_INTERVAL)
    self.assertEqual(list(found), [lesions.INTACT, *lesions.NAMES])
    for name in found:
      with self.subTest(name):
        self.assertAllClose(found[name], expected[name], rtol=1e-9, atol=1e-11)
        if name != lesions.INTACT:
          self.assertNotAllClose(found[name], found[lesions.INTACT], atol=1e-3)
    # Lesions change nothing before they begin.
    starts = dict.fromkeys(lesions.AT_INTERVALS, _INTERVAL)
    starts |= dict(earlier_memory=6 * _INTERVAL, frozen_memory=_STEP)
    for name, start in starts.items():
      self.assertEqual(lesions.first_cut(name, _STEP, _INTERVAL), start)
      np.testing.assert_array_equal(
        found[name][:start], found[lesions.INTACT][:start]
      )
    if 'clip_value' in sizes:
      for outputs in found.values():
        self.assertAllClose(np.abs(outputs).max(), sizes['clip_value'])

  def test_segments_make_no_difference(self):
    core, inputs = cores.make_dnc(), _inputs()
    models = side_by_side.SideBySide(core, cores.INPUT_SIZE, _STEP, _INTERVAL)
    states = models.initial_states(_BATCH)
    words, _ = models.read_words(inputs, states[lesions.INTACT])
    mean_words = tf.reduce_mean(words, axis=[0, 1])
    whole = {
      name: outputs
      for name, outputs, _ in models.unroll(inputs, states, mean_words)
    }
    parts = {name: [] for name in whole}
    # Segments end before the freezing, at a reset, and between resets.
    for start, end in ((0, 3), (3, 4), (4, 10), (10, _STEPS)):
      for name, outputs, state in models.unroll(
        inputs[start:end], states, mean_words
      ):
        states[name] = state
        parts[name].append(outputs)
    for name, outputs in whole.items():
      self.assertAllClose(np.concatenate(parts[name]), outputs, atol=1e-11)

  def test_a_core_that_ignores_its_words_is_not_changed_at_all(self):
    core = cores.make_dnc(dtype=tf.float32)
    gates, size = core.controller.input_to_hidden, cores.INPUT_SIZE
    gates.assign(tf.concat([gates[:size], 0 * gates[size:]], 0))
    layer = core.output_linear.w
    layer.assign(tf.concat([layer[:8], 0 * layer[8:]], 0))
    found = lesioned_outputs.outputs(
      core, _inputs(tf.float32), _STEP, _INTERVAL
    )
    for outputs in found.values():
      np.testing.assert_array_equal(outputs, found[lesions.INTACT])

  def test_batches_are_equal_and_never_of_one(self):
    core = cores.make_dnc()
    sizes = [
      side_by_side.batch_size(core, n, 32) for n in (2, 32, 33, 100, 200)
    ]
    self.assertEqual(sizes, [2, 32, 17, 25, 29])
    large = dnc.DNC(
      dict(memory_size=1024, word_size=4), dict(hidden_size=8), output_size=5
    )
    self.assertEqual(side_by_side.batch_size(large, 100, 32), 3)


if __name__ == '__main__':
  tf.test.main()

"""Tests of the intact and the lesioned models against a loop of core calls.

Making their graphs takes most of the time, so the tests share them.
"""

import functools

import numpy as np
import tensorflow as tf

from analysis.lesion import side_by_side
from dnc import dnc
from dnc import lesions
from tests.support import cores

_STEPS = 16
_BATCH = 3
_STEP = 8
_INTERVAL = 2


def _inputs():
  return cores.normal([_STEPS, _BATCH, cores.INPUT_SIZE], 99)


@functools.cache
def _step_of(core):
  return tf.function(core.__call__, autograph=False)


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
    output, state = _step_of(core_at(t) if core_at else core)(inputs[t], state)
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


class SideBySideTest(tf.test.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls._sizes = dict(num_writes=3, clip_value=0.3)
    cls._core = cores.make_dnc(**cls._sizes)
    # The memory is frozen halfway.
    cls._models = side_by_side.SideBySide(
      cls._core, cores.INPUT_SIZE, _STEP, _INTERVAL
    )
    cls._mean_words = cls._mean_words_of(cls._models)
    cls._found = cls._outputs_of(cls._models, cls._mean_words)

  @classmethod
  def _mean_words_of(cls, models):
    states = models.initial_states(_BATCH)
    words, _ = models.read_words(_inputs(), states[lesions.INTACT])
    return tf.reduce_mean(words, axis=[0, 1])

  @classmethod
  def _outputs_of(cls, models, mean_words):
    states = models.initial_states(_BATCH)
    return {
      name: outputs.numpy()
      for name, outputs, _ in models.unroll(_inputs(), states, mean_words)
    }

  def test_each_is_what_it_says(self):
    found = self._found
    expected = _expected(self._core, _inputs(), **self._sizes)
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
    for outputs in found.values():
      self.assertAllClose(np.abs(outputs).max(), self._sizes['clip_value'])

  def test_segments_make_no_difference(self):
    states = self._models.initial_states(_BATCH)
    parts = {name: [] for name in self._found}
    # Segments end before the freezing, at a reset, and between resets.
    for start, end in ((0, 3), (3, 4), (4, 10), (10, _STEPS)):
      for name, outputs, state in self._models.unroll(
        _inputs()[start:end], states, self._mean_words
      ):
        states[name] = state
        parts[name].append(outputs)
    for name, outputs in self._found.items():
      self.assertAllClose(np.concatenate(parts[name]), outputs, atol=1e-11)

  def test_a_core_that_ignores_its_words_is_not_changed_at_all(self):
    gates, size = self._core.controller.input_to_hidden, cores.INPUT_SIZE
    layer = self._core.output_linear
    for weights, number in ((gates, size), (layer.w, 8), (layer.b, None)):
      before = weights.numpy()
      self.addCleanup(weights.assign, before)
      # Scaled, so that few outputs are clipped.
      changed = np.zeros_like(before)
      changed[:number] = 0.1 * before[:number]
      weights.assign(changed)
    mean_words = self._mean_words_of(self._models)
    found = self._outputs_of(self._models, mean_words)
    self.assertLess(np.mean(np.abs(found[lesions.INTACT]) == 0.3), 0.2)
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

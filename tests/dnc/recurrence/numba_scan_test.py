"""Tests that the recurrence compiled by Numba equals the plain one.

In float64, both sort slots of equal usage alike. There, Python runs the
functions that are compiled in float32, since compiling takes long.
"""

import importlib
import tracemalloc
from unittest import mock

from absl.testing import parameterized
import pytest
import tensorflow as tf

from dnc import unroll
from dnc.recurrence import compiled
from dnc.recurrence import compiled_chunk
from dnc.recurrence import jit
from dnc.recurrence import numba_scan
from tests.support import cores

_BATCH = 3
_LARGE = tf.constant(200.0, tf.float64)


def _inputs(num_steps, dtype=tf.float64):
  return cores.normal([num_steps, _BATCH, cores.INPUT_SIZE], num_steps, dtype)


def _unroll(core, inputs, state, **kwargs):
  return unroll.unroll(core, inputs, state, keep_states=True, **kwargs)


def _plain(core, inputs, state):
  return unroll.unroll(core, inputs, state, compiled=False)


def _carried(core, dtype=tf.float64):
  """A state in which no two slots are alike."""
  return _plain(core, 3 * _inputs(9, dtype), core.initial_state(_BATCH))[1]


def _nothing(*_):
  """In place of `jit.in_parts`; a mock would keep the arrays."""


def _open_gates(core):
  """Frees and erases completely: factors of products are exactly 0."""
  interface = core.access.interface
  for name in ('free_gate', 'erase_vectors', 'write_gate'):
    interface[name].b.assign(tf.fill(interface[name].b.shape, _LARGE))
  interface['allocation_gate'].b.assign(-_LARGE[tf.newaxis])


def _assert_same(test, actual, expected, rtol=1e-9, atol=1e-11):
  for a, b in zip(*map(tf.nest.flatten, (actual, expected)), strict=True):
    test.assertEqual(a.shape, b.shape)
    test.assertAllClose(a, b, rtol=rtol, atol=atol)


class NotCompiledTest(tf.test.TestCase, parameterized.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    pytest.importorskip('numba')
    from dnc.recurrence import numba_step

    cls.enterClassContext(mock.patch.object(numba_scan, 'LEAST_SLOTS', 1))
    with mock.patch.object(jit, 'jit', side_effect=lambda function: function):
      importlib.reload(numba_step)
    cls.addClassCleanup(importlib.reload, numba_step)

  def _compare(self, core, inputs, state):
    with mock.patch.object(numba_scan, 'scan', wraps=numba_scan.scan) as scan:
      found = cores.with_gradients(
        lambda *sequence: _unroll(core, *sequence), core, inputs, state
      )
    scan.assert_called_once()
    expected = cores.with_gradients(
      lambda *sequence: _plain(core, *sequence), core, inputs, state
    )
    _assert_same(self, found, expected)
    return found

  @parameterized.parameters(
    dict(),
    dict(memory_size=1, num_reads=1),
    dict(memory_size=9, word_size=5, num_reads=3, clip_value=0.3),
    dict(reset_controller=True),
  )
  def test_is_the_plain_recurrence(self, **sizes):
    core = cores.make_dnc(**sizes)
    self._compare(core, _inputs(7), _carried(core))

  def test_from_an_empty_memory(self):
    core = cores.make_dnc()
    self._compare(core, _inputs(7), core.initial_state(_BATCH))

  def test_factors_that_are_exactly_zero(self):
    core = cores.make_dnc(memory_size=1, num_reads=1)
    _open_gates(core)
    found = self._compare(core, _inputs(4), _carried(core))
    self.assertAllEqual(found[1].access_state.write_weights, [[[1]]] * _BATCH)

  def test_any_length_in_one_graph_and_any_parts(self):
    core = cores.make_dnc()
    state = _carried(core)

    @tf.function(
      input_signature=[
        tf.TensorSpec([None, _BATCH, cores.INPUT_SIZE], tf.float64)
      ],
      autograph=False,
    )
    def found(inputs):
      return cores.with_gradients(
        lambda *sequence: _unroll(core, *sequence), core, inputs, state
      )

    expected = tf.function(
      lambda inputs: cores.with_gradients(
        lambda *sequence: _plain(core, *sequence), core, inputs, state
      ),
      input_signature=found.input_signature,
      autograph=False,
    )
    k = compiled_chunk.CHUNK_STEPS
    for num_steps, num_cores in ((0, 2), (1, 1), (k, 2), (2 * k + 3, 4)):
      inputs = _inputs(num_steps)
      with mock.patch.object(compiled, 'num_cores', return_value=num_cores):
        _assert_same(self, found(inputs), expected(inputs))


class CompiledTest(tf.test.TestCase):
  def setUp(self):
    super().setUp()
    pytest.importorskip('numba')
    self.enterContext(mock.patch.object(numba_scan, 'LEAST_SLOTS', 1))

  def test_is_the_plain_recurrence(self):
    core = cores.make_dnc(dtype=tf.float32, scale=0.5)
    # More than one chunk.
    inputs, state = _inputs(30, tf.float32), _carried(core, tf.float32)
    found, expected = (
      cores.with_gradients(
        lambda *sequence, way=way: way(core, *sequence), core, inputs, state
      )
      for way in (_unroll, _plain)
    )
    _assert_same(self, found, expected, rtol=1e-3, atol=1e-4)

  def test_nan_stays(self):
    core = cores.make_dnc(clip_value=20.0, dtype=tf.float32)
    nan = tf.constant([0.0, float('nan'), 0.0])
    inputs = _inputs(3, tf.float32) + nan[:, tf.newaxis, tf.newaxis]
    outputs = _unroll(core, inputs, core.initial_state(_BATCH))[0]
    self.assertAllEqual(
      tf.reduce_all(tf.math.is_nan(outputs), [1, 2]), [False, True, True]
    )


class MemoryTest(tf.test.TestCase):
  def test_of_earlier_chunks_only_the_first_state_is_kept(self):
    pytest.importorskip('numba')
    core = cores.make_dnc(memory_size=64)
    state = core.initial_state(_BATCH)

    def peak(num_steps):
      projected, weights = unroll.project_inputs(core, _inputs(num_steps))
      with mock.patch.object(jit, 'in_parts', _nothing):
        tracemalloc.start()
        try:
          numba_scan.scan(core, weights, projected, state)
          return tracemalloc.get_traced_memory()[1]
        finally:
          tracemalloc.stop()

    k = compiled_chunk.CHUNK_STEPS
    self.assertLess(peak(8 * k), 2 * peak(k))


class UnrollTest(tf.test.TestCase):
  def test_where_it_does_not_serve_xla_compiles(self):
    pytest.importorskip('numba')
    sizes = dict(memory_size=numba_scan.LEAST_SLOTS)
    core = cores.make_dnc(**sizes)
    two_heads = cores.make_dnc(**sizes, num_writes=2)
    half = cores.make_dnc(**sizes, dtype=tf.float16)

    def way(core, **kwargs):
      kwargs = dict(keep_states=True) | kwargs
      inputs = _inputs(2, core.dtype)
      with (
        mock.patch.object(compiled, 'scan', side_effect=AssertionError('xla')),
        mock.patch.object(
          numba_scan, 'scan', side_effect=AssertionError('numba')
        ),
        self.assertRaises(AssertionError) as raised,
      ):
        unroll.unroll(core, inputs, core.initial_state(_BATCH), **kwargs)
      return str(raised.exception)

    self.assertEqual(way(core), 'numba')
    self.assertEqual(way(core, keep_states=False), 'xla')
    self.assertEqual(way(core, compiled=True), 'xla')
    self.assertEqual(way(core, sequence_length=1), 'xla')
    self.assertEqual(way(core, record=lambda state: state), 'xla')
    self.assertEqual(way(two_heads), 'xla')
    self.assertEqual(way(half), 'xla')
    self.assertEqual(way(cores.make_dnc()), 'xla')
    with mock.patch.object(jit, 'is_installed', return_value=False):
      self.assertEqual(way(core), 'xla')


if __name__ == '__main__':
  tf.test.main()

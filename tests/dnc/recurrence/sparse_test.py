"""Tests that the product with sparse inputs equals `tf.tensordot`."""

from unittest import mock

from absl.testing import parameterized
import pytest
import tensorflow as tf

from dnc import lstm
from dnc import unroll
from dnc.recurrence import jit
from dnc.recurrence import sparse
from tests.support import cores


def _inputs(dtype=tf.float32):
  inputs = cores.normal([6, 3, cores.INPUT_SIZE], 0, dtype)
  return inputs * tf.cast(inputs > 1, dtype)


def _lstm():
  core = lstm.LSTMCore(
    controller_config=dict(hidden_size=8), output_size=cores.OUTPUT_SIZE
  )
  core(_inputs()[0], core.initial_state(3))
  return core


class SparseTest(tf.test.TestCase, parameterized.TestCase):
  def setUp(self):
    super().setUp()
    pytest.importorskip('numba')

  @parameterized.parameters(lambda: cores.make_dnc(dtype=tf.float32), _lstm)
  def test_is_the_dense_product(self, make):
    core, inputs = make(), _inputs()
    with mock.patch.object(sparse, 'project', wraps=sparse.project) as project:
      dense, found = (
        cores.with_gradients(
          lambda *sequence, way=way: unroll.unroll(
            core, *sequence, compiled=False, sparse_inputs=way
          ),
          core,
          inputs,
          core.initial_state(3),
        )
        for way in (False, True)
      )
    project.assert_called_once()
    for a, b in zip(tf.nest.flatten(found), tf.nest.flatten(dense)):
      self.assertAllClose(a, b, rtol=1e-4, atol=1e-4)

  def test_in_a_graph_of_unknown_sizes(self):
    weights = cores.normal([cores.INPUT_SIZE, 5], 1, tf.float32)

    @tf.function(
      input_signature=[tf.TensorSpec([None, None, cores.INPUT_SIZE])],
      autograph=False,
    )
    def project(inputs):
      projected = sparse.project(inputs, weights)
      self.assertEqual(projected.shape.as_list(), [None, None, 5])
      return projected

    for inputs in (_inputs(), _inputs()[:0], _inputs()[:, :1]):
      self.assertAllClose(project(inputs), tf.tensordot(inputs, weights, 1))

  def test_without_numba_or_in_float64_the_product_is_dense(self):
    def called(core, inputs):
      with mock.patch.object(
        sparse, 'project', wraps=sparse.project
      ) as project:
        unroll.project_inputs(core, inputs, is_sparse=True)
      return project.called

    core = cores.make_dnc(dtype=tf.float32)
    self.assertTrue(called(core, _inputs()))
    self.assertFalse(called(cores.make_dnc(), _inputs(tf.float64)))
    with mock.patch.object(jit, 'is_installed', return_value=False):
      self.assertFalse(called(core, _inputs()))


if __name__ == '__main__':
  tf.test.main()

"""Tests of the products with a matrix that is mostly zeros."""

import importlib
from unittest import mock

from absl.testing import absltest
from absl.testing import parameterized
import numpy as np
import pytest

from dnc.system import paths


class SparseKernelTest(parameterized.TestCase):
  @parameterized.parameters(0.0, 0.1, 1.0)
  def test_is_the_product_in_any_parts(self, density):
    pytest.importorskip('numba')
    from dnc.recurrence import sparse_kernel

    rng = np.random.default_rng(0)
    shape = 7, 40
    x = rng.standard_normal(shape) * (rng.random(shape) < density)
    x[3], x[:, -1] = 0, 0
    x = x.astype(np.float32)
    matrix = rng.standard_normal([40, 700]).astype(np.float32)
    starts, where = sparse_kernel.find(x)
    np.testing.assert_array_equal(where, np.nonzero(x)[1])
    self.assertEqual(starts[-1], len(where))
    out = np.full([7, 700], np.nan, np.float32)
    for low, high in ((0, 300), (300, 700)):
      sparse_kernel.multiply(low, high, x, starts, where, matrix, out)
    np.testing.assert_allclose(out, x @ matrix, rtol=0, atol=2e-5)

  @parameterized.parameters((True, 2), (False, 0))
  def test_code_is_kept_where_there_is_a_place(self, has_home, number):
    pytest.importorskip('numba')
    from numba.core import dispatcher

    from dnc.recurrence import sparse_kernel

    self.addCleanup(importlib.reload, sparse_kernel)
    with (
      mock.patch.object(paths, 'has_home', return_value=has_home),
      mock.patch.object(
        dispatcher.Dispatcher,
        'enable_caching',
        side_effect=RuntimeError('cannot cache function'),
      ) as keep,
    ):
      importlib.reload(sparse_kernel)
    self.assertEqual(keep.call_count, number)


if __name__ == '__main__':
  absltest.main()

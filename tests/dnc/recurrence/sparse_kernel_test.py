"""Tests of the products with a matrix that is mostly zeros."""

from absl.testing import absltest
from absl.testing import parameterized
import numpy as np
import pytest


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


if __name__ == '__main__':
  absltest.main()

"""Tests of parts of the step at sizes that do not divide evenly."""

from absl.testing import absltest
from absl.testing import parameterized
import numpy as np
import pytest


class NumbaStepTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    pytest.importorskip('numba')

  @parameterized.product(rows=(1, 2, 5), size=(1, 4, 7), columns=(1, 513))
  def test_product(self, rows, size, columns):
    from dnc.recurrence import numba_step

    rng = np.random.default_rng(0)
    x, matrix = rng.normal(size=[rows, size]), rng.normal(size=[size, columns])
    out = rng.normal(size=[rows, columns])
    expected = out + x @ matrix
    numba_step._add_product(x, matrix, out)
    np.testing.assert_allclose(out, expected, rtol=1e-12, atol=1e-12)

  @parameterized.product(size=(1, 2, 4, 7), num_reads=(1, 2, 3))
  def test_link(self, size, num_reads):
    from dnc.recurrence import numba_step

    rng = np.random.default_rng(0)
    link = rng.random([size, size])
    precedence, writes = rng.random(size), rng.random(size)
    reads = rng.random([num_reads, size])
    new_link = np.full_like(link, np.nan)
    forth, back = np.full_like(reads, np.nan), np.full_like(reads, np.nan)
    numba_step._link_and_move(
      link, precedence, writes, reads, new_link, forth, back
    )
    expected = (1 - writes[:, np.newaxis] - writes) * link
    expected += np.outer(writes, precedence)
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(new_link, expected, rtol=1e-12)
    np.testing.assert_allclose(forth, reads @ expected.T, rtol=1e-12)
    np.testing.assert_allclose(back, reads @ expected, rtol=1e-12)

  def test_of_equally_used_slots_the_first_is_allocated_first(self):
    from dnc.recurrence import numba_step

    usage = np.array([0.5, 0.25, 0.5, 0.25])
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]):
      order, allocation = np.array(order, np.int32), np.zeros(4)
      numba_step._allocate(usage, 0.0, order, allocation)
      np.testing.assert_array_equal(order, [1, 3, 0, 2])
      np.testing.assert_allclose(allocation, [1 / 32, 3 / 4, 1 / 64, 3 / 16])


if __name__ == '__main__':
  absltest.main()

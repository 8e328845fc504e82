"""Tests of compiling with Numba, and of running in parts."""

from unittest import mock

from absl.testing import absltest
from absl.testing import parameterized
import numpy as np
import pytest

from dnc.recurrence import compiled
from dnc.recurrence import jit
from dnc.system import paths


class JitTest(parameterized.TestCase):
  @parameterized.parameters((True, 1), (False, 0))
  def test_code_is_kept_where_there_is_a_place(self, has_home, number):
    pytest.importorskip('numba')
    from numba.core import dispatcher

    with (
      mock.patch.object(paths, 'has_home', return_value=has_home),
      mock.patch.object(
        dispatcher.Dispatcher,
        'enable_caching',
        side_effect=RuntimeError('cannot cache function'),
      ) as keep,
    ):
      double = jit.jit(lambda x: 2 * x)
    self.assertEqual(double(3), 6)
    self.assertEqual(keep.call_count, number)

  def test_usable_arrays_can_be_written(self):
    array = np.arange(6.0).reshape(2, 3)
    self.assertIs(jit.usable(array), array)
    array.flags.writeable = False
    for other in (array, array.T):
      usable = jit.usable(other)
      np.testing.assert_array_equal(usable, other)
      self.assertTrue(usable.flags.writeable and usable.flags.c_contiguous)

  @parameterized.product(size=(0, 1, 7), num_cores=(1, 3))
  def test_parts_cover_the_range(self, size, num_cores):
    marks = np.zeros(size)

    def mark(low, high, marks):
      marks[low:high] += 1

    with mock.patch.object(compiled, 'num_cores', return_value=num_cores):
      jit.in_parts(mark, size, marks)
    np.testing.assert_array_equal(marks, np.ones(size))


if __name__ == '__main__':
  absltest.main()

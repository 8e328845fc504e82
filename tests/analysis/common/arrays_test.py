"""Tests of the checks of what callers give."""

from absl.testing import absltest
from absl.testing import parameterized
import ml_dtypes
import numpy as np

from analysis.common import arrays


def _numbers(values):
  return arrays.numbers('x, rollout 3', values, 'step', 'number')


class ArraysTest(parameterized.TestCase):
  def test_numbers_are_kept_exactly(self):
    for kind, held in (
      (np.float16, np.float32),
      (np.float32, np.float32),
      (np.uint8, np.float32),
      (bool, np.float32),
      (np.int32, np.float64),
      (np.float64, np.float64),
      (object, np.float64),
    ):
      found = _numbers(np.array([[0, 1]], kind))
      self.assertEqual(found.dtype, held)
      np.testing.assert_array_equal(found, [[0, 1]])
    self.assertEqual(_numbers([[16_777_217]])[0, 0], 16_777_217)
    self.assertEqual(_numbers([[2**60, 2**60 + 2**8]])[0, 1], 2.0**60 + 2**8)
    found = _numbers(np.array([[0.5, 3]], ml_dtypes.bfloat16))
    self.assertEqual(found.dtype, np.float32)
    np.testing.assert_array_equal(found, [[0.5, 3]])

  @parameterized.parameters(
    ([[0, np.nan]], 'x, rollout 3, step 0, number 1: is nan'),
    (np.float32([[1], [np.inf]]), 'step 1, number 0: is inf'),
    ([[1e200]], r'is 1e\+200: must be a number between'),
    ([[2**60, 2**60 + 1]], 'number 1: is .*7: must be a whole number that flo'),
    ([1, 2], r'has shape \[2\]: must be \[step, number\]'),
    (np.zeros([2, 0]), r'has shape \[2, 0\]'),
    (None, r'has shape \[\]'),
    ([[1], [2, 3]], 'is not an array'),
    ([['a']], 'is of type <U1: must be real numbers'),
    ([[1j]], 'is of type complex'),
    ([[None]], 'is of type object'),
    (np.ma.masked_array([[1.0]], [[True]]), 'has masked values'),
    ([np.ma.masked_array([1.0], [True])], 'has masked values'),
  )
  def test_what_are_no_numbers_is_refused(self, values, message):
    with self.assertRaisesRegex(ValueError, message):
      _numbers(values)

  def test_classes_are_numbers_or_text(self):
    for values in ([-1, 1], [0.2, 0.7], ['a', 'b'], [True, False]):
      for kind in (None, object):
        found = arrays.classes('x', np.array(values, kind))
        np.testing.assert_array_equal(found, values)

  def test_labels_that_differ_stay_different(self):
    labels = [np.array(x) for x in ([2**60, 2**60 + 1], [0.5], [True])]
    joined = arrays.joined_classes('x', labels)
    self.assertLen(np.unique(joined), 4)
    texts = [np.array([b'a']), np.array(['a', 'bc'])]
    self.assertEqual([*arrays.joined_classes('x', texts)], ['a', 'a', 'bc'])
    for first, other in ((1, '1'), ('1', 1)):
      labels = [np.array([first]), np.array([first]), np.array([other])]
      with self.assertRaisesRegex(ValueError, 'x, rollout 2: must be all'):
        arrays.joined_classes('x', labels)

  @parameterized.parameters(
    ([0.0, np.nan], 'x, step 1: is nan'),
    (['a', np.nan], 'x, step 1: is nan: must be all numbers or all text'),
    ([1, None], 'x, step 1: is None: must be all'),
    (['a', 'a\0'], 'x, step 1: is .*: must not end in NUL'),
    ([b'a\0', b'a'], 'x, step 0: is .*: must not end in NUL'),
    ([[1]], r'must be \[step\]'),
    ('text', r'has shape \[\]'),
    ([1j], 'must be numbers or text'),
  )
  def test_what_are_no_classes_is_refused(self, values, message):
    with self.assertRaisesRegex(ValueError, message):
      arrays.classes('x', values)

  @parameterized.parameters(
    (np.arange(300), True),
    (np.arange(300) // 2, False),
    (np.arange(60), False),
    (np.arange(60) / 7, True),
    (np.arange(60.0), False),
    (np.arange(60) // 2 / 7, False),
    (np.arange(300).astype(str), True),
  )
  def test_labels_that_hardly_recur_are_no_classes(self, labels, is_refused):
    arguments = 'x', labels, len(np.unique(labels)), 'do this'
    if not is_refused:
      arrays.require_recurring(*arguments)
      return
    with self.assertRaisesRegex(
      ValueError, 'x: has .* different labels at .* steps.*; do this'
    ):
      arrays.require_recurring(*arguments)

  def test_lists_of_arrays(self):
    ragged = [np.zeros([2, 3]), np.zeros([1, 3])]
    for values in (ragged, tuple(ragged), iter(ragged), np.zeros([2, 2, 3])):
      self.assertLen(arrays.listed('x', values), 2)
    masked = np.ma.masked_array([[1.0]], [[True]])
    self.assertTrue(np.ma.is_masked(arrays.listed('x', masked)[0]))
    for values in ([], None, 3, np.float32(1)):
      with self.assertRaisesRegex(ValueError, 'x: must be one or more arrays'):
        arrays.listed('x', values)

  def test_numbers_of_options(self):
    self.assertEqual(arrays.whole_number('x', np.int64(3), 3), 3)
    self.assertEqual(arrays.whole_numbers('x', np.array([1, -1])), (1, -1))
    self.assertEqual(arrays.positive('x', np.float32(0.5)), 0.5)
    for check, value, message in (
      (arrays.whole_number, 0.5, 'x: is 0.5: must be a whole number'),
      (arrays.whole_number, None, 'must be a whole number'),
      (arrays.whole_numbers, (), 'must be at least one'),
      (arrays.whole_numbers, 3, 'must be at least one'),
      (arrays.whole_numbers, (1, 'a'), "x, number 1: is 'a'"),
      (arrays.whole_numbers, (2, 2), r'\(2, 2\): no number may occur'),
      (arrays.positive, 0, 'x: is 0: must be a number above 0'),
      (arrays.positive, np.nan, 'is nan'),
      (arrays.positive, np.inf, 'is inf'),
      (arrays.positive, '1', "is '1'"),
    ):
      with self.assertRaisesRegex(ValueError, message):
        check('x', value)
    with self.assertRaisesRegex(ValueError, 'x: is 2: must be at least 3'):
      arrays.whole_number('x', 2, 3)


if __name__ == '__main__':
  absltest.main()

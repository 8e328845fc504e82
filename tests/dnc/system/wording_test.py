"""Tests of dnc.system.wording."""

import doctest

from absl.testing import absltest
from absl.testing import parameterized

from dnc.system import wording


class JoinTest(parameterized.TestCase):
  @parameterized.parameters(
    ([], ''),
    (['x'], 'x'),
    (['x', 'y'], 'x and y'),
    (iter(['scale', 'x', 'y']), 'scale, x and y'),
  )
  def test_join(self, words, expected):
    self.assertEqual(wording.join(words), expected)


class NumberTest(parameterized.TestCase):
  @parameterized.parameters(
    (567.96, '568.0'),
    (43.961, '43.96'),
    (5.7742e-5, '5.774e-05'),
    (1, '1'),
    (1234.56, '1234.6'),
    (12.3456, '12.35'),
  )
  def test_numbers_have_four_digits(self, value, expected):
    self.assertEqual(wording.number(value), expected)


class OneLineTest(absltest.TestCase):
  def test_one_line(self):
    error = ValueError('two\n\tlines ')
    self.assertEqual(wording.one_line(error), 'two lines')
    self.assertEqual(wording.one_line(error, 5), 'two l')


class ExampleTest(absltest.TestCase):
  def test_examples(self):
    results = doctest.testmod(wording)
    self.assertEqual((results.attempted, results.failed), (2, 0))


if __name__ == '__main__':
  absltest.main()

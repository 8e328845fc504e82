"""Tests of dnc.system.wording."""

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


if __name__ == '__main__':
  absltest.main()

"""Tests of dnc.system.errors."""

from absl.testing import absltest

from dnc.system import errors


class UsageErrorTest(absltest.TestCase):
  def test_python_users_may_catch_a_value_error(self):
    with self.assertRaisesRegex(ValueError, '^--seed=-1: must be positive$'):
      raise errors.UsageError('--seed=-1: must be positive')


if __name__ == '__main__':
  absltest.main()

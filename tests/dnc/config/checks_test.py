"""Tests of the allowed values of settings."""

import types

from absl.testing import absltest
from absl.testing import parameterized

from dnc.config import checks
from dnc.system import errors


class ChecksTest(parameterized.TestCase):
  @parameterized.parameters(
    (checks.at_least(2), [2, 3], [1, -2]),
    (checks.one_of('a', 'b'), ['a', 'b'], ['c', '']),
    (checks.some_of('a', 'b'), [('b',), ('a', 'b')], [(), ('c',), ('a', 'c')]),
    (
      checks.POSITIVE,
      [1e-30, 1e30],
      [0, -1, 1e-31, float('nan'), float('inf')],
    ),
    (checks.BOUND, [0, 5, 1e30], [-1, float('nan'), float('inf')]),
    (checks.SEED, [0, 2**63 - 1], [-1, 2**63]),
    (checks.EACH_ONCE, [(1,), (5, 0)], [(), (5, 0, 5)]),
  )
  def test_allowed(self, allowed, right, wrong):
    for value in right:
      self.assertTrue(allowed.holds(value), msg=value)
    for value in wrong:
      self.assertFalse(allowed.holds(value), msg=value)

  def test_a_mistake_names_flag_value_and_what_is_allowed(self):
    config = types.SimpleNamespace(lags=(0, 5))
    checks.require(config, 'lags', True, 'right')
    with self.assertRaisesRegex(
      errors.UsageError, '^--lags=0,5: must be right$'
    ):
      checks.require(config, 'lags', False, 'right')

  def test_order(self):
    checks.require_order(types.SimpleNamespace(low=3, high=3), 'low', 'high')
    with self.assertRaisesRegex(
      errors.UsageError, '^--high=2: must be at least --low=3$'
    ):
      checks.require_order(types.SimpleNamespace(low=3, high=2), 'low', 'high')

  @parameterized.parameters(
    (3, '3'),
    ('dnc', 'dnc'),
    ((0, 5), '0,5'),
    (['scale', 'shape'], 'scale,shape'),
    ((('shape', 2), ('scale', 5)), 'shape:2,scale:5'),
    ((), ''),
  )
  def test_shown_as_in_a_flag(self, value, text):
    self.assertEqual(checks.shown(value), text)


if __name__ == '__main__':
  absltest.main()

"""Tests of the conversion of values to the plain types of fields."""

import enum
import fractions
import json
import pathlib

from absl.testing import absltest
from absl.testing import parameterized
import numpy as np

from dnc import config as config_lib
from dnc.config import values
from dnc.dsprites import variation
from dnc.system import errors


class _Word(enum.StrEnum):
  ONE = 'one'


_NAMES = tuple[str, ...]
_NUMBERS = tuple[int, ...]
_LARGE = 2**63


class ConvertTest(parameterized.TestCase):
  @parameterized.parameters(
    (np.int64(16), int, 16),
    (np.uint8(16), int, 16),
    (16.0, int, 16),
    (np.float32(16), int, 16),
    (np.longdouble(16), int, 16),
    (np.array(16), int, 16),
    (-_LARGE, int, -_LARGE),
    (None, int | None, None),
    (np.int64(1), int | None, 1),
    (16, float, 16.0),
    (np.float64(0.5), float, 0.5),
    (np.longdouble(0.5), float, 0.5),
    (np.array(0.5), float, 0.5),
    (fractions.Fraction(1, 2), float, 0.5),
    (np.bool_(True), bool, True),
    (np.str_('a'), str, 'a'),
    (_Word.ONE, str, 'one'),
    (pathlib.Path('a/b'), str, 'a/b'),
    (['a', np.str_('b')], _NAMES, ('a', 'b')),
    (np.array(['a', 'b']), _NAMES | None, ('a', 'b')),
    ((), _NAMES, ()),
    ([0, 5.0, np.int64(-1)], _NUMBERS, (0, 5, -1)),
    (np.arange(3), _NUMBERS, (0, 1, 2)),
    (range(3), _NUMBERS, (0, 1, 2)),
    ({'a': np.int64(2)}, variation.Fixed, (('a', 2),)),
    ([['a', 2.0]], variation.Fixed, (('a', 2),)),
    (np.array([1]), np.ndarray, np.array([1])),  # Not a type of settings.
  )
  def test_taken(self, value, hint, expected):
    found = values.convert(value, hint)
    self.assertEqual(found, expected)
    self.assertIs(type(found), type(expected))
    if not isinstance(found, np.ndarray):
      # Also the types of the items.
      self.assertEqual(repr(found), repr(expected))

  @parameterized.parameters(
    (16.5, int, 'a whole number'),
    (np.float64('nan'), int, 'a whole number'),
    (float('inf'), int, 'a whole number that int64 holds'),
    (True, int, 'a whole number, not of type bool'),
    (np.bool_(True), int, 'a whole number, not of type bool'),
    ('16', int, 'a whole number, not of type str'),
    (None, int, 'a whole number, not of type NoneType'),
    (1j, int, 'a whole number, not of type complex'),
    (_LARGE, int, 'a whole number that int64 holds'),
    (np.array([16]), int, 'a whole number, not of type ndarray'),
    ([16], int, 'a whole number, not of type list'),
    (True, float, 'a number, not of type bool'),
    ('0.5', float, 'a number, not of type str'),
    (10**400, float, 'a number that float64 holds'),
    (1, bool, 'true or false, not of type int'),
    ('false', bool, 'true or false, not of type str'),
    (3, str, 'text, not of type int'),
    (b'a', str, 'text, not of type bytes'),
    ('ab', _NAMES, 'a list of names'),
    ({'a', 'b'}, _NAMES, 'a list of names'),
    ([1], _NAMES, 'a list of names'),
    (np.array('a'), _NAMES, 'a list of names'),
    (5, _NUMBERS, 'a list of whole numbers'),
    ([0.5], _NUMBERS, 'a list of whole numbers'),
    ([[1]], _NUMBERS, 'a list of whole numbers'),
    ((i for i in range(3)), _NUMBERS, 'a list of whole numbers'),
    (['a'], variation.Fixed, 'latents and their classes'),
    ([('a', 1, 2)], variation.Fixed, 'latents and their classes'),
  )
  def test_refused(self, value, hint, text):
    with self.assertRaisesRegex(ValueError, f'^{text}$'):
      values.convert(value, hint)


class ConfigsTest(parameterized.TestCase):
  def test_a_sweep_gives_the_same_run_as_flags(self):
    given = config_lib.make_training(
      np.array('quick'),
      memory_size=np.int64(8),
      word_size=16.0,
      clip_value=20,
      freeze_core=np.bool_(False),
      dataset=np.str_('dsprites_rendered'),
      varying=np.array(['scale']),
      fixed={'shape': np.int64(2)},
    )
    plain = config_lib.make_training(
      'quick', memory_size=8, varying=('scale',), fixed=(('shape', 2),)
    )
    self.assertEqual(given, plain)
    self.assertEqual(given.name(), plain.name())
    json.dumps(given.identity())

  def test_a_negative_zero_is_zero(self):
    runs = [config_lib.make_training(clip_value=zero) for zero in (0, -0.0)]
    self.assertEqual(runs[0].name(), runs[1].name())

  def test_tests_in_any_order(self):
    tests = [*config_lib.TESTS[::-1], config_lib.TESTS[0]]
    found = config_lib.make_evaluation(tests=tests)
    self.assertEqual(found.tests, config_lib.TESTS)

  def test_an_evaluation(self):
    found = config_lib.make_evaluation(
      num_rollouts=np.int64(30), tests=['mi'], lags=np.array([0, 1])
    )
    self.assertEqual((found.tests, found.lags), (('mi',), (0, 1)))

  @parameterized.parameters(
    (
      dict(memory_size='16'),
      '^--memory_size=16: must be a whole number, not of type str$',
    ),
    (dict(seed=2**63), 'must be a whole number that int64 holds$'),
    (dict(learning_rate=float('nan')), '^--learning_rate=nan: must be in'),
    (dict(varying='scale'), '^--varying=scale: must be a list of names$'),
    (dict(memory=3), '^--memory: no such setting; must be one of memory_size'),
    (dict(preset='fast'), '^--preset=fast: must be one of None, post, quick, '),
    (dict(preset=[]), r'^--preset=\[\]: must be one of None, post, quick, '),
  )
  def test_mistakes_take_one_line(self, given, pattern):
    with self.assertRaisesRegex(errors.UsageError, pattern):
      config_lib.make_training(**given)


if __name__ == '__main__':
  absltest.main()

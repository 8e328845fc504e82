"""Tests of the conversion to types of JSON."""

import json

from absl.testing import absltest
import numpy as np

from dnc.system import json_values


class CleanTest(absltest.TestCase):
  def test_everything_becomes_a_type_of_json(self):
    cleaned = json_values.clean(
      {
        'numbers': (1, 0.5, True, None),
        3: np.float32(0.25),
        'arrays': [np.arange(4).reshape([2, 2]), np.array(7)],
        'inner': {'flag': np.bool_(False), 'name': 'x'},
      }
    )
    expected = {
      'numbers': [1, 0.5, True, None],
      '3': 0.25,
      'arrays': [[[0, 1], [2, 3]], 7],
      'inner': {'flag': False, 'name': 'x'},
    }
    self.assertEqual(cleaned, expected)
    self.assertEqual(json.loads(json.dumps(cleaned)), expected)

  def test_numbers_that_are_not_finite_become_none(self):
    cleaned = json_values.clean(
      {'a': [np.nan, float('inf'), 1.0], 'b': np.array([-np.inf, 2.0])}
    )
    self.assertEqual(cleaned, {'a': [None, None, 1.0], 'b': [None, 2.0]})

  def test_the_value_stays_as_it_is(self):
    value = {'a': [np.nan]}
    json_values.clean(value)
    self.assertTrue(np.isnan(value['a'][0]))


if __name__ == '__main__':
  absltest.main()

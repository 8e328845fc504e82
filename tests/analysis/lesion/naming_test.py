"""Tests of the names of lesions and of formatted numbers."""

from absl.testing import parameterized
import numpy as np

from analysis.lesion import naming
from dnc import lesions
from tests.analysis.lesion import examples


class NamingTest(parameterized.TestCase):
  @parameterized.parameters(
    ((8.764, (8.31, 9.22)), '+8.76 (+8.31 to +9.22)'),
    ((43.84, (42.9, 44.8)), '+43.8 (+42.9 to +44.8)'),
    ((-150.2, (-190.0, -110.0)), '-150 (-190 to -110)'),
    ((1e-9, (-1e-3, 1e-3)), '+0.0000 (-0.0010 to +0.0010)'),
    ((-0.25, (-0.25, -0.25)), '-0.2500 (-0.2500 to -0.2500)'),
    ((0.0, (0.0, 0.0)), '+0 (+0 to +0)'),
  )
  def test_a_change_is_as_precise_as_its_interval(self, arguments, expected):
    self.assertEqual(naming.change(*arguments), expected)

  def test_every_lesion_has_a_name_of_its_own(self):
    result = examples.result()
    names = {naming.label(name, result) for name in lesions.NAMES}
    self.assertLen(names, len(lesions.NAMES))

  def test_says_how_many_sequences_are_cut(self):
    result = examples.result()
    name = naming.label('earlier_memory', result)
    loss = np.full(examples.NUM_SEQUENCES, np.nan)
    result.scores['earlier_memory'] = dict(loss=loss)
    self.assertEqual(
      naming.label('earlier_memory', result), f'{name} (never cut)'
    )
    loss[:3] = 1.0
    self.assertEqual(
      naming.label('earlier_memory', result), f'{name} (3 of 20 cut)'
    )

  def test_an_interval_of_one_step(self):
    self.assertEqual(naming.steps(1), 'step')
    self.assertEqual(naming.steps(2), '2 steps')

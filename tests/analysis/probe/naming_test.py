"""Tests for analysis.probe.naming."""

from absl.testing import absltest
from absl.testing import parameterized

from analysis.probe import naming


class NamingTest(parameterized.TestCase):
  @parameterized.parameters(
    ('x_position', 'x'),
    ('orientation_angle', 'angle'),
    ('read_words', 'read words'),
    ('random_256', 'random inputs'),
    ('planted_16', 'planted memory'),
    ('memory_by_writing', 'memory, by writing'),
    ('planted_rotating', 'planted rotating memory'),
    ('planted_rotating_by_reading', 'planted rotating memory, by reading'),
  )
  def test_names_in_words(self, name, words):
    self.assertEqual(naming.in_words(name), words)

  @parameterized.parameters(
    ('memory', False),
    ('features', False),
    ('action', True),
    ('random_256', True),
  )
  def test_what_the_trained_model_does_not_hold_is_a_control(
    self, name, is_one
  ):
    self.assertEqual(naming.is_control(name), is_one)

  @parameterized.parameters(
    (0, 'the current step', 'the current sprite', 't-0'),
    (1, '1 step before', 'the sprite 1 step before', 't-1'),
    (5, '5 steps before', 'the sprite 5 steps before', 't-5'),
    (-1, 'the next step', 'the next sprite', 't+1'),
    (-2, '2 steps ahead', 'the sprite 2 steps ahead', 't+2'),
  )
  def test_offsets(self, offset, when, sprite, short):
    self.assertEqual(naming.when(offset), when)
    self.assertEqual(naming.sprite(offset), sprite)
    self.assertEqual(naming.short_offset(offset), short)


if __name__ == '__main__':
  absltest.main()

"""Tests for analysis.intervention.naming."""

from absl.testing import absltest

from analysis.intervention import effects
from analysis.intervention import naming


class NamingTest(absltest.TestCase):
  def test_names(self):
    self.assertEqual(naming.latent('x_position'), 'x')
    self.assertEqual(naming.latent('scale'), 'scale')
    self.assertEqual(naming.sprite(-1), 'the next sprite')
    self.assertEqual(naming.sprite(5), 'the sprite shown 5 steps before')
    names = [naming.kind(kind) for kind in effects.KINDS]
    self.assertLen(set(names), 3)

  def test_numbers(self):
    self.assertEqual(naming.with_interval(-0.001, None), '0.00')
    self.assertEqual(
      naming.with_interval(0.5, (0.25, 0.75)), '0.50 (0.25 to 0.75)'
    )


if __name__ == '__main__':
  absltest.main()

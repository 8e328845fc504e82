"""Tests for analysis.probe.formats."""

from absl.testing import absltest

from analysis.probe import formats
from tests.analysis.probe import examples


class FormatsTest(absltest.TestCase):
  def test_gains(self):
    self.assertEqual(formats.gain(-0.00001), '+0.000')
    self.assertEqual(
      formats.gain_cell(0.0432, (-0.1, 0.05)), '+0.043 [-0.100, +0.050]'
    )
    self.assertEqual(formats.gain_cell(None, None), 'does not vary')

  def test_errors(self):
    self.assertEqual(
      formats.error_cell(0.5, 0.1, (0.05, 0.2)),
      '0.500000 (+0.100 [+0.050, +0.200])',
    )
    self.assertEqual(formats.error_cell(0.0, None), 'does not vary')

  def test_names(self):
    self.assertEqual(formats.named(examples.result(), 'memory'), 'memory (256)')


if __name__ == '__main__':
  absltest.main()

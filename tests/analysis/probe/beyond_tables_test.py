"""Tests for analysis.probe.beyond_tables."""

from absl.testing import absltest

from analysis.probe import beyond_tables
from tests.analysis.probe import examples
from tests.support import markdown_tables


class BeyondTablesTest(absltest.TestCase):
  def test_a_table_for_each_offset(self):
    parts = beyond_tables.parts(examples.result(beyond=0.03))
    self.assertEqual(parts[2::2], ['t-0:', 't-5:', 't+1:'])
    now, before, _ = markdown_tables.rows('\n\n'.join(parts))
    for table, controller in ((now, '+0.000'), (before, '+0.030')):
      self.assertStartsWith(
        table['memory (256), alone'][0], '+0.300 [+0.290, +0.310]'
      )
      # There were no weights to sort the slots by.
      self.assertEqual(table['memory, by reading'], ['-'] * 5)
      row = table['memory (256), beyond controller']
      self.assertLen(row, 5)
      for cell in row:
        self.assertStartsWith(cell, controller)

  def test_a_wide_memory_is_named_with_its_orders(self):
    result = examples.result()
    result.widths['memory'] = 16_384
    result.beyond['controller_cell'] = result.beyond.pop('memory')
    table, *_ = markdown_tables.rows('\n\n'.join(beyond_tables.parts(result)))
    for name in ('memory (16384)', 'memory, by writing', 'memory, by reading'):
      self.assertEqual(table[f'{name}, too wide'], ['-'] * 5)


if __name__ == '__main__':
  absltest.main()

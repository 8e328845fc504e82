"""Tests for analysis.intervention.tables."""

import json

from absl.testing import absltest
from absl.testing import parameterized

from analysis.intervention import tables
from analysis.intervention import verdict
from tests.analysis.intervention import examples
from tests.support import markdown_tables


class TablesTest(parameterized.TestCase):
  def test_summary(self):
    text = tables.summary(examples.result(memory=None))
    (rows,) = markdown_tables.rows(text)
    cells = dict(zip(rows[''], rows['read words: x'], strict=True))
    self.assertEqual(
      cells,
      {
        'reads (R^2)': '0.800',
        'untrained (R^2)': '0.020',
        'slope': '0.90 (0.89 to 0.91)',
        'shuffled': '0.00 (-0.01 to 0.01)',
        'random': '0.00 (-0.01 to 0.01)',
        'taken out': '+12.0 (+11.0 to +13.0)',
        'random out': '+0.5 (+0.2 to +0.8)',
        'counts': 'yes',
      },
    )
    self.assertEqual(rows['memory: x'][0], '0.010')
    self.assertEqual(set(rows['memory: x'][2:]), {'-'})
    self.assertIn('a latent of the next sprite from', text)
    (rows,) = markdown_tables.rows(tables.summary(examples.result(excess=0.5)))
    self.assertEqual(rows['memory: x'][-1], 'no')

  def test_details(self):
    text = tables.details(examples.result())
    (rows,) = markdown_tables.rows(text)
    self.assertEqual(
      rows["memory: x, the probe's"][:5],
      ['0.30', '0.60', '1.20', '2.40', '0.750'],
    )
    # A header, its rule, and two parts in three directions.
    self.assertLen(rows, 8)
    self.assertIn('2 steps of each of 20 unseen rollouts', text)
    self.assertIn('## The next sprite, asked for: shifts', text)

  @parameterized.parameters(
    (dict(latents=(), words=None, memory=None),),
    (dict(untrained=None, too_wide=('memory',)),),
  )
  def test_with_less(self, changes):
    result = examples.result(**changes)
    text = tables.text(result)
    self.assertIn(verdict.text(result), text)
    self.assertEqual(
      'Too wide to be changed: memory.' in text, 'too_wide' in changes
    )

  def test_a_wide_memory_has_its_first_sorted_slots(self):
    part = 'Of sorted slots, the first 16 of 256 are read and changed.'
    self.assertNotIn(part, tables.text(examples.result()))
    self.assertIn(part, tables.text(examples.wide(slope=0.3)))

  def test_json(self):
    result = examples.result()
    data = json.loads(
      json.dumps(tables.data(result, {'a': 1}), allow_nan=False)
    )
    self.assertEqual(data['config'], {'a': 1})
    self.assertEqual(data['verdict'], verdict.text(result))
    found = data['effects']['-1']['memory']['x_position']['probe']
    self.assertEqual(found['slope'], 0.3)
    self.assertNotIn('drag', data)
    self.assertIsNotNone(result.drag)


if __name__ == '__main__':
  absltest.main()

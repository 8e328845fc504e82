"""Tests for analysis.results.tables."""

import contextlib
import tempfile

import tensorflow as tf

from analysis.results import kinds
from analysis.results import running
from analysis.results import tables
from tests.analysis.results import examples
from tests.support import markdown_tables


class TablesTest(tf.test.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    planted = dict(model_b=2, lstm=1, frozen=2, show_every=2, recall=1)
    planted['exposed_100'] = 2
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
      for name, number in planted.items():
        for seed in range(number):
          examples.write_run(kinds.KINDS[name], seed)
      found = {
        name: [
          running.read(kind, k, 'kept') for k in range(planted.get(name, 0))
        ]
        for name, kind in kinds.KINDS.items()
      }
    cls._text = tables.text(found)
    cls._tables = {}
    for table in markdown_tables.rows(cls._text):
      title, columns = next(iter(table.items()))
      # Tables may have the same title.
      cls._tables[title, len(cls._tables)] = columns, table

  def _table(self, title, number=0):
    """The columns and the rows of the table with a title."""
    return [x for (name, _), x in self._tables.items() if name == title][number]

  def test_means_and_what_is_missing(self):
    columns, rows = self._table('')
    self.assertEqual(columns, ['flags', 'models', 'loss, nats', 'IoU'])
    # Half of the interval of two models: 12.7062 times 1 / 2.
    self.assertEqual(
      rows['Model B'],
      ['`--preset=quick`', '2', '100.5 ± 6.4', '0.500 ± 0.000'],
    )
    self.assertEqual(rows['no memory (LSTM)'][1:], ['1', '100.0', '0.500'])
    self.assertEqual(rows['Model A'][1:], ['none yet', '-', '-'])
    self.assertIn('Evaluated with numpy 2.4.6.', self._text)

  def test_what_is_held(self):
    columns, rows = self._table('controller hidden')
    self.assertEqual(columns[:3], ['x, next', 'y, next', 'x, current'])
    # 0.1 and 0.3; the exact probe reads less.
    self.assertEqual(rows['Model B'], ['0.200 ± 1.271'] * 6)
    self.assertEqual(rows['no memory (LSTM)'], ['0.100'] * 6)
    self.assertNotIn('Model A', rows)
    # No run has them.
    self.assertNotIn('| memory, by writing', self._text)

  def test_more_than_untrained(self):
    columns, rows = self._table('', 1)
    self.assertEqual(columns[2], 'controller hidden')
    # Far beyond the spread of untrained cores.
    self.assertEqual(rows['no memory (LSTM)'], ['-', '-', '1/1', '-'])
    self.assertEqual(rows['Model B'], ['-', '-', '1/1', '-'])
    self.assertEqual(rows['Model B, frozen core'], ['untrained itself'] * 4)

  def test_trained_and_untrained_cores_side_by_side(self):
    _, rows = self._table('Model B')
    # The mean of 0.1 and 0.3, and that of all five untrained cores.
    self.assertEqual(rows['controller hidden'], ['-', '0.200 / 0.018', '-'])
    _, rows = self._table('no memory (LSTM)')
    self.assertEqual(rows['controller hidden'], ['-', '0.100 / 0.020', '-'])
    self.assertNotIn(
      '| Model B, frozen core ',
      self._text.split('fitted to')[1].split('###')[0],
    )

  def test_beyond_the_controller(self):
    _, rows = self._table('read words', 1)
    self.assertEqual(rows['Model B'], ['0.002 ± 0.013'] * 6)

  def test_single_numbers(self):
    columns, rows = self._table('controller hidden', 1)
    self.assertEqual(columns, ['next', 'current', '5 before'])
    self.assertEqual(
      rows['Model B'], ['0.100 ± 0.000', '0.200 ± 1.271', '0.000 ± 0.000']
    )

  def test_lesions(self):
    columns, rows = self._table('', 2)
    self.assertEqual(columns[2], 'memory of another: jolt')
    self.assertEqual(
      rows['Model B'],
      ['-', '-', '50.00% ± 0.00%', '4.00% ± 0.00%', '-', '-', '-'],
    )
    self.assertNotIn('no memory (LSTM)', rows)

  def test_twins_stand_below_the_task_of_the_post(self):
    columns, rows = self._table('', 3)
    self.assertEqual(
      columns[:4] + columns[-3:],
      [
        'loss, nats',
        'memory',
        'by writing',
        'by reading',
        'lost: frozen memory',
        'lost: exchanged memory',
        'lost: exchanged contents, jolt',
      ],
    )
    self.assertEqual(
      [name for name in rows if name.strip('-')],
      [
        'Model B',
        'no memory (LSTM)',
        'Model B, frozen core',
        'image often hidden',
        'earlier image asked',
      ],
    )
    # Of the sprite to be predicted.
    held = self._table('controller hidden')[1]['Model B'][0]
    self.assertNotEqual(held, '-')
    self.assertEqual(rows['Model B'][4], held)
    # Of hidden steps alone, 0.1 and 0.3.
    self.assertEqual(rows['image often hidden'][1], '0.200 ± 1.271')
    asked = dict(zip(columns, rows['earlier image asked']))
    self.assertEqual(asked['memory'], '0.100')
    self.assertEqual(asked['by writing'], '-')
    self.assertEqual(asked['memory beyond controller'], '0.300')
    self.assertEqual(asked['nats: controller hidden'], '-')
    self.assertEqual(asked['lost: exchanged memory'], '4.0%')
    # Of the sprite to be predicted.
    hidden = dict(zip(columns, rows['image often hidden']))
    self.assertEqual(hidden['nats: controller hidden'], '0.100 ± 0.000')
    self.assertNotIn('earlier image asked', self._table('controller hidden')[1])

  def test_those_trained_to_show_stand_beside_the_model_that_was_not(self):
    columns, rows = self._table('weight')
    self.assertEqual(
      columns[:3],
      ['loss, nats', 'memory: current', 'memory beyond controller: current'],
    )
    self.assertEqual(columns[-2], 'lost: exchanged memory')
    self.assertEqual(list(rows)[2:], ['0', '100'])
    self.assertEqual(
      rows['0'], ['100.5 ± 6.4', '-', '-', '-', '-', '-', '4.0% ± 0.0%', '-']
    )
    # 0.2 and 0.4.
    self.assertEqual(rows['100'][1:4], ['0.300 ± 1.271', '0.050 ± 0.000', '-'])
    title = kinds.KINDS['exposed_100'].title
    self.assertNotIn(title, self._table('controller hidden')[1])

  def test_other_latents(self):
    columns, rows = self._table('read words')
    self.assertEqual(columns[2:4], ['scale, next', 'scale, current'])
    self.assertEqual(
      rows['Model B'], ['-', '-', *['0.200 ± 1.271'] * 2, '-', '-']
    )

  def test_slopes_of_twins_stand_beside(self):
    columns, rows = self._table('memory, by reading', -1)
    self.assertEqual(columns[:3], ['x', 'x, shuffled', 'x, random'])
    rows = dict(list(rows.items())[2:])  # Without the title and the line.
    two = ['0.20 ± 1.27', '-', '0.01 ± 0.00', *'---']
    self.assertEqual(
      rows,
      {
        'Model B': two,
        'Model B, frozen core': two,
        'image often hidden': two,
        'earlier image asked': ['0.10', '-', '0.01', *'---'],
        kinds.KINDS['exposed_100'].title: two,
      },
    )

  def test_nothing_yet(self):
    text = tables.text({name: [] for name in kinds.KINDS})
    rows = markdown_tables.rows(text)[0]
    for kind in kinds.KINDS.values():
      self.assertEqual(rows[kind.title][1:], ['none yet', '-', '-'])
    self.assertNotIn('Evaluated with', text)


if __name__ == '__main__':
  tf.test.main()

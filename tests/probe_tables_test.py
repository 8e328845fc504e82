"""Tests for analysis.probe_tables."""

import json
import os

import numpy as np
import tensorflow as tf

from analysis import probe
from analysis import probe_tables
from analysis import tables
from tests import testing_tables


def _scores(error, gain):
  names = ('scale', 'orientation', 'x_position', 'y_position')
  return {
    'shape': {'error': error, 'accuracy_above_chance': gain},
    **{name: {'error': error / 10, 'r2': gain} for name in names},
  }


def _probe_result():
  widths = {'memory': 256, 'random_256': 256}
  of_offset = {0: _scores(0.5, 0.25), 5: _scores(0.6, None)}
  of_name = {
    'memory': of_offset,
    'random_256': {k: _scores(0.7, -1e-9) for k in (0, 5)},
  }
  return probe.ProbeResult(widths, (0, 5), {'train': of_name, 'test': of_name})


class ProbeReportTest(tf.test.TestCase):
  def test_one_table_for_each_split_and_offset_beside_the_post(self):
    tables = testing_tables.rows(probe_tables.probe_text(_probe_result()))
    self.assertLen(tables, 4)
    for table in tables:
      self.assertEqual(
        table['predicting the mean (exact)'],
        [
          '0.666667 (+0.000)',
          '0.029167 (+0.000)',
          '3.458579 (+0.000)',
          '0.088710 (+0.000)',
          '0.088710 (+0.000)',
        ],
      )
      self.assertEqual(table['random inputs (256)'][0], '0.700000 (+0.000)')
    self.assertEqual(tables[0]['memory (256)'][0], '0.500000 (+0.250)')
    self.assertEqual(tables[1]['memory (256)'][1], 'does not vary')
    post = tables[0]['post: Model A, read words (256)']
    # PROTOCOL: R^2 = 0.70 for x, 0.86 for y.
    self.assertEqual(post[0], '0.573040 (+0.094)')
    self.assertEqual(post[3], '0.026715 (+0.699)')
    self.assertEqual(post[4], '0.012845 (+0.855)')
    self.assertIn('post: random inputs', tables[2])
    self.assertNotIn('post: random inputs', tables[1])

  def test_rollouts_in_which_some_latents_do_not_vary(self):
    result = _probe_result()
    for split in result.scores.values():
      for of_name in split.values():
        for scores in of_name.values():
          scores['shape']['accuracy_above_chance'] = None
          scores['scale']['r2'] = None
    kind = dict(varying=('x_position',), fixed=(('shape', 2), ('scale', 0)))
    text = probe_tables.probe_text(result, **kind)
    self.assertIn('x_position varies from sprite to sprite; shape is of', text)
    self.assertNotRegex(text, r'\| post: |\bnan\b|\binf\b')
    for table in testing_tables.rows(text):
      for row in list(table.values())[2:]:  # After header and rule.
        self.assertEqual(row[:2], ['does not vary'] * 2)
      self.assertEqual(
        table['predicting the mean (exact)'][2:4],
        ['3.458579 (+0.000)', '0.088710 (+0.000)'],
      )
    data = probe_tables.probe_data(result, {}, **kind)
    self.assertAllClose(
      data['predicting_the_mean'], [0, 0, 3.458579, 11 / 124, 11 / 124]
    )
    self.assertEqual(data['post'], {})

  def test_columns_are_aligned(self):
    text = probe_tables.probe_text(_probe_result())
    table = []
    for line in [*text.splitlines(), '']:
      if line.startswith('|'):
        table.append([i for i, c in enumerate(line) if c == '|'])
      elif table:
        self.assertLen({tuple(bars) for bars in table}, 1)
        table = []

  def test_json_keeps_full_precision_and_has_no_nan(self):
    result = _probe_result()
    result.scores['train']['memory'][0]['scale'] = {
      'error': 1 / 3,
      'r2': float('nan'),
    }
    config = {'seed': np.int64(3), 'best': np.inf, 'lengths': (1, 2)}
    data = probe_tables.probe_data(result, config)
    folder = self.get_temp_dir()
    paths = tables.write(folder, 'probe', 'text\n', data)
    self.assertEqual(
      paths, [os.path.join(folder, f'probe.{x}') for x in ('md', 'json')]
    )
    with open(paths[0], encoding='utf-8') as file:
      self.assertEqual(file.read(), 'text\n')

    def refuse(token):
      self.fail(f'{token} in JSON')

    with open(paths[1], encoding='utf-8') as file:
      read = json.load(file, parse_constant=refuse)
    scores = read['scores']['train']['memory']['0']
    self.assertEqual(scores['scale'], {'error': 1 / 3, 'r2': None})
    self.assertEqual(
      read['config'], {'seed': 3, 'best': None, 'lengths': [1, 2]}
    )
    self.assertEqual(read['offsets'], [0, 5])
    self.assertAllClose(
      read['predicting_the_mean'],
      [2 / 3, 7 / 240, 3.458579, 11 / 124, 11 / 124],
    )
    self.assertEqual(read['post']['post: random inputs'][0], 0.66727)


if __name__ == '__main__':
  tf.test.main()

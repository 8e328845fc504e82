"""Tests for analysis.probe.tables."""

import dataclasses
import json
import os

import numpy as np
import tensorflow as tf

from analysis.common import tables as tables_lib
from analysis.probe import labels as labels_lib
from analysis.probe import results
from analysis.probe import tables
from analysis.probe import verdict
from dnc.dsprites import latents
from tests.analysis.probe import examples
from tests.support import markdown_tables


class TablesTest(tf.test.TestCase):
  def test_tables_of_each_split_and_offset_beside_the_post(self):
    text = tables.text(examples.result({(0, 'shape'): 0.25}, beyond=0.03))
    _, *found = markdown_tables.rows(text)
    # Training rollouts have tables of Keras and exact probes; unseen ones also
    # above shuffled labels. Then come two comparisons, with the controller and
    # with untrained cores, and what adds to what.
    self.assertLen(found, 3 * 3 + 3 * 2 + 2 + 3)
    self.assertEqual(
      found[15]['memory - controller cell, 5 steps before'],
      ['+0.000 [-0.010, +0.010]'] * 5,
    )
    self.assertEqual(
      found[17]['memory (256), beyond controller'],
      ['+0.030 [+0.020, +0.040]'] * 5,
    )
    keras, exact, above = found[:3]
    for table in (keras, exact):
      self.assertEqual(
        table['predicting the mean (exact)'][:5],
        [
          '0.666667 (+0.000)',
          '0.029167 (+0.000)',
          '3.458579 (+0.000)',
          '0.088710 (+0.000)',
          '0.088710 (+0.000)',
        ],
      )
      self.assertEqual(
        table['memory (256)'][0], '0.500000 (+0.250 [+0.240, +0.260])'
      )
      self.assertIn('controller cell (256)', table)
      self.assertIn('planted memory (256)', table)
    self.assertEqual(
      keras['random inputs (256)'][1], '0.500000 (+0.000 [-0.010, +0.010])'
    )
    self.assertEqual(exact['input image (4096)'], ['-'] * 6)
    self.assertLen(exact[''], 6)
    self.assertEqual(above['memory (256)'][0], '+0.250 [+0.240, +0.260]')
    post = keras['post, training rollouts: Model A, read words (256)']
    # PROTOCOL: R^2 = 0.70 for x, 0.86 for y.
    self.assertEqual(post[0], '0.573040 (+0.094)')
    self.assertEqual(post[3], '0.026715 (+0.699)')
    self.assertEqual(post[4], '0.012845 (+0.855)')
    self.assertNotIn('post, training rollouts: random inputs', found[3])
    self.assertIn('post, training rollouts: random inputs', found[9])
    for title in (
      '## t-0, which the post scored: ',
      '## t-5, which the post scored: ',
      '## t+1, the sprite to be predicted: ',
    ):
      self.assertIn(title, text)
    self.assertIn(
      '## t-5, the sprite to be predicted: ',
      tables.text(examples.result(), asked=5),
    )

  def test_says_what_probes_were_fitted_to(self):
    text = tables.text(examples.result())
    self.assertIn('50,000 steps of 100 rollouts', text)
    self.assertIn('means of 3 seeds, whose gains differ by at most 0.003', text)
    self.assertIn('fitted to 20,000 of these steps', text)
    self.assertIn('no exact probes of input image (4096): wider than', text)
    self.assertIn('attains an R^2 of scale 0.500', text)
    self.assertIn(f'**{verdict.text(examples.result())}**', text)
    self.assertIn(verdict.table(examples.result()), text)
    self.assertIn(verdict.augments(examples.result()), text)

  def test_untrained_cores_stand_below(self):
    result = examples.result(p_value=0.02)
    text = tables.text(result)
    lines = [x.strip('| ') for x in text.splitlines() if '+0.020' in x]
    self.assertLen(lines, 3)
    table = markdown_tables.rows(text)[-1]
    self.assertEqual(table['memory, t-5'], ['+0.300'] * 6)
    self.assertEqual(table['untrained'], ['+0.020 [+0.000, +0.050]'] * 6)
    self.assertEqual(table['p'], ['**0.02**'] * 6)
    self.assertNotIn('itself never trained', text)
    data = tables.data(result, {})['untrained']
    self.assertEqual(data['seeds'], [0, 1, 2])
    self.assertEqual(data['compared']['memory']['5']['scale']['p_value'], 0.02)

  def test_each_latent_in_isolation(self):
    isolated = {
      label: dataclasses.replace(
        examples.result({(0, label): 0.7}), spec=labels_lib.latent_spec([label])
      )
      for label in latents.NAMES
    }
    result = dataclasses.replace(examples.result(), isolated=isolated)
    table = markdown_tables.rows(tables.text(result))[-1]
    for row in ('memory (256)', 'memory (256), exact'):
      self.assertEqual(table[row], ['+0.700 [+0.690, +0.710]'] * 5)
    self.assertEqual(table['input image (4096), exact'], ['-'] * 5)
    self.assertEqual(table[''][0], 'shape above chance [95 %]')
    data = tables.data(result, {})
    self.assertEqual(
      data['isolated']['scale']['scores']['test']['memory']['0']['scale']['r2'],
      0.7,
    )

  def test_the_posts_numbers_are_of_sprites_alone(self):
    spec = labels_lib.latent_spec(['shape', 'scale'])
    result = examples.result()
    for split in result.scores.values():
      for scores in split.values():
        for offset in scores:
          scores[offset] = {x: scores[offset][x] for x in ('shape', 'scale')}
    result = dataclasses.replace(result, spec=spec, comparisons={})
    text = tables.text(result)
    self.assertNotIn('post', text.replace('as in the post', '').split('How')[0])
    self.assertNotIn('predicting the mean (exact)', text)

  def test_rollouts_in_which_some_latents_do_not_vary(self):
    result = examples.result()
    for split in result.scores.values():
      for of_name in split.values():
        for scores in of_name.values():
          for label in ('shape', 'scale'):
            scores[label] = examples.label_score(label, None)
    differences = [
      result.comparisons['memory']['controller_cell'],
      *result.beyond['memory'].values(),
    ]
    for by_offset in differences:
      for found in by_offset.values():
        for label in ('shape', 'scale'):
          found[label] = results.Difference(None, None)
    for found in result.untrained.compared['memory'].values():
      for label in ('shape', 'scale'):
        del found[label]
    kind = dict(varying=('x_position',), fixed=(('shape', 2), ('scale', 0)))
    text = tables.text(result, **kind)
    self.assertIn('x_position varies from sprite to sprite; shape is of', text)
    self.assertNotRegex(text, r'\| post, |\bnan\b|\binf\b')
    # The first table is that of the verdict.
    for table in markdown_tables.rows(text)[1:]:
      for row in list(table.values())[2:]:  # After header and rule.
        if row[0] != '-':
          self.assertEqual(row[:2], ['does not vary'] * 2)
      if 'predicting the mean (exact)' in table:
        self.assertEqual(
          table['predicting the mean (exact)'][2:4],
          ['3.458579 (+0.000)', '0.088710 (+0.000)'],
        )
    data = tables.data(result, {}, **kind)
    self.assertAllClose(
      data['predicting_the_mean'], [0, 0, 3.458579, 11 / 124, 11 / 124]
    )
    self.assertEqual(data['post'], {})

  def test_columns_are_aligned(self):
    text = tables.text(examples.result())
    table = []
    for line in [*text.splitlines(), '']:
      if line.startswith('|'):
        table.append([i for i, c in enumerate(line) if c == '|'])
      elif table:
        self.assertLen({tuple(bars) for bars in table}, 1)
        table = []

  def test_json_keeps_full_precision_and_has_no_nan(self):
    result = examples.result()
    of_memory = result.scores['train']['memory'][0]
    of_memory['scale'] = dataclasses.replace(
      of_memory['scale'], error=1 / 3, gain=float('nan')
    )
    config = {'seed': np.int64(3), 'best': np.inf, 'lengths': (1, 2)}
    data = tables.data(result, config)
    folder = self.get_temp_dir()
    paths = tables_lib.write(folder, 'probe', 'text\n', data)
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
    self.assertEqual(scores['scale']['error'], 1 / 3)
    self.assertIsNone(scores['scale']['r2'])
    self.assertEqual(
      read['config'], {'seed': 3, 'best': None, 'lengths': [1, 2]}
    )
    self.assertEqual(read['offsets'], [0, 5, -1])
    self.assertEqual(read['without_exact'], ['image'])
    self.assertEqual(read['spec']['classes'], {'shape': 3})
    self.assertStartsWith(read['verdict'], 'No')
    self.assertAllClose(
      read['predicting_the_mean'],
      [2 / 3, 7 / 240, 3.458579, 11 / 124, 11 / 124],
    )
    self.assertEqual(
      read['post']['post, training rollouts: random inputs'][0], 0.66727
    )


if __name__ == '__main__':
  tf.test.main()

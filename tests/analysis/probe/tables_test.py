"""Tests for analysis.probe_tables and analysis.probe_verdict."""

import copy
import dataclasses
import json
import os

import numpy as np
import tensorflow as tf

from analysis.common import tables
from analysis.probe import inputs as probe_inputs
from analysis.probe import probing as probe
from analysis.probe import tables as probe_tables
from analysis.probe import verdict as probe_verdict
from dnc.dsprites import latents
from tests.support import markdown_tables as testing_tables

_OFFSETS = (0, 5, -1)


def _score(label, gain, width=0.01):
  """A score of a label with this gain, of true labels."""

  def part(gain):
    name = 'accuracy_above_chance' if label == 'shape' else 'r2'
    interval = None if gain is None else (gain - width, gain + width)
    return {
      'error': 0.5,
      name: gain,
      'interval': interval,
      'error_interval': (0.4, 0.6),
    }

  def whole(gain):
    return {
      **part(gain),
      'shuffled': part(None if gain is None else 0.0),
      'selectivity': gain,
      'selectivity_interval': part(gain)['interval'],
    }

  score = {**whole(gain), 'exact': whole(gain), 'range': None}
  if gain is not None:
    score['range'] = (gain - 0.002, gain + 0.001)
  if label == 'shape':
    score['beside'] = whole(gain)
  return score


def _scores(gains):
  """By offset and label; gains by (offset, label), 0 if not given."""
  return {
    offset: {
      label: _score(label, gains.get((offset, label), 0.0))
      for label in latents.NAMES
    }
    for offset in _OFFSETS
  }


def _result(memory=None, random=None, planted=0.5, more=0.0):
  """Of a memory, random inputs, a planted and an untrained memory."""
  of_planted = {(0, label): planted for label in latents.NAMES}
  scores = {
    'memory': _scores(memory or {}),
    'untrained_memory': _scores({}),
    'random_256': _scores(random or {}),
    'planted_256': _scores(of_planted),
    'image': _scores({}),
  }
  for offset in _OFFSETS:
    for score in scores['image'][offset].values():
      score['exact'] = None
      score.pop('beside', None)
    scores['image'][offset]['shape']['beside'] = None
  difference = {
    offset: {
      label: {'difference': more, 'interval': (more - 0.01, more + 0.01)}
      for label in latents.NAMES
    }
    for offset in _OFFSETS
  }
  return probe.ProbeResult(
    widths={name: 4096 if name == 'image' else 256 for name in scores},
    offsets=_OFFSETS,
    spec=probe_inputs.latent_spec(),
    num_rollouts={'train': 100, 'test': 30},
    num_steps=50_000,
    num_seeds=3,
    num_logistic_steps=20_000,
    num_wide_steps=0,
    without_exact=('image',),
    attainable=dict.fromkeys(latents.NAMES[1:], 0.5),
    scores={'train': scores, 'test': copy.deepcopy(scores)},
    comparisons={'memory': {'untrained_memory': difference}},
  )


class VerdictTest(tf.test.TestCase):
  def test_yes(self):
    result = _result({(0, 'x_position'): 0.3, (5, 'shape'): 0.1}, more=0.2)
    self.assertEqual(
      probe_verdict.verdict(result),
      'Yes: on 30 unseen rollouts a linear layer reads, beyond what it reads '
      'off random inputs and of shuffled labels, off the memory (256 numbers) '
      'of the current step x 0.300; of 5 steps before shape +0.100 (2 of these '
      '2 more than off the same of an untrained core); of what was planted it '
      'finds 100% or more (R^2; of shape, accuracy above chance).',
    )

  def test_yes_but_an_untrained_core_holds_as_much(self):
    result = _result({(0, 'x_position'): 0.3})
    verdict = probe_verdict.verdict(result)
    self.assertStartsWith(verdict, 'No more than an untrained core: on 30')
    self.assertIn(
      '(0 of these 1 more than off the same of an untrained core)', verdict
    )
    more = result.comparisons['memory']['untrained_memory'][0]
    result = _result(
      {(0, 'x_position'): 0.3, (0, 'scale'): 0.2, (5, 'scale'): 0.2}
    )
    more = result.comparisons['memory']['untrained_memory']
    for offset in (0, 5):
      more[offset]['scale']['interval'] = (0.1, 0.2)
    self.assertIn(
      '(2 of these 3 more than off the same of an untrained core)',
      probe_verdict.verdict(result),
    )

  def test_no(self):
    for memory in ({}, {(0, 'scale'): 0.005}, {(0, 'scale'): -0.3}):
      verdict = probe_verdict.verdict(_result(memory))
      self.assertStartsWith(verdict, 'No: ')
      self.assertIn('off the memory (256 numbers) nothing (the most', verdict)

  def test_above_the_controls_too(self):
    # The lower end is 0.02; random inputs end at 0.025, and shuffled labels.
    result = _result({(0, 'scale'): 0.03}, more=0.2)
    self.assertStartsWith(probe_verdict.verdict(result), 'Yes')
    near = _result({(0, 'scale'): 0.03}, {(0, 'scale'): 0.015})
    self.assertStartsWith(probe_verdict.verdict(near), 'No')
    shuffled = result.scores['test']['memory'][0]['scale']['exact']['shuffled']
    shuffled['interval'] = (0, 0.025)
    self.assertStartsWith(probe_verdict.verdict(result), 'No')

  def test_without_exact_probes_the_keras_probe_counts(self):
    result = _result()
    for scores in result.scores['test'].values():
      for score in scores[0].values():
        if score['exact'] is not None:
          score['exact']['interval'] = (9, 9)
    of_memory = result.scores['test']['memory'][0]['scale']
    of_memory['exact'] = None
    of_memory.update(interval=(0.2, 0.3), r2=0.25)
    for other in set(latents.NAMES) - {'scale'}:
      result.scores['test']['memory'][0][other]['exact'] = None
    result.scores['test']['random_256'][0] = _scores({})[0]
    self.assertIn(
      'numbers) of the current step scale 0.250', probe_verdict.verdict(result)
    )

  def test_the_probe_that_reads_more_counts(self):
    result = _result()
    score = result.scores['test']['memory'][0]['scale']
    # Least squares that were misled.
    score['exact'].update(r2=-3.0, interval=(-5.0, -1.0))
    score.update(r2=0.25, interval=(0.2, 0.3))
    self.assertIn('scale 0.250', probe_verdict.verdict(result))
    # An optimiser that stopped short.
    score['exact'].update(r2=0.5, interval=(0.4, 0.6))
    self.assertIn('scale 0.500', probe_verdict.verdict(result))

  def test_no_says_what_might_be_there(self):
    # The upper end of the interval of what comes nearest.
    result = _result({(5, 'scale'): 0.005})
    self.assertIn(
      '(the most that might be there is scale of 5 steps before, up to 0.015',
      probe_verdict.verdict(result),
    )

  def test_a_planted_memory_of_which_too_little_is_found(self):
    # Half of 0.5 must be found for certain: 0.26 less 0.01.
    self.assertStartsWith(probe_verdict.verdict(_result(planted=0.261)), 'No')
    said = probe_verdict.verdict(_result(planted=0.255))
    self.assertStartsWith(said, 'Cannot tell: what was planted is not found')

  def test_cannot_tell(self):
    for result, why in (
      (_result(random={(5, 'scale'): 0.2}), 'random inputs .256. seem to hold'),
      (_result(planted=0.005), 'planted is not found: shape .* .and 4 more'),
      (
        dataclasses.replace(_result(), num_rollouts={'train': 9, 'test': 19}),
        'fewer than 20',
      ),
      (dataclasses.replace(_result(), num_rollouts={'train': 9}), 'fewer'),
    ):
      self.assertRegex(probe_verdict.verdict(result), f'^Cannot tell: .*{why}')

  def test_nothing_varies(self):
    result = _result()
    for scores in result.scores['test'].values():
      for of_offset in scores.values():
        for label in of_offset:
          of_offset[label] = _score(label, None)
    self.assertIn('no label varies', probe_verdict.verdict(result))
    self.assertIn('does not vary', probe_tables.probe_text(result))


class ProbeTablesTest(tf.test.TestCase):
  def test_tables_of_each_split_and_offset_beside_the_post(self):
    text = probe_tables.probe_text(_result({(0, 'shape'): 0.25}))
    found = testing_tables.rows(text)
    # Training rollouts: Keras, exact; unseen ones: selectivity, too.
    self.assertLen(found, 3 * 3 + 3 * 2 + 1)
    self.assertEqual(
      found[-1]['memory - untrained core: memory, 5 steps before'],
      ['+0.000 [-0.010, +0.010]'] * 5,
    )
    keras, exact, selectivity = found[:3]
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
      self.assertIn('untrained core: memory (256)', table)
      self.assertIn('planted memory (256)', table)
    self.assertEqual(
      keras['random inputs (256)'][1], '0.500000 (+0.000 [-0.010, +0.010])'
    )
    self.assertEqual(exact['input image (4096)'], ['-'] * 6)
    self.assertLen(exact[''], 6)
    self.assertEqual(selectivity['memory (256)'][0], '+0.250 [+0.240, +0.260]')
    post = keras['post, training rollouts: Model A, read words (256)']
    # PROTOCOL: R^2 = 0.70 for x, 0.86 for y.
    self.assertEqual(post[0], '0.573040 (+0.094)')
    self.assertEqual(post[3], '0.026715 (+0.699)')
    self.assertEqual(post[4], '0.012845 (+0.855)')
    self.assertNotIn('post, training rollouts: random inputs', found[3])
    self.assertIn('post, training rollouts: random inputs', found[9])
    for title in ('## t-0: ', '## t-5: ', '## t+1: '):
      self.assertIn(title, text)

  def test_says_how_it_came_by_them(self):
    text = probe_tables.probe_text(_result())
    self.assertIn('50,000 steps of 100 rollouts', text)
    self.assertIn('means of 3 seeds, whose brackets are 0.003 apart', text)
    self.assertIn('given 20,000 of these steps', text)
    self.assertIn('No exact probes of input image (4096): wider than', text)
    self.assertIn('attains an R^2 of scale 0.500', text)
    self.assertIn(f'**{probe_verdict.verdict(_result())}**', text)

  def test_each_latent_in_isolation(self):
    isolated = {
      label: dataclasses.replace(
        _result({(0, label): 0.7}), spec=probe_inputs.latent_spec([label])
      )
      for label in latents.NAMES
    }
    result = dataclasses.replace(_result(), isolated=isolated)
    table = testing_tables.rows(probe_tables.probe_text(result))[-1]
    for row in ('memory (256)', 'memory (256), exact'):
      self.assertEqual(table[row], ['+0.700 [+0.690, +0.710]'] * 5)
    self.assertEqual(table['input image (4096), exact'], ['-'] * 5)
    self.assertEqual(table[''][0], 'shape above chance [95 %]')
    data = probe_tables.probe_data(result, {})
    self.assertEqual(
      data['isolated']['scale']['scores']['test']['memory']['0']['scale']['r2'],
      0.7,
    )

  def test_labels_that_are_not_of_sprites(self):
    spec = probe_inputs.latent_spec(['shape', 'scale'])
    result = _result()
    for split in result.scores.values():
      for scores in split.values():
        for offset in scores:
          scores[offset] = {x: scores[offset][x] for x in ('shape', 'scale')}
    result = dataclasses.replace(result, spec=spec, comparisons={})
    text = probe_tables.probe_text(result)
    self.assertNotIn(
      'post', text.replace('as the post scores', '').split('How')[0]
    )
    self.assertNotIn('predicting the mean (exact)', text)

  def test_rollouts_in_which_some_latents_do_not_vary(self):
    result = _result()
    for split in result.scores.values():
      for of_name in split.values():
        for scores in of_name.values():
          for label in ('shape', 'scale'):
            scores[label] = _score(label, None)
    for found in result.comparisons['memory']['untrained_memory'].values():
      for label in ('shape', 'scale'):
        found[label]['interval'] = None
    kind = dict(varying=('x_position',), fixed=(('shape', 2), ('scale', 0)))
    text = probe_tables.probe_text(result, **kind)
    self.assertIn('x_position varies from sprite to sprite; shape is of', text)
    self.assertNotRegex(text, r'\| post, |\bnan\b|\binf\b')
    for table in testing_tables.rows(text):
      for row in list(table.values())[2:]:  # After header and rule.
        self.assertEqual(row[:2], ['does not vary'] * 2)
      if 'predicting the mean (exact)' in table:
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
    text = probe_tables.probe_text(_result())
    table = []
    for line in [*text.splitlines(), '']:
      if line.startswith('|'):
        table.append([i for i, c in enumerate(line) if c == '|'])
      elif table:
        self.assertLen({tuple(bars) for bars in table}, 1)
        table = []

  def test_json_keeps_full_precision_and_has_no_nan(self):
    result = _result()
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

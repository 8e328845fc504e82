"""Tests of the verdict of Test 4, with known slopes."""

import dataclasses

from absl.testing import absltest
from absl.testing import parameterized

from analysis.intervention import effects
from analysis.intervention import running
from analysis.intervention import verdict
from tests.analysis.intervention import examples

_PREDICTED = 'the predicted sprite'


def _with_scale(words, memory, excess):
  """A result in which x is hardly followed, and what scale does is given."""
  result = examples.result(0.3, 0.02)
  for name, slope in dict(read_words=words, memory=memory).items():
    result.effects[-1][name]['scale'] = {
      **dict.fromkeys(effects.KINDS, examples.effect(0.0)),
      effects.PROBE: examples.effect(slope),
    }
    result.removals[-1][name]['scale'] = examples.removal(excess)
  return dataclasses.replace(result, predicted=dict(x_position=0.9, scale=0.9))


class VerdictTest(parameterized.TestCase):
  @parameterized.parameters(
    (
      dict(),
      f'Yes, in part: {_PREDICTED} partly follows shifted readings of the '
      'memory, but mostly follows those of the words read.',
    ),
    (
      dict(memory=0.01),
      f'No: {_PREDICTED} hardly follows shifted readings of the memory, but '
      'mostly follows those of the words read.',
    ),
    (
      dict(words=0.3),
      f'Yes, in part: {_PREDICTED} partly follows shifted readings of the '
      'memory and of the words read.',
    ),
    (
      dict(memory=0.9, words=0.02),
      f'Yes: {_PREDICTED} mostly follows shifted readings of the memory, but '
      'hardly follows those of the words read.',
    ),
    (
      dict(memory=None),
      'Cannot tell: no probe reads from the memory what the model predicts; '
      f'{_PREDICTED} mostly follows shifted readings of the words read.',
    ),
    (
      dict(memory=None, too_wide=running.MEMORIES),
      'Cannot tell: the memory cannot be changed at this width; '
      f'{_PREDICTED} mostly follows shifted readings of the words read.',
    ),
    (
      dict(words=None),
      'Yes, in part: no probe reads from the words read what the model '
      f'predicts; {_PREDICTED} partly follows shifted readings of the memory.',
    ),
    (
      dict(words=None, memory=None),
      'Cannot tell: no probe reads from words or memory what the model '
      'predicts, so there is nothing to shift.',
    ),
    (dict(num_rollouts=9), 'Cannot tell: there are too few rollouts.'),
    (
      dict(latents=()),
      'Cannot tell: neither position nor scale of the sprites varies.',
    ),
  )
  def test_answer(self, changes, expected):
    self.assertEqual(verdict.text(examples.result(**changes)), expected)
    self.assertLessEqual(len(expected.split()), 30)

  @parameterized.named_parameters(
    ('a wide interval', dict(width=0.9)),
    ('a wide interval for one of several latents', dict(corrected=0.9)),
    ('the controls move the sprite, too', dict(control=0.4)),
    ('the controls move it the other way', dict(control=-0.5)),
    ('a random direction is missed as much', dict(excess=0.5)),
    ('a random direction is missed more', dict(excess=-4.5)),
  )
  def test_a_slope_does_not_count(self, changes):
    of_one = examples.result(0.4, 0.4)
    self.assertStartsWith(verdict.text(of_one), 'Yes, in part: ')
    self.assertEqual(
      verdict.text(examples.result(0.4, 0.4, **changes)),
      f'Cannot tell: {_PREDICTED} may or may not follow shifted readings of '
      'the memory and of the words read.',
    )

  def test_one_latent_decides_if_it_is_missed(self):
    result = _with_scale(0.96, 0.6, excess=11.5)
    self.assertEqual(
      verdict.text(result),
      f'Yes: {_PREDICTED} mostly follows shifted readings of the memory and of '
      'the words read.',
    )
    self.assertEqual(verdict.cell(result, 'read_words'), 'scale 0.96')
    self.assertEqual(verdict.cell(result, 'memory'), 'scale 0.60')
    result = _with_scale(0.96, 0.6, excess=0.0)
    self.assertEqual(
      verdict.text(result),
      f'Cannot tell: {_PREDICTED} may or may not follow shifted readings of '
      'the memory, but partly follows those of the words read.',
    )
    self.assertEqual(verdict.cell(result, 'read_words'), 'x 0.30')
    # None counts.
    self.assertEqual(verdict.cell(result, 'memory'), 'x 0.02')

  def test_the_memory_counts_in_any_order(self):
    result = examples.result(0.3, 0.02)
    by_reading = running.MEMORIES[2]
    for of in (result.readings, result.effects, result.removals):
      of[-1][by_reading] = of[-1]['memory']
    result.effects[-1][by_reading] = {
      'x_position': {
        **dict.fromkeys(effects.KINDS, examples.effect(0.0)),
        effects.PROBE: examples.effect(0.6),
      }
    }
    self.assertStartsWith(verdict.text(result), 'Yes: ')
    self.assertEqual(verdict.cell(result, 'memory'), 'x 0.60')
    # None counts, but one of the two may.
    result.removals[-1][by_reading] = {'x_position': examples.removal(0.0)}
    self.assertStartsWith(verdict.text(result), 'Cannot tell: ')
    self.assertEqual(verdict.cell(result, 'memory'), 'x 0.02')

  def test_sorted_slots_of_a_wide_memory_answer_for_it(self):
    for slope, answer in ((0.3, 'Yes, in part: '), (0.01, 'No: ')):
      result = examples.wide(slope)
      self.assertStartsWith(verdict.text(result), answer)
      self.assertEqual(verdict.cell(result, 'memory'), f'x {slope:.2f}')
    # Nothing is held, although some of it could be changed.
    self.assertIn(
      'no probe reads from the memory', verdict.text(examples.wide(None))
    )

  def test_a_model_that_does_not_predict_is_not_judged(self):
    result = examples.result(predicted={'x_position': 0.4})
    self.assertEqual(
      verdict.text(result),
      'Cannot tell: the model predicts neither place nor scale.',
    )
    self.assertEqual(verdict.cell(result, 'memory'), '-')

  def test_for_the_overview(self):
    result = examples.result(memory=None)
    self.assertEqual(verdict.cell(result, 'read_words'), 'x 0.90')
    self.assertEqual(verdict.cell(result, 'memory'), '-')
    self.assertEqual(verdict.cell(result, 'controller_hidden'), '-')

  def test_all_slopes(self):
    self.assertEqual(
      verdict.all_slopes(examples.result(memory=None)),
      {
        'read words: x': dict(probe=0.9, shuffled=0, random=0),
        'memory: x': dict.fromkeys(('probe', 'shuffled', 'random')),
      },
    )


if __name__ == '__main__':
  absltest.main()

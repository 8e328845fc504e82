"""Tests of the verdict of Test 4, with known slopes."""

import dataclasses

from absl.testing import absltest
from absl.testing import parameterized

from analysis.intervention import verdict
from tests.analysis.intervention import examples


class VerdictTest(parameterized.TestCase):
  @parameterized.parameters(
    (dict(), r'Yes: .* by 0.90 \(the words read\), 0.30 \(the memory\).'),
    (dict(memory=None), r'Yes, but only from the words read: .* 0.90 \(.*'),
    (dict(words=0.01), 'Yes, in part, but only from the memory: .*'),
    (dict(words=0.3), 'Yes, in part: .*'),
    (dict(words=0.02, memory=0.01), r'No: .* by 0.02 \(.*\), 0.01 \(.*\).'),
    (dict(words=0.3, memory=0.0, width=0.9), 'Cannot tell: when .*'),
    # Whatever is changed moves the sprite.
    (dict(words=0.4, control=0.4), 'Cannot tell: when .*'),
    (dict(words=0.4, control=-0.5), 'Cannot tell: when .*'),
    (dict(words=None, memory=None), 'Cannot tell: no probe reads .*'),
    (dict(num_rollouts=9), 'Cannot tell: there are too few rollouts.'),
    (dict(latents=()), 'Cannot tell: neither position nor scale .*'),
  )
  def test_answer(self, changes, pattern):
    text = verdict.text(examples.result(**changes))
    self.assertRegex(text, f'^{pattern}$')
    self.assertLessEqual(len(text.split()), 30)

  def test_several_latents_take_no_more_words(self):
    first, second = examples.result(0.3, 0.0), examples.result(0.2, 0.01)
    found = {
      name: {**of_x, 'scale': second.effects[-1][name]['x_position']}
      for name, of_x in first.effects[-1].items()
    }
    text = verdict.text(
      dataclasses.replace(
        first,
        effects={-1: found},
        predicted=dict(x_position=0.9, scale=0.9),
      )
    )
    self.assertEqual(
      text,
      'Yes, in part, but only from the words read: when a reading shifts by 1, '
      'the sprite moves by 0.20 to 0.30 (the words read), 0.00 to 0.01 (the '
      'memory).',
    )
    self.assertLessEqual(len(text.split()), 30)

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

"""Tests of the verdict of Test 3."""

import dataclasses

from absl.testing import parameterized
import tensorflow as tf

from analysis.lesion import verdict
from tests.analysis.lesion import examples


class VerdictTest(tf.test.TestCase, parameterized.TestCase):
  def test_late_steps_may_have_no_share(self):
    result = examples.result(examples.USED)
    frozen = result.comparisons['frozen_memory']
    frozen['loss'] = dataclasses.replace(
      frozen['loss'], share=None, share_interval=None
    )
    self.assertStartsWith(
      verdict.text(result), 'Yes: the model uses what it reads and'
    )

  def test_too_few_to_tell(self):
    result = dataclasses.replace(
      examples.result(examples.USED), num_sequences=9
    )
    self.assertStartsWith(
      verdict.text(result),
      'Cannot tell: intervals from fewer than 10 rollouts',
    )

  @parameterized.named_parameters(
    (
      'used',
      {**examples.USED, 'frozen_memory': (50.0, 1.0)},
      r'Yes: the model uses what it reads and what it stores\.',
    ),
    (
      'small_part',
      {**examples.USED, 'frozen_memory': (44.0, 1.0)},
      r'Yes, but hardly to remember: .* small part of its gain depends on what '
      r'it stores\.',
    ),
    (
      'nothing_new',
      {**examples.USED, 'frozen_memory': (2.0, 0.5)},
      'Yes, but nothing new: .* hardly anything that it writes from step 250 '
      r'on\.',
    ),
    (
      'a_layer',
      {
        **examples.USED,
        'frozen_memory': (0.1, 1.0),
        'exchanged_memory': (4.0, 1.0),
      },
      'Yes, but not to remember: .* any memory serves as well as its own, and '
      r'what it writes from step 250 on hardly matters\.',
    ),
    (
      'hardly',
      dict(
        read_words_zero=(40.0, 1.0),
        read_words_mean=(3.0, 1.0),
        read_words_other=(2.0, 1.0),
      ),
      'Yes, but hardly',
    ),
    (
      'misled',
      dict(read_words_mean=(0.1, 1.0), read_words_other=(2.0, 1.0)),
      'Cannot tell: the words that another rollout reads mislead',
    ),
    (
      'used_to_them',
      dict(read_words_zero=(40.0, 1.0), read_words_other=(0.1, 1.0)),
      'No: the model expects some words to read',
    ),
    (
      'nothing',
      dict(
        read_words_zero=(0.2, 1.0),
        read_words_mean=(-0.1, 1.0),
        read_words_other=(-0.2, 1.0),
      ),
      'No: the model does as well without',
    ),
    ('none_at_all', {}, 'No: the model does as well without'),
  )
  def test_answers(self, changes, pattern):
    text = verdict.text(examples.result(changes))
    self.assertRegex(text, f'^{pattern}')
    self.assertNotIn('\n', text)
    self.assertEndsWith(text, '; 20 rollouts, 95 % intervals).')

  def test_has_its_numbers(self):
    text = verdict.text(examples.result(examples.USED))
    self.assertRegex(
      text,
      r'Its loss changes by \+8\.76 \([^)]*\), 2\.0%, if nothing is written '
      r'from step 250 on; by \+6\.57 \([^)]*\), 1\.5%, with the memory of '
      r'another rollout every 10 steps; by \+43\.8 \(\+4[23]\.\d to '
      r'\+4[45]\.\d\), 10\.0%, with the words that another rollout reads '
      r'\(IoU from 0\.75 to 0\.5\); by \+60\.0 \([^)]*\), 13\.7%, with the '
      r'mean words; by \+90\.0 \([^)]*\), 20\.5%, with zeros \(nats an image; '
      r'shares of what the model gains over predicting the mean image; 20 '
      r'rollouts',
    )

  def test_no_verdict_on_a_model_that_is_no_better_than_the_mean(self):
    text = verdict.text(examples.result(examples.USED, baseline=129.0))
    self.assertEqual(
      text,
      'Cannot tell: the intact model is not better than predicting the mean '
      'image (loss 130.0 against 129.0 nats an image), so there is nothing to '
      'lose.',
    )


if __name__ == '__main__':
  tf.test.main()

"""Tests of the verdict of Test 3."""

import dataclasses

from absl.testing import parameterized
import tensorflow as tf

from analysis.lesion import verdict
from tests.analysis.lesion import examples


class VerdictTest(tf.test.TestCase, parameterized.TestCase):
  def test_late_steps_may_have_no_share(self):
    result = examples.result(examples.USED)
    frozen = result.courses['frozen_memory']
    lasting = dataclasses.replace(
      frozen.lasting, share=None, share_interval=None
    )
    result.courses['frozen_memory'] = dataclasses.replace(
      frozen, lasting=lasting
    )
    self.assertStartsWith(
      verdict.text(result), 'Yes: the model uses what it reads and'
    )

  def test_too_few_to_tell(self):
    result = dataclasses.replace(
      examples.result(examples.USED), num_sequences=9
    )
    self.assertEqual(
      verdict.text(result), 'Cannot tell: there are too few rollouts.'
    )

  def test_only_what_lasts_counts(self):
    result = examples.result({**examples.USED, 'frozen_memory': (0.1, 1.0)})
    self.assertStartsWith(verdict.text(result), 'Yes, but nothing new')
    # All that the exchange costs is its jolt.
    exchanged = result.courses['exchanged_memory']
    nothing = dataclasses.replace(
      exchanged.lasting, interval=(-0.1, 0.1), share_interval=(-1e-4, 1e-4)
    )
    for lasting, start in (
      (nothing, 'Yes, but not to remember'),
      (None, 'Yes, but hardly to remember: .* needs what it writes late'),
    ):
      result.courses['exchanged_memory'] = dataclasses.replace(
        exchanged, lasting=lasting
      )
      self.assertRegex(verdict.text(result), f'^{start}')
    # All that freezing costs is its jolt.
    result = examples.result({**examples.USED, 'frozen_memory': (50.0, 1.0)})
    frozen = result.courses['frozen_memory']
    for lasting, start in (
      (nothing, 'Yes, but nothing new'),
      (None, 'Yes: the model uses what it reads and what it stores'),
    ):
      result.courses['frozen_memory'] = dataclasses.replace(
        frozen, lasting=lasting
      )
      self.assertRegex(verdict.text(result), f'^{start}')

  @parameterized.named_parameters(
    (
      'used',
      {**examples.USED, 'frozen_memory': (50.0, 1.0)},
      r'Yes: the model uses what it reads and what it stores\.',
    ),
    (
      'small_part',
      {**examples.USED, 'frozen_memory': (30.0, 1.0)},
      r'Yes, but hardly to remember: .* small part of its gain depends on what '
      r'it stores\.',
    ),
    (
      'what_was_written_before_matters_little',
      {
        **examples.USED,
        'frozen_memory': (400.0, 1.0),
        'exchanged_contents': (6.57, 1.0),
      },
      'Yes, but hardly to remember: .* small part of its gain',
    ),
    (
      'only_what_was_just_written_is_read',
      {
        **examples.USED,
        'frozen_memory': (400.0, 1.0),
        'exchanged_contents': (0.1, 1.0),
      },
      'Yes, but not to remember: the model must write, but does as well with '
      r"the earlier contents of another rollout's memory\.",
    ),
    (
      'what_was_written_before_matters_uncertainly',
      {
        **examples.USED,
        'frozen_memory': (400.0, 1.0),
        'exchanged_contents': (2.0, 180.0),
      },
      'Cannot tell whether it remembers: .* with the contents of another',
    ),
    (
      'at_least_a_small_part',
      {**examples.USED, 'frozen_memory': (80.0, 140.0)},
      'Yes: the model uses what it reads, and at least a small part',
    ),
    (
      'nothing_new',
      {**examples.USED, 'frozen_memory': (2.0, 0.5)},
      "Yes, but nothing new: .* rather than another's, but hardly anything "
      r'that it writes late\.',
    ),
    (
      'a_layer',
      {
        **examples.USED,
        'frozen_memory': (0.1, 1.0),
        'exchanged_memory': (3.0, 1.0),
      },
      'Yes, but not to remember: .* soon does as well with another '
      r"rollout's memory, or without new writes\.",
    ),
    # Shares of 0.5 % to 40 %, and of -20 % to 21 %.
    (
      'both_uncertain',
      {
        **examples.USED,
        'frozen_memory': (88.0, 172.0),
        'exchanged_memory': (88.0, 172.0),
      },
      'Cannot tell whether it remembers: .* loses without new writes',
    ),
    (
      'frozen_around_nothing',
      {**examples.USED, 'frozen_memory': (2.0, 180.0)},
      'Cannot tell whether it remembers: .* loses without new writes',
    ),
    (
      'exchanged_uncertain',
      {
        **examples.USED,
        'frozen_memory': (0.1, 1.0),
        'exchanged_memory': (88.0, 172.0),
      },
      r"Cannot tell whether it remembers: .* with another rollout's memory\.",
    ),
    (
      'words_matter_uncertainly',
      {
        'read_words_mean': (60.0, 110.0),
        'read_words_other': (60.0, 110.0),
        'frozen_memory': (50.0, 1.0),
        'exchanged_contents': (50.0, 1.0),
      },
      r'Yes: the model uses what it reads and what it stores\.',
    ),
    (
      'hardly',
      dict(
        read_words_zero=(40.0, 1.0),
        read_words_mean=(3.0, 1.0),
        read_words_other=(2.0, 1.0),
      ),
      'Yes, but hardly: the words read matter very little',
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
    (
      'other_words_uncertain',
      dict(read_words_mean=(9.0, 1.0), read_words_other=(2.0, 180.0)),
      'Cannot tell whether it uses what it reads',
    ),
    (
      'mean_words_uncertain',
      dict(read_words_mean=(2.0, 180.0), read_words_other=(9.0, 1.0)),
      'Cannot tell whether it uses what it reads',
    ),
    (
      'other_words_serve',
      dict(read_words_mean=(2.0, 180.0), read_words_other=(0.1, 1.0)),
      'No: the words that another rollout reads serve as well',
    ),
  )
  def test_answers(self, changes, pattern):
    text = verdict.text(examples.result(changes))
    self.assertRegex(text, f'^{pattern}')
    # One sentence without numbers.
    self.assertRegex(text, r'^[^.\n\d]*\.$')
    self.assertLessEqual(len(text.split()), 30)

  def test_no_verdict_on_a_model_that_is_no_better_than_the_mean(self):
    text = verdict.text(examples.result(examples.USED, baseline=129.0))
    self.assertEqual(
      text,
      'Cannot tell: the intact model is not clearly better than predicting '
      'the mean image, so there is nothing to lose.',
    )


if __name__ == '__main__':
  tf.test.main()

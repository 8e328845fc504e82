"""Tests of the settings of a training on repeat-copy."""

from absl.testing import absltest
from absl.testing import parameterized

from dnc.repeat_copy import config as config_lib
from dnc.system import errors


class RepeatCopyConfigTest(parameterized.TestCase):
  @parameterized.parameters(
    ({}, 'repeat_copy_16x16_seed0_ae9d6868'),
    (dict(max_repeats=3), 'repeat_copy_16x16_seed0_e11f82c0'),
    (dict(checkpoint_interval=7), 'repeat_copy_16x16_seed0_ae9d6868'),
  )
  def test_names_stay(self, changes, name):
    # Pinned: folders and checkpoints of earlier versions have these names.
    self.assertEqual(config_lib.make_repeat_copy(**changes).name(), name)

  @parameterized.parameters(
    ('num_bits', 0), ('min_repeats', 0), ('num_training_iterations', 0)
  )
  def test_what_is_not_allowed_is_named(self, name, value):
    with self.assertRaisesRegex(errors.UsageError, f'^--{name}={value}: must'):
      config_lib.RepeatCopyConfig(**{name: value})

  def test_most_is_not_less_than_fewest(self):
    with self.assertRaisesRegex(
      errors.UsageError, '^--max_repeats=2: must be at least --min_repeats=3'
    ):
      config_lib.RepeatCopyConfig(min_repeats=3)
    with self.assertRaisesRegex(errors.UsageError, '^--max_length=2: must be'):
      config_lib.RepeatCopyConfig(min_length=3)


if __name__ == '__main__':
  absltest.main()

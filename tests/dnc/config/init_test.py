"""Tests of the names that `dnc.config` exports, and of its imports."""

import pkgutil

from absl.testing import absltest

from dnc import config as config_lib
from dnc.next_sprite import config as next_sprite_config
from dnc.repeat_copy import config as repeat_copy_config
from tests.support import commands


class FaceTest(absltest.TestCase):
  def test_configs_of_the_tasks(self):
    self.assertIs(config_lib.TrainingConfig, next_sprite_config.TrainingConfig)
    self.assertIs(
      config_lib.RepeatCopyConfig, repeat_copy_config.RepeatCopyConfig
    )
    self.assertEqual(
      config_lib.make_training('quick'),
      next_sprite_config.TrainingConfig.make('quick'),
    )
    self.assertEqual(
      config_lib.make_repeat_copy(num_bits=6).num_bits,
      repeat_copy_config.RepeatCopyConfig(num_bits=6).num_bits,
    )
    self.assertIn(config_lib.MEAN_SQUARED_ERROR, config_lib.LOSSES)

  def test_other_names_do_not_exist(self):
    with self.assertRaisesRegex(AttributeError, "no attribute 'make_nothing'"):
      config_lib.make_nothing  # noqa: B018

  def test_commands_and_configs_do_not_import_tensorflow(self):
    modules = pkgutil.iter_modules(config_lib.__path__, 'dnc.config.')
    names = [module.name for module in modules]
    self.assertContainsSubset(['dnc.config.runs', 'dnc.config.flags'], names)
    names += ['dnc.tasks', 'dnc.next_sprite', 'dnc.repeat_copy']
    code = f'import sys, {", ".join(names)}, train, evaluate\n'
    code += 'print([m for m in sys.modules if m.startswith("tensorflow")])'
    output = commands.output_of(code)
    self.assertEqual(output, '[]\n')


if __name__ == '__main__':
  absltest.main()

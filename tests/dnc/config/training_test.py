"""Tests of the base of all configs; each task has its own config_test."""

import dataclasses

from absl.testing import absltest
from absl.testing import parameterized

from dnc import tasks
from dnc.config import settings
from dnc.config import training


@dataclasses.dataclass(frozen=True)
class _Config(training.Config):
  TASK = 'toy'
  _PREFIX = 'toy'

  memory_size: int = training.memory_size(3)
  word_size: int = training.word_size(4)
  seed: int = training.seed(0)
  report_interval: int = training.report_interval(100)
  later: str = settings.setting(
    'usual', 'What came later.', training.MODEL, is_later=True
  )


class ConfigTest(parameterized.TestCase):
  def test_shared_settings_have_their_own_default_and_one_help(self):
    self.assertEqual(_Config().memory_size, 3)
    configs = [_Config, *(tasks.get(name).config_class for name in tasks.NAMES)]
    about = [settings.of(config)['memory_size'] for config in configs]
    self.assertLen({(x.help, x.group, x.allowed.text) for x in about}, 1)

  def test_reporting_is_no_part_of_the_identity(self):
    self.assertEqual(
      list(_Config().identity()), ['memory_size', 'word_size', 'seed', 'later']
    )
    config = _Config(report_interval=7)
    self.assertEqual(config.name(), _Config().name())

  def test_names(self):
    self.assertRegex(_Config(seed=5).name(), r'^toy_3x4_seed5_[0-9a-f]{8}$')
    names = {
      _Config(**changes).name()
      for changes in (dict(), dict(memory_size=2), dict(later='other'))
    }
    self.assertLen(names, 3)

  def test_the_default_of_a_later_field_is_left_out_of_the_name(self):
    @dataclasses.dataclass(frozen=True)
    class Earlier(training.Config):
      TASK = 'toy'
      _PREFIX = 'toy'

      memory_size: int = training.memory_size(3)
      word_size: int = training.word_size(4)
      seed: int = training.seed(0)

    self.assertEqual(Earlier().name(), _Config().name())

  @parameterized.parameters(*tasks.NAMES)
  def test_every_field_of_a_task_has_a_flag_and_counts_once(self, name):
    config = tasks.get(name).config_class()
    about = settings.of(type(config))
    self.assertEqual(
      list(about), [field.name for field in dataclasses.fields(config)]
    )
    self.assertEqual(config.TASK, name)


if __name__ == '__main__':
  absltest.main()

"""Tests of settings and presets."""

import dataclasses
import os
import tempfile

from absl.testing import absltest

from dnc.config import checks
from dnc.config import settings
from dnc.dsprites import published_file
from dnc.system import errors
from dnc.system import files


@dataclasses.dataclass(frozen=True)
class _Config(settings.Settings):
  PRESETS = {'usual': {}, 'small': dict(size=3)}

  size: int = settings.setting(
    10, 'How large.', 'Model', allowed=checks.at_least(1)
  )
  without_a_flag: int = 0
  most: int | None = settings.setting(
    None, 'How many.', 'Data', allowed=checks.at_least(1), unset='all'
  )
  dataset: str = settings.setting('rendered', 'Which images.', 'Data')


class SettingsTest(absltest.TestCase):
  def test_settings_are_the_fields_with_a_help(self):
    about = settings.of(_Config)
    self.assertEqual(list(about), ['size', 'most', 'dataset'])
    self.assertEqual(about['size'].help, 'How large.')
    self.assertEqual(about['most'].group, 'Data')
    self.assertEqual(_Config().size, 10)

  def test_counts_and_choices(self):
    @dataclasses.dataclass(frozen=True)
    class Config(settings.Settings):
      rooms: int = settings.count(2, 'How many.', 'Model', least=0)
      colour: str = settings.choice('red', ('red', 'blue'), 'Paint.', 'Model')

    self.assertEqual(Config(rooms=0).colour, 'red')
    with self.assertRaisesRegex(errors.UsageError, '^--rooms=-1: .* least 0$'):
      Config(rooms=-1)
    with self.assertRaisesRegex(errors.UsageError, '^--colour=x: .*red, blue$'):
      Config(colour='x')

  def test_presets_and_overrides(self):
    self.assertEqual(_Config.make(), _Config())
    self.assertEqual(_Config.make('usual'), _Config())
    self.assertEqual(_Config.make('small').size, 3)
    self.assertEqual(_Config.make('small', size=7).size, 7)
    self.assertEqual(_Config.make('small', size=None).size, 3)

  def test_values_are_checked_unless_none(self):
    with self.assertRaisesRegex(
      errors.UsageError, '^--size=0: must be at least 1$'
    ):
      _Config(size=0)
    with self.assertRaisesRegex(errors.UsageError, '^--most=-1: must be'):
      _Config.make('small', most=-1)

  def test_make_identifies_a_file_and_the_constructor_does_not(self):
    folder = self.enterContext(tempfile.TemporaryDirectory())
    path = os.path.join(folder, 'dsprites.npz')
    self.assertEqual(_Config(dataset=path).dataset, path)
    with self.assertRaisesRegex(errors.UsageError, f'--dataset={path} .*No su'):
      _Config.make(dataset=path)
    # With a mistake in another setting, the file is not read.
    with self.assertRaisesRegex(errors.UsageError, '--size=0'):
      _Config.make(dataset=path, size=0)

    files.write_text(path, 'images')
    config = _Config.make(dataset=path)
    self.assertEqual(config.dataset, published_file.identify(path))
    self.assertRegex(config.dataset, f'^{path}@sha256:[0-9a-f]{{64}}$')
    self.assertEqual(_Config.make(dataset='rendered').dataset, 'rendered')


if __name__ == '__main__':
  absltest.main()

"""Tests of flags made from settings, with example settings."""

import contextlib
import dataclasses
import io
import re

from absl import flags
from absl.testing import absltest
from absl.testing import parameterized

from dnc import tasks
from dnc.config import checks
from dnc.config import flags as flags_lib
from dnc.config import settings
from dnc.system import errors
import evaluate
from tests.support import commands
import train


@dataclasses.dataclass(frozen=True)
class _Options:
  task: str = settings.setting(
    'a', 'Which task.', 'Run', allowed=checks.one_of('a', 'b')
  )
  folder: str | None = settings.setting(
    None, 'Where to.', 'Run', unset='the newest'
  )


@dataclasses.dataclass(frozen=True)
class _ConfigA(settings.Settings):
  TASK = 'a'
  PRESETS = {'usual': {}, 'small': dict(size=3)}

  size: int = settings.setting(
    10, 'Size of a room.', 'Model', allowed=checks.at_least(1)
  )
  rate: float = settings.setting(0.5, 'How fast.', 'Training')
  frozen: bool = settings.setting(False, 'Whether it stays.', 'Model')
  names: tuple[str, ...] | None = settings.setting(
    None, 'Which ones.', 'Model', unset='all'
  )
  without_a_flag: int = 0
  steps: tuple[int, ...] = settings.setting((0, 5), 'At which.', 'Training')
  pairs: tuple[tuple[str, int], ...] = settings.setting((), 'Kept.', 'Model')


@dataclasses.dataclass(frozen=True)
class _ConfigB(settings.Settings):
  TASK = 'b'

  size: int = settings.setting(
    2, 'Size of a house.', 'Model', allowed=checks.at_least(1)
  )
  rate: float = settings.setting(0.5, 'How fast.', 'Training')


def _parsed(*arguments):
  flag_values = flags.FlagValues()
  flags_lib.define(
    'Does it.', _Options, _ConfigA, _ConfigB, flag_values=flag_values
  )
  flag_values(['toy', *arguments])
  return flag_values


def _help(parse, *arguments):
  """Returns the printed help and the exit status."""
  output = io.StringIO()
  with contextlib.redirect_stdout(output):
    try:
      parse(*arguments)
    except SystemExit as end:
      return output.getvalue(), end.code
  raise AssertionError('it went on')


class FlagsTest(parameterized.TestCase):
  def test_nothing_is_given(self):
    for each in (_Options, _ConfigA, _ConfigB):
      self.assertEqual(flags_lib.read(each, _parsed()), {})

  def test_values_have_the_types_of_their_fields(self):
    flag_values = _parsed(
      '--task=b',
      '--size=3',
      '--rate=1e-3',
      '--nofrozen',
      '--names=x, y',
      '--steps=0,-1',
      '--pairs=shape:2,scale:5',
    )
    self.assertEqual(flags_lib.read(_Options, flag_values), dict(task='b'))
    self.assertEqual(
      flags_lib.read(_ConfigA, flag_values),
      dict(
        size=3,
        rate=1e-3,
        frozen=False,
        names=('x', 'y'),
        steps=(0, -1),
        pairs=(('shape', 2), ('scale', 5)),
      ),
    )
    self.assertEqual(
      flags_lib.read(_ConfigB, flag_values), dict(size=3, rate=1e-3)
    )

  def test_an_empty_list_is_given(self):
    flag_values = _parsed('--names=', '--steps=')
    self.assertEqual(
      flags_lib.read(_ConfigA, flag_values), dict(names=(), steps=())
    )

  @parameterized.parameters(
    ('--task=c', r'--task=c: value should be one of <a\|b>'),
    ('--size=1.5', '--size=1.5: must be a whole number'),
    ('--rate=fast', '--rate=fast: must be a number'),
    ('--steps=0,x', '--steps=0,x: must be whole numbers, as in 0,5'),
    ('--pairs=shape', '--pairs=shape: must be latents and classes, as in'),
    ('--without_a_flag=1', 'without_a_flag'),
    ('--sise=1', 'Did you mean: size'),
  )
  def test_wrong_values(self, argument, pattern):
    with self.assertRaisesRegex(flags.Error, pattern):
      _parsed(argument)

  def test_refused(self):
    flag_values = _parsed('--steps=0,7')
    flags_lib.refuse(['size', 'names'], 'not now', flag_values)
    with self.assertRaisesRegex(errors.UsageError, '^--steps=0,7: not now$'):
      flags_lib.refuse(['size', 'steps'], 'not now', flag_values)

  @parameterized.parameters('--help', '--helpshort', '-?')
  def test_help(self, argument):
    text, status = _help(_parsed, argument)
    self.assertEqual(status, 1)  # As for absl's own help.
    self.assertEqual(
      text,
      """\
Does it.

Run:
  --task: Which task.
    (one of a, b; default a)
  --folder: Where to.
    (default the newest)

Model:
  --size: a: Size of a room. b: Size of a house.
    (at least 1; default a: 10, or 3 with --preset=small, b: 2)
  --[no]frozen: Whether it stays.
    (default false; only for --task=a)
  --names: Which ones.
    (default all; only for --task=a)
  --pairs: Kept.
    (default none; only for --task=a)

Training:
  --rate: How fast.
    (default 0.5)
  --steps: At which.
    (default 0,5; only for --task=a)

Try --helpfull to get a list of all flags.
""",
    )


class CommandsHelpTest(parameterized.TestCase):
  @parameterized.parameters((train,), (evaluate,))
  def test_all_flags_are_listed_in_80_columns(self, command):
    def parse(*arguments):
      return commands.parsed(command, *arguments)

    text, _ = _help(parse, '--help')
    self.assertStartsWith(text, command.__doc__)
    self.assertLessEqual(max(map(len, text.splitlines())), 80)
    own = set(parse()) - {'help', 'helpshort', '?'}
    self.assertGreater(len(own), 20)
    listed = {}
    for entry in re.split(r'^  --(?:\[no\])?', text, flags=re.MULTILINE)[1:]:
      name, _, told = entry.partition(': ')
      listed[name] = told
      self.assertRegex(told, r'\n    \(([^)]*; )?default', msg=name)
    self.assertEqual(set(listed), own)

  def test_defaults_of_both_tasks(self):
    text, _ = _help(lambda x: commands.parsed(train, x), '--help')
    self.assertIn('default dsprites: 500, repeat_copy: 1)', text)
    self.assertIn(
      'or 1600 with --preset=quick|quick_show_every|quick_recall; only',
      ' '.join(text.split()),
    )

  def test_options_of_one_task(self):
    text, _ = _help(lambda x: commands.parsed(train, x), '--help')
    self.assertRegex(text, r'default post; only for\s+--task=dsprites\)')
    self.assertIn('(default one in runs/, named after the settings)', text)

  def test_fields_that_share_a_flag_agree_on_what_is_allowed(self):
    allowed = {}
    for name in tasks.NAMES:
      for key, about in settings.of(tasks.get(name).config_class).items():
        text = about.allowed.text if about.allowed else ''
        self.assertEqual(allowed.setdefault(key, text), text, msg=key)


if __name__ == '__main__':
  absltest.main()

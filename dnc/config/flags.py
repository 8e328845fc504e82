"""Flags made from settings: defines, reads and refuses them; writes `--help`.

Every field that `settings.setting` made has a flag of the same name. A flag is
None unless given, so that the default of the preset or of the task applies.
"""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
import sys
import textwrap
import typing
from typing import Any
from typing import NamedTuple

from absl import app
from absl import flags

from dnc.config import checks
from dnc.config import settings
from dnc.config import values
from dnc.dsprites import variation
from dnc.system import errors
from dnc.system import paths

# Flags belong to the command that calls `define`.
flags.disclaim_key_flags()

# Columns of `--help`.
_WIDTH = 80


def define(
  description: str,
  *classes: type,
  only: Mapping[str, Sequence[str]] | None = None,
  flag_values: flags.FlagValues = flags.FLAGS,
) -> None:
  """Defines the flags of a command, and a `--help` that lists them.

  Args:
    description: what the command does; printed above the list.
    *classes: the dataclasses of its settings. Fields of the same name in the
      configs of several tasks share a flag.
    only: maps the name of a flag that is in no task's config to the tasks that
      take it. All tasks take the flags that it leaves out.
    flag_values: where to define them.
  """
  uses = _uses(classes)
  for name, (use, *_) in uses.items():
    _define(name, use, flag_values)
  if flag_values is flags.FLAGS:
    app.define_help_flags()  # absl's help flags; two are replaced below.
  for name, short_name in (('help', '?'), ('helpshort', None)):
    flag = _HelpFlag(
      name, short_name, lambda: _help_text(description, uses, only or {})
    )
    flags.DEFINE_flag(flag, flag_values)


def read(
  settings_class: type, flag_values: flags.FlagValues = flags.FLAGS
) -> dict[str, Any]:
  """Returns the values of a dataclass's flags that were given, by name."""
  names = settings.of(settings_class)
  given = {name: flag_values[name].value for name in names}
  return {name: value for name, value in given.items() if value is not None}


def refuse(
  names: Iterable[str],
  reason: str,
  flag_values: flags.FlagValues = flags.FLAGS,
) -> None:
  """Raises a `UsageError` that ends in `reason` if one of the flags is set."""
  for name in names:
    if flag_values[name].present:
      value = checks.shown(flag_values[name].value)
      raise errors.UsageError(f'--{name}={value}: {reason}')


class _Use(NamedTuple):
  """A field that a flag sets.

  Attributes:
    task: the task whose config has the field; '' if it is not a task's config.
    type: the field's type, without None.
    default: the default with each preset; the key '' means no preset.
    about: its setting.
  """

  task: str
  type: Any
  default: dict[str, Any]
  about: settings.Setting


def _uses(classes: Iterable[type]) -> dict[str, list[_Use]]:
  """Lists the fields that each flag sets: one, or one in each task's config."""
  uses = {}
  for settings_class in classes:
    hints = typing.get_type_hints(settings_class)
    task = getattr(settings_class, 'TASK', '')
    presets = getattr(settings_class, 'PRESETS', {})
    for name, about in settings.of(settings_class).items():
      default = {'': getattr(settings_class, name)}
      default |= {k: v[name] for k, v in presets.items() if name in v}
      use = _Use(task, values.without_none(hints[name]), default, about)
      uses.setdefault(name, []).append(use)
  return uses


class _ValueParser(flags.ArgumentParser):
  """Converts the text of a flag, or says what it must be."""

  def __init__(self, convert: Callable[[str], Any], allowed: str):
    super().__init__()
    self._convert = convert
    self._allowed = allowed

  def parse(self, argument: str) -> Any:
    """Converts a value; absl puts flag and value before the error's message."""
    try:
      return self._convert(argument)
    except ValueError as error:
      raise ValueError(f'must be {self._allowed}') from error


def _names(text: str) -> tuple[str, ...]:
  return tuple(name.strip() for name in text.split(',')) if text else ()


# Parsers by a field's type.
_PARSERS = {
  int: _ValueParser(int, 'a whole number'),
  float: _ValueParser(float, 'a number'),
  str: flags.ArgumentParser(),
  tuple[str, ...]: _ValueParser(_names, 'names'),
  tuple[int, ...]: _ValueParser(
    lambda text: tuple(int(number) for number in _names(text)),
    'whole numbers, as in 0,5',
  ),
  variation.Fixed: _ValueParser(
    lambda text: variation.parse_fixed(_names(text)),
    'latents and classes, as in shape:2,scale:5',
  ),
}


def _define(name: str, use: _Use, flag_values: flags.FlagValues) -> None:
  names = use.about.allowed.names if use.about.allowed else ()
  help_text = use.about.help
  if use.type is bool:
    flags.DEFINE_boolean(name, None, help_text, flag_values)
  elif names:
    flags.DEFINE_enum(name, None, names, help_text, flag_values)
  elif use.about.is_path and use.type is not str:
    parser = _ValueParser(paths.several, 'paths')
    flags.DEFINE(parser, name, None, help_text, flag_values)
  else:
    flags.DEFINE(_PARSERS[use.type], name, None, help_text, flag_values)


class _HelpFlag(flags.BooleanFlag):
  """Prints the help and exits, as absl's flag of this name does."""

  def __init__(
    self, name: str, short_name: str | None, text: Callable[[], str]
  ):
    super().__init__(
      name, False, 'show this help', short_name, allow_override=True
    )
    self._text = text

  def parse(self, argument: str | bool) -> None:
    """Parses the flag; prints the help if it is set."""
    super().parse(argument)
    if self.value:
      print(self._text())
      sys.exit(1)


def _help_text(
  description: str,
  uses: dict[str, list[_Use]],
  only: Mapping[str, Sequence[str]],
) -> str:
  """Writes the description, then all flags under their headings."""
  tasks = {use.task for each in uses.values() for use in each} - {''}
  groups = {}
  for name, each in uses.items():
    lines = groups.setdefault(each[0].about.group, [])
    takers = only.get(name) or [use.task for use in each if use.task]
    lines += _flag_lines(name, each, [] if tasks <= {*takers} else takers)
  parts = [(description or '').strip()]  # Python -OO drops docstrings.
  parts += ['\n'.join([f'{group}:', *lines]) for group, lines in groups.items()]
  parts.append('Try --helpfull to get a list of all flags.')
  return '\n\n'.join(parts)


def _flag_lines(name: str, uses: list[_Use], only: Sequence[str]) -> list[str]:
  """Writes a flag's help, then its allowed values, default and tasks."""
  first = uses[0]
  head = f'--[no]{name}' if first.type is bool else f'--{name}'
  details = [first.about.allowed.text] if first.about.allowed else []
  default = _by_task({use.task: _default_text(use) for use in uses}, ', ')
  details.append(f'default {default}')
  if only:
    details.append(f'only for --task={",".join(only)}')
  text = _by_task({use.task: use.about.help for use in uses}, ' ')
  return [
    *_wrapped(f'{head}: {text}', '  '),
    *_wrapped(f'({"; ".join(details)})', '    '),
  ]


def _by_task(texts: dict[str, str], joint: str) -> str:
  """Joins the texts of all tasks; returns one text if all are the same."""
  first, *others = set(texts.values())
  if not others:
    return first
  return joint.join(f'{task}: {text}' for task, text in texts.items())


def _default_text(use: _Use) -> str:
  """Formats the default as in the flag, and the defaults of presets."""
  default = use.default['']
  if default is None:
    text = use.about.unset
  elif isinstance(default, bool):
    text = str(default).lower()
  else:
    text = checks.shown(default) or 'none'
  presets = {}
  for name, value in use.default.items():
    if value != default:
      presets.setdefault(value, []).append(name)
  others = [f'{k} with --preset={"|".join(v)}' for k, v in presets.items()]
  return ', or '.join([text, *others])


def _wrapped(text: str, indent: str) -> list[str]:
  return textwrap.wrap(
    text,
    _WIDTH,
    initial_indent=indent,
    subsequent_indent='    ',
    break_on_hyphens=False,
    break_long_words=False,
  )

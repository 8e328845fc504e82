"""Settings: dataclass fields with a help text and allowed values.

The flags of train.py and evaluate.py, their `--help` and the checks of a config
are all made from the fields' `Setting`s.
"""

from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import functools
import typing
from typing import Any
from typing import ClassVar
from typing import Self

from dnc.config import checks
from dnc.config import values
from dnc.dsprites import published_file
from dnc.system import errors
from dnc.system import paths
from dnc.system import wording

# The first heading of `--help`.
RUN = 'General'

_KEY = 'setting'


@dataclasses.dataclass(frozen=True)
class Setting:
  """Help text, allowed values and use of a field.

  Attributes:
    help: what the field is, in a sentence or two.
    group: the heading under which `--help` lists it.
    allowed: its allowed values; None if the config itself checks them.
    unset: what a default of None means.
    tests: the tests that use it; () for all.
    is_reporting: whether it affects only what a run reports and saves, not its
      numbers.
    is_later: whether older runs lack it; if so, a run's name omits its default.
    is_path: whether it is a path, or paths, on this machine.
  """

  help: str
  group: str
  allowed: checks.Allowed | None = None
  unset: str = ''
  tests: tuple[str, ...] = ()
  is_reporting: bool = False
  is_later: bool = False
  is_path: bool = False


def setting(default: Any, help: str, group: str, **details: Any) -> Any:
  """Makes a dataclass field that has a flag, from the parts of a `Setting`."""
  metadata = {_KEY: Setting(help, group, **details)}
  return dataclasses.field(default=default, metadata=metadata)


def count(
  default: int | None, help: str, group: str, least: int = 1, **details: Any
) -> Any:
  """A `setting` that is a whole number of at least `least`."""
  allowed = checks.at_least(least)
  return setting(default, help, group, allowed=allowed, **details)


def choice(
  default: str, names: Sequence[str], help: str, group: str, **details: Any
) -> Any:
  """A `setting` that is one of a few names."""
  allowed = checks.one_of(*names)
  return setting(default, help, group, allowed=allowed, **details)


def folder(help: str, group: str, **details: Any) -> Any:
  """A `setting` that is a folder, or folders; None by default."""
  return setting(None, help, group, is_path=True, **details)


def data_dir() -> Any:
  """The `setting` of both commands for the folder of the table of sprites."""
  return folder(
    'Where the table of all sprites (377 MB) is kept.',
    RUN,
    unset="TFDS's folder",
  )


def of(config_class: type) -> dict[str, Setting]:
  """The settings of a dataclass by name, in the order of its fields."""
  return {
    field.name: field.metadata[_KEY]
    for field in dataclasses.fields(config_class)
    if _KEY in field.metadata
  }


# Type hints are slow to evaluate.
_hints = functools.cache(typing.get_type_hints)


class Settings:
  """Base of the frozen dataclasses whose fields are settings.

  Values are converted to the plain types of their fields.

  Attributes:
    PRESETS: fields that differ from the defaults, by the preset's name.
  """

  PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

  @classmethod
  def make(cls, preset: str | None = None, **overrides: Any) -> Self:
    """Makes the config of a preset.

    If `dataset` names a published file, the checksum of its content is added to
    the name. So a run stays the same if the file moves, and becomes another run
    if the file changes.

    Args:
      preset: a key of `PRESETS`; None for the defaults.
      **overrides: fields of the config; None leaves the preset's value.

    Raises:
      UsageError: if a preset, field or value is not allowed, or the file cannot
        be read.
    """
    presets = [None, *cls.PRESETS]
    try:
      preset = values.convert(preset, str | None)
      if preset not in presets:
        raise ValueError
    except ValueError as e:
      raise errors.UsageError(
        f'--preset={wording.one_line(preset, 80)}: must be one of '
        f'{", ".join(map(str, presets))}'
      ) from e
    known = [field.name for field in dataclasses.fields(cls)]
    for name in overrides:
      if name not in known:
        raise errors.UsageError(
          f'--{name}: no such setting; must be one of {", ".join(known)}'
        )
    given = {k: v for k, v in overrides.items() if v is not None}
    defaults = {} if preset is None else cls._preset(preset, given)
    config = cls(**{**defaults, **given})
    if given.get('dataset') is None:
      return config
    # The file may be large, so it is read only after all other checks.
    dataset = published_file.identify(config.dataset)
    return dataclasses.replace(config, dataset=dataset)

  @classmethod
  def _preset(cls, preset: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """The fields of a preset, beside those that are given."""
    del given
    return cls.PRESETS[preset]

  def __post_init__(self):
    hints = _hints(type(self))
    for field in dataclasses.fields(self):
      about = field.metadata.get(_KEY)
      value = getattr(self, field.name)
      try:
        value = values.convert(value, hints[field.name])
      except ValueError as e:
        raise errors.UsageError(
          f'--{field.name}={wording.one_line(value, 80)}: must be {e}'
        ) from e
      if about is not None and about.is_path and value is not None:
        value = _local(field.name, value)
      # The dataclass is frozen.
      object.__setattr__(self, field.name, value)
      if about is not None and about.allowed is not None and value is not None:
        holds = about.allowed.holds(value)
        checks.require(self, field.name, holds, about.allowed.text)


def _local(name: str, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
  """Applies `paths.local` to a path, or to each of several."""
  if isinstance(value, str):
    return paths.local(value, f'--{name}')
  return tuple(paths.local(path, f'--{name}') for path in value)

"""The numbers of evaluated models in files of their own, about 100 kB each.

The repository has these files, so that nobody must train all models to see a
number or to add a model. A file counts if its settings are those asked for.
"""

from collections.abc import Mapping
import os
from typing import Any

from analysis.results import kinds as kinds_lib
from analysis.results import reading
from dnc.system import files

# Between the parts of a key.
_SEPARATOR = '/'
_DIGITS = 6


def path(folder: str, kind: kinds_lib.Kind, seed: int) -> str:
  """The file of a model; kinds that share a run share the file."""
  return os.path.join(folder, f'{kind.training(seed).name()}.json')


def write(
  folder: str,
  kind: kinds_lib.Kind,
  seed: int,
  found: reading.EvaluatedNumbers,
) -> None:
  """Writes the numbers of a model, floats with six significant digits."""
  data = dict(
    settings=reading.settings(kind.training(seed)),
    versions=found.versions,
    untrained=_rounded(found.untrained),
    numbers={
      _SEPARATOR.join(map(str, key)): _rounded(value)
      for key, value in found.numbers.items()
    },
  )
  with files.explained_errors(folder):
    os.makedirs(folder, exist_ok=True)
    files.write_json(path(folder, kind, seed), data)


def read(
  folder: str, kind: kinds_lib.Kind, seed: int
) -> reading.EvaluatedNumbers | None:
  """Reads the numbers of a model.

  Returns:
    The numbers; None if there is no file, or if it has other settings.

  Raises:
    UsageError: if the file is damaged.
  """
  name = path(folder, kind, seed)
  try:
    with files.explained_damage(name, 'restore or delete it'):
      data = files.read_json(name)
      if not reading.agrees(
        data['settings'], reading.settings(kind.training(seed))
      ):
        return None
      numbers = {
        tuple(map(_part, key.split(_SEPARATOR))): _number(value)
        for key, value in data['numbers'].items()
      }
      for part in (data['untrained']['compared'], data['versions']):
        part.items()  # They are mappings.
      return reading.EvaluatedNumbers(
        numbers, data['untrained'], data['versions']
      )
  except FileNotFoundError:
    return None


def _number(value: Any) -> float | None:
  if value is not None and not isinstance(value, int | float):
    raise TypeError(f'{value!r} is no number')
  return value


def _part(text: str) -> str | int:
  """A part of a key; offsets and lags become whole numbers."""
  return int(text) if text.removeprefix('-').isdigit() else text


def _rounded(value: Any) -> Any:
  if isinstance(value, float):
    return float(f'{value:.{_DIGITS}g}')
  if isinstance(value, Mapping):
    return {key: _rounded(each) for key, each in value.items()}
  if isinstance(value, (list, tuple)):
    return [_rounded(each) for each in value]
  return value

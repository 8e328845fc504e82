"""The numbers of evaluated models in files of their own, about 100 kB each.

The repository has these files, so that nobody must train all models to see a
number or to add a model. A file counts if its settings are those asked for. Of
models of the post's size it also has the report, the tables and the curve of
the training.
"""

from collections.abc import Mapping
import os
import shutil
from typing import Any

from analysis.results import kinds as kinds_lib
from analysis.results import reading
from dnc.config import runs
from dnc.system import files

# Between the parts of a key.
_SEPARATOR = '/'
# What is kept of a run of the post's size, besides its numbers.
REPORT_PAGE, CURVE = 'report.html', 'learning.svg'
_REPORT = (
  REPORT_PAGE,
  'prediction.json',
  'probe.json',
  'mutual_information.json',
  'lesion.json',
  'intervention.json',
)
_OF_TRAINING = (runs.METRICS_FILE, runs.CONFIG_FILE)
_DIGITS = 6


def path(folder: str, kind: kinds_lib.Kind, seed: int) -> str:
  """The file of a model; kinds that share a run share the file."""
  return os.path.join(folder, kind.group, f'{kind.training(seed).name()}.json')


def write(
  folder: str,
  kind: kinds_lib.Kind,
  seed: int,
  found: reading.EvaluatedNumbers,
) -> None:
  """Writes the numbers of a model, floats with six significant digits."""
  data = dict(
    settings=reading.settings(kind.training(seed), kind.evaluation()),
    versions=found.versions,
    post_table=found.post_table,
    untrained=_rounded(found.untrained),
    numbers={
      _SEPARATOR.join(map(str, key)): _rounded(value)
      for key, value in found.numbers.items()
    },
  )
  with files.explained_errors(folder):
    os.makedirs(os.path.dirname(path(folder, kind, seed)), exist_ok=True)
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
        data['settings'],
        reading.settings(kind.training(seed), kind.evaluation()),
      ):
        return None
      numbers = {
        tuple(map(_part, key.split(_SEPARATOR))): _number(value)
        for key, value in data['numbers'].items()
      }
      for part in (data['untrained']['compared'], data['versions']):
        part.items()  # They are mappings.
      return reading.EvaluatedNumbers(
        seed,
        numbers,
        data['untrained'],
        data['versions'],
        _text(data.get('post_table')),  # Older files lack it.
      )
  except FileNotFoundError:
    return None


def report_folder(folder: str, kind: kinds_lib.Kind, seed: int) -> str:
  """The folder that keeps the report of a model of the post's size."""
  return path(folder, kind, seed).removesuffix('.json')


def keep_report(folder: str, kind: kinds_lib.Kind, seed: int) -> None:
  """Copies the report of an evaluated run, and draws its learning curve.

  Raises:
    UsageError: if a file cannot be read or written.
  """
  # Not before, because this loads TensorFlow.
  from analysis.report import curves

  model_dir = kind.model_dir(seed)
  to = report_folder(folder, kind, seed)
  evaluation = os.path.join(model_dir, runs.EVALUATION_DIR)
  sources = [
    *(os.path.join(evaluation, name) for name in _REPORT),
    *(os.path.join(model_dir, name) for name in _OF_TRAINING),
  ]
  with files.explained_errors(to):
    os.makedirs(to, exist_ok=True)
    for source in sources:
      if not os.path.exists(source):  # An older evaluation has fewer tests.
        continue
      kept = os.path.join(to, os.path.basename(source))
      with open(source, 'rb') as file, files.atomic_file(kept) as copy:
        shutil.copyfileobj(file, copy)
    with files.atomic_file(os.path.join(to, CURVE)) as file:
      file.write(curves.draw(curves.read([model_dir])))


def _text(value: Any) -> str | None:
  if value is not None and not isinstance(value, str):
    raise TypeError(f'{value!r} is no text')
  return value


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

"""The numbers of an evaluated run, from the JSON that evaluate.py wrote.

Nothing is computed anew, and TensorFlow is not needed.
"""

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import itertools
import json
import os
from typing import Any

from analysis.common import tables
from dnc import config as config_lib
from dnc.config import runs
from dnc.system import files

# What a number is about; the first word is one of the constants below.
Key = tuple[str | int, ...]

# (PREDICTION, score)
PREDICTION = 'prediction'
# (HELD, representation, offset, label): gain of the better probe.
HELD = 'held'
# (ADDED, representation, given, offset, label)
ADDED = 'added'
# (PART, part, ...): a key of `HELD` or `ADDED`, on the steps of a part alone.
PART = 'part'
# (NATS, representation, lag): the most that a single number has.
NATS = 'nats'
# (LOST, lesion, part): share of the gain, `jolt` or `lasting`.
LOST = 'lost'
# (SLOPE, representation, latent, direction): for the sprite to be predicted.
SLOPE = 'slope'
_INTERVENTION = 'intervention'


@dataclasses.dataclass(frozen=True)
class EvaluatedNumbers:
  """The numbers of one evaluated run.

  Attributes:
    seed: of the training.
    numbers: by key; None where nothing could be measured.
    untrained: the JSON of `learned.AgainstUntrained`.
    versions: of the packages that evaluated it.
    post_table: in Markdown, its errors beside the post's; None if the post has
      no such numbers.
  """

  seed: int
  numbers: Mapping[Key, float | None]
  untrained: Mapping[str, Any]
  versions: Mapping[str, str]
  post_table: str | None = None


def settings(
  training: config_lib.TrainingConfig,
  evaluation: config_lib.EvaluationConfig,
) -> dict[str, Any]:
  """The settings of a training and its evaluation, in the types of JSON."""
  found = dict(
    training=dataclasses.asdict(training),
    evaluation=dataclasses.asdict(evaluation.for_run(training)),
  )
  return json.loads(json.dumps(found))


def agrees(recorded: Any, wanted: Any) -> bool:
  """Whether recorded settings are those wanted.

  Settings that the record lacks are newer than the record; they are not
  compared. Neither is the list of tests: a test that was not run has no
  numbers.
  """
  if isinstance(recorded, dict) and isinstance(wanted, dict):
    return all(
      key == 'tests' or (key in wanted and agrees(value, wanted[key]))
      for key, value in recorded.items()
    )
  return recorded == wanted


def read(
  model_dir: str,
  training: config_lib.TrainingConfig,
  evaluation: config_lib.EvaluationConfig,
) -> EvaluatedNumbers | None:
  """Reads what the evaluation of a run found.

  Args:
    model_dir: the run's folder.
    training: its config.
    evaluation: the settings that its evaluation must have.

  Returns:
    The numbers. None if there is no finished evaluation of the run's last
    update, or only one with other settings or by an older version.
  """
  names = ['prediction', 'probe', 'mutual_information']
  if training.core == config_lib.DNC:
    names.append('lesion')
  folder = os.path.join(model_dir, runs.EVALUATION_DIR)
  advice = 'delete it, and the run is evaluated again'
  with files.explained_damage(folder, advice):
    return _read(model_dir, folder, names, training, evaluation)


def _read(
  model_dir: str,
  folder: str,
  names: Sequence[str],
  training: config_lib.TrainingConfig,
  evaluation: config_lib.EvaluationConfig,
) -> EvaluatedNumbers | None:
  """See `read`."""
  try:
    about = files.read_json(os.path.join(folder, 'report.json'))['about']
    found = {
      name: files.read_json(os.path.join(folder, f'{name}.json'))
      for name in names
    }
    # Evaluations by older versions lack this test.
    path = os.path.join(folder, f'{_INTERVENTION}.json')
    if os.path.exists(path):
      found[_INTERVENTION] = files.read_json(path)
    wanted = settings(training, evaluation)['evaluation']
    last = runs.read_metrics(model_dir)[-1]['update']
    for config in (about, *(data['config'] for data in found.values())):
      if config['num_updates'] != last:
        return None
      if not agrees(config['evaluation'], wanted):
        return None
    return EvaluatedNumbers(
      training.seed,
      dict(_numbers(found)),
      found['probe']['untrained'],
      about['versions'],
      _post_table(os.path.join(folder, 'report.md')),
    )
  except (FileNotFoundError, KeyError, IndexError):  # No file, or no rows.
    return None


def _post_table(path: str) -> str | None:
  """The post's table, beside ours, as the report has it."""
  with open(path, encoding='utf-8') as file:
    _, title, rest = file.read().partition(f'### {tables.POST_TITLE}\n')
  lines = rest.splitlines()
  is_row = [line.startswith('|') for line in lines]
  if not title or True not in is_row:
    return None
  first = is_row.index(True)
  rows = itertools.takewhile(lambda line: line.startswith('|'), lines[first:])
  return '\n'.join(rows)


def training_seconds(model_dir: str) -> float:
  """The seconds of a finished training, from the speeds that it reported."""
  seconds, before = 0.0, 0
  path = os.path.join(model_dir, runs.METRICS_FILE)
  with files.explained_damage(path, 'restore it, or train the run again'):
    for row in runs.read_metrics(model_dir):
      if row['kind'] == 'report':
        steps = row['num_steps'] - before
        seconds += steps / row['training']['steps_per_second']
        before = row['num_steps']
  return seconds


def _numbers(found: Mapping[str, Any]) -> Iterator[tuple[Key, float | None]]:
  for name, value in found['prediction']['means'].items():
    yield (PREDICTION, name), value
  of_probe = found['probe']
  yield from _held(of_probe['scores']['test'], of_probe['beyond'])
  # Only twins of the post's task have parts.
  for part, own in of_probe.get('parts', {}).items():
    for key, value in _held(own['scores'], own['beyond']):
      yield (PART, part, *key), value
  for name, result in found['mutual_information']['results'].items():
    most = result['summary']['max_excess_by_lag']
    for lag, nats in zip(result['lags'], most, strict=True):
      yield (NATS, name, lag), nats
  for name, course in found.get('lesion', {'courses': {}})['courses'].items():
    for part in ('jolt', 'lasting'):
      compared = course[part]
      yield (LOST, name, part), compared and compared['share']
  if _INTERVENTION in found:
    asked, *_ = found[_INTERVENTION]['offsets']
    effects = found[_INTERVENTION]['effects'][str(asked)]
    for name, by_latent in effects.items():
      for latent, by_direction in by_latent.items():
        for direction, effect in by_direction.items():
          yield (SLOPE, name, latent, direction), effect['slope']


def _held(
  scores: Mapping[str, Any], beyond: Mapping[str, Any]
) -> Iterator[tuple[Key, float | None]]:
  for name, by_offset in scores.items():
    for offset, by_label in by_offset.items():
      for label, score in by_label.items():
        yield (HELD, name, int(offset), label), _gain(score)
  for name, by_given in beyond.items():
    for given, by_offset in by_given.items():
      for offset, by_label in by_offset.items():
        for label, added in by_label.items():
          yield (ADDED, name, given, int(offset), label), added['difference']


def _gain(score: Mapping[str, Any]) -> float | None:
  """The gain of the better probe, as in `LabelScore.best`."""
  gains = [
    each[measure]
    for each in (score, score['exact'] or {})
    for measure in ('r2', 'accuracy_above_chance')
    if each.get(measure) is not None
  ]
  return max(gains, default=None)

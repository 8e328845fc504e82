"""Measures the data pipeline: drawing rollouts, batching and unpacking them.

  python -m tests.benchmarks.data_benchmark
  python -m tests.benchmarks.data_benchmark --parts=speed,padding

Prints a table for each of four parts:

*   padding: the share of padding among the steps of one of the post's epochs,
    batched as for training and in order of index;
*   memory: resident memory while the batches of such an epoch are read.
    Anonymous memory is the process's own. The rest is files, mostly the table
    of sprites (377 MB), which is read page by page;
*   speed: steps (batch x time) per second of reading batches, either packed, as
    `rollouts.dataset` yields them, or unpacked to the floats that the model
    takes. The share of cores is the processor time of reading 6,000 steps per
    second, relative to all cores;
*   training: steps per second of training Model B, which trains fastest and so
    needs the most data. The trainer gets one batch again and again or the
    batches of the pipeline, either packed, to be unpacked in its graph, or as
    floats.

The candidates take turns in one process, so that changes of the machine's speed
affect all of them. Figures are medians over the turns, with the lowest and the
highest; ratios are medians of each turn's ratio. A turn includes the start of a
new pipeline.
"""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import contextlib
import json
import os
import time
from typing import Any
from unittest import mock

from absl import app
from absl import flags
import numpy as np
import tensorflow as tf

from dnc import config as config_lib
from dnc.dsprites import table as table_lib
from dnc.next_sprite import rollouts
from dnc.next_sprite import trainer as trainer_lib

# Memory comes early, because the parts after it use memory.
_PARTS = ('padding', 'memory', 'speed', 'training')
_CHOSEN = flags.DEFINE_list(
  'parts', list(_PARTS), f'Some of {", ".join(_PARTS)}.'
)
_DATA_DIR = flags.DEFINE_string('data_dir', None, "TFDS's folder.")
_LENGTH = flags.DEFINE_integer('length', 500, 'Steps of a rollout.')
_BATCH_SIZE = flags.DEFINE_integer('batch_size', 16, 'Rollouts in a batch.')
_RUNS = flags.DEFINE_integer(
  'runs', 5, 'Turns of each candidate.', lower_bound=1
)
_BATCHES = flags.DEFINE_integer('batches', 40, 'Batches in a turn of speed.')
_TRAINING_BATCHES = flags.DEFINE_integer(
  'training_batches', 4, 'Batches in a turn of training.'
)
_EPOCH = flags.DEFINE_integer('epoch', 10_000, 'Rollouts in an epoch.')
_JSON = flags.DEFINE_string('json', None, 'File for the figures.')

# Steps per second that training needs.
_TRAINING_SPEED = 6_000
_NUM_READINGS = 10
# Forms of the images in a batch.
_FORMS = ('packed', 'floats')

Turns = Mapping[str, Callable[[], None]]


def _floats(batch: rollouts.RolloutBatch) -> rollouts.RolloutBatch:
  """Unpacks the images of a batch to the floats that the model takes."""
  return batch._replace(
    image=rollouts.model_inputs(batch), target=rollouts.model_targets(batch)
  )


def _config() -> config_lib.TrainingConfig:
  return config_lib.TrainingConfig(
    min_length=_LENGTH.value,
    max_length=_LENGTH.value,
    batch_size=_BATCH_SIZE.value,
  )


def _pipeline(
  table: table_lib.SpriteTable, form: str, num_batches: int
) -> tf.data.Dataset:
  """Makes batches of rollouts of one length, packed or as floats."""
  spec = rollouts.training_spec(_config(), 'train')
  size = _BATCH_SIZE.value
  batches = rollouts.batch_indices(spec, num_batches * size, size)
  dataset = rollouts.dataset(table, spec, batches)
  return dataset if form == 'packed' else dataset.map(_floats).prefetch(1)


def _seconds(turns: Turns) -> dict[str, tuple[np.ndarray, np.ndarray]]:
  """Measures wall time and processor time of all candidates, turn by turn.

  Args:
    turns: functions by name; each is first called once without being timed.

  Returns:
    For each name, two arrays [runs]: wall and processor time in seconds.
  """
  for turn in turns.values():
    turn()
  found = {name: [] for name in turns}
  for _ in range(_RUNS.value):
    for name, turn in turns.items():
      wall, processor = time.perf_counter(), time.process_time()
      turn()
      found[name].append(
        (time.perf_counter() - wall, time.process_time() - processor)
      )
  return {name: tuple(np.transpose(s)) for name, s in found.items()}


def _speeds(steps: int, seconds: np.ndarray) -> dict[str, float]:
  """Computes `median`, `lowest` and `highest` steps per second of the turns."""
  speeds = steps / seconds
  return dict(
    median=float(np.median(speeds)),
    lowest=float(speeds.min()),
    highest=float(speeds.max()),
  )


def _print(title: str, header: Sequence[str], rows: Iterable[Sequence]) -> None:
  print(f'\n{title}\n\n| {" | ".join(header)} |\n|{"---|" * len(header)}')
  for row in rows:
    print(f'| {" | ".join(row)} |', flush=True)


def _spread(speeds: Mapping[str, float]) -> list[str]:
  return [f'{speeds[k]:,.0f}' for k in ('median', 'lowest', 'highest')]


def _measure_speed(table: table_lib.SpriteTable) -> dict[str, Any]:
  """Measures steps per second of reading batches."""

  def turn(form: str) -> None:
    for _ in _pipeline(table, form, _BATCHES.value):
      pass

  steps = _BATCHES.value * _BATCH_SIZE.value * _LENGTH.value
  found = {}
  turns = {form: (lambda form=form: turn(form)) for form in _FORMS}
  for form, (wall, processor) in _seconds(turns).items():
    cost = float(np.median(processor)) / steps
    found[form] = dict(
      steps_per_second=_speeds(steps, wall),
      processor_seconds_per_step=cost,
      share_of_machine=cost * _TRAINING_SPEED / os.cpu_count(),
    )
  _print(
    f'Ready batches of {_BATCH_SIZE.value}, T = {_LENGTH.value}',
    [
      'batches',
      'steps/s',
      'lowest',
      'highest',
      'processor, us a step',
      f'share of {os.cpu_count()} cores at {_TRAINING_SPEED:,} steps/s',
    ],
    (
      [
        form,
        *_spread(x['steps_per_second']),
        f'{1e6 * x["processor_seconds_per_step"]:.2f}',
        f'{x["share_of_machine"]:.1%}',
      ]
      for form, x in found.items()
    ),
  )
  return found


def _epoch_spec() -> rollouts.RolloutSpec:
  return rollouts.training_spec(config_lib.TrainingConfig(), 'train')


def _measure_padding() -> dict[str, float]:
  """Computes the shares of steps that are padding."""
  spec, size = _epoch_spec(), _BATCH_SIZE.value
  batches = rollouts.batch_indices(spec, _EPOCH.value, size)
  lengths = np.array(
    [0 if i < 0 else rollouts.length(spec, int(i)) for i in batches.flat]
  )

  def share(order: np.ndarray) -> float:
    of_batches = lengths[order].reshape(batches.shape)
    return float(1 - of_batches.mean() / of_batches.max(axis=1).mean())

  found = dict(
    as_batched=share(np.arange(batches.size)),
    # As unsigned numbers, unfilled places (-1) sort last.
    in_order_of_index=share(np.argsort(batches.ravel().view(np.uint64))),
  )
  _print(
    f'Padding in an epoch of {_EPOCH.value:,} rollouts of {spec.min_length} to '
    f'{spec.max_length} steps, batches of {size}',
    ['batches', 'share of steps'],
    ([name.replace('_', ' '), f'{x:.2%}'] for name, x in found.items()),
  )
  return found


def _resident() -> dict[str, float]:
  """Reads this process's resident memory in MB, by kind (Linux)."""
  with open('/proc/self/status', encoding='ascii') as file:
    lines = dict(line.split(':', 1) for line in file)
  kinds = dict(anonymous='RssAnon', files='RssFile')
  return {k: int(lines[v].split()[0]) / 1024 for k, v in kinds.items()}


def _measure_memory(table: table_lib.SpriteTable) -> list[dict[str, float]]:
  """Reads the resident memory ten times during an epoch."""
  spec = _epoch_spec()
  batches = rollouts.batch_indices(spec, _EPOCH.value, _BATCH_SIZE.value)
  due = {len(batches) * i // _NUM_READINGS for i in range(1, 1 + _NUM_READINGS)}
  found = [dict(rollouts=0, **_resident())]
  start = time.perf_counter()
  for number, _ in enumerate(rollouts.dataset(table, spec, batches), 1):
    if number in due:
      done = min(number * _BATCH_SIZE.value, _EPOCH.value)
      found.append(dict(rollouts=done, **_resident()))
  seconds = time.perf_counter() - start
  _print(
    f'Resident memory in MB; the epoch took {seconds:.0f} s',
    ['rollouts', 'anonymous', 'files'],
    (
      [f'{x["rollouts"]:,}', f'{x["anonymous"]:,.0f}', f'{x["files"]:,.0f}']
      for x in found
    ),
  )
  return found


@contextlib.contextmanager
def _taking_floats() -> Iterator[None]:
  """Makes trainers constructed in the block take batches of `_floats`."""
  packed = rollouts.batch_spec

  def batch_spec(batch_size: int | None = None) -> rollouts.RolloutBatch:
    shape = [None, batch_size]
    return packed(batch_size)._replace(
      image=tf.TensorSpec([*shape, rollouts.INPUT_SIZE], tf.float32),
      target=tf.TensorSpec([*shape, rollouts.NUM_PIXELS], tf.float32),
    )

  with mock.patch.multiple(
    rollouts,
    batch_spec=batch_spec,
    model_inputs=lambda batch: batch.image,
    model_targets=lambda batch: batch.target,
  ):
    yield


def _train(
  trainer: trainer_lib.SpriteTrainer, batches: Iterable[rollouts.RolloutBatch]
) -> None:
  for batch in batches:
    while not trainer.update(batch)['finished']:
      pass


def _measure_training(table: table_lib.SpriteTable) -> dict[str, Any]:
  """Measures steps per second of training with and without the pipeline."""
  number = _TRAINING_BATCHES.value
  turns = {}
  for form in _FORMS:
    (batch,) = _pipeline(table, form, 1)
    with _taking_floats() if form == 'floats' else contextlib.nullcontext():
      trainer = trainer_lib.SpriteTrainer(_config(), table)
      # Traces the graph.
      _train(trainer, [batch])
    turns[f'the same batch, {form}'] = lambda trainer=trainer, batch=batch: (
      _train(trainer, [batch] * number)
    )
    turns[f'pipeline, {form}'] = lambda trainer=trainer, form=form: _train(
      trainer, _pipeline(table, form, number)
    )
  seconds = _seconds(turns)
  steps = number * _BATCH_SIZE.value * _LENGTH.value
  # With ready floats, only the training takes time.
  reference = seconds['the same batch, floats'][0]
  found = {
    name: dict(
      steps_per_second=_speeds(steps, wall),
      ratio=float(np.median(reference / wall)),
      processor_seconds_per_step=float(np.median(processor)) / steps,
    )
    for name, (wall, processor) in seconds.items()
  }
  _print(
    f'Training Model B, batches of {_BATCH_SIZE.value}, T = {_LENGTH.value}, '
    f'{_config().segment_length} steps an update',
    [
      'fed with',
      'steps/s',
      'lowest',
      'highest',
      'of the same batch, floats',
      'processor, us a step',
    ],
    (
      [
        name,
        *_spread(x['steps_per_second']),
        f'{x["ratio"]:.3f}',
        f'{1e6 * x["processor_seconds_per_step"]:.0f}',
      ]
      for name, x in found.items()
    ),
  )
  return found


def main(argv: Sequence[str]) -> None:
  """Measures and prints."""
  del argv
  unknown = set(_CHOSEN.value) - set(_PARTS)
  if unknown:
    raise app.UsageError(
      f'--parts={",".join(_CHOSEN.value)}: must be some of {", ".join(_PARTS)}'
    )
  table = table_lib.load_table(table_lib.RENDERED, _DATA_DIR.value)
  measures = dict(
    padding=_measure_padding,
    memory=lambda: _measure_memory(table),
    speed=lambda: _measure_speed(table),
    training=lambda: _measure_training(table),
  )
  found = {part: measures[part]() for part in _PARTS if part in _CHOSEN.value}
  if _JSON.value:
    with open(_JSON.value, 'w', encoding='utf-8') as file:
      json.dump(found, file, indent=2)


if __name__ == '__main__':
  app.run(main)

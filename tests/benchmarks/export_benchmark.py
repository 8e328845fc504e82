"""Compares the speed of exporting traces with that of the model alone.

  python -m tests.benchmarks.export_benchmark
  python -m tests.benchmarks.export_benchmark --models=b --runs=3

Runs the same rollouts in three ways. They take turns in one process, so that
changes of the machine's speed affect all of them. Figures and ratios are
medians over the turns, with the lowest and the highest.

*   forward: the model predicts and its loss is computed; nothing else is kept.
*   segments: the compiled segments of an export run; their records are
    discarded.
*   export: traces are written to a new folder, as by `recording.ModelTraces`.
    Building the graph, which takes seconds once, is not counted.

All ways take their rollouts from the input pipeline. The models are b; a, whose
memory is not written by default; and a_memory, Model A with its memory written.
The last can be no faster than the disk, so the benchmark also times writing and
syncing large files.

Another table shows the resident memory of this process during an export.
Anonymous memory is the process's own. The rest is files, mostly the table of
sprites (377 MB), which is loaded page by page.
"""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
import json
import os
import tempfile
import time
from typing import Any

from absl import app
from absl import flags
import numpy as np

from dnc import config as config_lib
from dnc.dsprites import table as table_lib
from dnc.next_sprite import model as model_lib
from dnc.next_sprite import recording
from dnc.next_sprite import rollouts
from dnc.system import progress
from dnc.traces import shards
from dnc.traces import writing

_MODELS = flags.DEFINE_list('models', ['b', 'a', 'a_memory'], 'Which models.')
_BYTES = flags.DEFINE_integer('megabytes', 256, 'MiB to write in a turn.')
_LENGTH = flags.DEFINE_integer('length', 500, 'Steps of a rollout.')
_RUNS = flags.DEFINE_integer('runs', 5, 'Number of turns.', lower_bound=1)
_MEMORY_ROLLOUTS = flags.DEFINE_integer(
  'memory_rollouts', 640, 'Rollouts of Model B for the memory table; or 0.'
)
_DATA_DIR = flags.DEFINE_string('data_dir', None, 'As in train.py.')
_FOLDER = flags.DEFINE_string(
  'folder', None, 'Where to write; /tmp by default.'
)
_JSON = flags.DEFINE_string('json', None, 'Where to write the figures.')

_SIZES = dict(b=(16, 16), a=(256, 64), a_memory=(256, 64))
_NUM_READINGS = 10


class _Case:
  """A model, its rollouts, and the ways to run them."""

  def __init__(
    self,
    model: str,
    table: table_lib.SpriteTable,
    num_rollouts: int | None = None,
  ):
    memory_size, word_size = _SIZES[model]
    config = config_lib.TrainingConfig(
      memory_size=memory_size, word_size=word_size
    )
    widths = recording.widths(config)
    wanted = ('memory',) if model == 'a_memory' else None
    names = recording.exported(
      config_lib.EvaluationConfig(representations=wanted), widths
    )
    self.widths = {name: widths[name] for name in names}
    bytes_per_rollout = 4 * _LENGTH.value * sum(self.widths.values())
    self.batch_size = recording._batch_size(bytes_per_rollout)
    if num_rollouts is None:
      of_batch = self.batch_size * bytes_per_rollout
      num_batches = max(2, (_BYTES.value << 20) // of_batch)
      num_rollouts = num_batches * self.batch_size
    self.num_steps = num_rollouts * _LENGTH.value
    spec = rollouts.RolloutSpec(0, 'evaluation', _LENGTH.value, _LENGTH.value)
    self.splits = dict(train=rollouts.RolloutRange(spec, 0, num_rollouts))
    self._table = table
    predictor = model_lib.SpritePredictor(config)
    self._evaluators = {
      way: recording.Recorder(predictor, record, self.batch_size)
      for way, record in dict(forward=('loss',), segments=names).items()
    }

  def run(self, way: str) -> None:
    """Runs the model, and writes nothing."""
    split = self.splits['train']
    indices = np.arange(split.num_rollouts).reshape([-1, self.batch_size])
    dataset = rollouts.dataset(self._table, split.spec, indices)
    for batch in dataset.as_numpy_iterator():
      for _ in self._evaluators[way].record(batch):
        pass

  def export(self, wrote: Callable[[], None] = lambda: None) -> int:
    """Writes traces; returns their size in bytes."""
    with tempfile.TemporaryDirectory(dir=_FOLDER.value) as folder:
      path = os.path.join(folder, 'traces')
      plan = {k: recording._planned(v) for k, v in self.splits.items()}
      export = writing.Export(path, self.widths, plan, self.batch_size, {})
      silent = progress.Console(log=lambda line: None)
      export.begin(silent)
      write = export.write
      export.write = lambda *arguments: (write(*arguments), wrote())
      recording._write_missing(
        export,
        export.missing,
        self._evaluators['segments'],
        self._table,
        self.splits,
        self.batch_size,
        silent,
      )
      export.finish()
      return sum(shard.num_bytes for shard in export.missing)


def _write_blocks(num_bytes: int) -> None:
  """Writes files as large as shards from one buffer, and syncs each."""
  block = os.urandom(1 << 20)
  with tempfile.TemporaryDirectory(dir=_FOLDER.value) as folder:
    for number in range(-(-num_bytes // shards._SHARD_BYTES)):
      with open(os.path.join(folder, str(number)), 'wb') as file:
        for _ in range(shards._SHARD_BYTES // len(block)):
          file.write(block)
        file.flush()
        os.fsync(file.fileno())


def _seconds(
  turns: Mapping[str, Callable[[], Any]],
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
  """Returns wall and processor time `[runs]` of each turn, after a warm-up."""
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


def _print(title: str, header: Sequence[str], rows: Iterable[Sequence]) -> None:
  print(f'\n{title}\n\n| {" | ".join(header)} |\n|{"---|" * len(header)}')
  for row in rows:
    print(f'| {" | ".join(row)} |', flush=True)


def _measure_speed(model: str, table: table_lib.SpriteTable) -> dict[str, Any]:
  """Measures steps per second of each way."""
  case = _Case(model, table)
  num_bytes = case.export()
  seconds = _seconds(
    dict(
      forward=lambda: case.run('forward'),
      segments=lambda: case.run('segments'),
      export=case.export,
      disk=lambda: _write_blocks(num_bytes),
    )
  )
  wall = {name: times[0] for name, times in seconds.items()}
  disk = wall.pop('disk')
  found = {
    way: dict(
      steps_per_second=sorted(case.num_steps / times),
      median=float(np.median(case.num_steps / times)),
      of_forward=float(np.median(wall['forward'] / times)),
      of_segments=float(np.median(wall['segments'] / times)),
      processor_us=1e6 * float(np.median(seconds[way][1])) / case.num_steps,
    )
    for way, times in wall.items()
  }
  gigabytes = num_bytes / 1e9
  found['gigabytes'] = gigabytes
  found['disk_gigabytes_per_second'] = sorted(gigabytes / disk)
  _print(
    f'Model {model}: {case.num_steps:,} steps in batches of {case.batch_size}, '
    f'{num_bytes / case.num_steps:,.0f} bytes a step, {gigabytes:.2f} GB; the '
    f'disk takes {gigabytes / np.median(disk):.2f} GB/s '
    f'({gigabytes / disk.max():.2f} to {gigabytes / disk.min():.2f})',
    [
      'way',
      'steps/s',
      'lowest',
      'highest',
      'of forward',
      'of segments',
      'processor, us a step',
    ],
    (
      [
        way,
        f'{x["median"]:,.0f}',
        f'{x["steps_per_second"][0]:,.0f}',
        f'{x["steps_per_second"][-1]:,.0f}',
        f'{x["of_forward"]:.3f}',
        f'{x["of_segments"]:.3f}',
        f'{x["processor_us"]:.1f}',
      ]
      for way, x in found.items()
      if way in wall
    ),
  )
  return found


def _resident() -> dict[str, float]:
  """Returns the resident memory of this process in MB, by kind (Linux)."""
  with open('/proc/self/status', encoding='ascii') as file:
    lines = dict(line.split(':', 1) for line in file)
  kinds = dict(anonymous='RssAnon', files='RssFile', peak='VmHWM')
  return {k: int(lines[v].split()[0]) / 1024 for k, v in kinds.items()}


def _measure_memory(table: table_lib.SpriteTable) -> list[dict[str, float]]:
  """Measures resident memory while traces of Model B are written."""
  case = _Case('b', table, _MEMORY_ROLLOUTS.value)
  found = [_resident()]
  case.export(lambda: found.append(_resident()))
  last = len(found) - 1
  rows = sorted({last * i // _NUM_READINGS for i in range(_NUM_READINGS + 1)})
  _print(
    f'Resident memory in MB while {_MEMORY_ROLLOUTS.value:,} rollouts are '
    'written',
    ['shards written', 'anonymous', 'files', 'peak of both'],
    (
      [str(i), *(f'{found[i][k]:,.0f}' for k in ('anonymous', 'files', 'peak'))]
      for i in rows
    ),
  )
  return found


def main(argv: Sequence[str]) -> None:
  """Measures and prints."""
  del argv
  unknown = set(_MODELS.value) - set(_SIZES)
  if unknown:
    raise app.UsageError(
      f'--models={",".join(_MODELS.value)}: must be some of {", ".join(_SIZES)}'
    )
  table = table_lib.load_table(table_lib.RENDERED, _DATA_DIR.value)
  found = {}
  # Comes first, before other parts use memory.
  if _MEMORY_ROLLOUTS.value:
    found['memory'] = _measure_memory(table)
  for model in _MODELS.value:
    found[model] = _measure_speed(model, table)
  if _JSON.value:
    with open(_JSON.value, 'w', encoding='utf-8') as file:
      json.dump(found, file, indent=2)


if __name__ == '__main__':
  app.run(main)

"""Measures peak memory of training and evaluation at 1, 4 and 16 times a size.

  python -m tests.benchmarks.memory_benchmark
  python -m tests.benchmarks.memory_benchmark --parts=probe --times=1,4

Peak memory must not grow with the number of rollouts. Each measurement is a
process of its own. Its peak is the highest anonymous resident memory, which
leaves out files such as the table of sprites. The benchmark fails if a part
takes over 5 % more at the largest size than at the smallest. Traces are written
to a temporary folder first, by a process that is not measured.

The parts are `probe`, Test 1 on random traces of 256 numbers;
`mutual_information`, Test 2 on such traces; `export`, which writes traces of an
untrained Model B; and `training`, which trains Model B.
"""

from collections.abc import Callable
from collections.abc import Sequence
import json
import os
import subprocess
import sys
import tempfile
import threading
import time

from absl import app
from absl import flags

_PARTS = flags.DEFINE_list(
  'parts',
  ['probe', 'mutual_information', 'export', 'training'],
  'What to measure.',
)
_TIMES = flags.DEFINE_list('times', ['1', '4', '16'], 'Multiples of the size.')
_ROLLOUTS = flags.DEFINE_integer('rollouts', 100, 'Rollouts at size 1.')
_LENGTH = flags.DEFINE_integer('length', 500, 'Steps of a rollout.')
_DATA_DIR = flags.DEFINE_string('data_dir', None, 'As in train.py.')
_RUN = flags.DEFINE_string('run', None, 'Internal: runs this part once.')
_FOLDER = flags.DEFINE_string('folder', None, 'Internal: its folder.')

_MOST_GROWTH = 0.05
_WIDTH = 256
_SECONDS_BETWEEN_READINGS = 0.05


class _Peak:
  """The highest anonymous memory of this process, from frequent readings."""

  def __init__(self):
    self._highest = 0
    self._is_done = threading.Event()
    self._thread = threading.Thread(target=self._watch, daemon=True)
    self._thread.start()

  def _watch(self) -> None:
    while not self._is_done.wait(_SECONDS_BETWEEN_READINGS):
      with open('/proc/self/status', encoding='ascii') as file:
        kilobytes = next(
          int(line.split()[1]) for line in file if line.startswith('RssAnon')
        )
      self._highest = max(self._highest, kilobytes)

  def megabytes(self) -> float:
    """Stops reading; returns the highest reading."""
    self._is_done.set()
    self._thread.join()
    return self._highest / 1024


def _write_traces(folder: str, num_rollouts: int) -> None:
  from dnc.traces import shards
  from tests.support import random_traces

  widths = {'memory': _WIDTH}
  number = max(2, num_rollouts // 10)
  indices = {
    'train': range(num_rollouts),
    'test': range(num_rollouts, num_rollouts + number),
  }

  def rollouts(split):
    for index in indices[split]:
      yield random_traces.rollout(index, _LENGTH.value, widths)

  random_traces.write(
    os.path.join(folder, 'traces'),
    {split: rollouts(split) for split in indices},
    widths,
    metadata={},
    plan={
      split: [shards.PlannedRollout(i, _LENGTH.value) for i in own]
      for split, own in indices.items()
    },
  )


def _probe(folder: str, num_rollouts: int) -> None:
  del num_rollouts
  from analysis import probe
  from dnc import traces

  opened = traces.open_traces(os.path.join(folder, 'traces'))
  probe.of_traces(opened, (0, 5)).result()


def _mutual_information(folder: str, num_rollouts: int) -> None:
  del num_rollouts
  from analysis import mutual_information
  from dnc import traces

  mutual_information.TraceScores(
    traces.open_traces(os.path.join(folder, 'traces')),
    'train',
    {'memory': (16, 16)},
  ).result()


def _export(folder: str, num_rollouts: int) -> None:
  from dnc import config as config_lib
  from dnc.dsprites import table as table_lib
  from dnc.next_sprite import model
  from dnc.next_sprite import recording
  from dnc.next_sprite import rollouts

  config = config_lib.TrainingConfig()
  table = table_lib.load_table(data_dir=_DATA_DIR.value)
  spec = rollouts.RolloutSpec(0, 'evaluation', _LENGTH.value, _LENGTH.value)
  recording.ModelTraces(
    os.path.join(folder, 'exported'),
    model.SpritePredictor(config),
    table,
    {'train': rollouts.RolloutRange(spec, 0, num_rollouts)},
    recording.widths(config),
    {},
  ).export(lambda line: None)


def _train(folder: str, num_rollouts: int) -> None:
  from dnc import config as config_lib
  from dnc import training

  config = config_lib.make_training(
    'quick',
    rollouts_per_epoch=num_rollouts,
    min_length=_LENGTH.value,
    max_length=_LENGTH.value,
  )
  training.train(
    config,
    os.path.join(folder, 'run'),
    _DATA_DIR.value,
    log=lambda line: None,
  )


_WORK: dict[str, Callable[[str, int], None]] = {
  'traces': _write_traces,
  'probe': _probe,
  'mutual_information': _mutual_information,
  'export': _export,
  'training': _train,
}


def _run(part: str, folder: str, num_rollouts: int) -> dict[str, float]:
  """Runs a part in a process; returns its peak in MB and its seconds."""
  command = [
    sys.executable,
    '-m',
    'tests.benchmarks.memory_benchmark',
    f'--run={part}',
    f'--folder={folder}',
    f'--rollouts={num_rollouts}',
    f'--length={_LENGTH.value}',
  ]
  if _DATA_DIR.value:
    command.append(f'--data_dir={_DATA_DIR.value}')
  output = subprocess.run(command, check=True, capture_output=True, text=True)
  return json.loads(output.stdout.splitlines()[-1])


def _measure(part: str, num_rollouts: int) -> dict[str, float]:
  with tempfile.TemporaryDirectory() as folder:
    if part in ('probe', 'mutual_information'):
      _run('traces', folder, num_rollouts)
    return _run(part, folder, num_rollouts)


def main(argv: Sequence[str]) -> None:
  """Runs the benchmark, or one part in this process."""
  del argv
  if _RUN.value:
    peak, start = _Peak(), time.monotonic()
    _WORK[_RUN.value](_FOLDER.value, _ROLLOUTS.value)
    found = dict(megabytes=peak.megabytes(), seconds=time.monotonic() - start)
    print(json.dumps(found))
    return
  times = [int(x) for x in _TIMES.value]
  print(f'Peak memory in MB; size 1 is {_ROLLOUTS.value} rollouts.\n')
  print('| part | ' + ' | '.join(f'x {x}' for x in times) + ' | growth |')
  print('|---' * (len(times) + 2) + '|')
  worst = 0.0
  for part in _PARTS.value:
    peaks = [_measure(part, x * _ROLLOUTS.value)['megabytes'] for x in times]
    growth = peaks[-1] / peaks[0] - 1
    worst = max(worst, growth)
    cells = [f'{x:,.0f}' for x in peaks]
    print(
      f'| {part} | ' + ' | '.join(cells) + f' | {growth:+.1%} |', flush=True
    )
  if worst > _MOST_GROWTH:
    raise SystemExit(f'peak memory grows by {worst:.1%}, over 5 %')


if __name__ == '__main__':
  app.run(main)

"""Times updates of `train.py` with and without TensorFlow's oneDNN.

  python -m tests.benchmarks.onednn_benchmark
  python -m tests.benchmarks.onednn_benchmark --models=a --turns=5

`train.py` switches it on. Each turn runs a process for each way, one after
another, so that changes of the machine's speed affect both. Figures are
medians; the ratio is the median of each turn's ratio. Peak memory is the
process's.
"""

from collections.abc import Sequence
import json
import os
import resource
import subprocess
import sys
import threading
import time

from absl import app
from absl import flags
import numpy as np

_MODELS = flags.DEFINE_multi_enum('models', ['a', 'b'], ['a', 'b'], 'Models.')
_TURNS = flags.DEFINE_integer('turns', 3, 'Turns of each.', lower_bound=1)
_UPDATES = flags.DEFINE_integer('updates', 40, 'Updates in a turn.', 1)
_DATA_DIR = flags.DEFINE_string('data_dir', None, 'As of train.py.')
_MEASURE = flags.DEFINE_bool('measure', False, 'Set for the processes.')

_SIZES = dict(a=(256, 64), b=(16, 16))
_WAYS = {'without': '0', 'with oneDNN': '1'}


def _train(model: str) -> None:
  """Trains in this process and prints steps/s and its peak memory."""
  from dnc import config as config_lib
  from dnc.dsprites import table as table_lib
  from dnc.next_sprite import trainer as trainer_lib
  from dnc.next_sprite import training

  memory_size, word_size = _SIZES[model]
  config = config_lib.TrainingConfig(
    memory_size=memory_size, word_size=word_size
  )
  table = table_lib.load_table(data_dir=_DATA_DIR.value)
  trainer = trainer_lib.SpriteTrainer(config, table)
  updates = training.updates(config, table, trainer, threading.Event())
  for _ in range(10):
    next(updates)
  start = time.perf_counter()
  for _ in range(_UPDATES.value):
    next(updates)
  seconds = time.perf_counter() - start
  steps = _UPDATES.value * config.batch_size * config.segment_length
  peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
  print(json.dumps([steps / seconds, peak]))


def main(argv: Sequence[str]) -> None:
  """Measures and prints."""
  del argv
  if _MEASURE.value:
    _train(_MODELS.value[0])
    return
  print('| model | way | steps/s | ratio | peak, MB |\n|---|---|---|---|---|')
  for model in _MODELS.value:
    found = {way: [] for way in _WAYS}
    for _ in range(_TURNS.value):
      for way, value in _WAYS.items():
        command = [
          *[sys.executable, '-m', 'tests.benchmarks.onednn_benchmark'],
          *['--measure', f'--models={model}', f'--updates={_UPDATES.value}'],
        ]
        if _DATA_DIR.value:
          command.append(f'--data_dir={_DATA_DIR.value}')
        output = subprocess.check_output(
          command,
          env=dict(os.environ, TF_ENABLE_ONEDNN_OPTS=value),
        )
        found[way].append(json.loads(output.splitlines()[-1]))
    without = np.array(found['without'])[:, 0]
    for way, rows in found.items():
      speeds, peaks = np.array(rows).T
      print(
        f'| {model.upper()} | {way} | {np.median(speeds):,.0f} '
        f'| {np.median(speeds / without):.2f} | {np.median(peaks):,.0f} |',
        flush=True,
      )


if __name__ == '__main__':
  app.run(main)

"""Times updates of `train.py` with and without TensorFlow's oneDNN.

  python -m tests.benchmarks.onednn_benchmark
  python -m tests.benchmarks.onednn_benchmark --models=a --turns=5

`train.py` switches oneDNN on. Each turn runs one process with it and one
without, one after the other, so that changes of the machine's speed affect
both. Figures are medians; the ratio is the median of each turn's ratio. Peak
memory is that of the process.
"""

from collections.abc import Sequence
import json
import os
import subprocess
import sys

from absl import app
from absl import flags
import numpy as np

_MODELS = flags.DEFINE_multi_enum('models', ['a', 'b'], ['a', 'b'], 'Models.')
_TURNS = flags.DEFINE_integer('turns', 3, 'Turns of each way.', lower_bound=1)
_UPDATES = flags.DEFINE_integer('updates', 40, 'Updates in a turn.', 1)
_DATA_DIR = flags.DEFINE_string('data_dir', None, 'As in train.py.')

_WAYS = {'without': '0', 'with oneDNN': '1'}


def main(argv: Sequence[str]) -> None:
  """Measures and prints."""
  del argv
  print('| model | way | steps/s | ratio | peak, MB |\n|---|---|---|---|---|')
  for model in _MODELS.value:
    found = {way: [] for way in _WAYS}
    for _ in range(_TURNS.value):
      for way, value in _WAYS.items():
        command = [
          *[sys.executable, '-m', 'tests.benchmarks.training_benchmark'],
          *['--speed', f'--models={model}', f'--updates={_UPDATES.value}'],
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

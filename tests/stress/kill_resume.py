"""Kills a training again and again; what it leaves must be as if never killed.

  python -m tests.stress.kill_resume --kills=20

`train.py` is killed with -9 at random moments, also while it starts, and
started again each time. Weights, optimizer, carried state, counts and metrics
are compared with those of a run that nobody touched, bit for bit. Some minutes.
"""

from collections.abc import Sequence
import os
import signal
import subprocess
import sys
import tempfile
import time

from absl import app
from absl import flags
import numpy as np
import tensorflow as tf

from tests.support import testing_data
from tests.support import training_runs

_KILLS = flags.DEFINE_integer('kills', 20, 'How often.', lower_bound=1)
_SEED = flags.DEFINE_integer('seed', 0, 'Of the moments.', lower_bound=0)

# Some seconds of training, between checkpoints a fraction of one.
MEMORY = ('--memory_size=5', '--word_size=4', '--num_read_heads=2')
_FLAGS = (
  '--hidden_size=8',
  '--batch_size=2',
  '--num_epochs=2',
  '--min_length=40',
  '--max_length=60',
  '--tbptt_length=20',
  '--report_interval=7',
  '--checkpoint_interval=20',
)
# Lines that it may write before it is killed, and seconds after the last one.
_MOST_LINES = 8
_MOST_SECONDS = 0.3
# In an epoch, for each kill: more than are trained on in the longest life.
ROLLOUTS = 30


def start(model_dir: str, *more: str) -> subprocess.Popen:
  """Starts `train.py`; its output is one stream of text."""
  return subprocess.Popen(
    [
      sys.executable,
      os.path.join(testing_data.ROOT, 'train.py'),
      f'--data_dir={testing_data.data_dir()}',
      f'--model_dir={model_dir}',
      *_FLAGS,
      *more,
    ],
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
    env={**os.environ, 'PYTHONPATH': testing_data.ROOT},
  )


def finish(process: subprocess.Popen) -> str:
  """Waits for the end of a run that must end well; returns its output."""
  output, _ = process.communicate()
  if process.returncode:
    raise AssertionError(f'status {process.returncode}: {output}')
  return output


def kill_and_resume(
  model_dir: str, num_kills: int, seed: int, *more: str
) -> list[str]:
  """Runs a training to its end in spite of kills.

  Args:
    model_dir: its folder.
    num_kills: how often it is killed.
    seed: of the moments.
    *more: flags beside those of all.

  Returns:
    The first line of each life, which says after how many updates it began.

  Raises:
    AssertionError: if it fails, or ends before it was killed so often.
  """
  rng = np.random.default_rng(seed)
  first_lines = []
  for _ in range(num_kills):
    process = start(model_dir, *more)
    first_lines.append(process.stdout.readline())
    for _ in range(rng.integers(_MOST_LINES)):
      process.stdout.readline()
    time.sleep(rng.uniform(0, _MOST_SECONDS))
    process.kill()
    output, _ = process.communicate()
    if process.returncode != -signal.SIGKILL:
      raise AssertionError(f'it was over before it was killed: {output}')
  output = finish(start(model_dir, *more))
  return [*first_lines, output.splitlines()[0]]


def main(argv: Sequence[str]) -> None:
  """Kills, resumes, compares."""
  del argv
  more = (*MEMORY, f'--rollouts_per_epoch={ROLLOUTS * _KILLS.value}')
  with tempfile.TemporaryDirectory() as folder:
    whole, parts = (os.path.join(folder, name) for name in ('whole', 'parts'))
    finish(start(whole, *more))
    lines = kill_and_resume(parts, _KILLS.value, _SEED.value, *more)
    print(''.join(line.rstrip() + '\n' for line in lines))
    training_runs.assert_same(tf.test.TestCase(), whole, parts)
  print(f'the same after {_KILLS.value} kills')


if __name__ == '__main__':
  app.run(main)

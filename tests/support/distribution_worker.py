"""A worker of `distribution_test`: runs the trainings that two workers share.

Its arguments are a folder, a --data_dir and its number, 0 for the chief, or
`mirrored`. For each training it prints a line of JSON: the name of its folder,
its result or error, and its log.
"""

from collections.abc import Iterator
import contextlib
import dataclasses
import json
import os
import signal
import sys
from unittest import mock

import tensorflow as tf

from dnc import config as config_lib
from dnc import unroll
from dnc.next_sprite import training
from dnc.system import errors
from dnc.training import distribution
from tests.support import training_runs

_SCHEDULE = dict(
  num_epochs=1, tbptt_length=4, report_interval=3, checkpoint_interval=100
)
# The core with the largest graph is tested on two devices, not with workers.
LSTM = dataclasses.replace(training_runs.LSTM, **_SCHEDULE)
DNC = dataclasses.replace(
  training_runs.CONFIG,
  **_SCHEDULE,
  rollouts_per_epoch=2,
  expose='memory',
  expose_offsets=(-1, 3),
)


@contextlib.contextmanager
def without_extras() -> Iterator[None]:
  """Neither compiles nor draws, which takes long, whatever the strategy."""
  with (
    mock.patch.object(unroll, 'can_compile', return_value=False),
    mock.patch.object(training.SpriteSession, '_draw'),
  ):
    yield


class _Worker:
  """Trains and prints the outcome."""

  def __init__(self, folder: str, data_dir: str, strategy):
    self._folder = folder
    self._data_dir = data_dir
    self._strategy = strategy

  def train(self, name, config=LSTM):
    lines = []
    try:
      result = training.train(
        config,
        os.path.join(self._folder, name),
        self._data_dir,
        lines.append,
        self._strategy,
      )
    except errors.UsageError as e:
      result = str(e)
    print(json.dumps([name, result, lines]), flush=True)


class _Signal:
  """Sends this process a signal after its update number `at`."""

  def __init__(self, number, at):
    self._number = number
    self._left = at
    self._updates = training.updates

  def __call__(self, *args):
    for metrics in self._updates(*args):
      self._left -= 1
      if not self._left:
        os.kill(os.getpid(), self._number)
      yield metrics


def _mirrored(folder: str, data_dir: str) -> None:
  """Trains on two devices of this process."""
  (cpu,) = tf.config.list_physical_devices('CPU')
  tf.config.set_logical_device_configuration(
    cpu, [tf.config.LogicalDeviceConfiguration()] * 2
  )
  strategy = distribution.make_strategy(config_lib.MIRRORED)
  with without_extras():
    _Worker(folder, data_dir, strategy).train('mirrored', DNC)


def _multi_worker(folder: str, data_dir: str, follows: bool) -> None:
  """Trains with another worker; the follower is killed at the end."""
  strategy = distribution.make_strategy(config_lib.MULTI_WORKER, [].append)
  worker = _Worker(folder, data_dir, strategy)
  worker.train('odd', dataclasses.replace(LSTM, batch_size=3))
  worker.train('flags', dataclasses.replace(LSTM, seed=int(follows)))
  updates = training.updates
  if follows:
    training.updates = _Signal(signal.SIGTERM, at=4)
  worker.train('stopped')
  training.updates = updates
  worker.train('elsewhere' if follows else 'stopped')
  worker.train('stopped')
  if follows:
    training.updates = _Signal(signal.SIGKILL, at=4)
  worker.train('lost')


def main() -> None:
  folder, data_dir, role = sys.argv[1:]
  if role == 'mirrored':
    _mirrored(folder, data_dir)
  else:
    _multi_worker(folder, data_dir, follows=role != '0')


if __name__ == '__main__':
  main()

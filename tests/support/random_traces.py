"""Traces of random numbers, and ways to damage their files."""

import os

import numpy as np

from dnc.traces import records
from dnc.traces import shards
from dnc.traces import writing

WIDTHS = {'read_words': 6, 'memory': 8}
METADATA = {'model': 'abc', 'shape': (4, 2)}
FINGERPRINT = records.fingerprint(METADATA, 'some.tfrecord')


def rollout(index, num_steps, widths=None):
  """A rollout: `index`, and an array for each representation and label."""
  rng = np.random.default_rng(index)
  representations = {
    name: rng.standard_normal((num_steps, width)).astype(np.float32)
    for name, width in (widths or WIDTHS).items()
  }
  return {
    'index': index,
    'classes': rng.integers(0, 3, (num_steps, 5)).astype(np.int32),
    'values': rng.random((num_steps, 5)).astype(np.float32),
    **representations,
  }


def encode(example, widths=None, fingerprint=FINGERPRINT):
  """The record of such a rollout."""
  arrays = {k: [v] for k, v in example.items() if k != 'index'}
  return records.encode(widths or WIDTHS, example['index'], fingerprint, arrays)


def planned(rollouts):
  """The plan of rollouts."""
  return [
    shards.PlannedRollout(rollout['index'], len(rollout['classes']))
    for rollout in rollouts
  ]


def write(path, splits, widths, metadata, plan=None):
  """Writes traces the way evaluate.py does.

  Args:
    path: the folder.
    splits: for each split, an iterable of its rollouts.
    widths: numbers per step, for each representation.
    metadata: metadata of the traces.
    plan: for each split, its `PlannedRollout`s; needed if `splits` has
      iterators. None: made from the rollouts.
  """
  plan = plan or {k: planned(v) for k, v in splits.items()}
  export = writing.Export(path, widths, plan, 1, metadata)
  export.begin(lambda line: None)
  rollouts = {name: iter(split) for name, split in splits.items()}
  for shard in export.missing:
    fingerprint = export.fingerprint(shard)
    encoded = (
      encode(next(rollouts[shard.split]), widths, fingerprint)
      for _ in range(shard.num_rollouts)
    )
    export.write(shard, encoded)
  export.finish()


def truncate(file):
  os.truncate(file, os.path.getsize(file) - 1)


def empty(file):
  os.truncate(file, 0)


def flip(file):
  """Turns one bit in the middle."""
  with open(file, 'r+b') as opened:
    opened.seek(os.path.getsize(file) // 2)
    (byte,) = opened.read(1)
    opened.seek(-1, os.SEEK_CUR)
    opened.write(bytes([byte ^ 1]))


# Ways to damage a file, by name.
DAMAGES = dict(truncated=truncate, emptied=empty, flipped=flip, gone=os.unlink)

"""Rollouts of random numbers, as traces hold them, and shards gone wrong."""

import os

import numpy as np

from dnc.traces import records as trace_records

WIDTHS = {'read_words': 6, 'memory': 8}


METADATA = {'model': 'abc', 'shape': (4, 2)}
FINGERPRINT = trace_records.fingerprint(METADATA, 'some.tfrecord')


def rollout(index, num_steps, widths=None):
  """A rollout as `traces.write` takes it."""
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


def encode(example, widths=None, digits=FINGERPRINT):
  """The record of such a rollout."""
  arrays = {k: [v] for k, v in example.items() if k != 'index'}
  return trace_records.encode(
    widths or WIDTHS, example['index'], digits, arrays
  )


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


# What may happen to a file, by name.
DAMAGES = dict(truncated=truncate, emptied=empty, flipped=flip, gone=os.unlink)

"""Traces: what a model held at every step of its rollouts, as TFRecord shards.

A folder of traces is a TFDS dataset whose schema travels with it, so that
`tfds.builder_from_directory(path)` reads it without this code. One example is
one rollout:

- `index`: int64, the index of the rollout;
- `fingerprint`: text, of `metadata.json` and the shard's name, so that no shard
  can stand for another;
- one feature for each representation, some of `config.EXPORTS`, all float32:
  'read_words' `[time, R * W]` (head by head), 'memory' `[time, N * W]`
  (row-major: slot, then word), 'controller_hidden' and 'controller_cell'
  `[time, D]`, 'usage' `[time, N]`, 'read_weights' `[time, R * N]` and
  'write_weights' `[time, heads * N]` (head by head): the state after the step;
  and 'loss' `[time, 1]`, what training minimises, of the step's image: nats, or
  squared error;
- `classes` int32 and `values` float32, both `[time, 5]`: the latents of the
  current sprite of every step, in the order of `dnc.dsprites.latents.NAMES`.

Beside the schema, `metadata.json` says which model and data the traces are of.
PROTOCOL: 'Logged at every evaluation step'. Without TFDS, they are read so:

  path, widths = 'runs/<name>/evaluation/traces/<traces>', {'memory': 256}
  features = {
    name: tf.io.FixedLenFeature([], tf.string) for name in (*widths, 'classes')
  }

  def parse(record):
    found = tf.io.parse_single_example(record, features)
    arrays = {
      name: tf.reshape(tf.io.decode_raw(found[name], tf.float32), [-1, width])
      for name, width in widths.items()
    }
    classes = tf.io.decode_raw(found['classes'], tf.int32)
    return {**arrays, 'classes': tf.reshape(classes, [-1, 5])}

  shards = sorted(tf.io.gfile.glob(f'{path}/*-train.tfrecord-*-of-?????'))
  dataset = tf.data.TFRecordDataset(shards).map(parse)

`widths` are in `features.json`. Every number has four bytes, lowest first.
"""

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import contextlib
import itertools
import os
from typing import Any

from google.protobuf import json_format
import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from dnc.system import errors
from dnc.system import files
from dnc.system import quiet
from dnc.traces import records as trace_records
from dnc.traces import shards as trace_shards

_LABELS = (
  trace_records.INDEX,
  trace_records.FINGERPRINT,
  *trace_records.LABELS,
)
_AGAIN = 'run evaluate.py again, which makes that part again and nothing else'


def write(
  path: str | os.PathLike[str],
  splits: Mapping[str, Iterable[Mapping[str, np.ndarray]]],
  widths: Mapping[str, int],
  metadata: Mapping[str, Any],
  num_rollouts: Mapping[str, int],
  max_steps: int,
) -> None:
  """Writes traces of any model, streamed: one rollout is in memory at a time.

  The folder appears at `path` only once it is whole. `exports.ModelTraces`
  writes those of ours, and can be interrupted.

  Args:
    path: the folder to make; must not exist.
    splits: for each split, its rollouts in order: dicts of `index` (an
      integer), `classes` int32 `[time, 5]`, `values` float32 `[time, 5]` and,
      for each name in `widths`, float32 `[time, widths[name]]`.
    widths: numbers per step, for each representation.
    metadata: what the traces are of; anything that JSON holds.
    num_rollouts: number of rollouts that each split will yield.
    max_steps: number of steps of the longest rollout.

  Raises:
    FileExistsError: if `path` exists.
    ValueError: if a rollout does not fit this description, or a split yields
      another number of rollouts.
  """
  longest = trace_records.size_in_bytes(widths, 0, max_steps)
  per_shard = trace_shards.rollouts_per_shard(longest)
  shards = []
  with files.atomic_directory(path) as folder:
    for split, rollouts in splits.items():
      starts = range(0, num_rollouts[split], per_shard)
      names = [
        trace_shards.file_name(split, number, len(starts))
        for number in range(len(starts))
      ]
      digits = [trace_records.fingerprint(metadata, file) for file in names]
      records = _encoded(
        split,
        rollouts,
        widths,
        num_rollouts[split],
        [x for x in digits for _ in range(per_shard)],
      )
      for file, first in zip(names, starts):
        size = trace_shards.write_shard(
          os.path.join(folder, file), itertools.islice(records, per_shard)
        )
        held = min(per_shard, num_rollouts[split] - first)
        shards.append(trace_shards.Shard(file, split, first, held, size))
      # It says so if there are more.
      next(records, None)
    trace_shards.write_plan(folder, shards, metadata)
    trace_shards.finish(folder, widths, shards)


def _encoded(
  split: str,
  rollouts: Iterable[Mapping[str, np.ndarray]],
  widths: Mapping[str, int],
  expected: int,
  digits: Sequence[str],
) -> Iterator[bytearray]:
  """Yields the records of a split, of as many rollouts as expected."""
  number = 0
  for number, rollout in enumerate(rollouts, 1):
    if number > expected:
      break
    arrays = {
      name: [np.ascontiguousarray(rollout[name])]
      for name in trace_records.all_widths(widths)
    }
    yield trace_records.encode(
      widths, int(rollout['index']), digits[number - 1], arrays
    )
  if number != expected:
    found = 'more' if number > expected else f'{number} rollouts'
    raise ValueError(
      f'split {split} gave {found}, not the {expected} announced'
    )


class Traces:
  """A folder of traces, open for reading. Made by `open_traces`.

  Attributes:
    path: the folder.
    metadata: what `write` was told about model and data.
    widths: numbers per step, for each representation.
    num_rollouts: number of rollouts in each split.
  """

  def __init__(
    self,
    path: str,
    builder: tfds.core.DatasetBuilder,
    shards: Sequence[trace_shards.Shard],
    metadata: Any,
  ):
    self._builder = builder
    self._shards = shards
    self.path = path
    self.metadata = metadata
    self.widths = {
      name: feature.shape[-1]
      for name, feature in sorted(builder.info.features.items())
      if name not in _LABELS
    }
    self.num_rollouts = {
      name: split.num_examples for name, split in builder.info.splits.items()
    }

  def width(self, name: str) -> int:
    """Returns the width of a representation, or raises a `UsageError`."""
    self._check_name('representation', name, self.widths)
    return self.widths[name]

  def dataset(self, split: str, names: Sequence[str]) -> tf.data.Dataset:
    """Returns the rollouts of a split in the order they were written.

    Args:
      split: name of the split.
      names: features to read: representations, 'index', 'classes', 'values'.

    Returns:
      A streamed dataset of dicts from name to tensor; see the module.

    Raises:
      errors.UsageError: if the traces lack the split or a feature.
    """
    self._check_name('split', split, self.num_rollouts)
    for name in names:
      self._check_name('feature', name, self._builder.info.features)
    # Fixed, small buffers: a rollout of a full memory is tens of MB.
    read_config = tfds.ReadConfig(
      try_autocache=False,
      skip_prefetch=True,
      num_parallel_calls_for_decode=2,
      num_parallel_calls_for_interleave_files=1,
    )
    read = dict.fromkeys([*names, trace_records.FINGERPRINT], True)
    with quiet.tfds_logs():
      dataset = self._builder.as_dataset(
        split=split,
        decoders=tfds.decode.PartialDecoding(read),
        read_config=read_config,
      )

    expected = [
      self._fingerprint(shard)
      for shard in self._shards
      if shard.split == split
      for _ in range(shard.num_rollouts)
    ]

    def check(rollout, digits):
      tf.debugging.assert_equal(rollout[trace_records.FINGERPRINT], digits)
      return {name: rollout[name] for name in names}

    # The rollouts first: where one is missing, TFDS says so.
    there = tf.data.Dataset.from_tensor_slices(expected)
    return tf.data.Dataset.zip(dataset, there).map(check)

  def _fingerprint(self, shard: trace_shards.Shard) -> str:
    return trace_records.fingerprint(self.metadata, shard.file)

  def _check_name(self, kind: str, name: str, known: Iterable[str]) -> None:
    if name not in known:
      raise errors.UsageError(
        f'{self.path}: these traces have no {kind} {name!r}, only '
        f'{", ".join(sorted(known))}'
      )

  @contextlib.contextmanager
  def explained_errors(self) -> Iterator[None]:
    """Wraps code that iterates over a dataset of these traces.

    What is damaged, or of other traces, gets another name, so that the next
    export makes it again.

    Raises:
      errors.UsageError: in place of TensorFlow's error for damaged or missing
        shards, and names them.
    """
    try:
      yield
    except (
      tf.errors.DataLossError,
      tf.errors.NotFoundError,
      # A shard of other traces.
      tf.errors.InvalidArgumentError,
      # TFDS's, of fewer rollouts than there should be.
      tf.errors.FailedPreconditionError,
    ) as error:
      damaged = [
        shard
        for shard in self._shards
        if not trace_shards.is_sound(self.path, shard, self._fingerprint(shard))
      ]
      if not damaged:
        raise
      for shard in damaged:
        trace_shards.set_aside(self.path, shard)
      raise errors.UsageError(
        f'{_paths(self.path, damaged)}: damaged, missing or of other '
        f'traces; {_AGAIN}'
      ) from error


def _paths(path: str, shards: Iterable[trace_shards.Shard]) -> str:
  return ', '.join(os.path.join(path, shard.file) for shard in shards)


def open_traces(
  path: str | os.PathLike[str], expected: Mapping[str, Any] | None = None
) -> Traces:
  """Opens a folder of traces.

  Args:
    path: the folder.
    expected: metadata that the traces must have; further metadata is ignored.

  Raises:
    errors.UsageError: if the folder is missing, unfinished, incomplete, not of
      traces, or of traces with other metadata.
  """
  path = os.fspath(path)
  shards, metadata = trace_shards.read_plan(path)
  trace_shards.check_metadata(path, metadata, expected or {})
  missing = trace_shards.missing(path, shards)
  if not trace_shards.is_finished(path):
    raise errors.UsageError(
      f'{path}: unfinished, {len(shards) - len(missing)} of {len(shards)} '
      'shards are there; run evaluate.py again, which goes on with it'
    )
  if missing:
    raise errors.UsageError(
      f'{_paths(path, missing)}: missing or not whole; {_AGAIN}'
    )
  try:
    with quiet.tfds_logs():
      builder = tfds.builder_from_directory(path)
  except (ValueError, json_format.ParseError) as error:
    raise errors.UsageError(
      f'{path}: features.json or dataset_info.json is damaged; {_AGAIN}'
    ) from error
  if trace_records.FINGERPRINT not in builder.info.features:
    raise errors.UsageError(
      f'{path}: traces of an older version; delete the folder and export them '
      'again'
    )
  return Traces(path, builder, shards, metadata)

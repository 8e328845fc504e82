"""Opens traces: what a model held at every step of its rollouts.

A folder of traces is a TFDS dataset with its schema beside it, so that
`tfds.builder_from_directory(path)` reads it without this code. An example is
one rollout:

- `index`: int64, the index of the rollout;
- `fingerprint`: text that binds the rollout to this folder and shard; see
  `dnc.traces.shards`;
- float32 representations after each step, one or more of
  - 'read_words' `[time, R * W]`, head by head;
  - 'memory' `[time, N * W]`, slot by slot;
  - 'controller_hidden' and 'controller_cell' `[time, D]`;
  - 'usage' `[time, N]`;
  - 'read_weights' `[time, R * N]` and 'write_weights' `[time, heads * N]`, head
    by head;
  - 'loss' `[time, 1]`: the training loss of the step's image, in nats, or the
    squared error; NaN where the step does not count;
- `classes` int32 and `values` float32, both `[time, 5]`: the latents of each
  step's current sprite, in the order of `dnc.dsprites.latents.NAMES`;
- `since_shown` int32 `[time, 1]`, only if the task is a twin of the post's: the
  number of steps since the image that determines the target was shown; -1 where
  the step does not count.

`metadata.json` identifies the model and the data.

PROTOCOL: 'Logged at every evaluation step'. Without TFDS, read them like this:

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

  shards = sorted(pathlib.Path(path).glob('*-train.tfrecord-*-of-?????'))
  dataset = tf.data.TFRecordDataset([*map(str, shards)]).map(parse)

`widths`, the numbers per step, are in `features.json`. Every number takes four
bytes, little-endian.
"""

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import contextlib
import os
from typing import Any

from google.protobuf import json_format
import tensorflow as tf
import tensorflow_datasets as tfds

from dnc.system import errors
from dnc.system import paths
from dnc.system import quiet
from dnc.traces import records
from dnc.traces import shards as shards_lib

_NOT_RECORDED = (
  records.INDEX,
  records.FINGERPRINT,
  *records.LABELS,
  records.SINCE_SHOWN,
)
_AGAIN = 'run evaluate.py again, which rewrites only that part'


class Traces:
  """A folder of traces, open for reading. Made by `open_traces`.

  Attributes:
    path: the folder.
    metadata: describes the model, the data and the rollouts.
    widths: numbers per step, for each representation.
    num_rollouts: number of rollouts in each split.
    has_since_shown: whether there is the label `since_shown`.
  """

  def __init__(
    self,
    path: str,
    builder: tfds.core.DatasetBuilder,
    shards: Sequence[shards_lib.Shard],
    metadata: Any,
  ):
    self._builder = builder
    self._shards = shards
    self.path = path
    self.metadata = metadata
    self.widths = {
      name: feature.shape[-1]
      for name, feature in sorted(builder.info.features.items())
      if name not in _NOT_RECORDED
    }
    self.has_since_shown = records.SINCE_SHOWN in builder.info.features
    self.num_rollouts = {
      name: split.num_examples for name, split in builder.info.splits.items()
    }

  def width(self, name: str) -> int:
    """Returns the width of a representation, or raises a `UsageError`."""
    self._check_name('representation', name, self.widths)
    return self.widths[name]

  def dataset(
    self, split: str, names: Sequence[str], only: range | None = None
  ) -> tf.data.Dataset:
    """Streams the rollouts of a split in the order they were written.

    Args:
      split: name of the split.
      names: features to read: representations, 'index' and labels.
      only: positions of successive rollouts, not empty; None for all.

    Returns:
      Dicts from name to tensor; the module's docstring gives shapes and dtypes.

    Raises:
      errors.UsageError: if the traces lack the split or a feature.
    """
    self._check_name('split', split, self.num_rollouts)
    for name in names:
      self._check_name('feature', name, self._builder.info.features)
    # Small buffers of fixed size: a rollout with its memory takes tens of MB.
    read_config = tfds.ReadConfig(
      try_autocache=False,
      skip_prefetch=True,
      num_parallel_calls_for_decode=2,
      num_parallel_calls_for_interleave_files=1,
    )
    read = dict.fromkeys([*names, records.FINGERPRINT], True)
    part, chosen = split, slice(None)
    if only is not None:
      part = f'{split}[{only.start}:{only.stop}]'
      chosen = slice(only.start, only.stop)
    with quiet.tfds_logs():
      dataset = self._builder.as_dataset(
        split=part,
        decoders=tfds.decode.PartialDecoding(read),
        read_config=read_config,
      )

    expected = [
      self._fingerprint(shard)
      for shard in self._shards
      if shard.split == split
      for _ in range(shard.num_rollouts)
    ][chosen]

    @tf.autograph.experimental.do_not_convert
    def check(rollout, fingerprint):
      tf.debugging.assert_equal(rollout[records.FINGERPRINT], fingerprint)
      return {name: rollout[name] for name in names}

    # `zip` ends with its shortest dataset. The rollouts come first, so that
    # TFDS notices when there are too few.
    fingerprints = tf.data.Dataset.from_tensor_slices(expected)
    return tf.data.Dataset.zip(dataset, fingerprints).map(check)

  def _fingerprint(self, shard: shards_lib.Shard) -> str:
    return records.fingerprint(self.metadata, shard.file)

  def _check_name(self, kind: str, name: str, known: Iterable[str]) -> None:
    if name not in known:
      raise errors.UsageError(
        f'{self.path}: these traces have no {kind} {name!r}, only '
        f'{", ".join(sorted(known))}'
      )

  @contextlib.contextmanager
  def explained_errors(self) -> Iterator[None]:
    """Wraps code that iterates over a dataset of these traces.

    Shards that are damaged, or belong to other traces, are renamed, so that the
    next export rewrites them.

    Raises:
      errors.UsageError: names these shards and the missing ones; replaces
        TensorFlow's error.
    """
    try:
      yield
    except (
      tf.errors.DataLossError,
      tf.errors.NotFoundError,
      # `check` in `dataset`: a shard of other traces.
      tf.errors.InvalidArgumentError,
      # TFDS: fewer rollouts than expected.
      tf.errors.FailedPreconditionError,
    ) as error:
      damaged = [
        shard
        for shard in self._shards
        if not shards_lib.is_sound(self.path, shard, self._fingerprint(shard))
      ]
      if not damaged:
        raise
      for shard in damaged:
        shards_lib.set_aside(self.path, shard)
      raise errors.UsageError(
        f'{_paths(self.path, damaged)}: damaged, missing or from other '
        f'traces; {_AGAIN}'
      ) from error


def _paths(path: str, shards: Iterable[shards_lib.Shard]) -> str:
  return ', '.join(os.path.join(path, shard.file) for shard in shards)


def open_traces(
  path: str | os.PathLike[str], expected: Mapping[str, Any] | None = None
) -> Traces:
  """Opens a folder of traces.

  Args:
    path: the folder.
    expected: metadata that the traces must have; they may have more.

  Raises:
    errors.UsageError: if the folder is missing, holds no traces or traces with
      other metadata, or is unfinished, incomplete or damaged.
  """
  path = paths.local(path, 'path')
  shards, metadata = shards_lib.read_plan(path)
  shards_lib.check_metadata(path, metadata, expected or {})
  missing = shards_lib.missing(path, shards)
  if not shards_lib.is_finished(path):
    raise errors.UsageError(
      f'{path}: unfinished, {len(shards) - len(missing)} of {len(shards)} '
      'shards are there; run evaluate.py again to write the others'
    )
  if missing:
    raise errors.UsageError(
      f'{_paths(path, missing)}: missing or incomplete; {_AGAIN}'
    )
  try:
    with quiet.tfds_logs():
      builder = tfds.builder_from_directory(path)
  except (ValueError, json_format.ParseError) as error:
    raise errors.UsageError(
      f'{path}: features.json or dataset_info.json is damaged; {_AGAIN}'
    ) from error
  return Traces(path, builder, shards, metadata)

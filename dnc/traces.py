"""Traces: what a model held at every step of its rollouts, as TFRecord shards.

A folder of traces is a TFDS dataset whose schema travels with it, so that
`tfds.builder_from_directory(path)` reads it without this code. One example is
one rollout:

- `index`: int64, the index of the rollout;
- one feature for each representation, e.g. 'read_words' `[time, R * W]`,
  'memory' `[time, N * W]` (row-major: slot, then word), 'controller_hidden' and
  'controller_cell' `[time, D]`, all float32;
- `classes` int32 and `values` float32, both `[time, 5]`: the latents of the
  current sprite of every step, in the order of `dnc.dsprites.latents.NAMES`.

Beside the schema, `metadata.json` says which model and data the traces are of.
PROTOCOL: 'Logged at every evaluation step'.
"""

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import contextlib
import json
import os
import shutil
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from dnc import errors
from dnc import files
from dnc import quiet
from dnc.dsprites import latents

_DATASET_NAME = 'dnc_traces'
_VERSION = '1.0.0'
_LATENTS = latents.NUM_LATENTS
_LABELS = ('index', 'classes', 'values')
_SHARD_BYTES = 192 << 20
# A TFRecord frames its payload with a length and two checksums.
_RECORD_OVERHEAD = 16


def _bytes_per_step(widths: Mapping[str, int]) -> int:
  return 4 * (sum(widths.values()) + 2 * _LATENTS)


def size_in_bytes(widths: Mapping[str, int], num_steps: int) -> int:
  """Returns the size on disk of traces, to within one percent.

  Args:
    widths: numbers per step, for each representation.
    num_steps: number of steps of all rollouts together.
  """
  return num_steps * _bytes_per_step(widths)


def _check_space(path: str, needed: int) -> None:
  folder = os.path.abspath(path)
  while not os.path.isdir(folder):
    folder = os.path.dirname(folder)
  free = shutil.disk_usage(folder).free
  if free < needed:
    raise errors.UsageError(
      f'{path}: the traces need {needed / 1e9:.3g} GB and the disk has '
      f'{free / 1e9:.3g} GB free; free some space, or ask for fewer rollouts'
    )


def _features(widths: Mapping[str, int]) -> tfds.features.FeaturesDict:
  def steps(width: int, dtype: Any) -> tfds.features.Tensor:
    # Raw bytes: a list of floats in a tf.train.Example is far slower to parse.
    return tfds.features.Tensor(
      shape=(None, width), dtype=dtype, encoding='bytes'
    )

  features = {name: steps(width, np.float32) for name, width in widths.items()}
  return tfds.features.FeaturesDict(
    {
      'index': np.int64,
      'classes': steps(_LATENTS, np.int32),
      'values': steps(_LATENTS, np.float32),
      **features,
    }
  )


def write(
  path: str | os.PathLike[str],
  splits: Mapping[str, Iterable[Mapping[str, np.ndarray]]],
  widths: Mapping[str, int],
  metadata: Mapping[str, Any],
  num_rollouts: Mapping[str, int],
  max_steps: int,
) -> None:
  """Writes traces, streamed: one rollout is in memory at a time.

  The folder appears at `path` only once it is whole.

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
    errors.UsageError: if the disk has too little space.
    FileExistsError: if `path` exists.
    ValueError: if a rollout does not fit this description, or a split yields
      another number of rollouts.
  """
  path = os.fspath(path)
  needed = size_in_bytes(widths, sum(num_rollouts.values()) * max_steps)
  _check_space(path, needed)
  with files.atomic_directory(path) as folder:
    info = tfds.core.DatasetInfo(
      builder=tfds.core.DatasetIdentity(
        name=_DATASET_NAME,
        version=tfds.core.Version(_VERSION),
        data_dir=folder,
        module_name='',
      ),
      description='What a model held at every step of its rollouts.',
      features=_features(widths),
      # On reading, rollouts come in the order they were written.
      disable_shuffling=True,
      metadata=tfds.core.MetadataDict(metadata),
    )
    bytes_per_rollout = max_steps * _bytes_per_step(widths)
    writer = tfds.core.SequentialWriter(
      info, max_examples_per_shard=max(1, _SHARD_BYTES // bytes_per_rollout)
    )
    writer.initialize_splits(list(splits))
    for split, rollouts in splits.items():
      # One call for a split: every call writes the schema again.
      writer.add_examples({split: rollouts})
    writer.close_all()
    for split, expected in num_rollouts.items():
      found = info.splits[split].num_examples
      if found != expected:
        raise ValueError(
          f'split {split} gave {found} rollouts, not the {expected} announced'
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
    self, path: str, builder: tfds.core.DatasetBuilder, metadata: Any
  ):
    self._builder = builder
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
    with quiet.tfds_logs():
      return self._builder.as_dataset(
        split=split,
        decoders=tfds.decode.PartialDecoding(dict.fromkeys(names, True)),
        read_config=read_config,
      )

  def _check_name(self, kind: str, name: str, known: Iterable[str]) -> None:
    if name not in known:
      raise errors.UsageError(
        f'{self.path}: these traces have no {kind} {name!r}, only '
        f'{", ".join(sorted(known))}'
      )

  @contextlib.contextmanager
  def explained_errors(self) -> Iterator[None]:
    """Wraps code that iterates over a dataset of these traces.

    Raises:
      errors.UsageError: in place of TensorFlow's error for a damaged or
        missing shard, and names the file.
    """
    try:
      yield
    except (tf.errors.DataLossError, tf.errors.NotFoundError) as error:
      for file in self._shards():
        if not _is_readable(file):
          raise errors.UsageError(
            f'{file}: damaged or missing; delete {self.path} and export the '
            'traces again'
          ) from error
      raise

  def _shards(self) -> list[str]:
    return [
      os.fspath(file)
      for split in self._builder.info.splits.values()
      for file in split.filepaths
    ]


def _check_shards(path: str, builder: tfds.core.DatasetBuilder) -> None:
  for name, split in builder.info.splits.items():
    shards = [os.fspath(file) for file in split.filepaths]
    for file in shards:
      if not os.path.isfile(file):
        raise errors.UsageError(
          f'{file}: missing; delete {path} and export the traces again'
        )
    found = sum(os.path.getsize(file) for file in shards)
    expected = split.num_bytes + _RECORD_OVERHEAD * split.num_examples
    if found != expected:
      raise errors.UsageError(
        f'{path}: split {name} has {found} bytes, not {expected}; delete the '
        'folder and export the traces again'
      )


def _is_readable(file: str) -> bool:
  try:
    for _ in tf.data.TFRecordDataset(file):
      pass
  except (tf.errors.DataLossError, tf.errors.NotFoundError):
    return False
  return True


def open_traces(
  path: str | os.PathLike[str], expected: Mapping[str, Any] | None = None
) -> Traces:
  """Opens a folder that `write` made.

  Args:
    path: the folder.
    expected: metadata that the traces must have; further metadata is ignored.

  Raises:
    errors.UsageError: if the folder is missing, incomplete, not of traces, or
      of traces with other metadata.
  """
  path = os.fspath(path)
  for name in ('metadata.json', 'dataset_info.json', 'features.json'):
    if not os.path.isfile(os.path.join(path, name)):
      raise errors.UsageError(
        f'{path}: no traces here ({name} is missing); export them first'
      )
  try:
    with open(os.path.join(path, 'metadata.json'), encoding='utf-8') as file:
      metadata = json.load(file)
    with quiet.tfds_logs():
      builder = tfds.builder_from_directory(path)
  except ValueError as error:
    raise errors.UsageError(
      f'{path}: not readable as traces; delete the folder and export them again'
    ) from error
  if builder.name != _DATASET_NAME:
    raise errors.UsageError(
      f'{path}: a dataset named {builder.name!r}, not traces; give the '
      'folder of exported traces'
    )
  # JSON turns tuples into lists: compare as JSON.
  expected = json.loads(json.dumps(dict(expected or {})))
  for field, value in expected.items():
    if metadata.get(field) != value:
      raise errors.UsageError(
        f'{path}: traces with {field} {metadata.get(field)!r}, but {value!r} '
        'is asked for; delete the folder, or use another one'
      )
  _check_shards(path, builder)
  return Traces(path, builder, metadata)

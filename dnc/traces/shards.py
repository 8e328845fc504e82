"""The files of a folder of traces, written one by one and never by halves.

Which shards there will be, which rollouts each holds and how many bytes it has
is known before anything is computed, so that an export (`trace_export.py`) that
was interrupted goes on with the shards that are missing.

  shards.json, metadata.json
      which shards, and whose traces: there from the beginning
  *.tfrecord-*
      the shards, each there once it is whole
  features.json, dataset_info.json
      what TFDS reads the shards by: there once all of them are
"""

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import glob
import json
import os
import tempfile
from typing import Any

import tensorflow as tf
import tensorflow_datasets as tfds

from dnc.system import errors
from dnc.system import files
from dnc.system import quiet
from dnc.traces import records as trace_records

_DATASET_NAME = 'dnc_traces'
_VERSION = '1.0.0'
_SHARDS = 'shards.json'
_METADATA = 'metadata.json'
# TFDS knows a dataset by the last of them.
_TFDS_FILES = ('features.json', 'dataset_info.json')

# What is lost when an export is killed, and what the disk is given at once.
_SHARD_BYTES = 64 << 20
# Ends of the names of files that are not whole.
_PARTIAL, _DAMAGED = '.partial', '.damaged'


@dataclasses.dataclass(frozen=True)
class Shard:
  """One file.

  Attributes:
    file: its name.
    split: the split whose rollouts it holds.
    first: place of the first of them in the split.
    num_rollouts: how many.
    num_bytes: size of the file.
  """

  file: str
  split: str
  first: int
  num_rollouts: int
  num_bytes: int


def file_name(split: str, number: int, num_shards: int) -> str:
  """The name that TFDS expects of a shard."""
  return f'{_DATASET_NAME}-{split}.tfrecord-{number:05}-of-{num_shards:05}'


def rollouts_per_shard(bytes_per_rollout: int, together: int = 1) -> int:
  """How many rollouts a shard holds.

  Args:
    bytes_per_rollout: of the longest.
    together: rollouts that are computed together, and so are not parted.

  Returns:
    A multiple of `together`, of at most 64 MiB where that is not 0.
  """
  return together * max(1, _SHARD_BYTES // (together * bytes_per_rollout))


def plan(
  widths: Mapping[str, int],
  splits: Mapping[str, Sequence[tuple[int, int]]],
  together: int,
) -> list[Shard]:
  """Decides which shards there will be.

  Args:
    widths: numbers per step, for each representation.
    splits: index and number of steps of the rollouts of each split, in order.
    together: as in `rollouts_per_shard`.

  Returns:
    The shards.
  """
  shards = []
  for split, rollouts in splits.items():
    sizes = [trace_records.size_in_bytes(widths, *each) for each in rollouts]
    number = rollouts_per_shard(max(sizes), together)
    parts = [sizes[i : i + number] for i in range(0, len(sizes), number)]
    shards += [
      Shard(
        file=file_name(split, i, len(parts)),
        split=split,
        first=i * number,
        num_rollouts=len(part),
        num_bytes=sum(part),
      )
      for i, part in enumerate(parts)
    ]
  return shards


def num_bytes(shards: Iterable[Shard]) -> int:
  """Bytes of shards together."""
  return sum(shard.num_bytes for shard in shards)


def has_begun(path: str) -> bool:
  """Whether a folder holds more than what a killed process may leave."""
  if not os.path.exists(path):
    return False
  return any(
    not name.endswith((_PARTIAL, _SHARDS, '.lock')) for name in os.listdir(path)
  )


def is_complete(path: str, shard: Shard) -> bool:
  """Whether a shard is there, by its size."""
  file = os.path.join(path, shard.file)
  return os.path.isfile(file) and os.path.getsize(file) == shard.num_bytes


def missing(path: str, shards: Iterable[Shard]) -> list[Shard]:
  """The shards that are not there, or not whole."""
  return [shard for shard in shards if not is_complete(path, shard)]


def is_sound(path: str, shard: Shard, fingerprint: str) -> bool:
  """Whether a shard is whole, as it was written, and of these traces.

  Args:
    path: the folder.
    shard: which.
    fingerprint: that its rollouts must carry.
  """
  if not is_complete(path, shard):
    return False
  feature = {
    trace_records.FINGERPRINT: tf.io.FixedLenFeature([], tf.string, '')
  }
  try:
    for record in tf.data.TFRecordDataset(os.path.join(path, shard.file)):
      found = tf.io.parse_single_example(record, feature)
      if found[trace_records.FINGERPRINT] != fingerprint:
        return False
  except (tf.errors.DataLossError, tf.errors.InvalidArgumentError):
    return False
  return True


def set_aside(path: str, shard: Shard) -> None:
  """Gives a damaged shard another name: the next export makes it again."""
  file = os.path.join(path, shard.file)
  if os.path.exists(file):
    os.replace(file, file + _DAMAGED)


def has_remains(path: str, shard: Shard) -> bool:
  """Whether there is something of a shard, damaged as it may be."""
  file = os.path.join(path, shard.file)
  return os.path.exists(file) or os.path.exists(file + _DAMAGED)


def clear(path: str) -> None:
  """Removes what is not whole, and what was set aside."""
  for end in (_PARTIAL, _DAMAGED):
    for file in glob.glob(os.path.join(glob.escape(path), f'*{end}')):
      os.unlink(file)


def write_shard(file: str, records: Iterable[bytes | bytearray]) -> int:
  """Writes a shard, whole or not at all.

  Args:
    file: its path.
    records: its rollouts, from `trace_records.encode`.

  Returns:
    Its size in bytes.
  """
  with files.atomic_path(file) as partial:
    with tf.io.TFRecordWriter(partial) as writer:
      for record in records:
        writer.write(record)
    return os.path.getsize(partial)


def write_plan(
  path: str, shards: Sequence[Shard], metadata: Mapping[str, Any]
) -> None:
  """Writes which shards a folder will have, and what they are of."""
  files.write_json(
    os.path.join(path, _SHARDS), [dataclasses.asdict(x) for x in shards]
  )
  # Last: where it is, there is all that an export needs to go on.
  files.write_json(os.path.join(path, _METADATA), dict(metadata))


def read_plan(path: str) -> tuple[list[Shard], dict[str, Any]]:
  """Reads what `write_plan` wrote.

  Args:
    path: the folder.

  Returns:
    The shards and the metadata.

  Raises:
    errors.UsageError: if the folder has none, or is an older version's.
  """
  found = []
  for name in (_METADATA, _SHARDS):
    file = os.path.join(path, name)
    try:
      with open(file, encoding='utf-8') as opened:
        found.append(json.load(opened))
    except (FileNotFoundError, NotADirectoryError) as error:
      raise errors.UsageError(
        f'{path}: no traces here, or those of an older version ({name} is '
        'missing); name another folder, or delete this one and export them'
      ) from error
    except ValueError as error:
      raise errors.UsageError(
        f'{file}: not readable; delete the folder and export the traces again'
      ) from error
  return [Shard(**fields) for fields in found[1]], found[0]


def check_metadata(
  path: str, found: Mapping[str, Any], expected: Mapping[str, Any]
) -> None:
  """Raises a `UsageError` if traces are not of what they should be of.

  Args:
    path: their folder.
    found: their metadata.
    expected: what it must hold; it may hold more.

  Raises:
    errors.UsageError: if it does not.
  """
  # JSON turns tuples into lists: compare as JSON.
  for field, value in json.loads(json.dumps(dict(expected))).items():
    if found.get(field) != value:
      raise errors.UsageError(
        f'{path}: traces with {field} {found.get(field)!r}, but {value!r} '
        'is asked for; delete the folder, or use another one'
      )


def _description(
  widths: Mapping[str, int], shards: Sequence[Shard]
) -> dict[str, bytes]:
  """The contents of TFDS's files, by name."""
  splits = {}
  for shard in shards:
    splits.setdefault(shard.split, []).append(shard)
  with tempfile.TemporaryDirectory() as folder, quiet.tfds_logs():
    info = tfds.core.DatasetInfo(
      builder=tfds.core.DatasetIdentity(
        name=_DATASET_NAME,
        version=tfds.core.Version(_VERSION),
        data_dir=folder,
        module_name='',
      ),
      description='What a model held at every step of its rollouts.',
      features=trace_records.features(widths),
      # On reading, rollouts come in the order they were written.
      disable_shuffling=True,
    )
    info.set_file_format(tfds.core.FileFormat.TFRECORD)
    info.set_splits(
      tfds.core.SplitDict(
        [
          tfds.core.SplitInfo(
            name=name,
            shard_lengths=[shard.num_rollouts for shard in own],
            num_bytes=sum(
              shard.num_bytes - trace_records.FRAME_BYTES * shard.num_rollouts
              for shard in own
            ),
          )
          for name, own in splits.items()
        ]
      )
    )
    info.write_to_directory(folder)
    return {name: _read(os.path.join(folder, name)) for name in _TFDS_FILES}


def _read(file: str) -> bytes:
  with open(file, 'rb') as opened:
    return opened.read()


def is_finished(path: str) -> bool:
  """Whether all of an export was once there."""
  return all(os.path.isfile(os.path.join(path, name)) for name in _TFDS_FILES)


def is_described(
  path: str, widths: Mapping[str, int], shards: Sequence[Shard]
) -> bool:
  """Whether TFDS's files are there, and as `finish` writes them."""
  return is_finished(path) and all(
    _read(os.path.join(path, name)) == content
    for name, content in _description(widths, shards).items()
  )


def finish(
  path: str, widths: Mapping[str, int], shards: Sequence[Shard]
) -> None:
  """Writes what `tfds.builder_from_directory` reads, once all shards are there.

  Args:
    path: the folder.
    widths: numbers per step, for each representation.
    shards: all of them.
  """
  for name, content in _description(widths, shards).items():
    with files.atomic_file(os.path.join(path, name)) as file:
      file.write(content)

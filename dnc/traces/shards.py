"""The files of a folder of traces, each written whole or not at all.

Before anything is computed, a plan fixes the shards, with the rollouts and the
size in bytes of each. A resumed export keeps finished shards and writes missing
ones.

  shards.json, metadata.json
      the plan, and metadata that identify model, data and rollouts; written
      first
  *.tfrecord-*
      the shards, each renamed into place once it is complete
  features.json, dataset_info.json
      TFDS needs them to read the shards; written once all shards are there

The checks of a shard, and what each covers:

  size         `num_bytes` of shards.json against the file's. Checked whenever a
               folder is opened or an export is planned.
  checksums    two CRC-32C in each TFRecord frame, one over the record's length
               and one over its bytes: every byte of every rollout. TensorFlow
               checks them on reading.
  fingerprint  the feature `fingerprint` of every rollout: SHA-256 over all of
               metadata.json (so model, data and rollouts) and the shard's file
               name, but not over the numbers. It detects a shard of other
               traces or in the wrong place. Checked on reading.
"""

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import glob
import json
import os
import pathlib
import tempfile
from typing import Any
from typing import NamedTuple

import tensorflow as tf
import tensorflow_datasets as tfds

from dnc.system import errors
from dnc.system import files
from dnc.system import quiet
from dnc.traces import records

_DATASET_NAME = 'dnc_traces'
_VERSION = '1.0.0'
_SHARDS = 'shards.json'
_METADATA = 'metadata.json'
# In this order: TFDS recognises a dataset by the last of them.
_TFDS_FILES = ('features.json', 'dataset_info.json')

# Target size of a shard. An interrupted export loses about this much at most.
_SHARD_BYTES = 64 << 20
# Suffixes of incomplete and of damaged files.
_PARTIAL, _DAMAGED = '.partial', '.damaged'


@dataclasses.dataclass(frozen=True)
class Shard:
  """A file of rollouts; `shards.json` is a list of them.

  Attributes:
    file: its name.
    split: the split whose rollouts it holds.
    first: position of its first rollout in the split.
    num_rollouts: number of its rollouts.
    num_bytes: size of the file.
  """

  file: str
  split: str
  first: int
  num_rollouts: int
  num_bytes: int


class PlannedRollout(NamedTuple):
  """A rollout to be written.

  Attributes:
    index: its index.
    num_steps: number of its steps.
  """

  index: int
  num_steps: int


def file_name(split: str, number: int, num_shards: int) -> str:
  """Returns the name that TFDS expects of a shard."""
  return f'{_DATASET_NAME}-{split}.tfrecord-{number:05}-of-{num_shards:05}'


def plan(
  widths: Mapping[str, int],
  splits: Mapping[str, Sequence[PlannedRollout]],
  batch_size: int,
) -> list[Shard]:
  """Plans the shards.

  A shard holds whole batches: as many as fit into 64 MiB if all rollouts were
  as long as the longest of their split, but at least one.

  Args:
    widths: numbers per step, for each representation.
    splits: the rollouts of each split, in order.
    batch_size: number of rollouts that the model runs at once.
  """
  shards = []
  for split, rollouts in splits.items():
    sizes = [
      records.size_in_bytes(widths, rollout.index, rollout.num_steps)
      for rollout in rollouts
    ]
    num_batches = max(1, _SHARD_BYTES // (batch_size * max(sizes)))
    number = num_batches * batch_size
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


def has_begun(path: str) -> bool:
  """Whether a folder holds more than the remains of an incomplete plan."""
  remains = (_PARTIAL, _SHARDS, '.lock')
  return os.path.exists(path) and not all(
    name.endswith(remains) for name in os.listdir(path)
  )


def is_complete(path: str, shard: Shard) -> bool:
  """Whether a shard is there and has its planned size."""
  file = os.path.join(path, shard.file)
  return os.path.isfile(file) and os.path.getsize(file) == shard.num_bytes


def missing(path: str, shards: Iterable[Shard]) -> list[Shard]:
  """Returns the shards that are absent or do not have their planned size."""
  return [shard for shard in shards if not is_complete(path, shard)]


def is_sound(path: str, shard: Shard, fingerprint: str) -> bool:
  """Whether a shard's size, checksums and fingerprints are right; reads it."""
  if not is_complete(path, shard):
    return False
  feature = {records.FINGERPRINT: tf.io.FixedLenFeature([], tf.string, '')}
  try:
    for record in tf.data.TFRecordDataset(os.path.join(path, shard.file)):
      found = tf.io.parse_single_example(record, feature)
      if found[records.FINGERPRINT] != fingerprint:
        return False
  except (tf.errors.DataLossError, tf.errors.InvalidArgumentError):
    return False
  return True


def set_aside(path: str, shard: Shard) -> None:
  """Renames a damaged shard, so that the next export writes it again."""
  file = os.path.join(path, shard.file)
  if os.path.exists(file):
    os.replace(file, file + _DAMAGED)


def has_remains(path: str, shard: Shard) -> bool:
  """Whether a missing shard left a file that is damaged or was set aside."""
  file = os.path.join(path, shard.file)
  return os.path.exists(file) or os.path.exists(file + _DAMAGED)


def clear(path: str) -> None:
  """Removes incomplete files, and the shards that were set aside."""
  for end in (_PARTIAL, _DAMAGED):
    for file in glob.glob(os.path.join(glob.escape(path), f'*{end}')):
      os.unlink(file)


def write_plan(
  path: str, shards: Sequence[Shard], metadata: Mapping[str, Any]
) -> None:
  """Writes the planned shards of a folder, and the metadata of its traces."""
  files.write_json(
    os.path.join(path, _SHARDS), [dataclasses.asdict(x) for x in shards]
  )
  # Written last: if it exists, the plan is complete.
  files.write_json(os.path.join(path, _METADATA), dict(metadata))


def read_plan(path: str) -> tuple[list[Shard], dict[str, Any]]:
  """Reads the shards and the metadata that `write_plan` wrote.

  Raises:
    errors.UsageError: if a file is missing or damaged.
  """
  found = []
  for name, read in (
    (_METADATA, dict),
    (_SHARDS, lambda rows: [Shard(**fields) for fields in rows]),
  ):
    file = os.path.join(path, name)
    advice = 'delete the folder and export the traces again'
    try:
      with files.explained_damage(file, advice):
        found.append(read(files.read_json(file)))
    except FileNotFoundError as error:
      raise errors.UsageError(
        f'{path}: no traces here ({name} is missing); name another folder, or '
        'delete this one and export them again'
      ) from error
  return found[1], found[0]


def check_metadata(
  path: str, found: Mapping[str, Any], expected: Mapping[str, Any]
) -> None:
  """Checks that traces are of the expected model, data and rollouts.

  Args:
    path: the traces' folder.
    found: their metadata, which may have more fields than `expected`.
    expected: the fields that it must have.

  Raises:
    errors.UsageError: if a field differs.
  """
  # Compare as JSON, which turns tuples into lists.
  for field, value in json.loads(json.dumps(dict(expected))).items():
    if found.get(field) != value:
      raise errors.UsageError(
        f'{path}: these traces have {field} {found.get(field)!r}, not '
        f'{value!r}; delete the folder, or use another one'
      )


def _description(
  widths: Mapping[str, int], shards: Sequence[Shard]
) -> dict[str, bytes]:
  """Returns the contents of TFDS's files, by name."""
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
      features=records.features(widths),
      # Rollouts are read in the order in which they were written.
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
              shard.num_bytes - records.FRAME_BYTES * shard.num_rollouts
              for shard in own
            ),
          )
          for name, own in splits.items()
        ]
      )
    )
    info.write_to_directory(folder)
    return {x: pathlib.Path(folder, x).read_bytes() for x in _TFDS_FILES}


def is_finished(path: str) -> bool:
  """Whether an export to this folder has ever finished."""
  return all(os.path.isfile(os.path.join(path, name)) for name in _TFDS_FILES)


def is_described(
  path: str, widths: Mapping[str, int], shards: Sequence[Shard]
) -> bool:
  """Whether TFDS's files are there, exactly as `finish` writes them."""
  return is_finished(path) and all(
    pathlib.Path(path, name).read_bytes() == content
    for name, content in _description(widths, shards).items()
  )


def finish(
  path: str, widths: Mapping[str, int], shards: Sequence[Shard]
) -> None:
  """Writes TFDS's files; call it once all shards are there."""
  for name, content in _description(widths, shards).items():
    file = pathlib.Path(path, name)
    # Sound files are left untouched.
    if not file.exists() or file.read_bytes() != content:
      with files.atomic_file(file) as opened:
        opened.write(content)

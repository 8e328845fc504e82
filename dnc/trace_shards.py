"""The files of a folder of traces, written one by one and never by halves.

Which shards there will be, which rollouts each holds and how many bytes it has
is known before anything is computed, so that an export that was interrupted
goes on with the shards that are missing.

  shards.json, metadata.json
      which shards, and whose traces: there from the beginning
  *.tfrecord-*
      the shards, each there once it is whole
  features.json, dataset_info.json
      what TFDS reads the shards by: there once all of them are
"""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import glob
import json
import os
import shutil
import tempfile
from typing import Any

import tensorflow as tf
import tensorflow_datasets as tfds

from dnc import errors
from dnc import files
from dnc import quiet
from dnc import trace_records

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


def _num_bytes(shards: Iterable[Shard]) -> int:
  return sum(shard.num_bytes for shard in shards)


def _read(file: str) -> bytes:
  with open(file, 'rb') as opened:
    return opened.read()


def is_finished(path: str) -> bool:
  """Whether all of an export was once there."""
  return all(os.path.isfile(os.path.join(path, name)) for name in _TFDS_FILES)


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


def _shown(num_bytes: float) -> str:
  """A size for people."""
  unit, size = 'GB', num_bytes / 1e9
  if size < 0.01:
    unit, size = 'MB', num_bytes / 1e6
  if size >= 100:
    return f'{size:,.0f} {unit}'
  return f'{size:.3g} {unit}' if size >= 10 else f'{size:.2g} {unit}'


def _free_space(path: str) -> int:
  """Bytes that are free where a folder is or will be."""
  folder = os.path.abspath(path)
  while not os.path.isdir(folder):
    folder = os.path.dirname(folder)
  return shutil.disk_usage(folder).free


class Export:
  """A folder of traces to be written, or gone on with.

  Attributes:
    path: the folder.
    widths: numbers per step, for each representation.
    fingerprint: what its rollouts carry of what they are of.
    missing: the shards that are to be written.
  """

  def __init__(
    self,
    path: str,
    widths: Mapping[str, int],
    splits: Mapping[str, Sequence[tuple[int, int]]],
    together: int,
    metadata: Mapping[str, Any],
  ):
    """Looks at what is there; writes nothing.

    Args:
      path: the folder.
      widths: as for `plan`, and
      splits: as for `plan`, and
      together: as for `plan`.
      metadata: what the traces are of.

    Raises:
      errors.UsageError: if the folder holds other traces, or something else.
    """
    self.path = path
    self.widths = widths
    self._lengths = [n for rollouts in splits.values() for _, n in rollouts]
    self._metadata = metadata
    self.fingerprint = trace_records.fingerprint(metadata)
    self._shards = plan(widths, splits, together)
    self._is_new = not self._has_begun()
    if not self._is_new:
      found, found_metadata = read_plan(path)
      check_metadata(path, found_metadata, metadata)
      self.fingerprint = trace_records.fingerprint(found_metadata)
      if found != self._shards:
        if _num_bytes(found) != _num_bytes(self._shards):
          raise errors.UsageError(
            f'{path}: traces of an older version; delete the folder'
          )
        if not is_finished(path) or missing(path, found):
          raise errors.UsageError(
            f'{path}: unfinished traces in shards of other sizes than this '
            'version writes; delete the folder'
          )
        self._shards = found
    self.missing = missing(path, self._shards)

  def _has_begun(self) -> bool:
    """Whether the folder holds more than what a killed process may leave."""
    if not os.path.exists(self.path):
      return False
    return any(
      not name.endswith((_PARTIAL, _SHARDS, '.lock'))
      for name in os.listdir(self.path)
    )

  def _is_described(self) -> bool:
    """Whether TFDS's files are there, and as they should be."""
    return is_finished(self.path) and all(
      _read(os.path.join(self.path, name)) == content
      for name, content in _description(self.widths, self._shards).items()
    )

  @property
  def is_finished(self) -> bool:
    """Whether there is nothing to do."""
    return not self.missing and self._is_described()

  @property
  def num_shards(self) -> int:
    """How many there are to be."""
    return len(self._shards)

  @property
  def num_there(self) -> int:
    """How many are there by now."""
    return self.num_shards - len(missing(self.path, self._shards))

  @property
  def num_missing_bytes(self) -> int:
    """What is yet to be written takes on the disk."""
    return _num_bytes(self.missing)

  def _size_text(self) -> str:
    """What there is to write, and where it goes.

    Such as '550 rollouts x 500 steps: 0.28 GB for memory, ...; 1 GB in all,
    free 80 GB'.
    """
    steps = self._lengths
    least, most = min(steps), max(steps)
    lengths = f'{most:,}' if least == most else f'{least:,} to {most:,}'
    widths = trace_records.all_widths(self.widths)
    sizes = [
      f'{_shown(sum(steps) * trace_records.bytes_per_step(width))} for {name}'
      for name, width in sorted(widths.items(), key=lambda item: -item[1])
    ]
    total = _num_bytes(self._shards)
    there = total - self.num_missing_bytes
    return (
      f'{len(steps):,} rollouts x {lengths} steps: {", ".join(sizes)}; '
      f'{_shown(total)} in all, '
      + (f'{_shown(there)} of it there, ' if there else '')
      + f'free {_shown(_free_space(self.path))}'
    )

  def begin(self, log: Callable[[str], None]) -> None:
    """Makes the folder.

    Args:
      log: takes lines: what is about to be written where, and how large it is.

    Raises:
      errors.UsageError: if the disk has too little space for what is missing.
    """
    if self.num_there:
      there = f'{self.num_there} of {self.num_shards} shards are there'
      log(f'traces: going on with {self.path}: {there}')
    else:
      log(f'traces: writing {self.path}')
    for shard in self.missing:
      file = os.path.join(self.path, shard.file)
      if os.path.exists(file) or os.path.exists(file + _DAMAGED):
        log(f'traces: {file} is damaged and is made again')
    for end in (_PARTIAL, _DAMAGED):
      for file in glob.glob(os.path.join(glob.escape(self.path), f'*{end}')):
        os.unlink(file)
    log(f'traces: {self._size_text()}')
    check_space(self.path, [self])
    os.makedirs(self.path, exist_ok=True)
    if self._is_new:
      write_plan(self.path, self._shards, self._metadata)

  def write(self, shard: Shard, records: Iterable[bytes | bytearray]) -> None:
    """Writes one of the missing shards.

    Args:
      shard: which.
      records: its rollouts, from `trace_records.encode`.

    Raises:
      ValueError: if they are not as long as was planned.
    """
    size = write_shard(os.path.join(self.path, shard.file), records)
    if size != shard.num_bytes:
      raise ValueError(f'{shard} has {size} bytes')

  def finish(self) -> None:
    """Makes the folder a dataset, now that all shards are there."""
    if not self._is_described():
      finish(self.path, self.widths, self._shards)


def check_space(
  folder: str,
  exports: Sequence[Export],
  log: Callable[[str], None] | None = None,
) -> None:
  """Checks that the disk has room for all that exports will write.

  Args:
    folder: where they all write.
    exports: what is to be written.
    log: takes a line of how much that is.

  Raises:
    errors.UsageError: if the disk has too little space.
  """
  needed = sum(export.num_missing_bytes for export in exports)
  free = _free_space(folder)
  if log is not None and needed:
    log(f'traces: {_shown(needed)} to write into {folder}, free {_shown(free)}')
  if free < needed:
    raise errors.UsageError(
      f'{folder}: the traces need {_shown(needed)} and the disk has '
      f'{_shown(free)} free; free some space, or ask for fewer rollouts '
      '(--num_rollouts, --num_isolated), less of each step (--export) or one '
      'test (--test)'
    )

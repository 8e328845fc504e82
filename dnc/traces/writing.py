"""Writes a folder of traces: plans it, checks the disk, writes what is missing.

It takes encoded rollouts from any model and keeps none in memory.
"""

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
import os
import shutil
from typing import Any

import tensorflow as tf

from dnc.system import errors
from dnc.system import files
from dnc.system import progress
from dnc.traces import records
from dnc.traces import shards as shards_lib


def _shown(num_bytes: float) -> str:
  """Formats a size, such as '0.28 GB'."""
  unit, size = 'GB', num_bytes / 1e9
  if size < 0.01:
    unit, size = 'MB', num_bytes / 1e6
  if size >= 100:
    return f'{size:,.0f} {unit}'
  return f'{size:.3g} {unit}' if size >= 10 else f'{size:.2g} {unit}'


def _free_space(path: str) -> int:
  """Free bytes on the disk that holds (or will hold) a folder."""
  folder = os.path.abspath(path)
  while not os.path.isdir(folder):
    folder = os.path.dirname(folder)
  return shutil.disk_usage(folder).free


class Export:
  """An export of traces to a folder, new or resumed.

  Attributes:
    path: the folder.
    widths: numbers per step, for each representation.
    missing: the shards to be written; finished ones are kept.
    num_shards: number of shards that the folder will have.
  """

  def __init__(
    self,
    path: str,
    widths: Mapping[str, int],
    splits: Mapping[str, Sequence[shards_lib.PlannedRollout]],
    batch_size: int,
    metadata: Mapping[str, Any],
  ):
    """Plans the export and checks the folder; writes nothing.

    Args:
      path: the folder.
      widths: numbers per step, for each representation.
      splits: the rollouts of each split, in order.
      batch_size: number of rollouts that the model runs at once; a shard holds
        whole batches.
      metadata: describes the model, the data and the rollouts.

    Raises:
      errors.UsageError: if the folder holds other traces, or something else.
    """
    self.path = path
    self.widths = widths
    self._lengths = [
      rollout.num_steps for rollouts in splits.values() for rollout in rollouts
    ]
    self._metadata = metadata
    self._shards = shards_lib.plan(widths, splits, batch_size)
    self._is_new = not shards_lib.has_begun(path)
    if not self._is_new:
      found, found_metadata = shards_lib.read_plan(path)
      shards_lib.check_metadata(path, found_metadata, metadata)
      # It may hold more fields, and the fingerprints of shards cover them all.
      self._metadata = found_metadata
      if found != self._shards:
        raise errors.UsageError(
          f'{path}: its shards.json does not fit these traces; delete the '
          'folder'
        )
    self.missing = shards_lib.missing(path, self._shards)
    self.num_shards = len(self._shards)

  @property
  def is_finished(self) -> bool:
    """Whether there is nothing left to write."""
    return not self.missing and shards_lib.is_described(
      self.path, self.widths, self._shards
    )

  def fingerprint(self, shard: shards_lib.Shard) -> str:
    """Returns the fingerprint that all rollouts of a shard carry."""
    return records.fingerprint(self._metadata, shard.file)

  @property
  def num_there(self) -> int:
    """Number of shards written so far."""
    return self.num_shards - len(shards_lib.missing(self.path, self._shards))

  @property
  def num_missing_bytes(self) -> int:
    """Bytes that the missing shards will take on the disk."""
    return sum(shard.num_bytes for shard in self.missing)

  def _size_text(self) -> str:
    """Says what will be written, such as '550 rollouts x 500 steps: ...'."""
    steps = self._lengths
    least, most = min(steps), max(steps)
    lengths = f'{most:,}' if least == most else f'{least:,} to {most:,}'
    widths = records.all_widths(self.widths)
    sizes = [
      f'{_shown(sum(steps) * records.bytes_per_step(width))} for {name}'
      for name, width in sorted(widths.items(), key=lambda item: -item[1])
    ]
    total = sum(shard.num_bytes for shard in self._shards)
    there = total - self.num_missing_bytes
    return (
      f'{len(steps):,} rollouts x {lengths} steps: {", ".join(sizes)}; '
      f'{_shown(total)} in all, '
      + (f'{_shown(there)} already written, ' if there else '')
      + f'free {_shown(_free_space(self.path))}'
    )

  def begin(self, log: progress.Log) -> None:
    """Makes the folder and writes its plan.

    Args:
      log: takes lines that say what will be written, where, and its size.

    Raises:
      errors.UsageError: if the missing shards do not fit on the disk.
    """
    console = progress.as_console(log)
    if self.num_there:
      there = f'{self.num_there} of {self.num_shards} shards are there'
      console(f'traces: resuming {self.path}: {there}')
    else:
      console.show(f'traces: writing {self.path}')
    for shard in self.missing:
      if shards_lib.has_remains(self.path, shard):
        file = os.path.join(self.path, shard.file)
        console(f'traces: {file} is damaged and will be written again')
    shards_lib.clear(self.path)
    console.show(f'traces: {self._size_text()}')
    check_space(self.path, [self])
    os.makedirs(self.path, exist_ok=True)
    if self._is_new:
      shards_lib.write_plan(self.path, self._shards, self._metadata)

  def write(
    self, shard: shards_lib.Shard, encoded: Iterable[bytes | bytearray]
  ) -> None:
    """Writes one of the missing shards, whole or not at all.

    Args:
      shard: the shard.
      encoded: its rollouts, from `records.encode`.

    Raises:
      ValueError: if they do not take the planned number of bytes.
    """
    with files.atomic_path(os.path.join(self.path, shard.file)) as partial:
      with tf.io.TFRecordWriter(partial) as writer:
        for record in encoded:
          writer.write(record)
      size = os.path.getsize(partial)
      if size != shard.num_bytes:
        raise ValueError(f'{shard} takes {size} bytes')

  def finish(self) -> None:
    """Makes the folder a TFDS dataset; call it once all shards are there."""
    shards_lib.finish(self.path, self.widths, self._shards)


def check_space(
  folder: str,
  exports: Sequence[Export],
  log: progress.Log | None = None,
) -> None:
  """Checks that the disk has room for everything that exports will write.

  Args:
    folder: a folder on that disk, for the messages.
    exports: the exports.
    log: takes a line that says how much they will write.

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
      '(--num_rollouts, --num_isolated), less data per step (--export) or one '
      'test (--test)'
    )

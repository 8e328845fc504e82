"""A folder of traces to be written, as far as it is not: sizes, space, shards.

`exports.py` says what is written of a model, and `trace_shards.py` has the
files.
"""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
import os
import shutil
from typing import Any

from dnc.system import errors
from dnc.traces import records as trace_records
from dnc.traces import shards as trace_shards


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
    self._shards = trace_shards.plan(widths, splits, together)
    self._is_new = not trace_shards.has_begun(path)
    if not self._is_new:
      found, found_metadata = trace_shards.read_plan(path)
      trace_shards.check_metadata(path, found_metadata, metadata)
      # It may say more.
      self._metadata = found_metadata
      if found != self._shards:
        if trace_shards.num_bytes(found) != trace_shards.num_bytes(
          self._shards
        ):
          raise errors.UsageError(
            f'{path}: traces of an older version; delete the folder'
          )
        if not trace_shards.is_finished(path) or trace_shards.missing(
          path, found
        ):
          raise errors.UsageError(
            f'{path}: unfinished traces in shards of other sizes than this '
            'version writes; delete the folder'
          )
        self._shards = found
    self.missing = trace_shards.missing(path, self._shards)

  @property
  def is_finished(self) -> bool:
    """Whether there is nothing to do."""
    return not self.missing and trace_shards.is_described(
      self.path, self.widths, self._shards
    )

  def fingerprint(self, shard: trace_shards.Shard) -> str:
    """What the rollouts of a shard carry."""
    return trace_records.fingerprint(self._metadata, shard.file)

  @property
  def num_shards(self) -> int:
    """How many there are to be."""
    return len(self._shards)

  @property
  def num_there(self) -> int:
    """How many are there by now."""
    return self.num_shards - len(trace_shards.missing(self.path, self._shards))

  @property
  def num_missing_bytes(self) -> int:
    """What is yet to be written takes on the disk."""
    return trace_shards.num_bytes(self.missing)

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
    total = trace_shards.num_bytes(self._shards)
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
      if trace_shards.has_remains(self.path, shard):
        file = os.path.join(self.path, shard.file)
        log(f'traces: {file} is damaged and is made again')
    trace_shards.clear(self.path)
    log(f'traces: {self._size_text()}')
    check_space(self.path, [self])
    os.makedirs(self.path, exist_ok=True)
    if self._is_new:
      trace_shards.write_plan(self.path, self._shards, self._metadata)

  def write(
    self, shard: trace_shards.Shard, records: Iterable[bytes | bytearray]
  ) -> None:
    """Writes one of the missing shards.

    Args:
      shard: which.
      records: its rollouts, from `trace_records.encode`.

    Raises:
      ValueError: if they are not as long as was planned.
    """
    size = trace_shards.write_shard(
      os.path.join(self.path, shard.file), records
    )
    if size != shard.num_bytes:
      raise ValueError(f'{shard} has {size} bytes')

  def finish(self) -> None:
    """Makes the folder a dataset, now that all shards are there."""
    if not trace_shards.is_described(self.path, self.widths, self._shards):
      trace_shards.finish(self.path, self.widths, self._shards)


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

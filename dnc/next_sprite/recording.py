"""From a model to its traces: what is written of each step, and writing it."""

from collections.abc import Iterator
from collections.abc import Mapping
from concurrent import futures
import dataclasses
import functools
import itertools
from typing import Any

import numpy as np

from dnc import config as config_lib
from dnc import traces as traces_lib
from dnc.dsprites import table as table_lib
from dnc.next_sprite import model as predictor_lib
from dnc.next_sprite import rollouts
from dnc.next_sprite import scoring as evaluation
from dnc.system import errors
from dnc.system import progress
from dnc.traces import records as trace_records
from dnc.traces import shards as trace_shards
from dnc.traces import writing as trace_export

# Rollouts that run together; halved until they take no more than the bytes.
_BATCH_SIZE = 16
_MAX_BATCH_BYTES = 320 << 20


def exported(
  config: config_lib.EvaluationConfig, widths: Mapping[str, int]
) -> tuple[str, ...]:
  """What to write of each step of Test 1's rollouts.

  Args:
    config: says it, or leaves it open.
    widths: numbers per step of all that the core has.

  Returns:
    Some of `config.EXPORTS`, in that order.

  Raises:
    UsageError: if the core lacks what `config.export` names.
  """
  had = [name for name in config_lib.EXPORTS if name in widths]
  if config.export is not None:
    _check('export', config.export, had)
    return tuple(name for name in had if name in config.export)
  wide = widths.get('memory', 0) > config.MAX_MEMORY
  if wide and 'memory' not in (config.representations or ()):
    had.remove('memory')
  return tuple(had)


def probed(
  config: config_lib.EvaluationConfig, widths: Mapping[str, int]
) -> tuple[str, ...]:
  """What Test 1 probes, of that.

  Args:
    config: as of `exported`.
    widths: as of `exported`.

  Returns:
    Some of `config.REPRESENTATIONS`.

  Raises:
    UsageError: if the core lacks what `config.representations` names.
  """
  if config.representations is None:
    written = exported(config, widths)
    return tuple(x for x in written if x in config_lib.REPRESENTATIONS)
  had = [name for name in config_lib.REPRESENTATIONS if name in widths]
  _check('representations', config.representations, had)
  return config.representations


def _check(flag: str, names: tuple[str, ...], had: list[str]) -> None:
  lacking = [name for name in names if name not in had]
  if lacking:
    raise errors.UsageError(
      f'--{flag}={",".join(names)}: this core has no {", ".join(lacking)}; '
      f'it has {", ".join(had)}'
    )


@dataclasses.dataclass(frozen=True)
class ModelTraces:
  """Traces of a model: what they are of, and where they are or will be.

  Attributes:
    path: the folder of the traces.
    predictor: the model.
    table: the sprites.
    splits: which rollouts.
    widths: what to record, some of `predictor.widths`.
    metadata: what the traces are of. Fingerprints of model and data, and the
      rollouts, are added.
  """

  path: str
  predictor: predictor_lib.SpritePredictor
  table: table_lib.SpriteTable
  splits: Mapping[str, evaluation.Split]
  widths: Mapping[str, int]
  metadata: Mapping[str, Any]

  @functools.cached_property
  def _all_metadata(self) -> dict[str, Any]:
    return {
      **self.metadata,
      'model_fingerprint': evaluation.fingerprint(self.predictor),
      'data_fingerprint': self.table.fingerprint,
      'splits': {k: dataclasses.asdict(v) for k, v in self.splits.items()},
      'representations': sorted(self.widths),
    }

  @functools.cached_property
  def _together(self) -> int:
    """How many rollouts to run together."""
    longest = max(split.spec.max_length for split in self.splits.values())
    return _batch_size(4 * longest * sum(self.widths.values()))

  def plan(self) -> trace_export.Export:
    """Looks at what `export` would have to write, and writes nothing.

    Raises:
      UsageError: if the folder holds other traces.
    """
    return trace_export.Export(
      self.path,
      self.widths,
      {name: _planned(split) for name, split in self.splits.items()},
      self._together,
      self._all_metadata,
    )

  def export(self, log: progress.Log | None = None) -> traces_lib.Traces:
    """Writes what the model holds at every step, unless it is written already.

    Shards that are there stay as they are: what was interrupted is gone on
    with, and what was lost is made again, the same bytes.

    Args:
      log: takes a line of progress now and then.

    Returns:
      The traces, open for reading.

    Raises:
      UsageError: if the folder holds other traces, or the disk is too small.
    """
    console = progress.as_console(log)
    export = self.plan()
    if export.is_finished:
      console.show(f'traces: reading {self.path}')
    else:
      export.begin(console)
      evaluator = _evaluator(self.predictor, tuple(self.widths), self._together)
      try:
        _write_missing(
          export, evaluator, self.table, self.splits, self._together, console
        )
      except KeyboardInterrupt:
        console(
          f'traces: {export.num_there} of {export.num_shards} shards are '
          'there; the same command goes on from here'
        )
        raise
      export.finish()
    return traces_lib.open_traces(self.path, self._all_metadata)


@functools.lru_cache(maxsize=2)
def _evaluator(
  predictor: predictor_lib.SpritePredictor,
  record: tuple[str, ...],
  batch_size: int,
) -> evaluation.Evaluator:
  """The same for many exports: its graph takes seconds to make and compile."""
  return evaluation.Evaluator(predictor, record, batch_size)


def _batch_size(bytes_per_rollout: int) -> int:
  """How many rollouts to run together."""
  batch_size = _BATCH_SIZE
  while batch_size > 1 and batch_size * bytes_per_rollout > _MAX_BATCH_BYTES:
    batch_size //= 2
  return batch_size


def _planned(split: evaluation.Split) -> list[trace_shards.PlannedRollout]:
  """Index and number of steps of a split's rollouts."""
  return [
    trace_shards.PlannedRollout(index, rollouts.length(split.spec, index))
    for index in range(split.first, split.first + split.num_rollouts)
  ]


def _write_missing(
  export: trace_export.Export,
  evaluator: evaluation.Evaluator,
  table: table_lib.SpriteTable,
  splits: Mapping[str, evaluation.Split],
  batch_size: int,
  console: progress.Console,
) -> None:
  """Runs the model for a shard while the one before is being written."""
  done = 0
  total = sum(shard.num_rollouts for shard in export.missing)
  # What is being written when something goes wrong is written to its end.
  with (
    progress.Stage(console, 'writing traces', total, 'rollouts') as stage,
    futures.ThreadPoolExecutor(max_workers=1) as writer,
  ):
    writing = None
    for name, split in splits.items():
      shards = [shard for shard in export.missing if shard.split == name]
      for shard, recorded in _run_shards(
        evaluator, table, split, shards, batch_size
      ):
        if writing:
          writing.result()
        records = _encoded(export, shard, recorded)
        writing = writer.submit(export.write, shard, records)
        done += shard.num_rollouts
        stage.done(done)
    if writing:
      writing.result()


# Of a batch its labels, as `rollouts.RolloutBatch`, and what was recorded.
_Recorded = tuple[rollouts.RolloutBatch, list[dict[str, np.ndarray]]]


def _run_shards(
  evaluator: evaluation.Evaluator,
  table: table_lib.SpriteTable,
  split: evaluation.Split,
  shards: list[trace_shards.Shard],
  batch_size: int,
) -> Iterator[tuple[trace_shards.Shard, list[_Recorded]]]:
  """Yields shards and what their batches gave.

  A rollout's companions are always the same, and so is it, bit for bit. They
  are in order of index: nobody waits for the shorter ones of a batch.
  """
  if not shards:
    return
  batches_of = []
  for shard in shards:
    indices = np.full([-(-shard.num_rollouts // batch_size), batch_size], -1)
    first = split.first + shard.first
    indices.flat[: shard.num_rollouts] = first + np.arange(shard.num_rollouts)
    batches_of.append(indices)
  batches = rollouts.dataset(table, split.spec, np.concatenate(batches_of))
  batches = batches.as_numpy_iterator()
  for shard, indices in zip(shards, batches_of):
    recorded = []
    for batch in itertools.islice(batches, len(indices)):
      segments = list(evaluator.record(batch))
      # The images are not kept.
      recorded.append((batch._replace(image=None, target=None), segments))
    yield shard, recorded


def _encoded(
  export: trace_export.Export,
  shard: trace_shards.Shard,
  recorded: list[_Recorded],
) -> Iterator[bytearray]:
  """Yields the records of a shard's rollouts, each valid until the next."""
  record, digits = None, export.fingerprint(shard)
  for batch, segments in recorded:
    for i, length in enumerate(batch.length):
      if not length:  # The batch was not filled.
        continue
      arrays = {name: _cut(segments, name, i, length) for name in export.widths}
      arrays['classes'] = [batch.classes[:length, i]]
      arrays['values'] = [batch.values[:length, i]]
      record = trace_records.encode(
        export.widths,
        int(batch.index[i]),
        digits,
        arrays,
        into=record,
      )
      yield record


def _cut(
  segments: list[dict[str, np.ndarray]], name: str, i: int, length: int
) -> list[np.ndarray]:
  """The first steps of rollout `i` of a batch, segment by segment."""
  pieces = []
  for segment in segments:
    pieces.append(segment[name][:length, i])
    length -= len(pieces[-1])
  return pieces

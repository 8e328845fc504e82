"""Records what a predictor holds at every step, and writes it as traces."""

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from concurrent import futures
import dataclasses
import functools
import itertools
from typing import Any

import numpy as np
import tensorflow as tf

from dnc import config as config_lib
from dnc import traces
from dnc.dsprites import table as table_lib
from dnc.next_sprite import model as model_lib
from dnc.next_sprite import rollouts
from dnc.next_sprite import scoring
from dnc.system import errors
from dnc.system import progress
from dnc.system import spreading
from dnc.traces import records
from dnc.traces import shards as shards_lib
from dnc.traces import writing
from dnc.training import checkpoints
from dnc.training import cores

# The only one of `config.EXPORTS` that does not come from the core's state.
LOSS = 'loss'

# Rollouts per batch, halved until a batch's records fit into these bytes.
_BATCH_SIZE = 16
_MAX_BATCH_BYTES = 320 << 20


def widths(config: config_lib.TrainingConfig) -> dict[str, int]:
  """Width of each of `config.EXPORTS` that a run's model has."""
  return {**cores.widths(config, config.core), LOSS: 1}


def exported(
  config: config_lib.EvaluationConfig, available: Mapping[str, int]
) -> tuple[str, ...]:
  """Chooses what to write for each step of Test 1's rollouts.

  Args:
    config: its `export` names the choice. If that is None, the choice is what
      Test 1 reads: the representations (a memory wider than `MAX_MEMORY` only
      if `representations` names it) and the weights by which Test 1 sorts the
      slots of a smaller memory.
    available: what the model has, from `widths`.

  Returns:
    Some of `config.EXPORTS`, in the order of `EXPORTS`.

  Raises:
    UsageError: if the model lacks something that `config.export` names.
  """
  names = _available(config, 'export', config_lib.EXPORTS, available)
  if config.export is not None:
    return tuple(name for name in names if name in config.export)
  read, width = list(config_lib.REPRESENTATIONS), available.get('memory', 0)
  if width <= config.MAX_MEMORY:
    read += ['read_weights', 'write_weights']
  elif 'memory' not in (config.representations or ()):
    read.remove('memory')
  return tuple(name for name in names if name in read)


def probed(
  config: config_lib.EvaluationConfig, available: Mapping[str, int]
) -> tuple[str, ...]:
  """Chooses the representations that Test 1 probes; see `exported`.

  Raises:
    UsageError: if the model lacks something that `config.representations`
      names.
  """
  choices = config_lib.REPRESENTATIONS
  _available(config, 'representations', choices, available)
  if config.representations is not None:
    return config.representations
  return tuple(x for x in exported(config, available) if x in choices)


def _available(
  config: config_lib.EvaluationConfig,
  flag: str,
  choices: tuple[str, ...],
  available: Mapping[str, int],
) -> list[str]:
  """Returns the choices the model has; refuses a flag that names others."""
  names = [name for name in choices if name in available]
  given = getattr(config, flag) or ()
  lacking = [name for name in given if name not in available]
  if lacking:
    raise errors.UsageError(
      f'--{flag}={",".join(given)}: this core has no {", ".join(lacking)}; it '
      f'has {", ".join(names)}'
    )
  return names


class Recorder:
  """Runs a predictor over batches of rollouts and records every step."""

  def __init__(
    self,
    predictor: model_lib.SpritePredictor,
    names: tuple[str, ...],
    batch_size: int | None = None,
  ):
    """Constructs the recorder.

    Args:
      predictor: the model.
      names: what to record, some of `config.EXPORTS`.
      batch_size: size of every batch; None allows any, but is slower on a CPU.
    """
    self._predictor = predictor
    self._names = names
    state = predictor.initial_state(1)
    # One graph for every length.
    self._record_segment = tf.function(
      self._record,
      input_signature=[
        rollouts.batch_spec(batch_size),
        tf.nest.map_structure(
          lambda x: tf.TensorSpec([batch_size, *x.shape[1:]], x.dtype), state
        ),
      ],
      autograph=False,
    )

  def _record(self, segment, state):
    of_state = tuple(name for name in self._names if name != LOSS)
    logits, state, recorded = self._predictor(
      rollouts.model_inputs(segment), state, of_state
    )
    if LOSS in self._names:
      loss = self._predictor.loss(logits, rollouts.model_targets(segment))
      loss = tf.where(segment.since_shown >= 0, loss, np.nan)
      recorded = {**recorded, LOSS: loss[:, :, tf.newaxis]}
    return recorded, state

  def record(
    self, batch: rollouts.RolloutBatch
  ) -> Iterator[dict[str, np.ndarray]]:
    """Records a batch from zero state.

    Args:
      batch: rollouts, of this recorder's batch size.

    Yields:
      For each segment in turn, float32 arrays `[time, batch, width]` by name,
      meaningless past a rollout's end. The arrays share memory with tensors: do
      not write to them.
    """
    state = self._predictor.initial_state(len(batch.length))
    for start in range(0, len(batch.image), scoring.SEGMENT_LENGTH):
      segment = rollouts.segment(batch, start, start + scoring.SEGMENT_LENGTH)
      recorded, state = self._record_segment(segment, state)
      yield {x: np.asarray(memoryview(recorded[x])) for x in self._names}


# Cached, because its graph takes seconds to compile.
_recorder = functools.lru_cache(maxsize=2)(Recorder)


@dataclasses.dataclass(frozen=True)
class ModelTraces:
  """Traces of a model: what they record, and their folder.

  Attributes:
    path: the folder, which need not exist.
    predictor: the model.
    table: the sprites.
    splits: the rollouts of each split.
    widths: the representations to record, some of `widths(config)`.
    metadata: describes the traces. Fingerprints of model and data, the splits
      and the names of the representations are added.
  """

  path: str
  predictor: model_lib.SpritePredictor
  table: table_lib.SpriteTable
  splits: Mapping[str, rollouts.RolloutRange]
  widths: Mapping[str, int]
  metadata: Mapping[str, Any]

  @functools.cached_property
  def _all_metadata(self) -> dict[str, Any]:
    return {
      **self.metadata,
      'model_fingerprint': checkpoints.fingerprint(self.predictor),
      'data_fingerprint': self.table.fingerprint,
      'splits': {k: v.described() for k, v in self.splits.items()},
      'representations': sorted(self.widths),
    }

  @functools.cached_property
  def _together(self) -> int:
    """Number of rollouts in a batch."""
    longest = max(split.spec.max_length for split in self.splits.values())
    return _batch_size(4 * longest * sum(self.widths.values()))

  def plan(self) -> writing.Export:
    """Plans the export without writing anything.

    Raises:
      UsageError: if the folder holds other traces.
    """
    widths = dict(self.widths)
    if any(split.spec.is_twin for split in self.splits.values()):
      widths[records.SINCE_SHOWN] = 1
    return writing.Export(
      self.path,
      widths,
      {name: _planned(split) for name, split in self.splits.items()},
      self._together,
      self._all_metadata,
    )

  def export(
    self,
    log: progress.Log | None = None,
    spread: spreading.Spread | None = None,
  ) -> traces.Traces:
    """Writes the traces, unless they are complete.

    Finished shards are kept and missing ones written. The bytes are the same as
    without an interruption.

    Args:
      log: takes lines of progress.
      spread: spreads the writing of shards over workers; None: this process
        writes them.

    Returns:
      The traces, open for reading.

    Raises:
      UsageError: if the folder holds other traces, or the disk is too full.
    """
    console = progress.as_console(log)
    export = self.plan()
    if export.is_finished:
      console.show(f'traces: reading {self.path}')
    else:
      export.begin(console)
      try:
        if spread is None:
          self._write(export, export.missing, console)
        else:
          list(spread(ModelTraces.write, export.missing))
      except KeyboardInterrupt:
        console(
          f'traces: {export.num_there} of {export.num_shards} shards are '
          'written; the same command writes the rest'
        )
        raise
      export.finish()
    return traces.open_traces(self.path, self._all_metadata)

  def write(self, shards: Sequence[shards_lib.Shard]) -> Iterator[None]:
    """Writes those of the given shards that are missing; the export has begun.

    Yields nothing, because the results are files.

    Raises:
      UsageError: if the folder holds other traces.
    """
    missing = shards_lib.missing(self.path, shards)
    self._write(self._resumed, missing, progress.as_console(None))
    yield from ()

  @functools.cached_property
  def _resumed(self) -> writing.Export:
    return self.plan()

  def _write(
    self,
    export: writing.Export,
    missing: Sequence[shards_lib.Shard],
    console: progress.Console,
  ) -> None:
    recorder = _recorder(self.predictor, tuple(self.widths), self._together)
    _write_missing(
      export,
      missing,
      recorder,
      self.table,
      self.splits,
      self._together,
      console,
    )


def _batch_size(bytes_per_rollout: int) -> int:
  """Number of rollouts in a batch, given the size of their records."""
  batch_size = _BATCH_SIZE
  while batch_size > 1 and batch_size * bytes_per_rollout > _MAX_BATCH_BYTES:
    batch_size //= 2
  return batch_size


def _planned(
  split: rollouts.RolloutRange,
) -> list[shards_lib.PlannedRollout]:
  """Index and number of steps of a split's rollouts."""
  return [
    shards_lib.PlannedRollout(index, rollouts.length(split.spec, index))
    for index in range(split.first, split.first + split.num_rollouts)
  ]


def _write_missing(
  export: writing.Export,
  missing: Sequence[shards_lib.Shard],
  recorder: Recorder,
  table: table_lib.SpriteTable,
  splits: Mapping[str, rollouts.RolloutRange],
  batch_size: int,
  console: progress.Console,
) -> None:
  """Runs the model for one shard while the previous one is being written."""
  done = 0
  total = sum(shard.num_rollouts for shard in missing)
  # Leaving the block waits for the shard that is being written.
  with (
    progress.Stage(console, 'writing traces', total, 'rollouts') as stage,
    futures.ThreadPoolExecutor(max_workers=1) as writer,
  ):
    pending = None
    for name, split in splits.items():
      shards = [shard for shard in missing if shard.split == name]
      for shard, recorded in _run_shards(
        recorder, table, split, shards, batch_size
      ):
        if pending:
          pending.result()
        encoded = _encoded(export, shard, recorded)
        pending = writer.submit(export.write, shard, encoded)
        done += shard.num_rollouts
        stage.done(done)
    if pending:
      pending.result()


# A batch without its images, and its recorded segments.
_Recorded = tuple[rollouts.RolloutBatch, list[dict[str, np.ndarray]]]


def _run_shards(
  recorder: Recorder,
  table: table_lib.SpriteTable,
  split: rollouts.RolloutRange,
  shards: list[shards_lib.Shard],
  batch_size: int,
) -> Iterator[tuple[shards_lib.Shard, list[_Recorded]]]:
  """Yields each shard with the records of its batches.

  A rollout always shares its batch with the same others, so its numbers are
  reproducible bit for bit.
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
      segments = list(recorder.record(batch))
      # The images are not kept.
      recorded.append((batch._replace(image=None, target=None), segments))
    yield shard, recorded


def _encoded(
  export: writing.Export,
  shard: shards_lib.Shard,
  recorded: list[_Recorded],
) -> Iterator[bytearray]:
  """Yields a shard's records, one per rollout; each may overwrite the last."""
  record, digits = None, export.fingerprint(shard)
  for batch, segments in recorded:
    for i, length in enumerate(batch.length):
      if not length:  # The last batch may not be full.
        continue
      arrays = {
        name: _cut(segments, name, i, length)
        for name in export.widths
        if name != records.SINCE_SHOWN
      }
      arrays['classes'] = [batch.classes[:length, i]]
      arrays['values'] = [batch.values[:length, i]]
      arrays[records.SINCE_SHOWN] = [batch.since_shown[:length, i, np.newaxis]]
      record = records.encode(
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
  """The first `length` steps of rollout `i` of a batch, segment by segment."""
  pieces = []
  for segment in segments:
    pieces.append(segment[name][:length, i])
    length -= len(pieces[-1])
  return pieces

"""Exact probes of cores that were never trained, streamed from the model.

All rollouts run side by side, some steps at a time. These steps of all rollouts
are normalised, added to the sums of the exact probes, and forgotten; nothing is
written. The trained model is measured in the same way on the same rollouts, so
that the number of rollouts favours neither.
"""

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
from typing import Any

import numpy as np

from analysis.common import orders
from analysis.probe import exact_probe
from analysis.probe import labels as labels_lib
from analysis.probe import learned
from analysis.probe import naming
from analysis.probe import normalisation
from analysis.probe import scoring
from analysis.probe import step_sums
from analysis.probe import threads
from dnc import config as config_lib
from dnc.dsprites import table as table_lib
from dnc.next_sprite import model as model_lib
from dnc.next_sprite import recording
from dnc.next_sprite import rollouts
from dnc.next_sprite import scoring as next_sprite_scoring
from dnc.system import progress
from dnc.system import spreading

# The most rollouts of each split; most of the time goes into running the cores.
MOST_ROLLOUTS = {'train': 100, 'test': 50}
# Rollouts are fewer where the steps in memory would take more bytes.
MAX_BYTES = 256 << 20
_BATCH_SIZE = 16
_MAX_SEED = 2**63
_MEMORY = 'memory'


def widths(
  config: config_lib.TrainingConfig, names: Sequence[str]
) -> dict[str, int]:
  """Returns the widths of what is measured: nothing that is too wide.

  Weights by which slots are sorted may tell something by themselves. So the
  slots of another rollout are sorted by them, too.

  Args:
    config: of the model.
    names: the representations, and weights by which the slots of the memory are
      to be sorted.
  """
  found = recording.widths(config)
  asked = {
    x: found[x]
    for x in names
    if x in config_lib.REPRESENTATIONS and found[x] <= exact_probe.MAX_WIDTH
  }
  for prefix in ('', naming.OTHER) if _MEMORY in asked else ():
    for order, weights in orders.WEIGHTS.items():
      if weights in names:
        asked[f'{prefix}{_MEMORY}{order}'] = asked[_MEMORY]
  return asked


def other_seeds(
  config: config_lib.TrainingConfig, num_cores: int
) -> tuple[int, ...]:
  """Returns the seeds of the untrained cores, see `against_untrained`."""
  first = int(config.freeze_core)
  return tuple(
    (config.seed + k) % _MAX_SEED for k in range(first, first + num_cores)
  )


def cores(seeds: Sequence[int], known: Mapping[int, Any]) -> list[int | None]:
  """Returns items of `Gauge.measure`: the trained core, None, and new seeds."""
  return [None, *(seed for seed in seeds if seed not in known)]


def against_untrained(
  model: model_lib.SpritePredictor,
  config: config_lib.TrainingConfig,
  table: table_lib.SpriteTable,
  splits: Mapping[str, rollouts.RolloutRange],
  names: Sequence[str],
  offsets: Sequence[int],
  num_cores: int,
  log: progress.Log | None = None,
  known: dict[int, dict[str, np.ndarray]] | None = None,
  spread: spreading.Spread | None = None,
) -> learned.AgainstUntrained:
  """Compares what a model holds with what untrained cores hold.

  The first untrained core is the model's own before training; the k-th after it
  has the seed `config.seed + k`. If the model's core is frozen, it is still the
  same, so the first is left out.

  Args:
    model: the trained model.
    config: its config.
    table: the sprites.
    splits: the rollouts of 'train' and 'test', all of the same length.
    names: see `widths`.
    offsets: how many steps ago the labelled sprites were.
    num_cores: how many untrained cores; with 0, nothing is compared.
    log: takes a line of progress.
    known: by seed, the `Gauge.gains` of untrained cores that were measured
      before; those measured here are added. Models that differ only in their
      seeds can share it.
    spread: spreads `Gauge.measure` over workers; None: this process measures.
  """
  known = {} if known is None else known
  seeds = other_seeds(config, num_cores)
  if not num_cores:
    return learned.AgainstUntrained(
      (config.seed,), (), {}, config.freeze_core, {}
    )
  gauge = Gauge(config, table, splits, names, offsets, model)
  spread = spread or spreading.here(gauge)
  gains = spread(Gauge.measure, cores(seeds, known))
  with progress.Stage(log, 'untrained cores', num_cores + 1, 'cores') as stage:
    trained = next(gains)
    for number, seed in enumerate(seeds):
      stage.done(1 + number)
      if seed not in known:
        known[seed] = next(gains)
  return learned.AgainstUntrained(
    own_seeds=(config.seed,),
    seeds=seeds,
    num_rollouts=gauge.num_rollouts,
    is_frozen=config.freeze_core,
    compared=learned.compare(
      {name: [found] for name, found in trained.items()},
      {name: [known[seed][name] for seed in seeds] for name in trained},
      offsets,
      gauge.labels,
    ),
  )


class Gauge:
  """Measures how much exact probes read of the labels from a core.

  It is a stage, see `spreading`.

  Attributes:
    widths: width of each representation, and of the memory with its slots
      sorted: its own, and those of another rollout.
    labels: the labels: the latents, and the orientation as a point on a circle.
    num_rollouts: by split.
  """

  def __init__(
    self,
    config: config_lib.TrainingConfig,
    table: table_lib.SpriteTable,
    splits: Mapping[str, rollouts.RolloutRange],
    names: Sequence[str],
    offsets: Sequence[int],
    trained: model_lib.SpritePredictor | None = None,
  ):
    """Draws the rollouts; see `against_untrained`."""
    self._config = config
    self._trained = trained
    self.widths = widths(config, names)
    self._spec = labels_lib.latent_spec(labels_lib.OF_SPRITES)
    self.labels = self._spec.names
    self.num_rollouts = self._bounded(splits)
    # One model takes the weights of all, so that its graph is made once.
    self._model = model_lib.SpritePredictor(config)
    # The name of each sorted memory, with its order.
    self._sorted = {
      name: order
      for name in self.widths
      for order in orders.WEIGHTS
      if name.endswith(order)
    }
    recorded = [x for x in self.widths if x not in self._sorted]
    recorded += dict.fromkeys(orders.WEIGHTS[x] for x in self._sorted.values())
    self._recorder = recording.Recorder(
      self._model, tuple(recorded), _BATCH_SIZE
    )
    indices = [
      split.first + np.arange(self.num_rollouts[name])
      for name, split in splits.items()
    ]
    self._batches = list(_batches(table, splits['train'].spec, indices))
    # For each rollout, the one before it in its split.
    self._partners = np.arange(_BATCH_SIZE * len(self._batches))
    first = 0
    for own in indices:
      some = slice(first, first := first + len(own))
      self._partners[some] = np.roll(self._partners[some], 1)
    labels = [
      labels_lib.of_classes(batch.classes[:length, i], self._spec)
      for batch in self._batches
      for i, length in enumerate(batch.length)
      if length
    ]
    # `[rollout, time, task, label + 1]`.
    self._tasks = np.stack(
      [
        np.stack([labels_lib.at_offset(x, k, len(x)) for k in offsets], axis=1)
        for x in labels
      ]
    )

  def _bounded(
    self, splits: Mapping[str, rollouts.RolloutRange]
  ) -> dict[str, int]:
    """Returns how many rollouts of each split are used."""
    steps = next_sprite_scoring.SEGMENT_LENGTH
    bytes_each = 4 * steps * max(1, sum(self.widths.values()))
    most = max(2, MAX_BYTES // bytes_each)
    return {
      name: min(split.num_rollouts, MOST_ROLLOUTS[name], most)
      for name, split in splits.items()
    }

  def measure(
    self, seeds: Sequence[int | None]
  ) -> Iterator[dict[str, np.ndarray]]:
    """Yields the `gains` of the core of each seed; None is the trained core."""
    for seed in seeds:
      model = self._trained
      if seed is not None:
        config = dataclasses.replace(self._config, seed=seed)
        model = model_lib.SpritePredictor(config)
      yield self.gains(model)

  def gains(self, model: model_lib.SpritePredictor) -> dict[str, np.ndarray]:
    """Gains of the exact probes from a model of the same sizes.

    They are least squares for values and the discriminant for classes.

    Returns:
      By representation, float64 `[offset, label]`; NaN where the label does not
      vary.
    """
    for own, other in zip(self._model.variables, model.variables, strict=True):
      own.assign(other)
    number = self.num_rollouts['train']
    probes = {
      name: _Probe(width, self._spec, self._tasks, number)
      for name, width in self.widths.items()
    }
    sorters = {
      name: orders.Sorter(order, self._config.memory_size)
      for name, order in self._sorted.items()
    }
    with threads.threads() as pool:
      for recorded in zip(*map(self._recorder.record, self._batches)):
        # `[time, rollout, width]`.
        steps = {
          name: np.concatenate([x[name] for x in recorded], axis=1)
          for name in recorded[0]
        }
        for name, sort in sorters.items():
          weights = orders.WEIGHTS[self._sorted[name]]
          contents = steps[_MEMORY]
          if name.startswith(naming.OTHER):
            contents = contents[:, self._partners]
          steps[name] = sort(contents, steps[weights])
        jobs = [
          pool.submit(probe.add, steps[name]) for name, probe in probes.items()
        ]
        for job in jobs:
          job.result()
      return dict(zip(probes, pool.map(_Probe.gains, probes.values())))


def _batches(
  table: table_lib.SpriteTable,
  spec: rollouts.RolloutSpec,
  indices: Sequence[np.ndarray],
) -> Iterator[rollouts.RolloutBatch]:
  """Yields the rollouts in full batches; the last is filled up."""
  indices = np.concatenate(indices)
  padded = np.full([-(-len(indices) // _BATCH_SIZE), _BATCH_SIZE], -1)
  padded.flat[: len(indices)] = indices
  for each in padded:
    batch = rollouts.make_batch(table, spec, each)
    # The target is not needed, and its images are large.
    yield batch._replace(target=batch.image)


class _Probe:
  """The exact probe of a representation, segment by segment."""

  def __init__(
    self,
    width: int,
    spec: labels_lib.LabelSpec,
    tasks: np.ndarray,
    num_train: int,
  ):
    """Prepares the sums.

    Args:
      width: numbers per step.
      spec: the labels.
      tasks: float32 `[rollout, time, task, label + 1]`, see `labels.at_offset`;
        training rollouts come first.
      num_train: number of training rollouts.
    """
    self._spec = spec
    self._tasks = tasks
    self._num_train = num_train
    self._sums = step_sums.StepSums(width, spec, tasks.shape[2])
    self._num_steps = 0
    # Normalised, `[rollout, time, width]`.
    self._unseen: list[np.ndarray] = []

  def add(self, features: np.ndarray) -> None:
    """Adds the next steps of all rollouts: `[time, rollout, width]`."""
    features = features.swapaxes(0, 1)[: len(self._tasks)]
    trained = features[: self._num_train]
    normaliser = normalisation.StepNormaliser()
    normaliser.update_many(trained)
    normalise = normaliser.transform()
    steps = slice(self._num_steps, self._num_steps + features.shape[1])
    self._num_steps = steps.stop
    labels = self._tasks[: self._num_train, steps]
    outputs, has_label = step_sums.labelled_outputs(self._spec, labels)
    self._sums.add(*map(_flat, (normalise(trained), outputs, has_label)))
    self._unseen.append(normalise(features[self._num_train :]))

  def gains(self) -> np.ndarray:
    """Solves for the probe and scores it: float64 `[offset, label]`."""
    kernels, biases = zip(*map(self._sums.probe, range(self._tasks.shape[2])))
    kernel, bias = np.stack(kernels, axis=1), np.stack(biases)
    errors = scoring.ErrorSums(self._spec)
    unseen = np.concatenate(self._unseen, axis=1)
    for features, labels in zip(unseen, self._tasks[self._num_train :]):
      predicted = np.tensordot(features, kernel, 1) + bias
      counted = errors.count(labels, predicted[:, np.newaxis])
      errors.update(labels, {'': counted})
    _, gains = errors.score('', np.ones([1, len(errors)]))
    return gains[0, 0]


def _flat(array: np.ndarray) -> np.ndarray:
  """Joins rollouts and steps."""
  return array.reshape([-1, *array.shape[2:]])

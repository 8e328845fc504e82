"""Test 4: does a model use what a probe reads from it?

`measure` fits linear probes to what a model holds in some rollouts. In other
rollouts, it changes the words read, before the output layer, or the memory,
before it is read, so that the readings of these probes shift. It measures
whether the predicted sprite moves as much. The memory is also read and changed
with its slots sorted by when they were last written, and by the weight with
which they are read in the same step.
"""

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
from typing import Any

import numpy as np
import tensorflow as tf

from analysis.intervention import directions
from analysis.intervention import effects
from analysis.intervention import running
from analysis.intervention import steps as steps_lib
from dnc.dsprites import latents
from dnc.dsprites import table as table_lib
from dnc.next_sprite import model as model_lib
from dnc.next_sprite import rollouts
from dnc.system import progress

# The representations that are changed, by part of the model.
PARTS = {running.WORDS: (running.WORDS,), running.MEMORY: running.MEMORIES}
NAMES = tuple(name for names in PARTS.values() for name in names)
# Ratio of rollouts that probes are fitted to and rollouts that are changed.
FIT = 2
# A probe with a lower R^2 on unseen rollouts reads too little to be shifted.
LEAST_R2 = 0.05
_BATCH_SIZE = 32
# Latents that a sprite can be dragged along, best first, and the shifts shown.
_DRAGGED = {
  'x_position': range(-12, 13, 4),
  'y_position': range(-12, 13, 4),
  'scale': range(-2, 3),
}


@dataclasses.dataclass(frozen=True)
class Reading:
  """What a linear probe reads.

  Attributes:
    r2: R^2 at the steps that are changed, which the probe was not fitted to.
    deviation: standard deviation of the readings, in steps of the grid.
    is_held: whether the probe reads enough for its reading to be shifted.
  """

  r2: float
  deviation: float
  is_held: bool


@dataclasses.dataclass(frozen=True)
class Drag:
  """A sprite predicted while one latent is dragged.

  Attributes:
    latent: the latent.
    shifts: of the reading, in steps of the grid.
    images: by what is changed, float32 `[shifts, 64, 64]`: probabilities. Under
      'asked' is the sprite that the intact model predicts, moved by each shift.
  """

  latent: str
  shifts: Sequence[int]
  images: Mapping[str, np.ndarray]


# By representation and latent.
Readings = Mapping[str, Mapping[str, Reading]]
# By representation, latent and kind of direction; of what is held.
Effects = Mapping[str, Mapping[str, Mapping[str, effects.Effect]]]


@dataclasses.dataclass(frozen=True)
class InterventionResult:
  """The results of Test 4.

  Attributes:
    num_rollouts: number of rollouts that were changed.
    num_fitted: number of rollouts that the probes were fitted to.
    steps: the changed steps of each rollout.
    offsets: of the labelled sprites, in steps before the current one. The first
      is that of the sprite that the model must predict.
    latents: the latents of `effects.AMOUNTS` that vary.
    too_wide: representations that are wider than `running.MAX_WIDTH`.
    num_sorted: number of sorted slots that are read and changed.
    num_slots: number of all slots.
    predicted: by latent, R^2 of the sprite that the intact model predicts.
    readings: by offset.
    untrained: by offset, readings of an untrained core; None without one.
    effects: by offset.
    removals: by offset, representation and latent.
    drag: None if there is nothing to drag.
  """

  num_rollouts: int
  num_fitted: int
  steps: tuple[int, ...]
  offsets: tuple[int, ...]
  latents: tuple[str, ...]
  too_wide: tuple[str, ...]
  num_sorted: int
  num_slots: int
  predicted: Mapping[str, float]
  readings: Mapping[int, Readings]
  untrained: Mapping[int, Readings] | None
  effects: Mapping[int, Effects]
  removals: Mapping[int, Mapping[str, Mapping[str, effects.Removal]]]
  drag: Drag | None

  @property
  def asked(self) -> int:
    """The offset of the sprite that the model must predict."""
    return self.offsets[0]

  @property
  def names(self) -> tuple[str, ...]:
    """The representations that are read and changed."""
    return tuple(self.readings[self.asked])

  def best(self, part: str, latent: str) -> str | None:
    """The representation of one of `PARTS` that holds most of a latent.

    Returns:
      The one from which most is read of the sprite to be predicted; None if
      nothing is held of it.
    """
    return _best(self.readings[self.asked], part, latent)


def _best(readings: Readings, part: str, latent: str) -> str | None:
  held = {}
  for name in PARTS[part]:
    reading = readings.get(name, {}).get(latent)
    if reading is not None and reading.is_held:
      held[name] = reading.r2
  return max(held, key=held.get, default=None)


def measure(
  predictor: model_lib.SpritePredictor,
  table: table_lib.SpriteTable,
  spec: rollouts.RolloutSpec,
  num_rollouts: int,
  seed: int = 0,
  untrained: model_lib.SpritePredictor | None = None,
  log: progress.Log | None = None,
) -> InterventionResult:
  """Changes what a model holds, and measures how its predictions move.

  Args:
    predictor: the model; its core is a DNC.
    table: the sprites.
    spec: the kind of rollouts, all of the same length. Probes are fitted to the
      first `FIT * num_rollouts`; the next are changed.
    num_rollouts: number of changed rollouts, at least two.
    seed: seed of the random directions and the resamples.
    untrained: a model of the same sizes that was not trained; None to leave it
      out.
    log: called with lines of progress.

  Raises:
    UsageError: if the rollouts are too short.
  """
  steps, offsets = steps_lib.chosen_steps(spec), steps_lib.offsets(spec)
  varying = tuple(x for x in effects.AMOUNTS if x in spec.varying)
  number = FIT * num_rollouts
  rolled = rollouts.make_batch(
    table, spec, np.arange(number, number + num_rollouts)
  )
  test = _Trial(table, spec, number, rolled, steps, offsets, varying, seed)
  models = [x for x in (untrained, predictor) if x is not None]
  readings = []
  with progress.Stage(log, 'interventions', len(models) + 1, 'parts') as stage:
    for model in models:
      runner = running.Runner(model)
      probes = test.fit(runner)
      snapshots = runner.snapshots(rolled, steps, offsets)
      readings.append(test.readings(probes, snapshots))
      stage.done(len(readings))
    changed = _Changed(test, runner, probes, snapshots, readings[-1])
    return InterventionResult(
      num_rollouts=num_rollouts,
      num_fitted=number,
      steps=tuple(steps),
      offsets=offsets,
      latents=varying,
      too_wide=tuple(x for x in NAMES if x not in probes),
      num_sorted=runner.num_sorted,
      num_slots=snapshots.link.shape[-1],
      predicted=changed.predicted(),
      readings=readings[-1],
      untrained=None if untrained is None else readings[0],
      effects=changed.followed(),
      removals=changed.removals(predictor.loss),
      drag=changed.drag(),
    )


@dataclasses.dataclass(frozen=True)
class _Trial:
  """The rollouts of a test, and probes fitted to what models hold in them.

  Attributes:
    table: the sprites.
    spec: the kind of rollouts.
    num_fitted: number of rollouts that probes are fitted to.
    rolled: the rollouts that are changed.
    steps: the steps that are changed.
    offsets: see `InterventionResult`.
    latents: see `InterventionResult`.
    seed: see `measure`.
  """

  table: table_lib.SpriteTable
  spec: rollouts.RolloutSpec
  num_fitted: int
  rolled: rollouts.RolloutBatch
  steps: Sequence[int]
  offsets: tuple[int, ...]
  latents: tuple[str, ...]
  seed: int

  @property
  def columns(self) -> list[int]:
    """The indices of the latents in `latents.NAMES`."""
    return [latents.NAMES.index(name) for name in self.latents]

  @property
  def num_labels(self) -> int:
    """The number of true labels; as many shuffled labels follow them."""
    return len(self.offsets) * len(self.latents)

  def label(self, offset: int, latent: str) -> int:
    """The index of a true label among all labels of the probes."""
    place = self.offsets.index(offset) * len(self.latents)
    return place + self.latents.index(latent)

  def fit(self, runner: running.Runner) -> dict[str, directions.LinearProbes]:
    """Fits probes, where not too wide, to true and shuffled labels."""
    sums = {
      name: directions.ProbeSums(runner.widths[name], 2 * self.num_labels)
      for name in NAMES
      if 0 < runner.widths[name] <= running.MAX_WIDTH
    }
    first, last = self.steps[0], self.steps[-1]
    for batch in self._batches():
      labels = self._labels(batch)
      for steps, held in runner.representations(batch):
        kept = (steps >= first) & (steps <= last)
        for name, own in sums.items():
          if kept.any():
            own.add(_flat(held[name][kept]), _flat(labels[steps[kept]]))
    return {name: own.solve() for name, own in sums.items()}

  def _batches(self) -> Iterator[rollouts.RolloutBatch]:
    """The rollouts that probes are fitted to, in batches of two or more."""
    number = -(-self.num_fitted // _BATCH_SIZE)
    for indices in np.array_split(np.arange(self.num_fitted), number):
      yield rollouts.make_batch(self.table, self.spec, indices)

  def _labels(self, batch: rollouts.RolloutBatch) -> np.ndarray:
    """True labels, then those of the next rollout: `[time, batch, label]`."""
    true = [
      np.roll(batch.classes[..., self.columns], offset, axis=0)
      for offset in self.offsets
    ]
    true = np.concatenate(true, axis=2).astype(np.float64)
    return np.concatenate([true, np.roll(true, -1, axis=1)], axis=2)

  def readings(
    self,
    probes: Mapping[str, directions.LinearProbes],
    snapshots: running.Snapshots,
  ) -> dict[int, Readings]:
    """Scores the probes at the steps that are changed; by offset."""
    found = {k: {name: {} for name in probes} for k in self.offsets}
    for name, each in probes.items():
      read = each.read(snapshots.held(name))
      for i, offset in enumerate(self.offsets):
        for latent, column in zip(self.latents, self.columns):
          label = self.label(offset, latent)
          r2 = _r2(snapshots.classes[:, i, column], read[:, label])
          found[offset][name][latent] = Reading(
            r2, float(each.deviations[label]), r2 >= LEAST_R2
          )
    return found


class _Changed:
  """A model at the steps that are changed."""

  def __init__(
    self,
    test: _Trial,
    runner: running.Runner,
    probes: Mapping[str, directions.LinearProbes],
    snapshots: running.Snapshots,
    readings: Mapping[int, Readings],
  ):
    """Predicts without a change.

    Args:
      test: the test.
      runner: the model.
      probes: the probes of its representations.
      snapshots: the steps.
      readings: how well the probes read; by offset.
    """
    self._test = test
    self._runner = runner
    self._probes = probes
    self._snapshots = snapshots
    self._readings = readings
    # int64 `[n, 5]`, the classes of the predicted sprites.
    self._intact = effects.read_back(
      test.table, effects.packed(runner.logits(snapshots).numpy())
    )

  def predicted(self) -> dict[str, float]:
    """R^2 of the predicted sprites against the true ones."""
    return {
      name: _r2(self._snapshots.classes[:, 0, column], self._intact[:, column])
      for name, column in zip(self._test.latents, self._test.columns)
    }

  def _held(self) -> list[tuple[int, str, str]]:
    """Offset, representation and latent of each held reading."""
    return [
      (offset, name, latent)
      for offset, by_name in self._readings.items()
      for name, by_latent in by_name.items()
      for latent, reading in by_latent.items()
      if reading.is_held
    ]

  def _num_comparisons(self, name: str) -> int:
    """How many slopes may decide the answer about the same part."""
    (names,) = (names for names in PARTS.values() if name in names)
    return len(self._test.latents) * sum(x in self._probes for x in names)

  def _nested(self) -> dict[int, dict[str, dict]]:
    return {k: {name: {} for name in self._probes} for k in self._readings}

  def _normal(self, snapshots: running.Snapshots, name: str) -> np.ndarray:
    rows = list(zip(snapshots.rollouts.tolist(), snapshots.steps.tolist()))
    width = self._runner.widths[name]
    return directions.normal_rows(self._test.seed, rows, width)

  def _changes(
    self, snapshots: running.Snapshots, name: str, label: int, kind: str
  ) -> np.ndarray:
    """Changes that shift a reading by 1, or controls: `[n or 1, width]`."""
    probes = self._probes[name]
    if kind == effects.RANDOM:
      return probes.random_changes(label, self._normal(snapshots, name))
    shuffled = label + self._test.num_labels
    other = shuffled if kind == effects.SHUFFLED else None
    return probes.change(label, other)[np.newaxis]

  def followed(self) -> dict[int, Effects]:
    """Measures what shifting each held reading does, and the controls."""
    found, made = self._nested(), {}
    for offset, name, latent in self._held():
      label = self._test.label(offset, latent)
      found[offset][name][latent] = {}
      for kind in effects.KINDS:
        changes = self._changes(self._snapshots, name, label, kind)
        made[offset, name, latent, kind] = effects.make_pairs(
          self._runner,
          self._snapshots,
          self._intact,
          name,
          latent,
          kind,
          changes,
        )
    sprites = self._read_back(made)
    for (offset, name, latent, kind), pairs in made.items():
      effect = effects.measure(
        pairs,
        [next(sprites) for _ in pairs],
        self._intact,
        self._snapshots.rollouts,
        self._test.table,
        self._test.seed,
        self._num_comparisons(name),
      )
      if effect is not None:
        found[offset][name][latent][kind] = effect
    return found

  def _read_back(
    self, made: Mapping[Any, Sequence[effects.Pairs]]
  ) -> Iterator[np.ndarray]:
    """Reads back all changed predictions at once; yields those of each pair."""
    pairs = [each for of_kind in made.values() for each in of_kind]
    if not pairs:
      return
    found = effects.read_back(
      self._test.table,
      np.concatenate([each.bits.reshape([-1, 64, 8]) for each in pairs]),
    )
    for each in pairs:
      own, found = np.split(found, [2 * len(each.rows)])
      yield own.reshape([2, len(each.rows), latents.NUM_LATENTS])

  def removals(
    self, loss: effects.Loss
  ) -> dict[int, dict[str, dict[str, effects.Removal]]]:
    """Takes out the direction of each held reading."""
    found = self._nested()
    for offset, name, latent in self._held():
      found[offset][name][latent] = effects.remove(
        self._runner,
        self._snapshots,
        name,
        self._probes[name],
        self._test.label(offset, latent),
        self._normal(self._snapshots, name),
        loss,
        self._test.seed,
        self._num_comparisons(name),
      )
    return found

  def drag(self) -> Drag | None:
    """Drags a sprite, a large one near the middle, along one latent."""
    asked = self._test.offsets[0]
    held = [x for x in self._held() if x[0] == asked]
    latent = next(
      (x for x in _DRAGGED if x in {each[2] for each in held}), None
    )
    if latent is None:
      return None
    shifts = _DRAGGED[latent]
    row, column = self._central(latent), latents.NAMES.index(latent)
    one = self._snapshots[np.full(len(shifts), row)]
    moved = self._intact[[row] * len(shifts)]
    last = latents.SIZES[column] - 1
    moved[:, column] = (moved[:, column] + list(shifts)).clip(0, last)
    sprites = self._test.table.images(latents.classes_to_index(moved))
    images = {'asked': sprites.astype(np.float32)}
    readings = self._readings[asked]
    for part in (running.MEMORY, running.WORDS):
      name = _best(readings, part, latent)
      if name is None:
        continue
      for kind in (effects.PROBE, effects.RANDOM):
        label = self._test.label(asked, latent)
        change = self._changes(one, name, label, kind)
        changed = one.held(name) + np.reshape(shifts, [-1, 1]) * change
        logits = self._runner.logits(one, name, changed)
        key = name if kind == effects.PROBE else f'{name}_{kind}'
        images[key] = tf.sigmoid(logits).numpy().reshape([-1, 64, 64])
    return Drag(latent, tuple(shifts), images)

  def _central(self, latent: str) -> int:
    """The row of the snapshots with the largest of the most central sprites."""
    column, scale = map(latents.NAMES.index, (latent, 'scale'))
    middle = (latents.SIZES[column] - 1) / 2
    distance = np.abs(self._intact[:, column] - middle).astype(int)
    # Stable, so that the first of equals is chosen.
    return np.lexsort([-self._intact[:, scale], distance])[0]


def _flat(array: np.ndarray) -> np.ndarray:
  """Joins steps and rollouts."""
  return array.reshape([-1, array.shape[-1]])


def _r2(true: np.ndarray, predicted: np.ndarray) -> float:
  variance = np.var(true)
  if not variance > 0:
    return 0.0
  return float(1 - np.mean((true - predicted) ** 2) / variance)

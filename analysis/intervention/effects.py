"""What a change of the memory does to the predicted sprite.

The predicted image is read back as the sprite nearest to it. A change that
shifts a probe's reading by +a, and one that shifts it by -a, are made at the
same steps; half the difference of the two sprites is the sprite's shift. A
change that merely destroys the image does so both ways, and so has no shift.
"""

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from concurrent import futures
import dataclasses
import os

import numpy as np
import tensorflow as tf

from analysis.common import statistics
from analysis.intervention import directions
from analysis.intervention import running
from dnc.dsprites import latent_errors
from dnc.dsprites import latents
from dnc.dsprites import nearest
from dnc.dsprites import table as table_lib

# By latent, the shifts of the reading in steps of the latent's grid. For the
# positions, a step is 32 / 31 pixels.
AMOUNTS = {
  'scale': (1, 2),
  'x_position': (1, 2, 4, 8),
  'y_position': (1, 2, 4, 8),
}
# Directions of a change: of the probe, and controls of the same length.
PROBE, SHUFFLED, RANDOM = 'probe', 'shuffled', 'random'
KINDS = (PROBE, SHUFFLED, RANDOM)
# From logits and targets, `[1, n, 4096]` each, to losses `[1, n]`.
Loss = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
# Many, because corrected intervals end far out.
NUM_RESAMPLES = 4_000
_IMAGES_AT_ONCE = 256


@dataclasses.dataclass(frozen=True)
class Effect:
  """What changes along a direction do; intervals are 95 % intervals.

  Attributes:
    num_pairs: how many pairs of changes there are.
    amounts: int `[amounts]`, shifts of the reading, in steps of the grid.
    shifts: float64 `[amounts]`, mean shifts of the sprite; NaN without a pair.
    shift_intervals: float64 `[amounts, 2]`, from resampled rollouts.
    slope: shift of the sprite over shift of the reading, by least squares: 1 if
      the sprite follows, 0 if it stays.
    interval: of the slope, from resampled rollouts.
    corrected_interval: the same, corrected for the number of comparisons.
    iou: mean intersection over union of the changed predictions with their
      targets. A target is the sprite that the intact model predicts, with only
      this latent moved, by the amount.
    errors: of the sprites read back against their targets, see
      `latent_errors.mean_errors`.
  """

  num_pairs: int
  amounts: np.ndarray
  shifts: np.ndarray
  shift_intervals: np.ndarray
  slope: float
  interval: statistics.Interval
  corrected_interval: statistics.Interval
  iou: float
  errors: Mapping[str, float]


@dataclasses.dataclass(frozen=True)
class Pairs:
  """Pairs of changed predictions, by +a and by -a.

  Attributes:
    column: the latent that should move, as its index in `latents.NAMES`.
    amount: a.
    rows: int `[pairs]`, indices of the snapshots.
    bits: uint8 `[2, pairs, 64, 8]`, the images for +a and -a, packed.
  """

  column: int
  amount: int
  rows: np.ndarray
  bits: np.ndarray


def packed(logits: np.ndarray) -> np.ndarray:
  """Packs predicted images: `[n, 4096]` -> uint8 `[n, 64, 8]`."""
  return np.packbits((logits > 0).reshape([-1, 64, 64]), axis=-1)


def read_back(table: table_lib.SpriteTable, bits: np.ndarray) -> np.ndarray:
  """Finds the classes of the sprites nearest to images.

  Args:
    table: the sprites.
    bits: uint8 `[n, 64, 8]`, the images, packed.

  Returns:
    int64 `[n, 5]`.
  """

  def find(some: np.ndarray) -> np.ndarray:
    return nearest.find_nearest(table, np.unpackbits(some, axis=-1))[0]

  if not len(bits):  # No sprite can move both ways.
    return np.zeros([0, latents.NUM_LATENTS], np.int64)
  # Equal images are searched for once.
  flat = bits.reshape([len(bits), -1])
  distinct, inverse = np.unique(flat, axis=0, return_inverse=True)
  distinct = distinct.reshape([-1, *bits.shape[1:]])
  parts = np.split(
    distinct, range(_IMAGES_AT_ONCE, len(distinct), _IMAGES_AT_ONCE)
  )
  with futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    found = np.concatenate(list(pool.map(find, parts)))
  return latents.index_to_classes(found[inverse.ravel()])


def make_pairs(
  runner: running.Runner,
  snapshots: running.Snapshots,
  intact: np.ndarray,
  name: str,
  latent: str,
  kind: str,
  changes: np.ndarray,
) -> list[Pairs]:
  """Predicts with a representation changed by each amount, up and down.

  Controls use only the largest amount, because reading images back takes long.

  Only steps whose sprite can move both ways count: a sprite beyond the grid
  cannot be read back.

  Args:
    runner: the model.
    snapshots: the steps.
    intact: int `[n, 5]`, classes of the sprites that the intact model predicts.
    name: the representation.
    latent: the latent whose reading is shifted.
    kind: one of `KINDS`.
    changes: float `[n or 1, width]`, the change that shifts the reading by 1.
  """
  column = latents.NAMES.index(latent)
  changes = np.broadcast_to(changes, [len(intact), changes.shape[1]])
  last = latents.SIZES[column] - 1
  made = []
  for amount in AMOUNTS[latent][0 if kind == PROBE else -1 :]:
    here = intact[:, column]
    (rows,) = np.nonzero((here >= amount) & (here <= last - amount))
    bits = np.zeros([2, len(rows), 64, 8], np.uint8)
    if len(rows):
      some = snapshots[rows]
      held = some.held(name)
      for sign, own in zip((1, -1), bits):
        changed = held + sign * amount * changes[rows]
        own[:] = packed(runner.logits(some, name, changed).numpy())
    made.append(Pairs(column, amount, rows, bits))
  return made


def measure(
  pairs: Sequence[Pairs],
  found: Sequence[np.ndarray],
  intact: np.ndarray,
  rollouts: np.ndarray,
  table: table_lib.SpriteTable,
  seed: int = 0,
  num_comparisons: int = 1,
) -> Effect | None:
  """Measures the effect of the changes along one direction.

  Args:
    pairs: the pairs of each amount.
    found: for each amount, int `[2, pairs, 5]`, the classes of the sprites read
      back.
    intact: int `[n, 5]`, classes of the sprites that the intact model predicts.
    rollouts: int `[n]`, the rollout of each snapshot.
    table: the sprites.
    seed: seed of the resamples.
    num_comparisons: for how many slopes to correct.

  Returns:
    None if there is no pair.
  """
  number = sum(len(each.rows) for each in pairs)
  if not number:
    return None
  distinct, place = np.unique(rollouts, return_inverse=True)
  amounts = np.array([each.amount for each in pairs])
  # By amount and rollout: the sum of the shifts, and their number.
  shifts, counts = np.zeros([2, len(pairs), len(distinct)])
  asked_for, of_changed, ious = [], [], []
  for i, (each, sprites) in enumerate(zip(pairs, found)):
    own = sprites[0, :, each.column] - sprites[1, :, each.column]
    np.add.at(shifts[i], place[each.rows], own / 2)
    np.add.at(counts[i], place[each.rows], 1)
    for sign, classes, bits in zip((1, -1), sprites, each.bits):
      asked = intact[each.rows].copy()
      asked[:, each.column] += sign * each.amount
      asked_for.append(asked)
      of_changed.append(classes)
      ious.append(_iou(bits, table.bits[latents.classes_to_index(asked)]))
  draws = statistics.draws(seed, len(distinct), NUM_RESAMPLES)
  with np.errstate(invalid='ignore'):  # An amount, or a resample, may be empty.
    means = shifts.sum(axis=1) / counts.sum(axis=1)
    of_amounts = (draws @ shifts.T) / (draws @ counts.T)
    slopes = (draws @ (amounts @ shifts)) / (draws @ (amounts**2 @ counts))
  nothing = (np.nan, np.nan)
  return Effect(
    num_pairs=number,
    amounts=amounts,
    shifts=means,
    shift_intervals=np.array(
      [statistics.interval(x) or nothing for x in of_amounts.T]
    ),
    slope=float((amounts @ shifts).sum() / (amounts**2 @ counts).sum()),
    interval=statistics.interval(slopes),
    corrected_interval=statistics.interval(slopes, num_comparisons),
    iou=float(np.concatenate(ious).mean()),
    errors=latent_errors.mean_errors(
      np.concatenate(asked_for), np.concatenate(of_changed)
    ),
  )


def _iou(images: np.ndarray, sprites: np.ndarray) -> np.ndarray:
  """Intersection over union of packed images, `[n, 64, 8]`, none empty."""
  both, either = (
    np.bitwise_count(x).sum(axis=(1, 2), dtype=np.int64)
    for x in (images & sprites, images | sprites)
  )
  return both / either


@dataclasses.dataclass(frozen=True)
class Removal:
  """What it costs to take a direction out, as changes of the loss of an image.

  Attributes:
    difference: mean change without the direction of the probe.
    interval: its 95 % interval, from resampled rollouts.
    random: mean change without a random direction.
    random_interval: its 95 % interval.
    excess_interval: 95 % interval of how much more the direction of the probe
      costs than the random one, corrected for the number of comparisons.
  """

  difference: float
  interval: statistics.Interval
  random: float
  random_interval: statistics.Interval
  excess_interval: statistics.Interval


def remove(
  runner: running.Runner,
  snapshots: running.Snapshots,
  name: str,
  probes: directions.LinearProbes,
  label: int,
  normal: np.ndarray,
  loss: Loss,
  seed: int = 0,
  num_comparisons: int = 1,
) -> Removal:
  """Takes the direction of a label out of a representation, then a random one.

  Args:
    runner: the model.
    snapshots: the steps.
    name: the representation.
    probes: its probes.
    label: the label.
    normal: float `[n, width]`, normal random numbers.
    loss: the loss of the model.
    seed: seed of the resamples.
    num_comparisons: for how many directions to correct.
  """
  features = snapshots.held(name)
  targets = snapshots.targets[np.newaxis]

  def losses(changed: np.ndarray) -> np.ndarray:
    logits = runner.logits(snapshots, name, changed)
    return loss(logits[np.newaxis], targets)[0].numpy().astype(np.float64)

  distinct = np.unique(snapshots.rollouts)

  def by_rollout(changed: np.ndarray) -> np.ndarray:
    differences = losses(changed) - intact
    return np.array(
      [differences[snapshots.rollouts == each].mean() for each in distinct]
    )

  intact = losses(features)
  own = by_rollout(probes.without(features, label))
  random = by_rollout(probes.without_random(features, normal))
  draws = statistics.draws(seed, len(distinct), NUM_RESAMPLES) / len(distinct)
  return Removal(
    float(own.mean()),
    statistics.interval(draws @ own),
    float(random.mean()),
    statistics.interval(draws @ random),
    statistics.interval(draws @ (own - random), num_comparisons),
  )

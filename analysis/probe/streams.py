"""Streams of rollouts, with representations and labels, for probes to read.

A stream can be read repeatedly: `TraceStream` from disk, `ArrayStream` from
memory.
"""

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import contextlib
import types
from typing import Any
from typing import NamedTuple
from typing import Protocol

import numpy as np

from analysis.common import arrays as arrays_lib
from analysis.common import orders
from analysis.probe import exact_probe
from analysis.probe import labels as labels_lib
from analysis.probe import naming
from dnc import traces as traces_lib
from dnc.dsprites import latents
from dnc.dsprites import table as table_lib
from dnc.next_sprite import rollouts
from dnc.traces import records

_MEMORY = 'memory'


class ProbedRollout(NamedTuple):
  """A rollout of a stream.

  Attributes:
    index: unique over all splits; controls depend on it.
    features: by name `[time, width]`: float, or uint8 for bits.
    labels: float32 `[time, label]`, the labels of `Stream.extended` for the
      current sprites.
    parts: by part of the stream, bool `[time]`: whether a step is in it.
  """

  index: int
  features: dict[str, np.ndarray]
  labels: np.ndarray
  parts: Mapping[str, np.ndarray] = types.MappingProxyType({})


class Stream(Protocol):
  """Rollouts of all splits.

  Attributes:
    source: where the rollouts are from, for messages.
    spec: names and kinds of the labels that all probes predict.
    extended: the same and further labels, which only the exact probes of
      `beyond.py` predict.
    widths: width of each representation.
    probed: representations that are not controls themselves.
    ordered: width of each memory with its slots sorted, which only the exact
      probes of `beyond.py` read.
    num_rollouts: by split.
    parts: kinds of steps that are also scored separately.
    scale: rough mean and deviation of `LabelSpec.as_outputs`, float64
      `[output]` each.
    units: for each continuous label, float64 `[label]`: the original size of a
      difference of 1.
  """

  source: str
  spec: labels_lib.LabelSpec
  extended: labels_lib.LabelSpec
  widths: dict[str, int]
  probed: list[str]
  ordered: dict[str, int]
  num_rollouts: dict[str, int]
  parts: Sequence[str]
  scale: tuple[np.ndarray, np.ndarray]
  units: np.ndarray

  def rollouts(
    self,
    split: str,
    names: Collection[str] | None = None,
    only: range | None = None,
  ) -> Iterator[ProbedRollout]:
    """Yields the rollouts of a split, always in the same order.

    They have at least the named features; all if `names` is None. `only` has
    the positions of successive rollouts, not empty; None: all.
    """

  def labels(self, split: str) -> Iterator[np.ndarray]:
    """Yields the labels of these rollouts."""

  def explained_errors(self) -> contextlib.AbstractContextManager[None]:
    """Turns errors from reading into a `UsageError`."""


class ModelInputs(NamedTuple):
  """The inputs of the model, which traces do not hold.

  Attributes:
    widths: numbers per step, by name.
    of_rollout: function from a rollout's index to `[time, width]` by name,
      uint8 for bits.
  """

  widths: Mapping[str, int]
  of_rollout: Callable[[int], Mapping[str, np.ndarray]]


def sprite_inputs(
  table: table_lib.SpriteTable,
  spec: rollouts.RolloutSpec,
  offsets: Sequence[int] = (0,),
) -> ModelInputs:
  """Returns the images and actions that went into a model of sprites.

  Args:
    table: the sprites.
    spec: the kind of rollouts.
    offsets: how many steps ago the labelled sprites were. `naming.ACTIONS` are
      this step's action, and the past actions that led to each of these sprites
      and away from it.
  """
  lags = sorted({0, *(k + i for k in offsets for i in (0, 1) if k + i >= 0)})

  def of_rollout(index: int) -> dict[str, np.ndarray]:
    batch = rollouts.make_batch(table, spec, [index])
    image = np.unpackbits(batch.image[:, 0], axis=-1)
    action = batch.action[:, 0]
    earlier = [labels_lib.at_offset(action, k, len(action)) for k in lags]
    return {
      'image': image.reshape([len(image), -1]),
      'action': action,
      # Without the column that says whether the step is in the rollout.
      naming.ACTIONS: np.concatenate([x[:, :-1] for x in earlier], axis=1),
    }

  widths = {
    'image': rollouts.NUM_PIXELS,
    'action': latents.NUM_LATENTS,
    naming.ACTIONS: latents.NUM_LATENTS * len(lags),
  }
  return ModelInputs(widths, of_rollout)


def _read(
  traces: traces_lib.Traces,
  split: str,
  names: Sequence[str],
  only: range | None = None,
) -> Iterator[dict[str, Any]]:
  return traces.dataset(split, names, only).prefetch(2).as_numpy_iterator()


def _scale(spec: labels_lib.LabelSpec) -> tuple[np.ndarray, np.ndarray]:
  """The `Stream.scale` of latents whose classes are equally likely."""
  grids = [latents.VALUES[latents.NAMES.index(name)] for name in spec.values]
  shares = [1 / n for n in spec.classes.values() for _ in range(n)]
  return (
    np.array([*shares, *(grid.mean() for grid in grids)]),
    np.array(
      [*(np.sqrt(p * (1 - p)) for p in shares), *(x.std() for x in grids)]
    ),
  )


class TraceStream:
  """Rollouts from traces; see `Stream`."""

  def __init__(
    self,
    traces: traces_lib.Traces,
    representations: Sequence[str] | None = None,
    asked: Sequence[str] = latents.NAMES,
    inputs: ModelInputs | None = None,
    centred: bool = False,
    num_slots: int | None = None,
  ):
    """Constructs the stream; `probing.of_traces` explains the arguments.

    Raises:
      errors.UsageError: if the traces lack a representation or a split 'train'.
    """
    _read(traces, 'train', ['index'])  # Raises the error.
    self.source = traces.path
    self.spec = labels_lib.latent_spec(asked)
    self.extended = labels_lib.latent_spec(
      (*asked, labels_lib.ANGLE) if 'orientation' in asked else asked
    )
    self.num_rollouts = traces.num_rollouts
    self.parts = naming.PARTS if traces.has_since_shown else ()
    self.probed = list(representations or traces.widths)
    self._traces = traces
    self._inputs = inputs
    self._centred = centred
    self._num_slots = num_slots
    self._weights = {}
    if num_slots and _MEMORY in self.probed:
      self._weights = {
        f'{_MEMORY}{order}': (order, weights)
        for order, weights in orders.WEIGHTS.items()
        if weights in traces.widths
        and traces.width(_MEMORY) <= exact_probe.MAX_WIDTH
      }
    self.ordered = {name: traces.width(_MEMORY) for name in self._weights}
    self.widths = {name: traces.width(name) for name in self.probed}
    if inputs is not None:
      self.widths.update(inputs.widths)
    # Only the labels of `spec` are planted.
    self.scale = _scale(self.spec)
    self.units = np.ones(len(set(self.spec.values)))

  def rollouts(
    self,
    split: str,
    names: Collection[str] | None = None,
    only: range | None = None,
  ) -> Iterator[ProbedRollout]:
    """See `Stream`."""
    every = (*self.widths, *self.ordered)
    names = every if names is None else names
    ordered = {k: v for k, v in self._weights.items() if k in names}
    recorded = [x for x in self.probed if x in names]
    if ordered and _MEMORY not in recorded:
      recorded.append(_MEMORY)
    read = [*recorded, 'index', 'classes']
    read += [weights for _, weights in ordered.values()]
    if self.parts:
      read.append(records.SINCE_SHOWN)
    for rollout in _read(self._traces, split, read, only):
      index = int(rollout['index'])
      features = {name: rollout[name] for name in recorded}
      if self._centred:
        features = {k: x - x.mean(axis=0) for k, x in features.items()}
      for name, (order, weights) in ordered.items():
        features[name] = orders.reordered(
          order, features[_MEMORY], rollout[weights], self._num_slots
        )
      if self._inputs is not None and set(self._inputs.widths) & set(names):
        features.update(self._inputs.of_rollout(index))
      labels = labels_lib.of_classes(rollout['classes'], self.extended)
      parts = {}
      if self.parts:
        since_shown = rollout[records.SINCE_SHOWN][:, 0]
        parts = {naming.SHOWN: since_shown == 0, naming.HIDDEN: since_shown > 0}
      yield ProbedRollout(index, features, labels, parts)

  def labels(self, split: str) -> Iterator[np.ndarray]:
    """See `Stream`."""
    for rollout in _read(self._traces, split, ['classes']):
      yield labels_lib.of_classes(rollout['classes'], self.extended)

  def explained_errors(self) -> contextlib.AbstractContextManager[None]:
    """Turns errors from reading damaged traces into a `UsageError`."""
    return self._traces.explained_errors()


class ArrayStream:
  """Rollouts in memory; see `Stream`."""

  def __init__(
    self,
    features: Mapping[str, Sequence[np.ndarray]],
    classes: Mapping[str, Sequence[np.ndarray]],
    values: Mapping[str, Sequence[np.ndarray]],
    num_train: int | None = None,
  ):
    """Constructs the stream.

    Args:
      features: by name, for every rollout real `[time, width]`.
      classes: categorical labels: by name, for every rollout `[time]`, numbers
        or text.
      values: continuous labels: by name, for every rollout real `[time]`.
      num_train: rollouts in the split 'train', at least 2; the others are in
        'test'. None: four fifths of them, but not all if there are more than 2.

    Raises:
      ValueError: if features or labels are missing, their shapes differ, or
        there are numbers that are not finite.
    """
    if not features or not (classes or values):
      raise ValueError('features, and classes or values, must be given')
    if set(classes) & set(values):
      raise ValueError('a label must be in classes or values, not in both')
    self.source = 'features'
    self._features = {
      name: _rollouts_of(
        f'features {name!r}', arrays, _numbers_of('step', 'number')
      )
      for name, arrays in features.items()
    }
    classes = {
      name: _rollouts_of(f'classes {name!r}', arrays, arrays_lib.classes)
      for name, arrays in classes.items()
    }
    values = {
      name: _rollouts_of(f'values {name!r}', arrays, _numbers_of('step'))
      for name, arrays in values.items()
    }
    lengths = self._check_sizes(classes, values)
    if len(lengths) < 2:
      raise ValueError(
        'features: has 1 rollout: must have at least 2, because every step is '
        'normalised over rollouts'
      )
    self._splits = _splits(len(lengths), num_train)
    self.num_rollouts = {k: len(v) for k, v in self._splits.items()}
    self.widths = {name: x[0].shape[1] for name, x in self._features.items()}
    self.probed = list(features)
    self.ordered = {}
    self.parts = ()
    self._set_labels(classes, values)
    self.extended = self.spec
    labels = labels_lib.Labels(self.spec, list(self.labels('train')))
    mean, covariance = labels.moments()
    self.scale = mean, np.sqrt(np.diag(covariance).clip(0))

  def _set_labels(
    self,
    classes: Mapping[str, Sequence[np.ndarray]],
    values: Mapping[str, Sequence[np.ndarray]],
  ) -> None:
    """Numbers the classes, and standardises the values, of all rollouts."""
    num_train = self.num_rollouts['train']
    columns, sizes, chance, units = [], {}, {}, []
    for name, of_rollouts in classes.items():
      column, sizes[name] = _numbered(f'classes {name!r}', of_rollouts)
      counts = np.bincount(np.concatenate(column[:num_train]))
      chance[name] = float(counts.max() / counts.sum())
      columns.append(column)
    for of_rollouts in values.values():
      doubles = [x.astype(np.float64) for x in of_rollouts]
      mean, unit = _mean_and_deviation(np.concatenate(doubles[:num_train]))
      columns.append([(x - mean) / unit for x in doubles])
      units.append(unit)
    self._labels = [
      np.stack(labels, axis=1, dtype=np.float32) for labels in zip(*columns)
    ]
    self.units = np.array(units)
    self.spec = labels_lib.LabelSpec(sizes, tuple(values), chance)

  def _check_sizes(
    self,
    classes: Mapping[str, Sequence[np.ndarray]],
    values: Mapping[str, Sequence[np.ndarray]],
  ) -> list[int]:
    """Returns the lengths of the rollouts, which all arrays must have."""
    lengths = [len(x) for x in next(iter(self._features.values()))]
    for argument, named in dict(
      features=self._features, classes=classes, values=values
    ).items():
      for name, found in named.items():
        if len(found) != len(lengths):
          raise ValueError(
            f'{argument} {name!r}: has {len(found)} rollouts: must have as '
            f'many as the first features, {len(lengths)}'
          )
        for i, rollout in enumerate(found):
          size = (lengths[i], *found[0].shape[1:])
          if rollout.shape != size:
            raise ValueError(
              f'{argument} {name!r}, rollout {i}: has shape '
              f'{list(rollout.shape)}: must have {list(size)}, as many steps '
              'as the first features, and as many numbers as rollout 0'
            )
    return lengths

  def rollouts(
    self,
    split: str,
    names: Collection[str] | None = None,
    only: range | None = None,
  ) -> Iterator[ProbedRollout]:
    """See `Stream`."""
    del names  # All features are in memory.
    every = self._splits[split]
    for index in every[only.start : only.stop] if only else every:
      features = {name: x[index] for name, x in self._features.items()}
      yield ProbedRollout(index, features, self._labels[index])

  def labels(self, split: str) -> Iterator[np.ndarray]:
    """See `Stream`."""
    for index in self._splits[split]:
      yield self._labels[index]

  def explained_errors(self) -> contextlib.AbstractContextManager[None]:
    """See `Stream`."""
    return contextlib.nullcontext()


def _splits(number: int, num_train: int | None) -> dict[str, range]:
  """The rollouts of each split; see `ArrayStream`."""
  if num_train is None:
    num_train = max(2, number - max(1, number // 5))
  num_train = arrays_lib.whole_number('num_train', num_train, 2)
  if num_train > number:
    raise ValueError(
      f'num_train: is {num_train}: there are only {number} rollouts'
    )
  splits = dict(train=range(num_train), test=range(num_train, number))
  return {name: part for name, part in splits.items() if part}


def _rollouts_of(
  what: str, arrays: Any, read: Callable[[str, Any], np.ndarray]
) -> list[np.ndarray]:
  """Reads the array of every rollout."""
  return [
    read(f'{what}, rollout {i}', array)
    for i, array in enumerate(arrays_lib.listed(what, arrays))
  ]


def _numbers_of(*axes: str) -> Callable[[str, Any], np.ndarray]:
  return lambda what, values: arrays_lib.numbers(what, values, *axes)


def _numbered(
  what: str, rollouts: Sequence[np.ndarray]
) -> tuple[list[np.ndarray], int]:
  """Numbers classes from 0, in the order of their labels.

  Returns:
    int `[time]` for each rollout, and how many classes there are.
  """
  labels = arrays_lib.joined_classes(what, rollouts)
  found, numbers = np.unique(labels, return_inverse=True)
  arrays_lib.require_recurring(
    what, labels, len(found), 'give real numbers as values'
  )
  ends = np.cumsum([len(x) for x in rollouts])[:-1]
  return np.split(numbers, ends), len(found)


def _mean_and_deviation(labels: np.ndarray) -> tuple[float, float]:
  """Mean and deviation of float64 labels, without over- or underflow.

  The deviation is 1 if the labels do not vary.
  """
  low, high = labels.min(), labels.max()
  if low == high:
    return float(low), 1.0
  within = (labels - low) / (high - low)
  mean = low + (high - low) * within.mean()
  return float(mean), float((high - low) * within.std())

"""What probes read: representations from traces or arrays, and controls.

A stream yields the rollouts of its splits, again and again, in the same order:
`TraceStream` from disk, `ArrayStream` from memory. `Controlled` adds random
inputs, and a memory in which the labels are planted, to either.
"""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import contextlib
from typing import Any
from typing import NamedTuple
from typing import Protocol

import numpy as np

from analysis.common import controls
from analysis.probe import exact as exact_probe
from analysis.probe import labels as probe_labels
from analysis.probe import planted
from dnc.dsprites import latents
from dnc.dsprites import table as table_lib
from dnc.next_sprite import rollouts
from dnc.traces import reading as traces_lib

CHANCE_ACCURACY = 1 / latents.SIZES[0]
RANDOM_PREFIX = 'random_'
PLANTED_PREFIX = 'planted_'
UNTRAINED_PREFIX = 'untrained_'
# What goes into the model of sprites.
INPUTS = {'image': rollouts.NUM_PIXELS, 'action': latents.NUM_LATENTS}


class Rollout(NamedTuple):
  """What a stream yields.

  Attributes:
    index: tells rollouts of all splits apart; controls are made from it.
    features: by name `[time, width]`: float32, or uint8 for bits.
    labels: compact labels, as `probe_labels.Labels` takes them.
  """

  index: int
  features: dict[str, np.ndarray]
  labels: np.ndarray


class Stream(Protocol):
  """Rollouts of all splits.

  Attributes:
    source: where they are from, for messages.
    spec: the labels.
    widths: width of each representation.
    probed: which of them are not controls themselves.
    num_rollouts: by split.
    scale: mean and deviation by which `LabelSpec.as_outputs` is about
      standardised, float64 `[output]` each.
  """

  source: str
  spec: probe_labels.LabelSpec
  widths: dict[str, int]
  probed: list[str]
  num_rollouts: dict[str, int]
  scale: tuple[np.ndarray, np.ndarray]

  def rollouts(self, split: str) -> Iterator[Rollout]:
    """The rollouts of a split, always in the same order."""

  def labels(self, split: str) -> Iterator[np.ndarray]:
    """Their compact labels alone."""

  def decode(self, labels: np.ndarray) -> np.ndarray:
    """Compact labels as float `[time, label]`."""

  def explained_errors(self) -> contextlib.AbstractContextManager[None]:
    """Wraps what reads rollouts; raises a `UsageError` for what is damaged."""


def latent_spec(names: Sequence[str] = latents.NAMES) -> probe_labels.LabelSpec:
  """Labels of sprites.

  Args:
    names: which latents, in the order of `latents.NAMES`.

  Returns:
    Shape is a class, the others are values.
  """
  shape = latents.NAMES[0]
  asked = shape in names
  return probe_labels.LabelSpec(
    classes={shape: latents.SIZES[0]} if asked else {},
    values=tuple(name for name in names if name != shape),
    chance={shape: CHANCE_ACCURACY} if asked else {},
  )


class InputsOf(NamedTuple):
  """What went into the model, which traces do not hold.

  Attributes:
    widths: numbers per step, by name.
    of_rollout: from a rollout's index to `[time, width]` by name, uint8 for
      bits.
  """

  widths: Mapping[str, int]
  of_rollout: Callable[[int], Mapping[str, np.ndarray]]


def sprite_inputs(
  table: table_lib.SpriteTable, spec: rollouts.RolloutSpec
) -> InputsOf:
  """The image and the action that went into a model of sprites.

  Args:
    table: the sprites.
    spec: the rollouts.
  """

  def of_rollout(index: int) -> dict[str, np.ndarray]:
    batch = rollouts.make_batch(table, spec, [index])
    image = np.unpackbits(batch.image[:, 0], axis=-1)
    return {
      'image': image.reshape([len(image), -1]),
      'action': batch.action[:, 0],
    }

  return InputsOf(INPUTS, of_rollout)


class TraceStream:
  """Rollouts from traces; see `Stream`."""

  def __init__(
    self,
    traces: traces_lib.Traces,
    representations: Sequence[str] | None = None,
    asked: Sequence[str] = latents.NAMES,
    untrained: traces_lib.Traces | None = None,
    inputs: InputsOf | None = None,
    centred: bool = False,
  ):
    """Constructs the stream.

    Args:
      traces: the traces.
      representations: names of those to probe; all in the traces if None.
      asked: which latents.
      untrained: traces of another model over the same rollouts, whose
        representations get a name with `UNTRAINED_PREFIX`.
      inputs: what else to probe.
      centred: whether to subtract the mean over a rollout from each number of
        its representations.

    Raises:
      errors.UsageError: if the traces lack a representation.
    """
    self.source = traces.path
    self.spec = latent_spec(asked)
    self.num_rollouts = traces.num_rollouts
    self.probed = list(representations or traces.widths)
    self._traces = {'': traces}
    if untrained is not None:
      self._traces[UNTRAINED_PREFIX] = untrained
    self._inputs = inputs
    self._centred = centred
    self._columns = [latents.NAMES.index(name) for name in self.spec.names]
    self.widths = {
      f'{prefix}{name}': source.width(name)
      for prefix, source in self._traces.items()
      for name in self.probed
    }
    if inputs is not None:
      self.widths.update(inputs.widths)
    # Every class is as likely as every other.
    grids = [
      latents.VALUES[latents.NAMES.index(name)] for name in self.spec.values
    ]
    shares = [1 / n for n in self.spec.classes.values() for _ in range(n)]
    self.scale = (
      np.array([*shares, *(grid.mean() for grid in grids)]),
      np.array(
        [*(np.sqrt(p * (1 - p)) for p in shares), *(x.std() for x in grids)]
      ),
    )

  def _read(
    self, prefix: str, split: str, names: Sequence[str]
  ) -> Iterator[dict[str, Any]]:
    dataset = self._traces[prefix].dataset(split, names)
    return dataset.prefetch(2).as_numpy_iterator()

  def rollouts(self, split: str) -> Iterator[Rollout]:
    """See `Stream`."""
    names = [*self.probed, 'index', 'classes']
    sources = [self._read(prefix, split, names) for prefix in self._traces]
    for found in zip(*sources, strict=True):
      index = int(found[0]['index'])
      features = {}
      for prefix, rollout in zip(self._traces, found):
        if int(rollout['index']) != index:
          raise ValueError(f'{prefix}traces are of other rollouts')
        for name in self.probed:
          found_here = rollout[name]
          if self._centred:
            found_here = found_here - found_here.mean(axis=0)
          features[f'{prefix}{name}'] = found_here
      if self._inputs is not None:
        features.update(self._inputs.of_rollout(index))
      yield Rollout(index, features, self._compact(found[0]['classes']))

  def labels(self, split: str) -> Iterator[np.ndarray]:
    """See `Stream`."""
    for rollout in self._read('', split, ['classes']):
      yield self._compact(rollout['classes'])

  def _compact(self, classes: np.ndarray) -> np.ndarray:
    return classes[:, self._columns].astype(np.uint8)

  def decode(self, labels: np.ndarray) -> np.ndarray:
    """See `Stream`."""
    decoded = np.empty(labels.shape, np.float32)
    for i, name in enumerate(self.spec.names):
      if name in self.spec.classes:
        decoded[:, i] = labels[:, i]
      else:
        decoded[:, i] = latents.VALUES[latents.NAMES.index(name)][labels[:, i]]
    return decoded

  def explained_errors(self) -> contextlib.AbstractContextManager[None]:
    """See `Stream`."""
    stack = contextlib.ExitStack()
    for traces in self._traces.values():
      stack.enter_context(traces.explained_errors())
    return stack


class ArrayStream:
  """Rollouts in memory; see `Stream`."""

  def __init__(
    self,
    features: Mapping[str, Sequence[np.ndarray]],
    classes: Mapping[str, Sequence[np.ndarray]],
    values: Mapping[str, Sequence[np.ndarray]],
    num_train: int,
  ):
    """Constructs the stream.

    Args:
      features: by name, for every rollout `[time, width]`.
      classes: categorical labels: by name, for every rollout int `[time]`,
        numbered from 0.
      values: continuous labels: by name, for every rollout float `[time]`.
      num_train: rollouts in the split 'train'; the others are in 'test'.

    Raises:
      ValueError: if there is nothing to read or to ask, or shapes differ.
    """
    if not features or not (classes or values):
      raise ValueError('features, and classes or values, must be given')
    self.source = 'features'
    self._features = features
    self._labels = {**classes, **values}
    if len(self._labels) < len(classes) + len(values):
      raise ValueError('a label must be in classes or values, not in both')
    lengths = [len(x) for x in next(iter(features.values()))]
    for name, arrays in {**features, **self._labels}.items():
      if [len(x) for x in arrays] != lengths:
        raise ValueError(f'{name}: other rollouts or steps than the first has')
    self.widths = {name: x[0].shape[1] for name, x in features.items()}
    self.probed = list(features)
    if not 1 <= num_train <= len(lengths):
      raise ValueError(
        f'num_train is {num_train}, and there are {len(lengths)} rollouts'
      )
    self._splits = {'train': range(num_train)}
    if num_train < len(lengths):
      self._splits['test'] = range(num_train, len(lengths))
    self.num_rollouts = {k: len(v) for k, v in self._splits.items()}
    sizes, chance = {}, {}
    for name, arrays in classes.items():
      counts = np.bincount(
        np.concatenate([np.asarray(arrays[i], int) for i in range(num_train)])
      )
      sizes[name] = max(int(np.max(x)) for x in arrays) + 1
      chance[name] = float(counts.max() / counts.sum())
    self.spec = probe_labels.LabelSpec(sizes, tuple(values), chance)
    labels = probe_labels.Labels(
      self.spec, list(self.labels('train')), self.decode
    )
    mean, covariance = labels.moments()
    self.scale = mean, np.sqrt(np.diag(covariance).clip(0))

  def rollouts(self, split: str) -> Iterator[Rollout]:
    """See `Stream`."""
    for index, labels in zip(self._splits[split], self.labels(split)):
      features = {
        name: np.asarray(arrays[index], np.float32)
        for name, arrays in self._features.items()
      }
      yield Rollout(index, features, labels)

  def labels(self, split: str) -> Iterator[np.ndarray]:
    """See `Stream`."""
    for index in self._splits[split]:
      yield np.stack(
        [
          np.asarray(self._labels[name][index], np.float32)
          for name in self.spec.names
        ],
        axis=1,
      )

  def decode(self, labels: np.ndarray) -> np.ndarray:
    """See `Stream`."""
    return labels

  def explained_errors(self) -> contextlib.AbstractContextManager[None]:
    """See `Stream`."""
    return contextlib.nullcontext()


class Controlled:
  """A stream's representations, and controls beside them.

  For every width of what is probed there are random inputs, a copy for each
  seed; of wide ones a single copy, which all seeds share. The planted memory is
  as wide as the widest that is probed.

  Attributes:
    widths: width of each representation, controls included.
    copies: how many each has.
    planted: the planted memory; None if not wanted.
  """

  def __init__(
    self,
    stream: Stream,
    seed: int,
    num_seeds: int,
    plant: bool,
    offset: int = 0,
  ):
    """Constructs the stream.

    Args:
      stream: the representations.
      seed: of the controls.
      num_seeds: copies of random inputs.
      plant: whether to plant a memory, which holds
      offset: labels of so many steps before.

    Raises:
      ValueError: if a representation is called like a control.
    """
    self._stream = stream
    self._seed = seed
    self._offset = offset
    probed = sorted({stream.widths[name] for name in stream.probed})[::-1]
    of_controls = {f'{RANDOM_PREFIX}{width}': width for width in probed}
    self._random = tuple(of_controls)
    self.planted = None
    if plant:
      width = min(probed[0], exact_probe.MAX_WIDTH)
      self.planted = planted.PlantedMemory(seed, width, *stream.scale)
      self._planted_name = f'{PLANTED_PREFIX}{width}'
      of_controls[self._planted_name] = width
    taken = set(of_controls) & set(stream.widths)
    if taken:
      raise ValueError(f'{taken.pop()} is the name of a control')
    self.widths = {**stream.widths, **of_controls}
    self.copies = dict.fromkeys(self.widths, 1)
    for name in self._random:
      if self.widths[name] <= exact_probe.MAX_WIDTH:
        self.copies[name] = num_seeds

  def features(self, rollout: Rollout, name: str, copy: int = 0) -> np.ndarray:
    """A representation or control in a rollout.

    Args:
      rollout: from the stream.
      name: which.
      copy: which copy.

    Returns:
      float32 `[time, width]`, or uint8 for bits.
    """
    if name in rollout.features:
      return rollout.features[name]
    if name in self._random:
      num_steps, width = len(rollout.labels), self.widths[name]
      return controls.random_inputs(
        self._seed, rollout.index, num_steps, width, copy
      )
    labels = self._stream.decode(rollout.labels)
    # What comes round the end is nobody's label.
    labels = np.roll(labels, self._offset, axis=0)
    return self.planted.features(
      rollout.index, self._stream.spec.as_outputs(labels)
    )

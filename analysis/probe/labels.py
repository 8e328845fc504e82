"""The labels that probes predict at each step: at offsets, true and shuffled.

A `LabelSpec` names the labels. `Labels` holds the labels of a split's rollouts,
task by task. A task is an offset in time, with the labels of the rollout itself
or, as a control, of another rollout. A representation says nothing about
another rollout's labels, so a probe cannot read them from it.
"""

from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses

import numpy as np

from dnc.dsprites import latents

# The orientation as a point on a circle: cosine and sine of k times the angle.
# A sprite looks the same after a k-th of a turn, and at both ends of [0, 2 pi].
# So no linear map of the picture alone can give the angle itself.
ANGLE = 'orientation_angle'
# All labels of a sprite, and the label of each column in an array of labels.
OF_SPRITES = (*latents.NAMES, ANGLE)
_COLUMNS = (*latents.NAMES, ANGLE, ANGLE)
# k of each shape.
_SYMMETRY = np.array(latents.SYMMETRIES)
_PARTNERS = 4


@dataclasses.dataclass(frozen=True)
class LabelSpec:
  """Names and kinds of labels.

  Attributes:
    classes: categorical labels, and how many classes each has.
    values: continuous labels; a label of several numbers is listed once for
      each.
    chance: the accuracy of guessing, for each categorical label.
  """

  classes: Mapping[str, int]
  values: tuple[str, ...]
  chance: Mapping[str, float]

  @property
  def names(self) -> tuple[str, ...]:
    """All labels, each once."""
    return tuple(dict.fromkeys(self.columns))

  @property
  def columns(self) -> tuple[str, ...]:
    """The label of each column of an array of labels: categorical first."""
    return (*self.classes, *self.values)

  def starts(self) -> list[int]:
    """The first column of each label."""
    return [self.columns.index(name) for name in self.names]

  @property
  def num_outputs(self) -> int:
    """Outputs of a probe: one for each class and one for each value."""
    return sum(self.classes.values()) + len(self.values)

  def heads(self) -> list[tuple[int, slice]]:
    """The column and the outputs of each categorical label."""
    heads, start = [], 0
    for column, size in enumerate(self.classes.values()):
      heads.append((column, slice(start, start + size)))
      start += size
    return heads

  def values_of(self, labels: np.ndarray) -> np.ndarray:
    """The continuous labels, from an array `[..., label]` of all labels."""
    return labels[..., len(self.classes) : len(self.columns)]

  def value_outputs(self, outputs: np.ndarray) -> np.ndarray:
    """The outputs for continuous labels, from `[..., output]`."""
    return outputs[..., self.num_outputs - len(self.values) :]

  def as_outputs(self, labels: np.ndarray) -> np.ndarray:
    """Returns the outputs of a perfect probe for labels `[..., label]`.

    They are float64 `[..., output]`: ones and zeros for classes, then values.
    Further columns of `labels` are ignored.
    """
    outputs = np.zeros([*labels.shape[:-1], self.num_outputs])
    for column, where in self.heads():
      classes = np.arange(where.stop - where.start)
      outputs[..., where] = labels[..., column, np.newaxis] == classes
    self.value_outputs(outputs)[...] = self.values_of(labels)
    return outputs


def latent_spec(names: Sequence[str] = latents.NAMES) -> LabelSpec:
  """Returns the `LabelSpec` of some of `OF_SPRITES`; only shape has classes."""
  shape, num_shapes = latents.NAMES[0], latents.SIZES[0]
  is_asked = shape in names
  return LabelSpec(
    classes={shape: num_shapes} if is_asked else {},
    values=tuple(name for name in _COLUMNS if name in names and name != shape),
    chance={shape: 1 / num_shapes} if is_asked else {},
  )


def of_classes(classes: np.ndarray, spec: LabelSpec) -> np.ndarray:
  """Returns the labels of sprites.

  Args:
    classes: int `[..., 5]`, of the latents in the order of `latents.NAMES`.
    spec: from `latent_spec`.

  Returns:
    float32 `[..., label]`: the class of the shape, and the values of the rest.
  """
  values = latents.class_values(classes)
  turned = _SYMMETRY[classes[..., 0]] * values[..., 2]
  labels = np.concatenate(
    [
      classes[..., :1],
      values[..., 1:],
      np.stack([np.cos(turned), np.sin(turned)], axis=-1),
    ],
    axis=-1,
    dtype=np.float32,
  )
  return labels[..., [name in spec.names for name in _COLUMNS]]


def other_rollouts(seed: int, number: int) -> np.ndarray:
  """Returns a partner, another rollout, for each rollout: int64 `[number]`.

  The rollouts are put on a circle in random order; the partner is the next one.
  There must be at least 2 rollouts.
  """
  order = np.random.default_rng((seed, number, _PARTNERS)).permutation(number)
  partners = np.empty_like(order)
  partners[order] = np.roll(order, -1)
  return partners


def at_offset(labels: np.ndarray, offset: int, num_steps: int) -> np.ndarray:
  """Moves the labels of a rollout in time.

  Args:
    labels: `[steps, label]`, of the current sprite of each step.
    offset: how many steps ago the labelled sprite was; negative if later.
    num_steps: steps to label, `time`.

  Returns:
    float32 `[time, label + 1]`: the labels, then 1; all 0 at steps whose
    labelled sprite lies outside the rollout.
  """
  moved = np.zeros([num_steps, labels.shape[1] + 1], np.float32)
  first, last = max(0, offset), min(num_steps, len(labels) + offset)
  if first < last:
    moved[first:last, :-1] = labels[first - offset : last - offset]
    moved[first:last, -1] = 1
  return moved


def by_part(
  labels: np.ndarray, parts: Mapping[str, np.ndarray]
) -> dict[str | None, np.ndarray]:
  """Returns the labels of all steps, under None, and of each part alone.

  Args:
    labels: `[time, task, label + 1]`, as from `Labels.tasks`.
    parts: by part, bool `[time]`: whether a step is in it.
  """
  found = {None: labels}
  for part, steps in parts.items():
    found[part] = labels * steps[:, np.newaxis, np.newaxis]
  return found


class Labels:
  """The labels of a split's rollouts, in memory.

  Attributes:
    num_tasks: number of tasks: all offsets with true labels, then all with
      shuffled ones.
  """

  def __init__(
    self,
    spec: LabelSpec,
    rollouts: Sequence[np.ndarray],
    offsets: Sequence[int] = (0,),
    seed: int = 0,
  ):
    """Constructs the labels.

    Args:
      spec: names and kinds of the labels.
      rollouts: float32 `[time, label]` of each rollout.
      offsets: see `at_offset`.
      seed: the seed of the shuffling. A split of one rollout cannot be
        shuffled: then no step has a shuffled label.
    """
    self.num_tasks = 2 * len(offsets)
    self._spec = spec
    self._rollouts = rollouts
    self._offsets = offsets
    self._partners = None
    if len(rollouts) > 1:
      self._partners = other_rollouts(seed, len(rollouts))

  def tasks(self, position: int) -> np.ndarray:
    """Returns the labels of a rollout for each task, as from `at_offset`.

    They are float32 `[time, task, label + 1]`.
    """
    own = self._rollouts[position]
    other = own[:0]
    if self._partners is not None:
      other = self._rollouts[self._partners[position]]
    return np.stack(
      [
        at_offset(labels, offset, len(own))
        for labels in (own, other)
        for offset in self._offsets
      ],
      axis=1,
    )

  def num_steps(self, number: int) -> int:
    """Returns how many steps the first rollouts have together."""
    return sum(map(len, self._rollouts[:number]))

  def moments(self) -> tuple[np.ndarray, np.ndarray]:
    """Mean `[output]` and covariance of `as_outputs`, over all steps."""
    count, total, products = 0, 0.0, 0.0
    for labels in self._rollouts:
      outputs = self._spec.as_outputs(labels)
      count += len(outputs)
      total = total + outputs.sum(axis=0)
      products = products + outputs.T @ outputs
    mean = total / count
    return mean, products / count - np.outer(mean, mean)

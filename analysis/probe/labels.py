"""What a probe is asked of every step: labels, at offsets, true and shuffled.

A `LabelSpec` names the labels, `Labels` holds those of a split's rollouts and
lays them out task by task. A task is an offset in time, with the labels of the
rollout itself or, as a control, of another one: Hewitt and Liang, "Designing
and Interpreting Probes with Control Tasks" (2019). What a probe finds of the
latter it has not read off the representation.
"""

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses

import numpy as np

_PARTNERS = 4


@dataclasses.dataclass(frozen=True)
class LabelSpec:
  """Names and kinds of labels.

  Attributes:
    classes: categorical labels, and how many classes each has.
    values: continuous labels.
    chance: for each categorical label the accuracy of guessing.
  """

  classes: Mapping[str, int]
  values: tuple[str, ...]
  chance: Mapping[str, float]

  @property
  def names(self) -> tuple[str, ...]:
    """All labels, in the order of arrays of labels: categorical ones first."""
    return (*self.classes, *self.values)

  @property
  def num_outputs(self) -> int:
    """What a probe puts out: a number for each class and each value."""
    return sum(self.classes.values()) + len(self.values)

  def heads(self) -> list[tuple[int, slice]]:
    """For each categorical label its column and the outputs of its classes."""
    heads, start = [], 0
    for column, size in enumerate(self.classes.values()):
      heads.append((column, slice(start, start + size)))
      start += size
    return heads

  def values_of(self, labels: np.ndarray) -> np.ndarray:
    """The continuous labels of an array `[..., label]` of all."""
    return labels[..., len(self.classes) : len(self.names)]

  def as_outputs(self, labels: np.ndarray) -> np.ndarray:
    """What a perfect probe would put out.

    Args:
      labels: `[..., label]`, or more behind it that is ignored.

    Returns:
      float64 `[..., output]`: ones and zeros for classes, then the values.
    """
    outputs = np.zeros([*labels.shape[:-1], self.num_outputs])
    for column, where in self.heads():
      classes = np.arange(where.stop - where.start)
      outputs[..., where] = labels[..., column, np.newaxis] == classes
    outputs[..., self.num_outputs - len(self.values) :] = self.values_of(labels)
    return outputs


def other_rollouts(seed: int, number: int) -> np.ndarray:
  """Gives each rollout another one, and each to one: never its own.

  Args:
    seed: of the order in which they are put around a circle, each next to its
      partner.
    number: how many rollouts, at least 2.

  Returns:
    int64 `[number]`, the partner of each.
  """
  order = np.random.default_rng((seed, number, _PARTNERS)).permutation(number)
  partners = np.empty_like(order)
  partners[order] = np.roll(order, -1)
  return partners


def at_offset(labels: np.ndarray, offset: int, num_steps: int) -> np.ndarray:
  """Moves the labels of a rollout in time.

  Args:
    labels: `[steps, label]`, of the current sprite of each step.
    offset: how many steps before the current one the labelled sprite was;
      negative for one to come.
    num_steps: steps that get a label, `time`.

  Returns:
    float32 `[time, label + 1]`: the labels, and 1; or all 0 where the rollout
    had not begun or has ended.
  """
  moved = np.zeros([num_steps, labels.shape[1] + 1], np.float32)
  first, last = max(0, offset), min(num_steps, len(labels) + offset)
  if first < last:
    moved[first:last, :-1] = labels[first - offset : last - offset]
    moved[first:last, -1] = 1
  return moved


class Labels:
  """The labels of a split's rollouts, in memory.

  Attributes:
    spec: what they are.
    num_tasks: all offsets with true labels, then all with shuffled ones.
  """

  def __init__(
    self,
    spec: LabelSpec,
    rollouts: Sequence[np.ndarray],
    decode: Callable[[np.ndarray], np.ndarray],
    offsets: Sequence[int] = (0,),
    seed: int = 0,
  ):
    """Constructs the labels.

    Args:
      spec: what they are.
      rollouts: for each rollout what `decode` takes, as small as can be.
      decode: makes `[time, label]` of it.
      offsets: see `at_offset`.
      seed: of the shuffling. A split of one rollout cannot be shuffled: then no
        step has a shuffled label.
    """
    self.spec = spec
    self.num_tasks = 2 * len(offsets)
    self._rollouts = rollouts
    self._decode = decode
    self._offsets = tuple(offsets)
    self._partners = None
    if len(rollouts) > 1:
      self._partners = other_rollouts(seed, len(rollouts))

  def true(self, position: int) -> np.ndarray:
    """Labels of the current sprites: `[time, label]`."""
    return self._decode(self._rollouts[position])

  def tasks(self, position: int, num_steps: int) -> np.ndarray:
    """Labels of all tasks.

    Args:
      position: which rollout of the split.
      num_steps: its steps, `time`.

    Returns:
      float32 `[time, task, label + 1]`, as `at_offset`.
    """
    own = self.true(position)
    other = own[:0]
    if self._partners is not None:
      other = self.true(self._partners[position])
    return np.stack(
      [
        at_offset(labels, offset, num_steps)
        for labels in (own, other)
        for offset in self._offsets
      ],
      axis=1,
    )

  def moments(self) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance over all steps of `spec.as_outputs` of true labels.

    Returns:
      float64 `[output]` and `[output, output]`.
    """
    count, total, products = 0, 0.0, 0.0
    for position in range(len(self._rollouts)):
      outputs = self.spec.as_outputs(self.true(position))
      count += len(outputs)
      total = total + outputs.sum(axis=0)
      products = products + outputs.T @ outputs
    mean = total / count
    return mean, products / count - np.outer(mean, mean)

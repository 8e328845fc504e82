"""Sequences for Test 3: inputs, targets, and scores of outputs.

Each task has its own `Sequences`; Test 3 does not depend on the task.
"""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
import dataclasses
from typing import NamedTuple
from typing import Protocol

import numpy as np
import tensorflow as tf

from dnc import dnc


class Segment(NamedTuple):
  """Some steps of some sequences.

  Attributes:
    inputs: float32 tensor `[time, batch, input_size]`.
    targets: float32 tensor `[time, batch, output_size]` of 0 and 1.
    is_real: bool `[time, batch]`, whether the sequence has this step.
    counts: for each metric, bool `[time, batch]`, whether the step counts.
  """

  inputs: tf.Tensor
  targets: tf.Tensor
  is_real: np.ndarray
  counts: Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Metric:
  """A score of how well a sequence is predicted.

  Attributes:
    name: e.g. 'loss'.
    of_sequence: computes it from the scores of the steps that count, float
      `[steps]`.
    lower_is_better: whether a lower number is better.
  """

  name: str
  of_sequence: Callable[[np.ndarray], float]
  lower_is_better: bool = False


class Sequences(Protocol):
  """Unseen sequences of a task, and the scores of a model's outputs on them.

  Attributes:
    task: name of the task.
    core: the model's core.
    input_size: size of its inputs.
    num_steps: steps of the longest sequence.
    metrics: the first is the loss.
    loss_unit: e.g. 'nats an image'.
    unit: what a sequence is called, e.g. 'rollout'.
    lesion_step: default for the first step of the lesion `frozen_memory`.
    reset_interval: default for the number of steps between two cuts of the
      lesions at intervals, `lesions.AT_INTERVALS`.
  """

  task: str
  core: dnc.DNC
  input_size: int
  num_steps: int
  metrics: tuple[Metric, ...]
  loss_unit: str
  unit: str
  lesion_step: int
  reset_interval: int

  def segments(self, batch: int, batch_size: int) -> Iterator[Segment]:
    """Yields the steps, in order, of a batch of sequences."""

  def scores(
    self, outputs: tf.Tensor, targets: tf.Tensor
  ) -> Mapping[str, tf.Tensor]:
    """Scores each step by each metric: float tensors `[time, batch]`."""

"""Runs a predictor up to some steps, then predicts from a changed state.

XLA compiles nothing, so that intact and changed predictions are computed in the
same way.
"""

from collections.abc import Iterator
from collections.abc import Sequence
import dataclasses

import numpy as np
import tensorflow as tf

from dnc import unroll
from dnc.next_sprite import model as model_lib
from dnc.next_sprite import rollouts
from dnc.recurrence import plain

WORDS, MEMORY = 'read_words', 'memory'
# Steps whose images are in memory at once.
_SEGMENT_LENGTH = 50


@dataclasses.dataclass(frozen=True)
class Snapshots:
  """What the outputs depend on, at some steps of some rollouts.

  Attributes:
    hidden: h_t, float32 `[n, hidden_size]`.
    read_words: r_t, float32 `[n, num_reads * W]`.
    memory: M_t, after the writing of the step, float32 `[n, N * W]`.
    prev_read_weights: w_{t-1}^r, float32 `[n, num_reads, N]`.
    link: L_t, float32 `[n, num_writes, N, N]`.
    targets: the images to be predicted, float32 `[n, 4096]` of 0 and 1.
    classes: of the sprite at each offset, int `[n, offset, 5]`.
    steps: t, int `[n]`.
    rollouts: index of each rollout, int `[n]`.
  """

  hidden: np.ndarray
  read_words: np.ndarray
  memory: np.ndarray
  prev_read_weights: np.ndarray
  link: np.ndarray
  targets: np.ndarray
  classes: np.ndarray
  steps: np.ndarray
  rollouts: np.ndarray

  def __getitem__(self, rows: np.ndarray) -> 'Snapshots':
    """Selects snapshots; `rows` are indices or bool `[n]`."""
    return Snapshots(**{k: x[rows] for k, x in vars(self).items()})


class Runner:
  """Runs a predictor that has a memory, and changes what it holds.

  Attributes:
    widths: numbers of each of `WORDS` and `MEMORY`.
  """

  def __init__(self, predictor: model_lib.SpritePredictor):
    self._core = core = predictor.core
    state = core.initial_state(1)
    self.widths = {
      WORDS: state.access_output.shape[1:].num_elements(),
      MEMORY: state.access_state.memory.shape[1:].num_elements(),
    }
    # One graph serves any number of steps and rollouts.
    self._scan = tf.function(
      self._run,
      input_signature=[
        tf.TensorSpec([None, None, rollouts.INPUT_SIZE]),
        tf.nest.map_structure(
          lambda x: tf.TensorSpec([None, *x.shape[1:]], x.dtype), state
        ),
      ],
      autograph=False,
    )

  def _run(self, inputs, state):
    projected, weights = unroll.project_inputs(self._core, inputs)
    state, kept = plain.scan(
      self._core,
      weights,
      projected,
      state,
      record=lambda state: state.access_state.memory,
    )
    return kept, state

  def representations(
    self, batch: rollouts.RolloutBatch
  ) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
    """Runs rollouts of equal length from the zero state.

    Yields:
      For each segment its steps, int `[time]`, and by name what is held after
      each of them, float32 `[time, batch, width]`.
    """
    state = self._core.initial_state(len(batch.length))
    for start in range(0, len(batch.image), _SEGMENT_LENGTH):
      part = rollouts.segment(batch, start, start + _SEGMENT_LENGTH)
      kept, state = self._scan(rollouts.model_inputs(part), state)
      held = {WORDS: kept.read_words, MEMORY: kept.recorded}
      yield (
        start + np.arange(len(part.image)),
        {k: x.numpy().reshape([*x.shape[:2], -1]) for k, x in held.items()},
      )

  def snapshots(
    self,
    batch: rollouts.RolloutBatch,
    steps: Sequence[int],
    offsets: Sequence[int],
  ) -> Snapshots:
    """Runs rollouts of equal length up to some steps.

    Args:
      batch: the rollouts.
      steps: the steps, ascending.
      offsets: of the sprites in `Snapshots.classes`, in steps before each of
        these steps; every step must have a sprite at each offset.

    Returns:
      These steps of all rollouts, step by step.
    """
    found = []
    state = self._core.initial_state(len(batch.length))
    start = 0
    for step in steps:
      while start < step:
        stop = min(step, start + _SEGMENT_LENGTH)
        part = rollouts.segment(batch, start, stop)
        _, state = self._scan(rollouts.model_inputs(part), state)
        start = stop
      prev_read_weights = state.access_state.read_weights
      part = rollouts.segment(batch, step, step + 1)
      _, state = self._scan(rollouts.model_inputs(part), state)
      start = step + 1
      number = len(batch.length)
      sprites = [batch.classes[step - offset] for offset in offsets]
      snapshots = Snapshots(
        hidden=state.controller_state.hidden.numpy(),
        read_words=state.access_output.numpy().reshape([number, -1]),
        memory=state.access_state.memory.numpy().reshape([number, -1]),
        prev_read_weights=prev_read_weights.numpy(),
        link=state.access_state.linkage.link.numpy(),
        targets=rollouts.model_targets(part)[0].numpy(),
        classes=np.stack(sprites, axis=1),
        steps=np.full([number], step),
        rollouts=np.asarray(batch.index),
      )
      found.append(snapshots)
    return Snapshots(
      **{
        k: np.concatenate([getattr(each, k) for each in found])
        for k in vars(found[0])
      }
    )

  def logits(
    self, snapshots: Snapshots, name: str | None = None, changed: object = None
  ) -> tf.Tensor:
    """Predicts images, with one representation changed.

    Args:
      snapshots: the steps.
      name: `MEMORY`, which the same heads then read again, or `WORDS`; None for
        neither.
      changed: what to use in place of this representation, float `[n, width]`.

    Returns:
      Logits, float32 tensor `[n, 4096]`.
    """
    words = snapshots.read_words
    if name == WORDS:
      words = changed
    elif name == MEMORY:
      words = self._read(snapshots, changed)
    words = tf.reshape(tf.cast(words, tf.float32), [len(snapshots.hidden), -1])
    features = tf.concat([snapshots.hidden, words], axis=1)
    return unroll.apply_output_layer(self._core, features[tf.newaxis])[0]

  def _read(self, snapshots: Snapshots, memory: np.ndarray) -> tf.Tensor:
    """The words that the heads read from a changed memory."""
    access = self._core.access
    interface = [layer(snapshots.hidden) for layer in access.interface.values()]
    sizes = access.sizes
    shape = [-1, sizes['memory_size'], sizes['word_size']]
    words, _ = access.read(
      access.split_interface(tf.concat(interface, axis=1)),
      tf.reshape(tf.cast(memory, tf.float32), shape),
      tf.constant(snapshots.prev_read_weights),
      tf.constant(snapshots.link),
    )
    return words

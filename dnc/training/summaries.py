"""What TensorBoard shows of a run, each with a description of what it means.

Scalars and pictures are by number of updates. A run that was killed goes on
from its last checkpoint: what it had written of later updates is told to be
void, so that no curve goes back and forth.
"""

from collections.abc import Mapping
import hashlib
import json
import os
import time

import numpy as np
from tensorboard.plugins.hparams import api as hp
import tensorflow as tf
from tensorflow.python.ops import summary_ops_v2

from dnc.dsprites import variation
from dnc.visualize import memory_trace
from dnc.visualize import pictures

SUMMARY_DIR = 'summaries'

_LOSS = (
  'dSprites: of an image, summed over its 4096 pixels: sigmoid cross-entropy '
  'in nats or, with --loss=mean_squared_error, squared error of the '
  'probabilities. '
  'Repeat-copy: sigmoid cross-entropy of a sequence, summed over its bits. '
)
_NEAREST = ' Of the sprite whose image is nearest to the predicted one.'
TRAINING = {
  'loss': _LOSS + 'Mean over the updates since the last report.',
  'grad_norm': (
    'Global norm of the gradient before clipping, mean over the updates since '
    'the last report.'
  ),
  'steps_per_second': (
    'Time steps trained on per second, those of all sequences of a batch '
    'counted. dSprites: without padding. Repeat-copy: with it.'
  ),
  'learning_rate': 'Learning rate of the optimizer at the last update.',
}
VALIDATION = {
  'loss': _LOSS + 'Mean over sequences that are not trained on.',
  'pixel_error': 'Share of the pixels on the wrong side of 0.5, from 0 to 1.',
  'iou': (
    'Intersection over union of the pixels of true and predicted sprite '
    '(probability above 0.5), mean over images; 1 is perfect.'
  ),
  'shape_error': 'Share of images with another shape, from 0 to 1.' + _NEAREST,
  'scale_error': (
    'Mean absolute difference of the scale, which is from 0.5 to 1.' + _NEAREST
  ),
  'orientation_error': (
    'Mean angle between true and predicted orientation in degrees, up to the '
    'symmetry of the true shape (90 for squares, 180 for ellipses, 360 for '
    'hearts).' + _NEAREST
  ),
  'position_error': (
    'Mean Euclidean distance in pixels, of 64 across the image.' + _NEAREST
  ),
  'bit_accuracy': 'Share of the bits that are right; guessing gives 0.5.',
  'sequence_accuracy': 'Share of the sequences with every bit right.',
}

_TIME = (
  ' On the first steps of an unseen rollout that is always the same. Steps '
  'from left to right; above, the image that goes in at the step of the tick.'
)
_SLOTS = ' Slots of the memory from top to bottom.'
_BOUNDS = (
  ' The bounds beside the colours change with the contents; up to one number '
  'in a hundred is beyond them.'
)
_ROOT = ' Colours go by the square root, so that small ones are seen.'
PICTURES = {
  'validation/true_beside_predicted': (
    'The sprites of the first steps of an unseen rollout that is always the '
    'same: true above, predicted below (white: probability 1).'
  ),
  'memory/words': (
    'All that is in the memory, a row for each number, slot by slot; white is '
    '0.' + _BOUNDS + _TIME
  ),
  'memory/norms': (
    'Euclidean norm of the word in each slot.' + _BOUNDS + _SLOTS + _TIME
  ),
  'memory/last_words': (
    'All that is in the memory after the last step of the other pictures: a '
    'column for each slot, a row for each number of its word; white is 0.'
    + _BOUNDS
  ),
  'memory/read_weights': (
    'How much each read head reads of each slot, 0 to 1.'
    + _ROOT
    + _SLOTS
    + _TIME
  ),
  'memory/write_weights': (
    'How much each write head writes to each slot, 0 to 1.'
    + _ROOT
    + _SLOTS
    + _TIME
  ),
  'memory/usage': (
    'How much each slot is in use, 0 (free, will be written first) to 1.'
    + _SLOTS
    + _TIME
  ),
  'memory/gates': (
    'Gates, 0 to 1. WRITE: whether a write head writes. ALLOC: to free slots '
    '(1) or where content matches (0). FREE: whether a read head gives free '
    'what it read at the step before. Then for each read head the mode that '
    'moves it, which sum to 1: BACK and FORWARD along the order in which slots '
    'were written, CONTENT to what matches.' + _TIME
  ),
  'memory/links': (
    'Link matrices of the write heads after the steps given below: how much '
    'the slot of a row (TO) was written directly after that of a column '
    '(FROM), 0 to 1.' + _ROOT
  ),
}


def draw_memory(
  trace: memory_trace.MemoryTrace, sprites: np.ndarray | None = None
) -> dict[str, np.ndarray]:
  """Draws all that a memory did; `PICTURES` describes each.

  Args:
    trace: of one sequence.
    sprites: float `[time, 64, 64]` in [0, 1], what went in at each step.

  Returns:
    By name, uint8 `[height, width, 3]`.
  """
  drawn = {
    'memory/read_weights': pictures.weights(
      trace.read_weights, 'READ', sprites
    ),
    'memory/write_weights': pictures.weights(
      trace.write_weights, 'WRITE', sprites
    ),
    'memory/usage': pictures.usage(trace.usage, sprites),
    'memory/gates': pictures.gates(trace, sprites),
    'memory/links': pictures.links(trace),
  }
  if trace.memory[0].size <= pictures.MAX_ROWS:
    return {'memory/words': pictures.words(trace.memory, sprites), **drawn}
  return {
    'memory/norms': pictures.norms(trace.memory, sprites),
    'memory/last_words': pictures.last_words(trace.memory[-1]),
    **drawn,
  }


def _as_hparam(value: object) -> str | int | float | bool:
  """A setting as TensorBoard takes it; tuples as they are written in flags."""
  if value is None or value == ():
    return 'none'
  if isinstance(value, tuple):
    return variation.shown(value)
  return value


def _trial(model_dir: str, settings: Mapping[str, object]) -> str:
  """A run's name in the table of runs; only equal runs may have the same."""
  digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
  folder = os.path.basename(os.path.abspath(model_dir))
  return f'{folder} ({digest.hexdigest()[:8]})'


class Summaries:
  """Writes what TensorBoard shows of a run."""

  def __init__(
    self,
    model_dir: str,
    hparams: Mapping[str, object],
    num_updates: int = 0,
  ):
    """Opens the run's summaries; those that are there stay.

    Args:
      model_dir: the run's folder; they go to its `SUMMARY_DIR`.
      hparams: the run's settings: strings, numbers, None, tuples of them.
      num_updates: after how many updates this process begins. What an earlier
        one wrote of later updates no longer counts.
    """
    self._writer = tf.summary.create_file_writer(
      os.path.join(model_dir, SUMMARY_DIR)
    )
    # TensorBoard's fast loader drops what a later, smaller step makes void; the
    # other one, where that cannot run, drops it only at a start of session.
    start = tf.compat.v1.Event(
      wall_time=time.time(),
      step=num_updates + 1,
      session_log=tf.compat.v1.SessionLog(status=tf.compat.v1.SessionLog.START),
    )
    with self._writer.as_default(step=num_updates):
      summary_ops_v2.import_event(start.SerializeToString())
      # Without an hparams_config TensorBoard finds out itself what settings
      # and metrics the runs have, and shows first in what they differ.
      settings = {k: _as_hparam(v) for k, v in hparams.items()}
      hp.hparams(settings, trial_id=_trial(model_dir, settings))
    self._writer.flush()

  def _scalars(
    self,
    group: str,
    descriptions: Mapping[str, str],
    step: int,
    scalars: Mapping[str, float],
  ) -> None:
    with self._writer.as_default(step=step):
      for name, value in scalars.items():
        tf.summary.scalar(
          f'{group}/{name}', value, description=descriptions[name]
        )
    self._writer.flush()

  def training(self, step: int, scalars: Mapping[str, float]) -> None:
    """Writes what was measured while training.

    Args:
      step: number of updates.
      scalars: some of `loss`, `grad_norm`, `steps_per_second`, `learning_rate`.

    Raises:
      KeyError: if one is not known, and so not described.
    """
    self._scalars('training', TRAINING, step, scalars)

  def validation(self, step: int, scalars: Mapping[str, float]) -> None:
    """Writes what was measured on unseen rollouts or sequences.

    Args:
      step: number of updates.
      scalars: some of `loss`, `pixel_error`, `iou`, `shape_error`,
        `scale_error`, `orientation_error`, `position_error`; or of `loss`,
        `bit_accuracy`, `sequence_accuracy`.

    Raises:
      KeyError: if one is not known, and so not described.
    """
    self._scalars('validation', VALIDATION, step, scalars)

  def pictures(
    self,
    step: int,
    predictions: np.ndarray | None = None,
    memory: memory_trace.MemoryTrace | None = None,
    sprites: np.ndarray | None = None,
  ) -> None:
    """Writes pictures of one validation rollout.

    Args:
      step: number of updates.
      predictions: uint8 `[height, width, 1 or 3]`, true sprites above predicted
        ones.
      memory: what the memory did; None if there is none.
      sprites: float `[time, 64, 64]` in [0, 1], what went in at the steps of
        `memory`.
    """
    drawn = {} if memory is None else draw_memory(memory, sprites)
    if predictions is not None:
      drawn['validation/true_beside_predicted'] = predictions
    with self._writer.as_default(step=step):
      for name, picture in drawn.items():
        tf.summary.image(name, picture[np.newaxis], description=PICTURES[name])
    self._writer.flush()

  def close(self) -> None:
    """Ends writing."""
    self._writer.close()

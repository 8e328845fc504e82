"""TensorBoard summaries of a run: scalars and pictures, with descriptions.

Their steps are numbers of updates. A killed run resumes from its last
checkpoint. TensorBoard then discards what the run had written about later
updates, so that no curve runs backwards.
"""

from collections.abc import Mapping
import hashlib
import json
import os
import time

import numpy as np

# The public module, `api`, also loads Keras, which takes seconds.
from tensorboard.plugins.hparams import summary_v2 as hp
import tensorflow as tf

from dnc.config import checks
from dnc.visualize import memory_trace
from dnc.visualize import pictures

SUMMARY_DIR = 'summaries'

TRAINING = {
  'loss': (
    'The loss that training minimises, mean over the steps since the last '
    'report; without the loss that --expose adds.'
  ),
  'expose_loss': (
    'Loss of the linear layer of --expose, which reads the latents: nats for '
    'the shape plus the squared errors of the other latents, each divided by '
    "the latent's variance, summed over --expose_offsets, before it is "
    'multiplied by --expose_weight. Mean over the updates since the last '
    'report.'
  ),
  'grad_norm': (
    'Global norm of the gradient before clipping, mean over the updates since '
    'the last report.'
  ),
  'steps_per_second': (
    'Time steps trained on per second, counted over all sequences of a batch.'
  ),
  'learning_rate': 'Learning rate of the optimizer at the last update.',
}

_TIME = (
  ' Shows the first steps of an unseen rollout, always the same one, from left '
  'to right. Above: the input image at the step of each tick.'
)
_SLOTS = ' Slots of the memory from top to bottom.'
_BOUNDS = (
  ' The range of the colour bar changes with the contents; up to one number in '
  'a hundred is outside it.'
)
_ROOT = ' Colours show the square root, so that small weights are visible.'
PICTURES = {
  'validation/true_beside_predicted': (
    'The sprites of the first steps of an unseen rollout, always the same one: '
    'true above, predicted below (white: probability 1).'
  ),
  'memory/words': (
    'The whole memory, a row for each number, slot by slot; white is 0, grey '
    'separates slots.' + _BOUNDS + _TIME
  ),
  'memory/norms': (
    'Euclidean norm of the word in each slot.' + _BOUNDS + _SLOTS + _TIME
  ),
  'memory/last_words': (
    'The whole memory after the last step of the other pictures: a column for '
    'each slot, a row for each number of its word; white is 0.' + _BOUNDS
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
    'Gates, 0 to 1. write: whether a write head writes. allocate: whether it '
    'writes to free slots (1) or where content matches (0). free: whether a '
    'read head frees the slots it read at the previous step. Below, the modes '
    'of each read head, which sum to 1: backward and forward along the order '
    'in which a write head wrote to the slots, or by content.' + _TIME
  ),
  'memory/links': (
    'Link matrix of each write head after some steps: how much the slot of a '
    'row (to) was written directly after the slot of a column (from), 0 to '
    '1.' + _ROOT
  ),
}


def draw_memory(
  trace: memory_trace.MemoryTrace, sprites: np.ndarray | None = None
) -> dict[str, np.ndarray]:
  """Draws what a memory did.

  Args:
    trace: the memory over one sequence.
    sprites: float `[time, 64, 64]` in [0, 1], the input at each step.

  Returns:
    Pictures uint8 `[height, width, 3]` by name; `PICTURES` describes them.
  """
  drawn = {
    'memory/read_weights': pictures.weights(
      trace.read_weights, 'read', sprites
    ),
    'memory/write_weights': pictures.weights(
      trace.write_weights, 'write', sprites
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
  """Converts a setting for TensorBoard; tuples become text, as in a flag."""
  if value is None or value == ():
    return 'none'
  if isinstance(value, tuple):
    return checks.shown(value)
  return value


def _trial(model_dir: str, settings: Mapping[str, object]) -> str:
  """A run's name in TensorBoard's table of runs; depends on its settings."""
  digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
  folder = os.path.basename(os.path.abspath(model_dir))
  return f'{folder} ({digest.hexdigest()[:8]})'


class Summaries:
  """Writes the TensorBoard summaries of a run."""

  def __init__(
    self,
    model_dir: str,
    hparams: Mapping[str, object],
    scores: Mapping[str, str],
    num_updates: int = 0,
  ):
    """Opens the run's summaries; existing ones are kept.

    Args:
      model_dir: the run's folder.
      hparams: the run's settings: strings, numbers, None, tuples of them.
      scores: descriptions of the validation's scores, by name.
      num_updates: number of updates before this process. TensorBoard discards
        what an earlier process wrote about later updates.
    """
    self._scores = scores
    self._writer = tf.summary.create_file_writer(
      os.path.join(model_dir, SUMMARY_DIR),
      # Provides the `resource_handle` that ImportEvent needs below.
      experimental_trackable=True,
    )
    # A resumed run starts at an earlier step. TensorBoard's data server then
    # drops the later events by itself. Its Python loader, used where that
    # server cannot run, needs a START event.
    start = tf.compat.v1.Event(
      wall_time=time.time(),
      step=num_updates + 1,
      session_log=tf.compat.v1.SessionLog(status=tf.compat.v1.SessionLog.START),
    )
    with self._writer.as_default(step=num_updates):
      tf.raw_ops.ImportEvent(
        writer=self._writer.resource_handle, event=start.SerializeToString()
      )
      # Without an hparams_config TensorBoard finds the settings and metrics of
      # the runs by itself, and shows first those that differ.
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
    """Writes what training measured; `TRAINING` describes it."""
    self._scalars('training', TRAINING, step, scalars)

  def validation(self, step: int, scalars: Mapping[str, float]) -> None:
    """Writes scores on unseen data; the task describes them."""
    self._scalars('validation', self._scores, step, scalars)

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
      memory: what the memory did; None for a core without one.
      sprites: float `[time, 64, 64]` in [0, 1], the inputs at the steps of
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
    """Closes the files."""
    self._writer.close()

"""Rollouts as Test 3 runs them, scored as next-sprite prediction."""

from collections.abc import Iterator
import itertools
import math

import numpy as np
import tensorflow as tf

from dnc import tasks
from dnc.dsprites import table as table_lib
from dnc.next_sprite import model
from dnc.next_sprite import rollouts
from dnc.next_sprite import scoring
from dnc.training import sequences

# Steps whose images are in memory at once.
_SEGMENT_LENGTH = 50
_LOSS_UNITS = {
  model.image_loss: 'nats an image',
  model.squared_error: 'squared error an image',
}

# Which steps count for each metric, given `RolloutBatch.since_shown`.
_COUNTED = {
  'loss': lambda since_shown: since_shown >= 0,
  'iou': lambda since_shown: since_shown >= 0,
  'loss_shown': lambda since_shown: since_shown == 0,
  'loss_hidden': lambda since_shown: since_shown > 0,
}
_OF_PARTS = ('loss_shown', 'loss_hidden')


class SpriteSequences:
  """Next-sprite prediction, scored by `scoring.step_scores`.

  Loss and IoU of a rollout are means over its steps that count. If some images
  are hidden, the loss is also scored separately for steps with a shown and with
  a hidden image. By default, lesions freeze the memory halfway through the
  longest rollout, or reset or replace it every ten or more steps. This interval
  has no common factor with `show_every`, so that cuts fall on shown and hidden
  images alike.
  """

  def __init__(
    self,
    predictor: model.SpritePredictor,
    table: table_lib.SpriteTable,
    spec: rollouts.RolloutSpec,
  ):
    """Constructs the sequences.

    Args:
      predictor: the model; its core is a DNC.
      table: the sprites.
      spec: the kind of rollouts; indices count from 0.
    """
    self.task = tasks.NEXT_SPRITE
    self.core = predictor.core
    self.input_size = rollouts.INPUT_SIZE
    self.num_steps = spec.max_length
    self.metrics = tuple(
      sequences.Metric(name, np.mean, lower_is_better=name != 'iou')
      for name in _COUNTED
      if spec.show_every > 1 or name not in _OF_PARTS
    )
    self.loss_unit = _LOSS_UNITS[predictor.loss]
    self.unit = 'rollout'
    self.lesion_step = spec.max_length // 2
    self.reset_interval = next(
      n for n in itertools.count(10) if math.gcd(n, spec.show_every) == 1
    )
    self._table = table
    self._spec = spec
    self._loss = predictor.loss
    images = tf.TensorSpec([None, None, rollouts.NUM_PIXELS])
    self.scores = tf.function(
      self._scores, input_signature=[images, images], autograph=False
    )

  def segments(
    self, batch: int, batch_size: int
  ) -> Iterator[sequences.Segment]:
    """Yields the steps, in order, of a batch of rollouts."""
    indices = np.arange(batch * batch_size, (batch + 1) * batch_size)
    whole = rollouts.make_batch(self._table, self._spec, indices)
    for start in range(0, len(whole.image), _SEGMENT_LENGTH):
      part = rollouts.segment(whole, start, start + _SEGMENT_LENGTH)
      steps = start + np.arange(len(part.image))
      is_real = steps[:, np.newaxis] < whole.length
      yield sequences.Segment(
        inputs=rollouts.model_inputs(part),
        targets=rollouts.model_targets(part),
        is_real=is_real,
        counts={
          metric.name: _COUNTED[metric.name](part.since_shown)
          for metric in self.metrics
        },
      )

  def _scores(self, outputs, targets):
    """Scores each step by each metric: float tensors `[time, batch]`."""
    found = scoring.step_scores(outputs, targets, self._loss)
    found |= dict.fromkeys(_OF_PARTS, found['loss'])
    return {metric.name: found[metric.name] for metric in self.metrics}

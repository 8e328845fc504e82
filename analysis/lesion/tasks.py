"""What is put to Test 3: next-sprite prediction, and repeat-copy.

Repeat-copy cannot be done without remembering, so that lesions must break a
model that does it: the proof that the test sees use where there is some.
"""

from collections.abc import Iterator
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from analysis.lesion import comparison as lesion
from dnc import config as config_lib
from dnc import dnc
from dnc.dsprites import table as table_lib
from dnc.next_sprite import model as predictor_lib
from dnc.next_sprite import rollouts
from dnc.repeat_copy import data as repeat_copy

# Steps whose images are in memory together.
_SEGMENT_LENGTH = 50
_LOSS_UNITS = {
  predictor_lib.image_loss: 'nats an image',
  predictor_lib.squared_error: 'squared error an image',
}


class SpriteTask(lesion.Task):
  """Next-sprite prediction, scored as `predictor.score` does.

  Loss and IoU of a rollout are means over its steps. By default the memory is
  frozen at half of the rollout, or reset or exchanged every ten steps.
  """

  def __init__(
    self,
    predictor: predictor_lib.SpritePredictor,
    table: table_lib.SpriteTable,
    spec: rollouts.RolloutSpec,
  ):
    """Constructs the task.

    Args:
      predictor: the model; its core is a DNC.
      table: the sprites.
      spec: the rollouts, of which the first are run.
    """
    self.name = config_lib.DSPRITES
    self.core = predictor.core
    self.input_size = rollouts.INPUT_SIZE
    self.num_steps = spec.max_length
    self.metrics = (
      lesion.Metric('loss', np.mean, lower_is_better=True),
      lesion.Metric('iou', np.mean),
    )
    self.loss_unit = _LOSS_UNITS[predictor.loss]
    self.unit = 'rollout'
    self.lesion_step = spec.max_length // 2
    self.reset_interval = 10
    self._table = table
    self._spec = spec
    self._loss = predictor.loss
    images = tf.TensorSpec([None, None, rollouts.NUM_PIXELS])
    self._score = tf.function(
      self._step_scores, input_signature=[images, images]
    )

  def segments(self, batch: int, batch_size: int) -> Iterator[lesion.Segment]:
    """As `lesion.Task.segments`."""
    indices = np.arange(batch * batch_size, (batch + 1) * batch_size)
    whole = rollouts.make_batch(self._table, self._spec, indices)
    for start in range(0, len(whole.image), _SEGMENT_LENGTH):
      part = rollouts.segment(whole, start, start + _SEGMENT_LENGTH)
      steps = start + np.arange(len(part.image))
      is_real = steps[:, np.newaxis] < whole.length
      yield lesion.Segment(
        inputs=rollouts.model_inputs(part),
        targets=rollouts.model_targets(part),
        is_real=is_real,
        counts={metric.name: is_real for metric in self.metrics},
      )

  def _step_scores(self, outputs, targets):
    found = predictor_lib.step_scores(outputs, targets, self._loss)
    return {metric.name: found[metric.name] for metric in self.metrics}

  def scores(
    self, outputs: tf.Tensor, targets: tf.Tensor
  ) -> Mapping[str, tf.Tensor]:
    """As `lesion.Task.scores`."""
    return self._score(outputs, targets)


class RepeatCopyTask(lesion.Task):
  """Repeat-copy, scored as `repeat_copy.score` does but for each sequence.

  Loss is the sum over a sequence's steps that count; `bit_accuracy` the share
  of its copied bits that are right; `sequence_accuracy` 1 if everything is, or
  else 0. By default the memory is frozen before the pattern is heard, or reset
  or exchanged every other step.
  """

  def __init__(self, core: dnc.DNC, config: config_lib.RepeatCopyConfig):
    """Constructs the task.

    Args:
      core: the model.
      config: the task; its seed and the stream `validation` give the sequences,
        others than those that a training reports on.
    """
    self.name = config_lib.REPEAT_COPY
    self.core = core
    self.input_size = repeat_copy.observation_size(config)
    self.num_steps = repeat_copy.max_steps(config)
    self.metrics = (
      lesion.Metric('loss', np.sum, lower_is_better=True),
      lesion.Metric('bit_accuracy', np.mean),
      lesion.Metric('sequence_accuracy', np.min),
    )
    self.loss_unit = 'nats a sequence'
    self.unit = 'sequence'
    # Step 0 has the start marker.
    self.lesion_step = 1
    self.reset_interval = 2
    self._config = config

  def segments(self, batch: int, batch_size: int) -> Iterator[lesion.Segment]:
    """As `lesion.Task.segments`, all steps at once."""
    # A training reports on batch 0.
    found = repeat_copy.make_batch(
      self._config, 'validation', 1 + batch, batch_size
    )
    counts = found.mask.numpy() > 0
    # To the last step that counts.
    is_real = np.flip(np.maximum.accumulate(np.flip(counts, 0)), 0)
    copied = counts & (found.target[:, :, -1].numpy() < 0.5)
    yield lesion.Segment(
      inputs=found.observations,
      targets=found.target,
      is_real=is_real,
      counts=dict(loss=counts, bit_accuracy=copied, sequence_accuracy=counts),
    )

  def scores(
    self, outputs: tf.Tensor, targets: tf.Tensor
  ) -> Mapping[str, tf.Tensor]:
    """As `lesion.Task.scores`."""
    losses = tf.nn.sigmoid_cross_entropy_with_logits(
      labels=targets, logits=outputs
    )
    right = tf.cast(tf.equal(outputs > 0, targets > 0.5), tf.float32)
    return dict(
      loss=tf.reduce_sum(losses, axis=2),
      bit_accuracy=tf.reduce_mean(right[:, :, :-1], axis=2),
      sequence_accuracy=tf.reduce_min(right, axis=2),
    )

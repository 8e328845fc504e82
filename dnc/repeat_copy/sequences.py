"""Repeat-copy's sequences as Test 3 runs them.

The task needs a memory, so lesions must break a model that solves it. If they
do, the test detects the use of a memory.
"""

from collections.abc import Iterator
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from dnc import config as config_lib
from dnc import dnc
from dnc import tasks
from dnc.repeat_copy import data
from dnc.training import sequences


class CopySequences:
  """Repeat-copy, scored like `data.score`, but per sequence.

  The loss of a sequence is the sum over its steps that count; `bit_accuracy` is
  the share of its copied bits that are right; `sequence_accuracy` is 1 if
  everything is right, else 0. By default, lesions freeze the memory before the
  pattern, or reset or replace it every other step.
  """

  def __init__(self, core: dnc.DNC, config: config_lib.RepeatCopyConfig):
    """Constructs the sequences.

    Args:
      core: the model.
      config: the task. Its seed and the stream `validation` determine the
        sequences, without the batch that training reports on.
    """
    self.task = tasks.REPEAT_COPY
    self.core = core
    self.input_size = data.observation_size(config)
    self.num_steps = data.max_steps(config)
    self.metrics = (
      sequences.Metric('loss', np.sum, lower_is_better=True),
      sequences.Metric('bit_accuracy', np.mean),
      sequences.Metric('sequence_accuracy', np.min),
    )
    self.loss_unit = 'nats a sequence'
    self.unit = 'sequence'
    # Step 0 has the start marker.
    self.lesion_step = 1
    self.reset_interval = 2
    self._config = config

  def segments(
    self, batch: int, batch_size: int
  ) -> Iterator[sequences.Segment]:
    """Yields all steps of a batch of sequences in one segment."""
    # Training reports on batch 0.
    found = data.make_batch(self._config, 'validation', 1 + batch, batch_size)
    counts = found.mask.numpy() > 0
    # Real steps end with the last step that counts.
    is_real = np.flip(np.maximum.accumulate(np.flip(counts, 0)), 0)
    copied = counts & (found.target[:, :, -1].numpy() < 0.5)
    yield sequences.Segment(
      inputs=found.observations,
      targets=found.target,
      is_real=is_real,
      counts=dict(loss=counts, bit_accuracy=copied, sequence_accuracy=counts),
    )

  def scores(
    self, outputs: tf.Tensor, targets: tf.Tensor
  ) -> Mapping[str, tf.Tensor]:
    """Scores each step by each metric: float tensors `[time, batch]`."""
    losses = tf.nn.sigmoid_cross_entropy_with_logits(
      labels=targets, logits=outputs
    )
    right = tf.cast(tf.equal(outputs > 0, targets > 0.5), tf.float32)
    return dict(
      loss=tf.reduce_sum(losses, axis=2),
      bit_accuracy=tf.reduce_mean(right[:, :, :-1], axis=2),
      sequence_accuracy=tf.reduce_min(right, axis=2),
    )

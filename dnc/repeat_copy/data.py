"""The data of DeepMind's repeat-copy task: read a pattern, copy it n times.

To copy a pattern, the model must remember it, so the task is Test 3's positive
control. Source: `dnc/repeat_copy.py` of google-deepmind/dnc. A sequence, step
by step:

  step                     observation            target           mask
  0                        start marker                            0
  1 .. length              the pattern, bits                       0
  length + 1               repeats / 10                            0
  repeats * length steps                          the pattern      1
  the step after them                             end marker       1

An observation has `num_bits` channels of bits, one for the start marker and
one for the number of repeats; a target has `num_bits` of bits and one for the
end marker. All else is 0.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from dnc import config as config_lib

STREAMS = ('train', 'validation')

# The number of repeats is divided by this.
_NORM_MAX = 10
# Its random numbers are the same on every device.
_ALGORITHM = 'philox'


class CopyBatch(NamedTuple):
  """Sequences, padded with zeros to the longest of them.

  Attributes:
    observations: float32 `[time, batch, num_bits + 2]`.
    target: float32 `[time, batch, num_bits + 1]` of 0 and 1.
    mask: float32 `[time, batch]`, 1 where the target counts.
  """

  observations: tf.Tensor
  target: tf.Tensor
  mask: tf.Tensor


class CopyScore(NamedTuple):
  """How much of a batch is copied correctly; scalars in [0, 1].

  Attributes:
    bits: share of the copied pattern bits that are right.
    sequences: share of the sequences in which every bit is right, and the end
      marker is where it should be and nowhere else.
  """

  bits: tf.Tensor
  sequences: tf.Tensor


def observation_size(config: config_lib.RepeatCopyConfig) -> int:
  """Channels of an observation."""
  return config.num_bits + 2


def target_size(config: config_lib.RepeatCopyConfig) -> int:
  """Channels of a target."""
  return config.num_bits + 1


def max_steps(config: config_lib.RepeatCopyConfig) -> int:
  """Steps of the longest sequence: start, pattern, number, copies, end."""
  return config.max_length * (1 + config.max_repeats) + 3


def lay_out(
  bits: tf.Tensor, length: tf.Tensor, repeats: tf.Tensor
) -> CopyBatch:
  """Lays out patterns as sequences.

  Args:
    bits: float32 `[batch, max_length, num_bits]`, the patterns; steps past
      `length` are not used.
    length: int32 `[batch]`, steps of each pattern.
    repeats: int32 `[batch]`, number of copies of each.
  """
  length, repeats = length[:, tf.newaxis], repeats[:, tf.newaxis]
  answer = length + 2
  end = answer + repeats * length
  # From here on [batch, time, ...].
  steps = tf.range(tf.reduce_max(end) + 1)[tf.newaxis]
  heard = (steps >= 1) & (steps <= length)
  copied = (steps >= answer) & (steps < end)
  place = tf.where(heard, steps - 1, (steps - answer) % length)
  pattern = tf.gather(bits, place, batch_dims=1)

  def channel(where, value=1.0):
    return (tf.cast(where, tf.float32) * value)[:, :, tf.newaxis]

  start = tf.equal(steps, tf.zeros_like(length))
  number = tf.cast(repeats, tf.float32) / _NORM_MAX
  # One transposition, of floats: oneDNN warns about other types.
  channels = tf.concat(
    [
      pattern * channel(heard),
      channel(start),
      channel(tf.equal(steps, length + 1), number),
      pattern * channel(copied),
      channel(tf.equal(steps, end)),
      channel((steps >= answer) & (steps <= end)),
    ],
    axis=2,
  )
  num_bits = bits.shape[2]
  observations, target, mask = tf.split(
    tf.transpose(channels, [1, 0, 2]), [num_bits + 2, num_bits + 1, 1], axis=2
  )
  return CopyBatch(observations, target, mask[:, :, 0])


def make_batch(
  config: config_lib.RepeatCopyConfig,
  stream: str,
  index: int | tf.Tensor,
  batch_size: int | None = None,
) -> CopyBatch:
  """Draws a batch; the same arguments give the same batch.

  Lengths and repeats are uniform between their bounds, both included; bits are
  fair coins. The streams are independent draws from one distribution: if it has
  few distinct sequences (544 at the default sizes), both contain most of them.

  Args:
    config: the task, the seed and the batch size.
    stream: one of `STREAMS`.
    index: int64 scalar, number of the batch in the stream, from 0.
    batch_size: replaces the config's.
  """
  batch_size = batch_size or config.batch_size
  place = tf.cast(index, tf.int64) * len(STREAMS) + STREAMS.index(stream)
  seed = tf.stack([tf.constant(config.seed, tf.int64), place])
  seeds = tf.random.split(seed, 3, alg=_ALGORITHM)

  def draw(number, shape, least, most):
    return tf.random.stateless_uniform(
      shape, seeds[number], least, most + 1, tf.int32, alg=_ALGORITHM
    )

  shape = [batch_size, config.max_length, config.num_bits]
  return lay_out(
    bits=tf.cast(draw(0, shape, 0, 1), tf.float32),
    length=draw(1, [batch_size], config.min_length, config.max_length),
    repeats=draw(2, [batch_size], config.min_repeats, config.max_repeats),
  )


def masked_sigmoid_cross_entropy(
  logits: tf.Tensor,
  target: tf.Tensor,
  mask: tf.Tensor,
  time_average: bool = False,
  log_prob_in_bits: bool = False,
) -> tf.Tensor:
  """Cross-entropy of the steps that count.

  Args:
    logits: float tensor `[time, batch, channels]`.
    target: float tensor `[time, batch, channels]` of 0 and 1.
    mask: float tensor `[time, batch]`, 1 for the steps that count.
    time_average: whether to divide each sequence's sum by the number of its
      steps that count.
    log_prob_in_bits: whether to return bits instead of nats.

  Returns:
    Scalar: the sum over channels and time, averaged over the batch.
  """
  losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=target, logits=logits)
  loss = tf.reduce_sum(tf.reduce_sum(losses, axis=2) * mask, axis=0)
  if time_average:
    loss /= tf.reduce_sum(mask, axis=0) + np.finfo(np.float32).eps
  cost = tf.reduce_mean(loss)
  return cost / np.log(2.0) if log_prob_in_bits else cost


def score(logits: tf.Tensor, target: tf.Tensor, mask: tf.Tensor) -> CopyScore:
  """Scores outputs against the targets.

  Args:
    logits: float tensor `[time, batch, num_bits + 1]`.
    target: as in `CopyBatch`.
    mask: as in `CopyBatch`.
  """
  right = tf.equal(logits > 0, target > 0.5)
  copied = (mask > 0) & (target[:, :, -1] < 0.5)
  bits = tf.boolean_mask(right[:, :, :-1], copied)
  sequences = tf.reduce_all(right | ~(mask > 0)[:, :, tf.newaxis], axis=[0, 2])
  return CopyScore(
    bits=tf.reduce_mean(tf.cast(bits, tf.float32)),
    sequences=tf.reduce_mean(tf.cast(sequences, tf.float32)),
  )

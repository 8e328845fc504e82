"""Tests of repeat-copy's data against DeepMind's."""

import dataclasses
import os

from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from dnc import config as config_lib
from dnc.repeat_copy import data
from tests.support import golden
from tests.support import testing_data

_CONFIG = config_lib.RepeatCopyConfig(num_bits=3, max_length=1)


class DataTest(tf.test.TestCase, parameterized.TestCase):
  def test_a_sequence_by_hand(self):
    batch = data.lay_out(
      bits=tf.constant([[[1.0, 0.0], [1.0, 1.0]], [[0.0, 1.0], [1.0, 1.0]]]),
      length=tf.constant([2, 1]),
      repeats=tf.constant([2, 3]),
    )
    expected = [
      # Bits, start, repeats; bits, end; mask.
      [0, 0, 1, 0.0, 0, 0, 0, 0],
      [1, 0, 0, 0.0, 0, 0, 0, 0],
      [1, 1, 0, 0.0, 0, 0, 0, 0],
      [0, 0, 0, 0.2, 0, 0, 0, 0],
      [0, 0, 0, 0.0, 1, 0, 0, 1],
      [0, 0, 0, 0.0, 1, 1, 0, 1],
      [0, 0, 0, 0.0, 1, 0, 0, 1],
      [0, 0, 0, 0.0, 1, 1, 0, 1],
      [0, 0, 0, 0.0, 0, 0, 1, 1],
    ]
    shorter = [
      [0, 0, 1, 0.0, 0, 0, 0, 0],
      [0, 1, 0, 0.0, 0, 0, 0, 0],
      [0, 0, 0, 0.3, 0, 0, 0, 0],
      [0, 0, 0, 0.0, 0, 1, 0, 1],
      [0, 0, 0, 0.0, 0, 1, 0, 1],
      [0, 0, 0, 0.0, 0, 1, 0, 1],
      [0, 0, 0, 0.0, 0, 0, 1, 1],
      [0, 0, 0, 0.0, 0, 0, 0, 0],
      [0, 0, 0, 0.0, 0, 0, 0, 0],
    ]
    together = np.stack([expected, shorter], axis=1)
    self.assertAllClose(batch.observations, together[..., :4])
    self.assertAllClose(batch.target, together[..., 4:7])
    self.assertAllClose(batch.mask, together[..., 7])

  def test_deepminds_batch(self):
    folder = os.path.join(testing_data.ROOT, 'testdata', 'tf1_checkpoint')
    with np.load(os.path.join(folder, 'batch.npz')) as arrays:
      theirs = dict(arrays)
    observations = theirs['observations']
    self.assertEqual(
      observations.shape[2],
      data.observation_size(config_lib.RepeatCopyConfig()),
    )
    # The number of repeats comes one step after the pattern's end.
    number = observations[..., -1].argmax(axis=0)
    repeats = np.rint(10 * observations[..., -1].max(axis=0)).astype(np.int32)
    # With fewer kinds, the test would show little.
    self.assertGreater(len(set(zip(number, repeats))), 2)
    ours = data.lay_out(
      bits=tf.constant(observations[1:, :, :-2].transpose(1, 0, 2)),
      length=tf.constant(number - 1, tf.int32),
      repeats=tf.constant(repeats),
    )
    np.testing.assert_array_equal(ours.observations, observations)
    np.testing.assert_array_equal(ours.target, theirs['target'])
    np.testing.assert_array_equal(ours.mask, theirs['mask'])
    cost = data.masked_sigmoid_cross_entropy(
      theirs['outputs'], ours.target, ours.mask
    )
    self.assertAllClose(cost, theirs['loss'], rtol=1e-6, atol=0)

  def test_a_batch_is_a_function_of_seed_stream_and_index(self):
    batch = data.make_batch(_CONFIG, 'train', 7)
    in_graph = tf.function(
      lambda index: data.make_batch(_CONFIG, 'train', index)
    )
    tf.random.set_seed(1)
    for again in (
      data.make_batch(_CONFIG, 'train', 7),
      in_graph(tf.constant(7, tf.int64)),
    ):
      for a, b in zip(batch, again):
        np.testing.assert_array_equal(a, b)
    other_seed = dataclasses.replace(_CONFIG, seed=1)
    batches = [
      batch,
      data.make_batch(_CONFIG, 'train', 8),
      data.make_batch(_CONFIG, 'train', 2**40),
      data.make_batch(_CONFIG, 'validation', 7),
      data.make_batch(other_seed, 'train', 7),
    ]
    self.assertLen({b.observations.numpy().tobytes() for b in batches}, 5)

  def test_lengths_repeats_and_bits_are_uniform(self):
    config = dataclasses.replace(
      _CONFIG, min_length=2, max_length=4, min_repeats=3, max_repeats=4
    )
    num = 3_000
    batch = data.make_batch(config, 'train', 0, num)
    observations = batch.observations.numpy()
    lengths = observations[..., -1].argmax(axis=0) - 1
    repeats = np.rint(10 * observations[..., -1].max(axis=0))
    kinds, counts = np.unique([lengths, repeats], axis=1, return_counts=True)
    self.assertAllEqual(kinds, [[2, 2, 3, 3, 4, 4], [3, 4] * 3])
    # Five standard deviations.
    self.assertAllClose(
      counts / num, [1 / 6] * 6, atol=5 * (5 / 36 / num) ** 0.5
    )
    num_bits = config.num_bits * lengths.sum()
    self.assertAllClose(
      observations[..., :-2].sum() / num_bits, 0.5, atol=2.5 / num_bits**0.5
    )

  @parameterized.product(
    time_average=(False, True),
    dtype_prefix=((tf.float32, '', 1e-6), (tf.float64, 'f64.', 1e-14)),
  )
  def test_golden_cost(self, time_average, dtype_prefix):
    dtype, prefix, tolerance = dtype_prefix
    kind = 'time_average' if time_average else 'plain'
    case = f'masked_sigmoid_cross_entropy_{kind}'
    with np.load(os.path.join(golden.FOLDER, 'pieces.npz')) as arrays:
      logits, target, mask, cotangent, cost, gradient = (
        tf.constant(arrays[f'{case}.{name}'], dtype)
        for name in (
          'in.logits',
          'in.target',
          'in.mask',
          'cotangent.cost',
          f'{prefix}out.cost',
          f'{prefix}grad.logits',
        )
      )
    with tf.GradientTape() as tape:
      tape.watch(logits)
      ours = data.masked_sigmoid_cross_entropy(
        logits, target, mask, time_average
      )
      loss = ours * cotangent[0]
    self.assertAllClose(ours, cost[0], rtol=tolerance, atol=0)
    self.assertLess(
      golden.relative_error(tape.gradient(loss, logits), gradient), tolerance
    )
    in_bits = data.masked_sigmoid_cross_entropy(
      logits, target, mask, time_average, log_prob_in_bits=True
    )
    self.assertAllClose(in_bits * np.log(2.0), ours)

  def test_score(self):
    # Two sequences: a pattern of one step of two bits, then the end marker.
    # Step 0 does not count, whatever the output.
    target = np.array([[[1, 1, 1], [0, 1, 0], [0, 0, 1]]] * 2, np.float32)
    target = target.transpose(1, 0, 2)
    mask = np.array([[0, 0], [1, 1], [1, 1]], np.float32)
    right = np.where(target > 0, 3.0, -3.0)
    right[0] *= -1

    def score(*wrong):
      logits = right.copy()
      for place in wrong:
        logits[place] *= -1
      return data.score(tf.constant(logits), target, mask)

    self.assertAllEqual(score(), [1.0, 1.0])
    self.assertAllEqual(score((1, 0, 1)), [0.75, 0.5])
    # An end marker that is missing, and one that should not be there.
    self.assertAllEqual(score((2, 1, 2)), [1.0, 0.5])
    self.assertAllEqual(score((1, 0, 2), (2, 1, 0)), [1.0, 0.0])


if __name__ == '__main__':
  tf.test.main()

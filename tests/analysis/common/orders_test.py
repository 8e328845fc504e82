"""Tests for analysis.common.orders."""

import numpy as np
import tensorflow as tf

from analysis.common import orders


def _weights(*slots, number=4):
  """One head that writes or reads one slot at each step: `[time, 1, slot]`."""
  return np.eye(number, dtype=np.float32)[list(slots)][:, np.newaxis]


def _sorted(order, weights):
  """The sorted slots, `[time, slot]`: the memory's words are their numbers."""
  *_, number = weights.shape
  memory = np.tile(np.arange(number), [len(weights), 1])
  flat = weights.reshape([len(weights), -1])
  return orders.reordered(order, memory, flat, number)


class OrdersTest(tf.test.TestCase):
  def test_ages_count_steps_since_a_slot_was_written(self):
    self.assertAllEqual(
      orders.ages(_weights(2, 0, 2, 1)),
      [[1, 1, 0, 1], [0, 2, 1, 2], [1, 3, 0, 3], [2, 0, 1, 4]],
    )

  def test_a_weak_writing_makes_a_slot_a_little_younger(self):
    weights = np.zeros([3, 2, 2], np.float32)
    weights[2, 0, 1] = 0.5
    weights[2, 1, 1] = 0.5
    self.assertAllEqual(orders.ages(weights), [[1, 1], [2, 2], [3, 0.75]])

  def test_the_last_written_slot_comes_first(self):
    self.assertAllEqual(
      _sorted(orders.BY_WRITING, _weights(2, 0, 2, 1)),
      [[2, 0, 1, 3], [0, 2, 1, 3], [2, 0, 1, 3], [1, 2, 0, 3]],
    )

  def test_the_most_read_slot_comes_first_for_all_heads_together(self):
    weights = np.array([[[0.6, 0.4, 0.0], [0.0, 0.4, 0.6]]], np.float32)
    self.assertAllEqual(_sorted(orders.BY_READING, weights), [[1, 0, 2]])
    self.assertAllEqual(_sorted(orders.BY_READING, 0 * weights), [[0, 1, 2]])

  def test_sequences_side_by_side_and_in_parts(self):
    rng = np.random.default_rng(0)
    memory = rng.normal(size=[9, 2, 12])
    weights = rng.uniform(size=[9, 2, 8])
    for order in orders.WEIGHTS:
      sort = orders.Sorter(order, 4)
      found = [sort(memory[i], weights[i]) for i in (slice(4), slice(4, 9))]
      for k in range(2):
        self.assertAllEqual(
          np.concatenate(found)[:, k],
          orders.reordered(order, memory[:, k], weights[:, k], 4),
        )

  def test_words_move_with_their_slots(self):
    memory = np.arange(24.0).reshape([3, 8])
    for order in (orders.BY_WRITING, orders.BY_READING):
      found = orders.reordered(order, memory, _weights(2, 0, 0)[:, 0], 4)
      self.assertAllEqual(found[0], [4, 5, 0, 1, 2, 3, 6, 7])
      self.assertAllEqual(found[1][:2], [8, 9])


if __name__ == '__main__':
  tf.test.main()

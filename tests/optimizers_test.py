"""Tests that the fused Adam is Sonnet's."""

from absl.testing import parameterized
import numpy as np
import sonnet as snt
import tensorflow as tf

from dnc import optimizers


def _gradients(number):
  # From the smallness of epsilon to large.
  return [
    tf.random.stateless_normal([4, 3], [number, 0], dtype=tf.float64)
    * 10.0 ** (number - 9),
    tf.random.stateless_normal([5], [number, 1], dtype=tf.float64),
  ]


def _train(optimizer, num_updates=12):
  variables = [
    tf.Variable(tf.ones([4, 3], tf.float64)),
    tf.Variable(tf.ones([5], tf.float64)),
  ]
  apply = tf.function(lambda updates: optimizer.apply(updates, variables))
  for number in range(num_updates):
    apply(_gradients(number))
  return variables


class AdamTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.parameters(
    dict(),
    dict(learning_rate=0.1, beta1=0.5, beta2=0.9, epsilon=1e-2),
  )
  def test_is_sonnets(self, **settings):
    actual = optimizers.Adam(**settings)
    expected = snt.optimizers.Adam(**settings)
    self.assertAllClose(
      _train(actual), _train(expected), rtol=1e-12, atol=1e-14
    )
    for name in ('m', 'v'):
      self.assertAllClose(getattr(actual, name), getattr(expected, name))
    self.assertEqual(int(actual.step), int(expected.step))

  def test_learning_rate_can_be_a_variable(self):
    rate = tf.Variable(0.5)
    optimizer = optimizers.Adam(rate)
    weight = tf.Variable([1.0])
    apply = tf.function(lambda: optimizer.apply([tf.ones([1])], [weight]))
    apply()
    self.assertAllClose(weight, [0.5])
    rate.assign(0.0)
    apply()
    self.assertAllClose(weight, [0.5])

  def test_none_leaves_a_parameter(self):
    weights = [tf.Variable([1.0]), tf.Variable([1.0])]
    optimizers.Adam(0.5).apply([None, tf.ones([1])], weights)
    self.assertAllClose(weights, [[1.0], [0.5]])

  def test_sparse_updates_are_sonnets(self):
    weight = tf.Variable(np.ones([4, 2], np.float32))
    update = tf.IndexedSlices(tf.ones([1, 2]), [2], [4, 2])
    optimizers.Adam(0.5).apply([update], [weight])
    self.assertAllClose(weight, [[1, 1], [1, 1], [0.5, 0.5], [1, 1]])

  def test_update_missing(self):
    with self.assertRaisesRegex(ValueError, 'got 1 for 2'):
      optimizers.Adam().apply([tf.ones([1])], [tf.Variable([1.0])] * 2)


if __name__ == '__main__':
  tf.test.main()

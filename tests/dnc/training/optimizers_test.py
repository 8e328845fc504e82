"""Tests that the fused Adam and RMSProp equal Sonnet's."""

from absl.testing import parameterized
import numpy as np
import sonnet as snt
import tensorflow as tf

from dnc.training import optimizers


def _gradients(number):
  # From as small as epsilon to large.
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
  apply = tf.function(
    lambda updates: optimizer.apply(updates, variables), autograph=False
  )
  for number in range(num_updates):
    apply(_gradients(number))
  return variables


_CLASSES = dict(
  Adam=(optimizers.Adam, snt.optimizers.Adam, ('m', 'v', 'step')),
  RMSProp=(optimizers.RMSProp, snt.optimizers.RMSProp, ('mom', 'ms')),
)


class OptimizersTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.parameters(
    ('Adam', {}),
    ('Adam', dict(learning_rate=0.1, beta1=0.5, beta2=0.9, epsilon=1e-2)),
    ('RMSProp', dict(learning_rate=0.01)),
    (
      'RMSProp',
      dict(learning_rate=0.1, decay=0.5, momentum=0.9, epsilon=1e-2),
    ),
  )
  def test_is_sonnets(self, name, settings):
    own, sonnets, variables = _CLASSES[name]
    actual, expected = own(**settings), sonnets(**settings)
    self.assertAllClose(
      _train(actual), _train(expected), rtol=1e-12, atol=1e-14
    )
    for variable in variables:
      self.assertAllClose(
        getattr(actual, variable), getattr(expected, variable)
      )

  @parameterized.parameters(
    ('adam', optimizers.Adam), ('rmsprop', optimizers.RMSProp)
  )
  def test_make_makes_all_variables(self, name, expected):
    weight, rate = tf.Variable([1.0]), tf.Variable(0.5)
    optimizer = optimizers.make(name, rate, [weight])
    self.assertIsInstance(optimizer, expected)
    before = [v.ref() for v in optimizer.variables]
    optimizer.apply([tf.ones([1])], [weight])
    self.assertEqual([v.ref() for v in optimizer.variables], before)
    self.assertLess(float(weight[0]), 1)

  def test_learning_rate_can_be_a_variable(self):
    rate = tf.Variable(0.5)
    optimizer = optimizers.Adam(rate)
    weight = tf.Variable([1.0])
    apply = tf.function(
      lambda: optimizer.apply([tf.ones([1])], [weight]), autograph=False
    )
    apply()
    self.assertAllClose(weight, [0.5])
    rate.assign(0.0)
    apply()
    self.assertAllClose(weight, [0.5])

  def test_none_leaves_a_parameter(self):
    weights = [tf.Variable([1.0]), tf.Variable([1.0])]
    optimizers.Adam(0.5).apply([None, tf.ones([1])], weights)
    self.assertAllClose(weights, [[1.0], [0.5]])

  @parameterized.parameters(optimizers.Adam, optimizers.RMSProp)
  def test_sparse_updates_are_refused(self, optimizer):
    weight = tf.Variable(np.ones([4, 2], np.float32))
    update = tf.IndexedSlices(tf.ones([1, 2]), [2], [4, 2])
    with self.assertRaisesRegex(ValueError, 'sparse'):
      optimizer(0.5).apply([update], [weight])

  def test_centred_is_refused(self):
    optimizer = optimizers.RMSProp(0.5, centered=True)
    with self.assertRaisesRegex(ValueError, 'centred'):
      optimizer.apply([tf.ones([1])], [tf.Variable([1.0])])

  def test_update_missing(self):
    with self.assertRaisesRegex(ValueError, 'got 1 for 2'):
      optimizers.Adam().apply([tf.ones([1])], [tf.Variable([1.0])] * 2)


if __name__ == '__main__':
  tf.test.main()

"""Tests for analysis.probe.bits."""

from unittest import mock

import numpy as np
import tensorflow as tf

from analysis.probe import bits
from analysis.probe import normalisation


class BitsTest(tf.test.TestCase):
  def setUp(self):
    super().setUp()
    # Rollouts of different lengths. Some bits are never 1, one always is.
    rng = np.random.default_rng(0)
    self._bits = [
      (rng.random((length, 12)) < 0.2).astype(np.uint8) for length in (5, 9, 7)
    ]
    normaliser, plain = (
      kind()
      for kind in (normalisation.BitNormaliser, normalisation.StepNormaliser)
    )
    for rollout in self._bits:
      rollout[:, 2:4] = [0, 1]
      normaliser.update(rollout)
      plain.update(rollout.astype(np.float32))
    self._transform = normaliser.transform()
    self._dense = [
      plain.transform()(rollout).astype(np.float64) for rollout in self._bits
    ]
    # Not all steps of a rollout are used.
    self._rows = [np.arange(5), np.array([1, 2, 5, 8]), np.arange(3, 7)]
    self._chosen = [
      bits.NormalBits(self._transform, rollout)[rows]
      for rollout, rows in zip(self._bits, self._rows)
    ]
    self._joined = np.concatenate(
      [rollout[rows] for rollout, rows in zip(self._dense, self._rows)]
    )

  def test_normal_forms_are_those_of_the_plain_normaliser(self):
    for rollout, expected in zip(self._bits, self._dense):
      found = self._transform(rollout)
      self.assertEqual(found.dtype, np.float32)
      self.assertAllClose(found, expected)
      sparse = bits.NormalBits(self._transform, rollout)
      self.assertAllEqual(bits.dense(sparse), found)
      self.assertAllClose(
        self._transform.zero[: len(rollout)] + sparse.rises.toarray(), expected
      )
      self.assertEqual(sparse.rises.nnz, rollout.sum())
    self.assertIs(bits.dense(expected), expected)

  def test_products_with_others_are_those_of_dense_numbers(self):
    others = bits.after_one(np.random.default_rng(1).standard_normal((13, 3)))
    self.assertAllEqual(others[:, 0], np.ones(13))
    expected = self._joined.T @ others
    for block in (1, 6, 100):
      with mock.patch.object(bits.Products, 'BLOCK', block):
        products = bits.Products(self._transform, 4)
        for one, other in zip(self._chosen, np.split(others, [5, 9])):
          products.add(one, other)
        self.assertAllClose(products.total(), expected, atol=1e-5)

  def test_own_products_are_those_of_dense_numbers(self):
    expected = self._joined.T @ self._joined
    for block in (1, 6, 100):
      with mock.patch.object(bits.OwnProducts, 'BLOCK', block):
        products = bits.OwnProducts(self._transform)
        for one in self._chosen:
          products.add(one)
        self.assertAllClose(products.total(), expected, atol=1e-5)
        self.assertAllEqual(products.total(), products.total().T)

  def test_a_linear_map_of_bits_and_of_dense_numbers(self):
    kernel = np.random.default_rng(2).standard_normal((12, 4))
    read = bits.LinearMap(kernel)
    for one, rollout, rows in zip(self._chosen, self._dense, self._rows):
      self.assertAllClose(read(one), rollout[rows] @ kernel, atol=1e-5)
    for dtype in (np.float32, np.float64):
      found = bits.LinearMap(kernel, dtype)(self._joined)
      self.assertEqual(found.dtype, dtype)
      self.assertAllClose(found, self._joined @ kernel, atol=1e-4)


if __name__ == '__main__':
  tf.test.main()

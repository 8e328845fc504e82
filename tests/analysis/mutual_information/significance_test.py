"""Tests of p-values and their correction."""

from absl.testing import parameterized
import numpy as np
from scipy import stats
import tensorflow as tf

from analysis.mutual_information import significance


class UpperTailTest(parameterized.TestCase, tf.test.TestCase):
  @parameterized.parameters(0.5, 4.0, 40.0)
  def test_equals_the_gamma_law(self, shape):
    law = stats.gamma(shape, scale=3)
    points = law.ppf([0.001, 0.3, 0.9, 0.999, 1 - 1e-9])
    mean, variance, skewness = law.stats('mvs')
    chance = significance.upper_tail(
      points, mean, variance, skewness * variance**1.5
    )
    self.assertAllClose(chance, law.sf(points), rtol=1e-6)
    self.assertEqual(
      significance.upper_tail(
        np.array(-1.0), mean, variance, skewness * variance**1.5
      ),
      1,
    )

  @parameterized.parameters(0.0, 1e-9, -1.0)
  def test_without_skewness_it_is_the_normal_law(self, third):
    points = np.array([-2.0, 3.0, 8.0, 11.0])
    chance = significance.upper_tail(points, 3.0, 4.0, third)
    self.assertAllClose(chance, stats.norm(3, 2).sf(points), rtol=1e-6)

  def test_nearly_no_skewness_is_nearly_normal(self):
    points = np.array([0.0, 2.0, 5.0])
    chance = significance.upper_tail(points, 0.0, 1.0, 2e-3)
    self.assertAllClose(chance, stats.norm.sf(points), rtol=0.1)

  def test_nothing_is_significant_if_the_law_does_not_spread(self):
    chance = significance.upper_tail(np.array([0.0, 1e-12]), 0.0, 1e-30, 0.0)
    self.assertAllEqual(chance, [1, 1])

  def test_is_never_zero(self):
    chance = significance.upper_tail(np.array(1e4), 0.0, 1.0, 0.1)
    self.assertEqual(chance, 1e-300)


class EmpiricalTest(tf.test.TestCase):
  def test_is_the_rank(self):
    null = np.array([[1.0, 5.0], [2.0, 0.0], [3.0, 1.0]])
    observed = np.array([[2.0, 6.0], [0.0, 0.5]])
    self.assertAllClose(
      significance.empirical(observed, null), [[3 / 4, 1 / 4], [1, 3 / 4]]
    )


class AdjustedTest(tf.test.TestCase):
  def test_worked_out_by_hand(self):
    # In ascending order: 0.01 * 4 / 1, 0.02 * 4 / 2, 0.03 * 4 / 3, 0.5; none
    # may exceed the next.
    q_values = significance.adjusted(np.array([[0.5, 0.02], [0.01, 0.03]]))
    self.assertAllClose(q_values, [[0.5, 0.04], [0.04, 0.04]])

  def test_false_discoveries_are_as_rare_as_promised(self):
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(300):
      z = rng.standard_normal(200)
      z[:40] += 3
      found = significance.adjusted(stats.norm.sf(z)) <= 0.05
      shares.append(found[40:].sum() / max(found.sum(), 1))
      self.assertGreater(found[:40].sum(), 10)
    # Expected: 0.05 * 160 / 200. The mean of 300 is within 0.01.
    self.assertNear(np.mean(shares), 0.04, 0.01)


class PairedTest(tf.test.TestCase):
  def test_worked_out_by_hand(self):
    # Student's t for two degrees of freedom at 97.5 % is 4.3027.
    found = significance.paired(np.array([1.0, 2.0, 3.0]))
    half = 4.3027 / np.sqrt(3)
    self.assertAllClose(tuple(found), (2, 2 - half, 2 + half), rtol=1e-4)
    self.assertEqual(significance.paired(np.zeros(5)), (0, 0, 0))


class NullMomentsTest(tf.test.TestCase):
  def test_moments_are_those_of_the_mean_over_sequences(self):
    # Chi-square: a gamma law with known cumulants.
    rng = np.random.default_rng(0)
    moments, degrees = significance.NullMoments(), (4, 10, 6)
    for degree in degrees:
      moments.add(rng.chisquare(degree, size=(4000, 50)))
    self.assertAllClose(moments.mean.mean(), sum(degrees) / 3, rtol=0.01)
    self.assertAllClose(
      moments.deviation.mean(), np.sqrt(2 * sum(degrees)) / 3, rtol=0.01
    )
    law = stats.gamma(sum(degrees) / 2, scale=2 / 3)
    chance = moments.p_values(np.full([2, 50], law.ppf(0.999)))
    self.assertEqual(chance.shape, (2, 50))
    self.assertAllClose(chance.mean(), 0.001, rtol=0.05)

  def test_parametric_and_empirical_p_values_agree(self):
    rng = np.random.default_rng(1)
    moments = significance.NullMoments()
    for _ in range(10):
      moments.add(rng.gamma(2, size=(2000, 20)))
    observed = rng.gamma(2, size=(10, 40, 20)).mean(axis=0)
    parametric = moments.p_values(observed)
    ranked = moments.empirical(observed)
    self.assertAllClose(parametric, ranked, atol=0.04)
    self.assertGreater(ranked.min(), 1 / 2001 - 1e-12)

  def test_p_values_are_uniform_under_the_null(self):
    rng = np.random.default_rng(2)
    p_values = []
    for _ in range(20):
      moments, observed = significance.NullMoments(), 0
      for _ in range(20):
        scores = rng.gamma(3, size=(20, 200))
        moments.add(scores[1:])
        observed = observed + scores[0] / 20
      p_values.append(moments.p_values(observed))
    for level in (0.5, 0.05, 0.01):
      share = np.mean(np.concatenate(p_values) <= level)
      # Four thousand p-values, within four standard deviations.
      self.assertNear(share, level, 4 * np.sqrt(level * (1 - level) / 4000))


if __name__ == '__main__':
  tf.test.main()

"""Tests of comparisons of scores with and without a lesion."""

from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from analysis import lesion


class CompareTest(tf.test.TestCase, parameterized.TestCase):
  def test_a_constant_change(self):
    intact = np.arange(10.0)
    found = lesion.compare(intact, intact + 2, intact + 8)
    self.assertEqual(
      found,
      lesion.Comparison(
        num_sequences=10,
        intact=4.5,
        lesioned=6.5,
        difference=2.0,
        interval=(2.0, 2.0),
        share=0.25,
        share_interval=(0.25, 0.25),
      ),
    )

  def test_interval_is_that_of_the_mean(self):
    rng = np.random.default_rng(0)
    # Sequences differ far more than a lesion changes them, so pairing helps.
    intact = 1_000 * rng.normal(size=400)
    changes = rng.normal(3.0, 2.0, size=400)
    found = lesion.compare(intact, intact + changes)
    error = changes.std() / 20
    self.assertAllClose(found.difference, changes.mean())
    self.assertAllClose(
      found.interval,
      changes.mean() + 1.96 * error * np.array([-1, 1]),
      atol=0.2 * error,
    )
    self.assertIsNone(found.share)
    self.assertIsNone(found.share_interval)

  def test_interval_covers_the_truth(self):
    rng = np.random.default_rng(1)
    covered = 0
    for seed in range(200):
      changes = rng.normal(1.0, 1.0, size=40)
      found = lesion.compare(
        np.zeros(40), changes, seed=seed, num_resamples=300
      )
      covered += found.interval[0] <= 1.0 <= found.interval[1]
    # 95 % (a little less for 40 sequences), within four standard deviations.
    self.assertBetween(covered, 174, 199)

  def test_share_of_what_the_model_gains(self):
    rng = np.random.default_rng(2)
    intact = rng.normal(100.0, 5.0, size=50)
    lesioned = intact + rng.normal(30.0, 5.0, size=50)
    baseline = rng.normal(400.0, 5.0, size=50)
    found = lesion.compare(intact, lesioned, baseline)
    self.assertAllClose(found.share, 0.1, atol=0.01)
    self.assertBetween(found.share, *found.share_interval)
    low, high = found.share_interval
    self.assertLess(high - low, 0.02)
    # The same for a score where higher is better.
    higher = lesion.compare(-intact, -lesioned, -baseline, False)
    self.assertAllClose(higher.share, found.share)
    self.assertAllClose(higher.difference, -found.difference)

  @parameterized.parameters(0.0, -3.0)
  def test_no_share_if_the_model_is_not_better_than_the_baseline(self, gain):
    rng = np.random.default_rng(3)
    intact = rng.normal(size=30)
    baseline = intact + gain + 0.1 * rng.normal(size=30)
    found = lesion.compare(intact, intact + 1, baseline)
    self.assertIsNone(found.share)
    self.assertAllClose(found.difference, 1.0)

  def test_sequences_without_a_score_are_left_out(self):
    intact = [1.0, np.nan, 3.0, 4.0]
    found = lesion.compare(intact, [2.0, 7.0, np.nan, 7.0], [5.0] * 4)
    self.assertEqual(found.num_sequences, 2)
    self.assertAllClose([found.intact, found.difference], [2.5, 2.0])
    self.assertAllClose(found.interval, [1.0, 3.0])

  def test_draws_depend_on_the_seed_alone(self):
    rng = np.random.default_rng(4)
    scores = rng.normal(size=[3, 20])
    self.assertEqual(lesion.compare(*scores), lesion.compare(*scores))
    self.assertNotEqual(
      lesion.compare(*scores).interval, lesion.compare(*scores, seed=1).interval
    )

  def test_scores_that_do_not_fit_are_refused(self):
    with self.assertRaisesRegex(ValueError, 'one score for each sequence'):
      lesion.compare([1.0, 2.0], [1.0, 2.0, 3.0])
    with self.assertRaisesRegex(ValueError, 'at least two sequences .* got 1'):
      lesion.compare([1.0, np.nan], [1.0, 2.0])


if __name__ == '__main__':
  tf.test.main()

"""Tests of Test 2: what it finds, and how often it finds chance."""

import os

from absl.testing import parameterized
import numpy as np
from scipy import signal
from scipy import stats
import tensorflow as tf

from analysis import mutual_information
from analysis.mutual_information import controls
from analysis.mutual_information import estimators
from dnc import traces
from dnc.system import errors
from tests.support import noisy_copy
from tests.support import random_traces
from tests.support import spread_stages


def _sequences(seed, num_sequences, num_locations, plant=None, num_steps=200):
  """Noise at every location; `plant` may overwrite some of it."""
  contents, sequences = [], []
  for i in range(num_sequences):
    rng = np.random.default_rng((seed, i))
    x = rng.integers(32, size=num_steps + 10 * i)
    some = rng.standard_normal((len(x), num_locations)).astype(np.float32)
    if plant is not None:
      plant(some, x, rng)
    contents.append(some)
    sequences.append(x)
  return contents, sequences


def _plant(contents, x, rng):
  contents[:-1, 1] = x[1:]
  contents[:, 2] = x
  contents[5:, 5] = 0.1 * x[:-5]
  contents[:, 7] = 0.25
  contents[:, 9] = x + 8 * rng.standard_normal(len(x))


def _autocorrelated(rng, shape, memory):
  """First-order autoregressive noise along the first axis, stationary."""
  noise = rng.standard_normal((1000 + shape[0], *shape[1:]))
  return signal.lfilter([1], [1, -memory], noise, axis=0)[1000:]


class PlantedTest(parameterized.TestCase, tf.test.TestCase):
  @parameterized.parameters(('binned', 10), ('nearest_neighbours', 6))
  def test_planted_x_is_found_at_its_lag_alone(self, estimator, number):
    found = mutual_information.score(
      *_sequences(3, number, 12, _plant), estimator=estimator
    )
    self.assertEqual(found.lags, (-1, 0, 5, 10))
    expected = np.zeros([4, 12], bool)
    expected[0, 1] = expected[1, [2, 9]] = expected[2, 5] = True
    planted = [1, 2, 5, 7]
    self.assertAllEqual(found.significant[:, planted], expected[:, planted])
    self.assertAllEqual(found.excess.argmax(axis=0)[[1, 2, 5]], [0, 1, 2])
    self.assertTrue(found.significant[1, 9])
    # One may be significant by chance.
    self.assertLessEqual(found.significant.sum(), 4 + 1)
    self.assertLess(found.p_values[expected].max(), 1e-6)
    self.assertAllEqual(np.flatnonzero(found.constant), [7])
    self.assertAllEqual(found.p_values[:, 7], np.ones(4))
    self.assertAllEqual(found.control_q_values <= 0.05, np.zeros(12))
    # Binned x scores log 10 nats; with neighbours, nearly its entropy.
    self.assertAllClose(
      found.scores[[0, 1, 2], [1, 2, 5]], [found.ceiling] * 3, rtol=0.1
    )
    # Shifts and random sequences have the same mean score.
    self.assertNear(found.control.mean(), found.null.mean(), 0.03)
    self.assertAllClose(
      found.scores[:, 0], np.full(4, found.null[0]), atol=0.05
    )

  def test_nothing_is_found_where_nothing_is_planted(self):
    found = mutual_information.score(*_sequences(4, 10, 12))
    self.assertFalse(found.significant.any())
    self.assertBetween(0, *found.next_minus_current[1:])

  @parameterized.parameters(('binned', 99), ('nearest_neighbours', 9))
  def test_noisy_copy_is_within_the_stated_error(self, estimator, num_shifts):
    rng = np.random.default_rng(0)
    pairs = [noisy_copy.draw(rng, 4, 2, 800) for _ in range(10)]
    found = mutual_information.score(
      [contents for _, contents in pairs],
      [x for x, _ in pairs],
      lags=(0,),
      estimator=estimator,
      num_shifts=num_shifts,
    )
    truth = noisy_copy.exact(4, 2)
    if estimator == 'binned':
      truth = noisy_copy.exact_binned(4, 2, 10)
    error = 3 * found.standard_error[0, 0]
    self.assertLess(error, 0.04)
    self.assertBetween(
      found.scores[0, 0], truth - error, truth + error + found.null[0]
    )


class CalibrationTest(parameterized.TestCase, tf.test.TestCase):
  """Contents and x change slowly and are independent."""

  def _data(self, seed, memory=0.98, num_locations=60):
    rng = np.random.default_rng(seed)
    contents, sequences = [], []
    for _ in range(8):
      num_steps = rng.integers(500, 1000)
      level = _autocorrelated(rng, [num_steps], memory)
      edges = stats.norm.ppf(np.arange(1, 8) / 8, scale=level.std())
      sequences.append(np.digitize(level, edges))
      contents.append(_autocorrelated(rng, [num_steps, num_locations], memory))
    return contents, sequences

  def test_random_orders_find_information_in_slow_noise(self):
    contents, sequences = self._data(0)
    rng = np.random.default_rng(1)
    found = [
      estimators.binned(some, np.stack([x, *rng.permuted([x] * 19, axis=1)]))
      for some, x in zip(contents, sequences)
    ]
    mean = np.mean(found, axis=0)
    naive = (1 + (mean[1:] >= mean[0]).sum(axis=0)) / 20
    self.assertGreater(np.mean(naive <= 0.05), 0.95)

  def test_circular_shifts_do_not(self):
    p_values, ranks, found = [], [], 0
    for seed in range(10):
      result = mutual_information.score(
        *self._data(seed), lags=(0,), seed=seed, num_shifts=49
      )
      p_values.append(result.p_values)
      ranks.append(result.empirical_p_values)
      found += result.significant.any()
    for values in (p_values, ranks):
      values = np.concatenate(values)
      for level in (0.5, 0.2, 0.05):
        # 600 p-values; p-values for one x are not quite independent.
        error = 5 * np.sqrt(level * (1 - level) / 600)
        self.assertNear(np.mean(values <= level), level, error)
    self.assertLessEqual(found, 2)

  def test_false_discoveries_in_noise_are_rare(self):
    found = [
      mutual_information.score(
        *_sequences(seed, 3, 40), lags=(-1, 0), num_shifts=49, seed=seed
      )
      for seed in range(60)
    ]
    differences = [result.next_minus_current for result in found]
    # Both expected in 5 % of the experiments, that is 3.
    self.assertLessEqual(sum(result.significant.any() for result in found), 9)
    self.assertLessEqual(
      sum(low > 0 or high < 0 for _, low, high in differences), 9
    )


class NextMinusCurrentTest(tf.test.TestCase):
  def test_more_of_the_next_than_of_the_current_or_the_reverse(self):
    def of(lag, number):
      # One location of four holds x of this lag, and nothing else.
      pairs = []
      for i in range(number):
        x = np.random.default_rng(i).permutation(np.repeat(np.arange(4), 500))
        contents = np.zeros([len(x), 4], np.float32)
        contents[:, 2] = np.roll(x, lag)
        pairs.append((contents, x))
      return mutual_information.score(*zip(*pairs), lags=(-1, 0), num_shifts=9)

    for lag, sign in ((-1, 1), (0, -1)):
      difference = of(lag, 8).next_minus_current
      # A copy of 4 classes scores log 4 at its lag. At the other one it has
      # only the bias, (4 - 1) (4 - 1) / (2 time).
      expected = (np.log(4) - 9 / 4000) / 4
      self.assertNear(sign * difference.mean, expected, 5e-4)
      self.assertGreater(difference.low * difference.high, 0)
    self.assertIsNone(of(0, 1).next_minus_current)

  def test_without_one_of_the_lags_they_are_not_compared(self):
    data = _sequences(0, 3, 2, num_steps=60)
    for lags in ((0, 1), (-1, 5)):
      found = mutual_information.score(*data, lags=lags, num_shifts=3)
      self.assertIsNone(found.next_minus_current)
      self.assertIsNone(found.summary()['next_minus_current'])


class ScoreTest(parameterized.TestCase, tf.test.TestCase):
  @parameterized.parameters((3, 0), (-1, 0, 3), (-2, -1))
  def test_scores_are_means_over_sequences_on_steps_with_a_label(self, *lags):
    contents, sequences = _sequences(0, 3, 10, _plant)
    result = mutual_information.score(
      contents, sequences, lags=lags, num_shifts=5
    )
    first, ahead = max(*lags, 0), max(0, -min(lags))
    for lag, scores in zip(lags, result.scores):
      expected = [
        estimators.binned(
          some[first : len(x) - ahead],
          x[np.newaxis, first - lag : len(x) - ahead - lag],
        )
        for some, x in zip(contents, sequences)
      ]
      self.assertAllClose(scores, np.mean(expected, axis=0)[0], rtol=1e-12)
    self.assertEqual(result.num_sequences, 3)
    self.assertEqual(result.num_shifts, 5)
    self.assertAllClose(
      result.entropy,
      np.mean([stats.entropy(np.bincount(x)) for x in sequences]),
    )

  def test_null_and_error(self):
    contents, sequences = _sequences(0, 4, 10, _plant)
    result = mutual_information.score(
      contents, sequences, lags=(0,), num_shifts=5, seed=3
    )
    nulls, excesses = [], []
    for i, (some, x) in enumerate(zip(contents, sequences)):
      shifts = controls.circular_shifts(3, i, len(x), 5)
      shifted = np.stack([np.roll(x, shift) for shift in shifts])
      nulls.append(estimators.binned(some, shifted))
      true = estimators.binned(some, x[np.newaxis])[0]
      excesses.append(true - nulls[-1].mean(axis=0))
    self.assertAllClose(result.null, np.mean(nulls, axis=(0, 1)))
    self.assertAllClose(result.excess[0], np.mean(excesses, axis=0))
    self.assertAllClose(
      result.excess_by_sequence[:, 0], np.mean(excesses, axis=1)
    )
    self.assertAllClose(
      result.standard_error[0], np.std(excesses, axis=0, ddof=1) / 2
    )
    variance = np.var(nulls, axis=1, ddof=1).sum(axis=0) * (1 + 1 / 5) / 16
    self.assertAllClose(result.null_deviation, np.sqrt(variance))

  def test_labels_of_any_kind_and_arrays_of_any_grouping(self):
    contents, sequences = _sequences(0, 2, 6, num_steps=100)
    contents, sequences = contents[0], sequences[0]
    result = mutual_information.score(contents, sequences, num_shifts=9)
    names = np.array([f'class {i:02d}' for i in range(32)])[sequences]
    same = mutual_information.score([contents], [names], num_shifts=9)
    for name in ('scores', 'control', 'null', 'p_values'):
      self.assertAllEqual(getattr(result, name), getattr(same, name))
    self.assertTrue(np.isnan(result.standard_error).all())
    self.assertEqual(result.layout, (6,))

  def test_chosen_locations_score_as_among_all(self):
    data = _sequences(0, 2, 12, _plant)
    whole = mutual_information.score(*data, num_shifts=9, layout=(3, 4))
    some = mutual_information.score(
      *data, num_shifts=9, layout=(3, 4), locations=(9, 2)
    )
    self.assertAllEqual(some.locations, [9, 2])
    self.assertEqual(some.layout, (3, 4))
    self.assertEqual([some.place(0), some.place(1)], [[2, 1], [0, 2]])
    self.assertAllEqual(some.scores, whole.scores[:, [9, 2]])
    self.assertAllEqual(some.p_values, whole.p_values[:, [9, 2]])

  def test_plain_scores_are_those_of_whole_sequences(self):
    result = mutual_information.score(*_sequences(0, 2, 12, _plant))
    self.assertAllClose(result.plain['raw'][0, 0], result.entropy, rtol=1e-9)
    self.assertAllEqual(result.plain['adjusted'][:, 0], [0, 0])
    self.assertAllClose(result.plain['adjusted'][0, 2], 1)

  def test_the_same_seed_gives_the_same_numbers(self):
    first, again, other = (
      mutual_information.score(*_sequences(0, 2, 10), num_shifts=19, seed=seed)
      for seed in (0, 0, 1)
    )
    for name in ('scores', 'control', 'null', 'p_values', 'q_values'):
      self.assertAllEqual(getattr(first, name), getattr(again, name))
    self.assertAllEqual(first.scores, other.scores)
    self.assertNotAllEqual(first.control, other.control)
    self.assertNotAllEqual(first.null, other.null)

  def test_numbers_and_labels_of_any_type(self):
    contents, sequences = _sequences(0, 2, 3, num_steps=100)
    contents = [np.round(8 * some) for some in contents]
    expected = mutual_information.score(contents, sequences, num_shifts=9)
    for kind in (np.float16, int, object):
      found = mutual_information.score(
        [some.astype(kind) for some in contents],
        [x.astype(float) / 8 - 2 for x in sequences],
        num_shifts=9,
      )
      self.assertAllEqual(found.scores, expected.scores)
      self.assertAllEqual(found.plain['integers'], expected.plain['integers'])

  @parameterized.parameters(
    (dict(estimator='knn'), "'knn'.*nearest_neighbours"),
    (dict(num_shifts=2), 'num_shifts: is 2: must be at least 3'),
    (dict(num_bins=1), 'num_bins: is 1'),
    (dict(num_bins=40_000), 'num_bins: is 40000'),
    (dict(num_bins=16), 'num_bins: is 16: must be at most 15 for the 30'),
    (dict(estimator=['binned']), 'estimator .*must be one of'),
    (dict(layout=2), 'layout: is 2: must be a list'),
    (dict(layout=(-1, -2)), 'layout: is -1: must be at least 1'),
    (dict(seed=-1), 'seed: is -1'),
    (dict(lags=()), 'lags: .* at least one'),
    (dict(lags=0), 'lags: is 0'),
    (dict(lags=(0.5,)), 'lags, number 0: is 0.5'),
    (dict(lags=(28,)), 'too short for lags of 28'),
    (dict(locations=(0, 2)), r'locations: are \[0, 2\]: must be in 0 to 1'),
    (dict(layout=(3, 1)), 'has 2 locations: must have 3'),
    (dict(contents=[]), 'contents: must be one or more arrays'),
    (dict(contents=np.zeros(30)), r'must be \[step, location\]'),
    (dict(sequences=np.arange(29)), 'sequences, sequence 0: has 29 steps'),
    (
      dict(sequences=np.arange(30) / 7),
      'sequences, sequence 0: has 30 different .*cut real numbers x into',
    ),
    (
      dict(sequences=np.where(np.arange(30) == 4, np.nan, 0)),
      'sequences, sequence 0, step 4: is nan',
    ),
    (
      dict(contents=np.full([30, 2], np.inf)),
      'contents, sequence 0, step 0, location 0: is inf',
    ),
    (
      dict(
        contents=[np.zeros([30, 2]), np.zeros([30, 3])],
        sequences=[np.arange(30)] * 2,
      ),
      'contents, sequence 1: has 3 locations: must have 2',
    ),
    (dict(contents=np.zeros([2, 30, 2])), 'has 2 sequences: must have as many'),
  )
  def test_mistakes_are_named(self, change, message):
    arguments = dict(contents=np.zeros([30, 2]), sequences=np.arange(30))
    with self.assertRaisesRegex(ValueError, message):
      mutual_information.score(**{**arguments, **change})

  def test_no_sequence_is_refused(self):
    with self.assertRaisesRegex(errors.UsageError, 'no sequence'):
      mutual_information.Scorer().result()


class TraceScoresTest(tf.test.TestCase):
  def _export(self, memory):
    path = os.path.join(self.get_temp_dir(), 'traces')
    rng = np.random.default_rng(0)
    rollouts = [
      {
        'index': i,
        'classes': rng.integers(32, size=(40, 5), dtype=np.int32),
        'values': np.zeros([40, 5], np.float32),
        'memory': memory,
        'read_words': memory[:, :2] + i,
      }
      for i in range(2)
    ]
    widths = dict(memory=4, read_words=2)
    random_traces.write(path, {'test': rollouts}, widths, {})
    return rollouts, traces.open_traces(path)

  def test_scores_each_representation_against_x(self):
    memory = np.random.default_rng(1).standard_normal((40, 4), np.float32)
    rollouts, opened = self._export(memory)
    layouts = dict(memory=(2, 2), read_words=(1, 2))
    found = mutual_information.from_traces(
      opened, 'test', layouts, num_shifts=9, lags=(0, 1)
    )
    self.assertEqual(list(found), ['memory', 'read_words'])
    for name, layout in layouts.items():
      expected = mutual_information.score(
        [rollout[name] for rollout in rollouts],
        [rollout['classes'][:, 3] for rollout in rollouts],
        num_shifts=9,
        lags=(0, 1),
      )
      self.assertEqual(found[name].layout, layout)
      self.assertAllEqual(found[name].scores, expected.scores)
      self.assertAllEqual(found[name].control, expected.control)
    some = mutual_information.TraceScores(
      opened, 'test', dict(memory=(2, 2)), num_shifts=9, locations=(3,)
    ).result()
    self.assertEqual(some['memory'].scores.shape, (4, 1))

  def test_inputs_are_scored_beside_what_is_in_the_traces(self):
    memory = np.random.default_rng(1).standard_normal((40, 4), np.float32)
    rollouts, opened = self._export(memory)
    moves = [
      np.diff(rollout['classes'][:, 3:4], axis=0, append=5).astype(np.float32)
      for rollout in rollouts
    ]
    found = mutual_information.TraceScores(
      opened,
      'test',
      dict(memory=(2, 2), action=(1,)),
      dict(action=lambda index: moves[index]),
      num_shifts=9,
    ).result()
    self.assertEqual(list(found), ['memory', 'action'])
    expected = mutual_information.score(
      moves, [rollout['classes'][:, 3] for rollout in rollouts], num_shifts=9
    )
    self.assertAllEqual(found['action'].scores, expected.scores)

  def test_sequences_scored_apart_give_the_same_to_the_last_bit(self):
    memory = np.random.default_rng(1).standard_normal((40, 4), np.float32)
    _, opened = self._export(memory)
    scores = mutual_information.TraceScores(
      opened, 'test', dict(memory=(2, 2), read_words=(1, 2)), num_shifts=9
    )
    found = scores.result(spread_stages.apart(scores))
    for name, expected in scores.result().items():
      self.assertEqual(found[name].num_sequences, 2)
      np.testing.assert_equal(vars(found[name]), vars(expected))

  def test_numbers_that_are_not_finite_are_refused(self):
    _, opened = self._export(np.full([40, 4], np.inf, np.float32))
    scores = mutual_information.TraceScores(opened, 'test', dict(memory=(4,)))
    with self.assertRaisesRegex(
      errors.UsageError, 'memory holds .* not finite'
    ):
      scores.result()


if __name__ == '__main__':
  tf.test.main()

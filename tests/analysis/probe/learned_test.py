"""Tests for analysis.probe.learned."""

from absl.testing import parameterized
import numpy as np
from scipy import stats
import tensorflow as tf

from analysis.probe import learned

_OFFSETS, _LABELS = (-1, 5), ('shape', 'scale')


def _compare(trained, untrained):
  """Of one representation: `[offset, label]`, `[core, offset, label]`."""
  return learned.compare(
    {'memory': [np.array(trained)]}, {'memory': untrained}, _OFFSETS, _LABELS
  )['memory']


def _is_found(found):
  return any(
    x.is_more for by_label in found.values() for x in by_label.values()
  )


class CompareTest(parameterized.TestCase, tf.test.TestCase):
  def test_p_values_are_students_times_holms(self):
    # Means 2 and deviations 1, so t is the distance over sqrt(1 + 1 / 3).
    untrained = np.arange(1.0, 4.0)[:, np.newaxis, np.newaxis] * np.ones((2, 2))
    distances = np.array([[60.0, 2.0], [0.0, 30.0]])
    found = _compare(2 + distances, untrained)
    single = stats.t.sf(distances / np.sqrt(4 / 3), 2)
    self.assertAllClose(found[-1]['shape'].p_value, 4 * single[0, 0])
    self.assertAllClose(found[5]['scale'].p_value, 3 * single[1, 1])
    self.assertAllClose(found[-1]['scale'].p_value, 2 * single[0, 1])
    self.assertEqual(found[5]['shape'].p_value, 0.5)
    self.assertEqual(found[5]['shape'].untrained, (1.0, 2.0, 3.0))
    self.assertEqual(found[5]['shape'].trained, (2.0,))
    self.assertEqual(
      [found[k][x].is_more for k in _OFFSETS for x in _LABELS],
      [True, False, False, True],
    )

  def test_memory_sorted_memory_and_controller_are_corrected_apart(self):
    gains = np.full([2, 2], 9.0)
    others = np.arange(1.0, 6.0)[:, np.newaxis, np.newaxis] * np.ones((2, 2))
    names = ('read_words', 'memory', 'memory_by_writing', 'controller_hidden')
    found = learned.compare(
      dict.fromkeys(names, [gains]),
      dict.fromkeys(names, others),
      _OFFSETS,
      _LABELS,
    )
    first = {name: found[name][5]['shape'].p_value for name in names}
    self.assertAllClose(first['memory'], 2 * first['controller_hidden'])
    self.assertEqual(first['memory'], first['read_words'])
    # Beside it, there is the best order.
    self.assertEqual(first['memory_by_writing'], first['memory'])

  def test_the_best_order_of_each_core(self):
    orders = ('memory', 'memory_by_writing', 'memory_by_reading')
    rng = np.random.default_rng(0)
    trained = {name: [rng.normal(size=[2, 2])] for name in orders}
    untrained = {name: rng.normal(size=[3, 2, 2]) for name in orders}
    found = learned.compare(trained, untrained, _OFFSETS, _LABELS)
    best = found['memory_in_best_order'][5]['shape']
    self.assertEqual(best.trained, (max(trained[k][0][1, 0] for k in orders),))
    self.assertEqual(
      best.untrained,
      tuple(max(untrained[k][i, 1, 0] for k in orders) for i in range(3)),
    )
    few = {name: gains for name, gains in trained.items() if name in orders[:1]}
    found = learned.compare(few, untrained, _OFFSETS, _LABELS)
    self.assertNotIn('memory_in_best_order', found)

  def test_what_does_not_vary_is_not_compared(self):
    gains = np.array([[np.nan, 0.5], [np.nan, 0.5]])
    found = _compare(gains, [gains - 0.1 * k for k in range(4)])
    self.assertEqual([list(x) for x in found.values()], [['scale'], ['scale']])

  @parameterized.parameters(
    # Within three standard errors of 0.025, and of what 200,000 draws find.
    (lambda x: x, 0.0155, 0.0355),
    # A skewness of 1, more than most gains of untrained cores have. A law
    # skewed to the right is found more often: 0.047.
    (lambda x: np.exp(0.31 * x), 0.033, 0.05),
    (lambda x: -np.exp(0.31 * x), 0.004, 0.018),
  )
  def test_one_more_untrained_core_is_found_in_at_most_one_of_twenty(
    self, law, least, most
  ):
    draws = law(np.random.default_rng(3).standard_normal((2000, 6)))
    # A single comparison, for which there is nothing to correct.
    one = np.full([2, 2], np.nan)
    one[0, 0] = 0.0
    share = self._share_found(draws[:, :, np.newaxis, np.newaxis] + one)
    self.assertBetween(share, least, most)

  def _share_found(self, draws):
    """Returns in what share of draws `[draw, core, 2, 2]` the first is found.

    The numbers are SciPy's, for all draws at once. They are the same as from
    our function, which takes longer, in the draws where this is least certain.
    """
    compared = draws[:, :, np.isfinite(draws[0, 0])]
    p_values = stats.ttest_ind(
      compared[:, :1], compared[:, 1:], axis=1, alternative='greater'
    ).pvalue
    # By Holm's correction, the smallest of all decides.
    least = p_values.shape[1] * p_values.min(axis=1)
    is_found = least < learned.SIGNIFICANT
    closest = np.argsort(np.abs(least - learned.SIGNIFICANT))[:20]
    self.assertBetween(is_found[closest].sum(), 1, 19)
    for draw, expected in zip(draws[closest], is_found[closest]):
      self.assertEqual(_is_found(_compare(draw[0], draw[1:])), expected)
    return is_found.mean()

  def test_many_labels_of_one_more_untrained_core(self):
    rng = np.random.default_rng(4)
    # What a core holds of one label depends on what it holds of another.
    draws = rng.standard_normal((400, 6, 1, 1)) + rng.standard_normal(
      (400, 6, 2, 2)
    )
    self.assertBetween(self._share_found(draws), 0.002, 0.045)

  def test_a_trained_core_is_found(self):
    for draw in np.random.default_rng(5).standard_normal((20, 6, 2, 2)):
      draw[0, 0, 0] += 60
      self.assertTrue(_compare(draw[0], draw[1:])[-1]['shape'].is_more)


class AgainstUntrainedTest(tf.test.TestCase):
  def _against(self, number, is_frozen=False):
    untrained = [np.full([2, 2], 0.1 * k) for k in range(number)]
    gains = {'memory': [np.full([2, 2], 9.0)]}
    return learned.AgainstUntrained(
      own_seeds=(0,),
      seeds=tuple(range(number)),
      num_rollouts=dict(train=20, test=4),
      is_frozen=is_frozen,
      compared=learned.compare(gains, {'memory': untrained}, _OFFSETS, _LABELS),
    )

  def test_says_what_is_learned(self):
    self.assertIs(self._against(3).is_learned('memory', 5, 'scale'), True)

  def test_fewer_than_three_cores_cannot_tell(self):
    against = self._against(2)
    self.assertIsNone(against.is_learned('memory', 5, 'scale'))
    self.assertIsNone(against.compared['memory'][5]['scale'].p_value)

  def test_what_was_not_compared_cannot_be_told(self):
    against = self._against(3)
    self.assertIsNone(against.is_learned('read_words', 5, 'scale'))
    self.assertIsNone(against.is_learned('memory', 5, 'x_position'))

  def test_the_memory_must_hold_more_in_its_best_order_too(self):
    against = self._against(3)
    for p_value, expected in ((0.02, True), (0.3, False), (None, None)):
      against.compared['memory_in_best_order'] = {
        5: {'scale': learned.Compared((9.0,), (0.0, 0.1, 0.2), p_value)}
      }
      found = against.is_learned('memory', 5, 'scale')
      self.assertIs(found, expected)

  def test_a_frozen_core_has_learned_nothing(self):
    against = self._against(3, is_frozen=True)
    self.assertIs(against.is_learned('memory', 5, 'scale'), False)


class PoolTest(tf.test.TestCase):
  def _of_seed(self, own, seeds, gain, is_frozen=False):
    """An untrained core of seed s has the gain s / 10."""
    found = learned.Compared((gain,), tuple(0.1 * k for k in seeds), 0.5)
    compared = {'memory': {0: {'scale': found}}}
    return learned.AgainstUntrained((own,), seeds, {}, is_frozen, compared)

  def test_every_core_counts_once(self):
    pooled = learned.pool(
      [self._of_seed(0, (0, 1, 2), 4.0), self._of_seed(1, (1, 2, 3), 5.0)]
    )
    self.assertEqual(pooled.own_seeds, (0, 1))
    self.assertEqual(pooled.seeds, (0, 1, 2, 3))
    found = pooled.compared['memory'][0]['scale']
    self.assertEqual(found.trained, (4.0, 5.0))
    self.assertAllClose(found.untrained, (0.0, 0.1, 0.2, 0.3))
    # 4.35 beyond the mean of the four, whose variance is 0.05 / 3.
    t = 4.35 / (0.05 / 3 * (1 / 2 + 1 / 4)) ** 0.5
    self.assertAllClose(found.p_value, stats.t.sf(t, 3))

  def test_what_a_model_lacks_is_left_out(self):
    more = self._of_seed(1, (1, 2, 3), 5.0)
    more.compared['memory_by_writing'] = more.compared['memory']
    less = self._of_seed(0, (0, 1, 2), 4.0)
    for order in ([more, less], [less, more]):
      self.assertEqual([*learned.pool(order).compared], ['memory'])
    other = self._of_seed(2, (1, 2, 3), 5.5)
    other.compared['memory_by_writing'] = other.compared['memory']
    self.assertEqual(
      [*learned.pool([more, other]).compared],
      ['memory', 'memory_by_writing', 'memory_in_best_order'],
    )

  def test_frozen_cores_are_held_against_others(self):
    pooled = learned.pool(
      [
        self._of_seed(0, (1, 2, 3, 4), 0.0, is_frozen=True),
        self._of_seed(1, (2, 3, 4, 5), 0.1, is_frozen=True),
      ]
    )
    self.assertEqual(pooled.seeds, (2, 3, 4, 5))
    self.assertTrue(pooled.is_frozen)


if __name__ == '__main__':
  tf.test.main()

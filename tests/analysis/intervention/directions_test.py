"""Tests for analysis.intervention.directions."""

from absl.testing import absltest
import numpy as np

from analysis.intervention import directions


class DirectionsTest(absltest.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=[5, 5])
    cls._features = rng.normal(size=[400, 5]) @ mixing + 1000
    first = cls._features @ rng.normal(size=5) + rng.normal(size=400)
    cls._labels = np.column_stack([first, rng.normal(size=400)])
    sums = directions.ProbeSums(5, 2)
    for start in range(0, 400, 150):
      some = slice(start, start + 150)
      sums.add(cls._features[some], cls._labels[some])
    cls._probes = sums.solve()
    cls._normal = directions.normal_rows(0, [(i,) for i in range(400)], 5)

  def _length(self, changes):
    """Measured by the covariance of the features."""
    inverse = np.linalg.inv(np.cov(self._features.T, bias=True))
    return np.sqrt(np.einsum('...i,ij,...j', changes, inverse, changes))

  def test_reads_by_least_squares(self):
    columns = np.column_stack([self._features, np.ones(400)])
    weights = np.linalg.lstsq(columns, self._labels, rcond=None)[0]
    read = self._probes.read(self._features)
    np.testing.assert_allclose(read, columns @ weights, atol=1e-3)
    np.testing.assert_allclose(
      self._probes.deviations, read.std(axis=0), rtol=1e-4
    )

  def test_the_change_shifts_the_reading_by_1_and_is_the_least(self):
    change = self._probes.change(0)
    weights = self._probes.weights[:, 0]
    self.assertAlmostEqual(change @ weights, 1)
    length = self._length(change)
    self.assertAlmostEqual(length * self._probes.deviations[0], 1, places=4)
    rng = np.random.default_rng(1)
    for _ in range(20):
      other = change + 0.1 * rng.normal(size=5)
      other /= other @ weights
      self.assertGreater(self._length(other), length)

  def test_controls_are_as_long(self):
    length = self._length(self._probes.change(0))
    other = self._probes.change(0, other=1)
    self.assertAlmostEqual(self._length(other) / length, 1, places=4)
    changes = self._probes.random_changes(0, self._normal)
    np.testing.assert_allclose(self._length(changes), length, rtol=1e-4)
    # All directions are equally likely.
    read = changes @ self._probes.weights[:, 0]
    self.assertLess(abs(read.mean()), 4 * read.std() / 20)

  def test_without_a_direction_no_probe_reads_the_label(self):
    without = self._probes.without(self._features, 0)
    crosses = (without - without.mean(axis=0)).T @ self._labels[:, 0] / 400
    np.testing.assert_allclose(crosses, np.zeros(5), atol=1e-3)
    np.testing.assert_allclose(
      self._probes.read(without)[:, 0], self._probes.bias[0], atol=1e-6
    )

  def test_without_a_random_direction(self):
    without = self._probes.without_random(self._features, self._normal)
    apart = without - self._features.mean(axis=0)
    inverse = np.linalg.inv(np.cov(self._features.T, bias=True))
    along = self._probes.random_changes(0, self._normal)
    left = np.einsum('ni,ij,nj->n', apart, inverse, along)
    np.testing.assert_allclose(left, np.zeros(400), atol=1e-5)

  def test_what_never_varies_is_not_changed(self):
    sums = directions.ProbeSums(2, 1)
    sums.add(np.ones([4, 2], np.float32), np.arange(4.0)[:, np.newaxis])
    probes = sums.solve()
    np.testing.assert_array_equal(probes.change(0), [0, 0])
    changes = probes.random_changes(0, np.ones([3, 2]))
    np.testing.assert_array_equal(changes, np.zeros([3, 2]))

  def test_random_rows_depend_on_their_keys_alone(self):
    rows = directions.normal_rows(3, [(5, 1), (5, 2)], 4)
    again = directions.normal_rows(3, [(5, 2)], 4)
    np.testing.assert_array_equal(rows[1], again[0])
    self.assertFalse((rows[0] == rows[1]).any())


if __name__ == '__main__':
  absltest.main()

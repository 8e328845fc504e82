"""Tests of the plain scores, against scikit-learn."""

import warnings

import numpy as np
from scipy import stats
from sklearn import metrics
import tensorflow as tf

from analysis.mutual_information import plain_scores

_NUM_STEPS = 90


def _data():
  rng = np.random.default_rng(0)
  sequences = rng.integers(7, size=(2, _NUM_STEPS))
  x = sequences[0]
  # More locations than fit one block.
  contents = rng.uniform(-1, 1, size=(_NUM_STEPS, 300)).astype(np.float32)
  contents[:, 1] = x
  contents[:, 2] = np.where(x > 3, contents[:, 2], 0.5)
  contents[:, 3] = 0.25
  contents[:, 4] = np.round(8 * contents[:, 4])
  contents[:, 5] = 3 * contents[:, 5]
  contents[:, 280] = np.repeat(np.arange(9), 10)
  contents[:, 281] = 0.1 * x
  return contents, sequences


# One location of each kind, and some of the last block.
_CHOSEN = [*range(8), 255, 256, 280, 281, 299]


def _scikit_learn(score, contents, sequence):
  with warnings.catch_warnings():
    # scikit-learn warns that these are not classes, which is the point.
    warnings.simplefilter('ignore', UserWarning)
    return [score(contents[:, i], sequence) for i in _CHOSEN]


class PlainScoresTest(tf.test.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls._contents, cls._sequences = _data()
    cls._found = plain_scores.plain_scores(cls._contents, cls._sequences)

  def test_equal_scikit_learn(self):
    self.assertEqual(set(self._found), set(plain_scores.NAMES))
    for i, sequence in enumerate(self._sequences):
      for name, score, contents in (
        ('raw', metrics.mutual_info_score, self._contents),
        ('adjusted', metrics.adjusted_mutual_info_score, self._contents),
        ('integers', metrics.mutual_info_score, self._contents.astype(int)),
      ):
        self.assertAllClose(
          self._found[name][i, _CHOSEN],
          _scikit_learn(score, contents, sequence),
          rtol=0,
          atol=1e-12,
          msg=name,
        )

  def test_numbers_that_never_repeat_score_entropy_or_nothing(self):
    entropy = stats.entropy(np.bincount(self._sequences[0]))
    self.assertAllClose(self._found['raw'][0, 6:280], np.full(274, entropy))
    self.assertAllEqual(self._found['adjusted'][0, 6:280], np.zeros(274))
    self.assertAllEqual(self._found['integers'][0, 6:280], np.zeros(274))

  def test_so_does_a_copy_with_a_little_noise(self):
    x = self._sequences[0]
    noise = np.random.default_rng(1).uniform(size=_NUM_STEPS)
    copy = (0.1 * x + 1e-3 * noise)[:, np.newaxis]
    scores = plain_scores.plain_scores(copy, self._sequences)
    self.assertEqual(scores['adjusted'][0, 0], 0)
    self.assertEqual(scores['integers'][0, 0], 0)
    self.assertEqual(scores['raw'][0, 0], self._found['raw'][0, 6])

  def test_constant_contents_score_zero(self):
    for scores in self._found.values():
      self.assertAllEqual(scores[:, 3], [0, 0])

  def test_classes_that_are_held_are_found_if_they_repeat_exactly(self):
    self.assertNear(self._found['adjusted'][0, 281], 1, 1e-12)
    self.assertLess(abs(self._found['adjusted'][1, 281]), 0.2)


if __name__ == '__main__':
  tf.test.main()

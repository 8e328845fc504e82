"""Tests for analysis.probe.threads."""

import os
import threading

from absl.testing import absltest
import threadpoolctl

from analysis.probe import threads


def _num_in_blas():
  pools = threadpoolctl.threadpool_info()
  return {x['num_threads'] for x in pools if x['user_api'] == 'blas'}


class ThreadsTest(absltest.TestCase):
  def test_work_side_by_side_while_blas_has_one(self):
    before = _num_in_blas()
    both = threading.Barrier(os.cpu_count())
    with threads.threads() as pool:
      # Each waits for all others.
      places = list(pool.map(both.wait, [60] * os.cpu_count()))
      self.assertEqual(_num_in_blas(), {1})
    self.assertCountEqual(places, range(os.cpu_count()))
    self.assertEqual(_num_in_blas(), before)

  def test_the_next_item_is_made_while_one_is_used(self):
    made = [threading.Event() for _ in range(4)]

    def items():
      for i, event in enumerate(made):
        event.set()
        yield i

    found = []
    for item in threads.ahead(items()):
      self.assertTrue(all(x.wait(60) for x in made[: item + 2]))
      self.assertFalse(any(x.is_set() for x in made[item + 2 :]))
      found.append(item)
    self.assertEqual(found, [0, 1, 2, 3])

  def test_an_error_while_an_item_is_made_is_raised(self):
    def items():
      yield 1
      raise ValueError('second')

    ahead = threads.ahead(items())
    with self.assertRaisesRegex(ValueError, 'second'):
      next(ahead)
      next(ahead)


if __name__ == '__main__':
  absltest.main()

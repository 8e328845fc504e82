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


if __name__ == '__main__':
  absltest.main()

"""Tests for dnc.system.spreading."""

import pickle

from absl.testing import absltest

from dnc.system import spreading
from tests.support import spread_stages


class HereTest(absltest.TestCase):
  def test_gives_the_stage_all_items_at_once(self):
    given = []

    class Stage:
      def work(self, items, more):
        given.append(items)
        for item in items:
          yield item + more

    spread = spreading.here(Stage())
    self.assertEqual(list(spread(Stage.work, [1, 2], 10)), [11, 12])
    self.assertEqual(given, [[1, 2]])


class AssignmentTest(absltest.TestCase):
  def test_another_process_can_get_it(self):
    stage = spread_stages.Stage
    task = spreading.Assignment(stage, stage.halves, range(3), (0.5,))
    self.assertEqual(pickle.loads(pickle.dumps(task)), task)


if __name__ == '__main__':
  absltest.main()

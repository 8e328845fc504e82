"""Tests for analysis.probe.blocks."""

from absl.testing import absltest

from analysis.probe import blocks


class BlocksTest(absltest.TestCase):
  def test_parts_wait_until_they_fill_a_block(self):
    waiting = blocks.Blocks(5)
    self.assertFalse(waiting)
    self.assertFalse(waiting.put(3, 'a', 1))
    self.assertTrue(waiting)
    self.assertTrue(waiting.put(2, 'b', 2))
    self.assertEqual(waiting.take(), (('a', 'b'), (1, 2)))
    # It starts again.
    self.assertFalse(waiting)
    self.assertFalse(waiting.put(4, 'c', 3))
    self.assertEqual(waiting.take(), (('c',), (3,)))


if __name__ == '__main__':
  absltest.main()

"""Tests of dnc.system.quiet."""

from absl import logging
from absl.testing import absltest

from dnc.system import quiet


class QuietTest(absltest.TestCase):
  def test_verbosity_is_restored(self):
    self.addCleanup(logging.set_verbosity, logging.get_verbosity())
    logging.set_verbosity(logging.INFO)
    with self.assertRaises(ZeroDivisionError), quiet.tfds_logs():
      self.assertEqual(logging.get_verbosity(), logging.ERROR)
      _ = 1 / 0
    self.assertEqual(logging.get_verbosity(), logging.INFO)


if __name__ == '__main__':
  absltest.main()

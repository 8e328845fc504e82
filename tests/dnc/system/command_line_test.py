"""Tests of what ends a command; the commands are in commands_test."""

import os
import signal
import time

import tensorflow as tf

from dnc.system import command_line


class _Destroyed:
  """Gets Ctrl-C in its destructor, where Python swallows exceptions."""

  def __del__(self):
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(100):
      pass


class InterruptTest(tf.test.TestCase):
  def setUp(self):
    super().setUp()
    for number in (signal.SIGINT, signal.SIGALRM):
      previous = signal.signal(number, command_line._interrupt)
      self.addCleanup(signal.signal, number, previous)

  def test_ctrl_c(self):
    with self.assertRaises(KeyboardInterrupt):
      os.kill(os.getpid(), signal.SIGINT)
      time.sleep(5)

  def test_ctrl_c_in_a_destructor_is_not_lost(self):
    with self.assertRaises(KeyboardInterrupt):
      _Destroyed()
      time.sleep(5)


if __name__ == '__main__':
  tf.test.main()

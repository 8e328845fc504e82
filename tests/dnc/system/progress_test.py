"""Tests of lines, and of the line that keeps changing."""

import io
import os
import pty
from unittest import mock

from absl.testing import absltest

from dnc.system import progress


class ConsoleTest(absltest.TestCase):
  def test_where_there_is_no_terminal_only_lines_are_written(self):
    stream = io.StringIO()
    console = progress.Console(stream)
    self.assertFalse(console.is_terminal)
    console('one')
    console.status('half way')
    console('two')
    console.finish()
    self.assertEqual(stream.getvalue(), 'one\ntwo\n')

  def test_a_terminal(self):
    reader, writer = pty.openpty()
    size = os.terminal_size((20, 5))
    with (
      os.fdopen(writer, 'w') as terminal,
      mock.patch('shutil.get_terminal_size', return_value=size),
      # Not time.monotonic itself: other threads of the process call it too.
      mock.patch.object(progress, 'time') as clock,
    ):
      clock.monotonic.side_effect = [0, 0.1, 1, 2]
      console = progress.Console(terminal)
      self.assertTrue(console.is_terminal)
      console.status('first')
      console.status('too soon')
      console('a line that stays')
      console.status('second')
      console.status('x' * 99)
      console.finish()
      console('after')
    # A terminal hands over in pieces what was written.
    written = b''
    while not written.endswith(b'after\r\n'):
      written += os.read(reader, 10_000)
    os.close(reader)
    clear = '\r\x1b[K'
    self.assertEqual(
      written.decode().replace('\r\n', '\n'),
      f'{clear}first{clear}a line that stays\n{clear}first{clear}second'
      f'{clear}{"x" * 19}\nafter\n',
    )

  def test_a_function_takes_the_lines(self):
    lines = []
    console = progress.as_console(lines.append)
    console('one')
    console.status('half way')
    console.finish()
    self.assertEqual(lines, ['one'])
    self.assertIs(progress.as_console(console), console)


if __name__ == '__main__':
  absltest.main()

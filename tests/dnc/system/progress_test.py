"""Tests of progress reports: lines, a status line, stages."""

import io
import os
from unittest import mock

from absl.testing import absltest

from dnc.system import progress

_CLEAR = '\r\x1b[K'


class _Terminal(io.StringIO):
  def isatty(self):
    return True


class _Clock:
  """Replaces the module `time` in `progress` only."""

  def __init__(self):
    self.now = 0.0

  def monotonic(self):
    return self.now


class ProgressTest(absltest.TestCase):
  def setUp(self):
    super().setUp()
    self._clock = _Clock()
    self.enterContext(mock.patch.object(progress, 'time', self._clock))

  def _terminal(self, columns=20):
    size = os.terminal_size((columns, 5))
    self.enterContext(mock.patch('shutil.get_terminal_size', return_value=size))
    terminal = _Terminal()
    return progress.Console(stream=terminal), terminal

  def test_without_a_terminal_status_is_a_line_a_minute(self):
    stream = io.StringIO()
    console = progress.Console(stream=stream)
    self.assertFalse(console.is_terminal)
    console('one')
    self._clock.now = 59
    console.status('too soon')
    self._clock.now = 60
    console.status('a minute later')
    console.status('too soon')
    console.show('now')
    console.finish()
    self.assertEqual(stream.getvalue(), 'one\na minute later\nnow\n')

  def test_a_terminal_has_a_status_line_below_the_lines(self):
    console, terminal = self._terminal()
    self.assertTrue(console.is_terminal)
    console.show('first')
    self._clock.now = 0.1
    console.status('too soon')
    console('a line that stays')
    self._clock.now = 1
    console.status('second')
    console.show('x' * 99)
    console.finish()
    console('after')
    self.assertEqual(
      terminal.getvalue(),
      f'{_CLEAR}first{_CLEAR}a line that stays\nfirst{_CLEAR}second'
      f'{_CLEAR}{"x" * 19}\nafter\n',
    )

  def test_a_terminal_wraps_lines_and_cuts_nothing(self):
    console, terminal = self._terminal()
    console('Yes: of the memory 0.5\n/a/path/that/is/longer/than/a/line')
    self.assertEqual(
      terminal.getvalue(),
      'Yes: of the memory\n  0.5\n/a/path/that/is/longer/than/a/line\n',
    )

  def test_characters_that_the_output_does_not_have(self):
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding='ascii')
    progress.Console(stream=stream)('R² of ü')
    # So does `print` as the function that takes the lines.
    progress.as_console(lambda line: print(line, file=stream))('x²')
    stream.flush()
    self.assertEqual(raw.getvalue(), b'R? of ?\nx?\n')

  def test_no_output(self):
    with mock.patch('sys.stdout', None):
      progress.Console()('a line')

  def test_a_function_takes_the_lines(self):
    lines = []
    console = progress.as_console(lines.append)
    console('one')
    console.status('half way')
    self.assertEqual(lines, ['one'])
    self.assertIs(progress.as_console(console), console)
    progress.as_console(None)('to nobody')

  def test_a_stage_says_how_far_it_is(self):
    lines = []
    with progress.Stage(lines.append, 'training', 4000, 'steps') as stage:
      stage.done(0)
      self._clock.now = 100
      stage.done(1000)
      self._clock.now = 140
      stage.done(2000)
      self._clock.now = 320
      stage.done(4000)
      self._clock.now = 330
    self.assertEqual(
      lines,
      [
        'training',
        'training: 1,000 of 4,000 steps, 10/s, 0:05:00 left',
        'training: 4,000 of 4,000 steps, 12/s, 0:00:00 left',
        'training: done in 0:05:30',
      ],
    )

  def test_stages_within_a_stage_share_its_line(self):
    console, terminal = self._terminal(99)
    with progress.Stage(console, 'Test 1'):
      with progress.Stage(console, 'scores', 8, 'rollouts') as stage:
        self._clock.now = 2
        stage.done(4)
      self._clock.now = 3
    shown = [
      'Test 1',
      'Test 1: scores',
      'Test 1: scores: 4 of 8 rollouts, 2/s, 0:00:02 left',
      'Test 1',
      'Test 1: done in 0:00:03\n',
    ]
    self.assertEqual(
      terminal.getvalue(), ''.join(_CLEAR + text for text in shown)
    )

  def test_a_stage_that_fails_leaves_a_line_to_itself_for_the_error(self):
    console, terminal = self._terminal()
    with self.assertRaises(KeyError), progress.Stage(console, 'Test 1'):
      with progress.Stage(console, 'scores'):
        raise KeyError
    self.assertEqual(
      terminal.getvalue(), f'{_CLEAR}Test 1{_CLEAR}Test 1: scores\n'
    )
    self.assertEmpty(console.stages)


if __name__ == '__main__':
  absltest.main()

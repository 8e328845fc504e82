"""How far a long piece of work is: lines, or one line that keeps changing."""

from collections.abc import Callable
import shutil
import sys
import time
from typing import TextIO

Log = Callable[[str], None]

_SECONDS_BETWEEN_LINES = 15.0
_SECONDS_BETWEEN_STATUS = 0.2
# Back to the first column, and nothing to the right of it.
_CLEAR = '\r\x1b[K'


class Console:
  """Lines and, on a terminal, a line below them that keeps changing.

  >>> console = Console()
  >>> console('a line that stays')
  a line that stays
  """

  def __init__(self, stream: TextIO | None = None):
    """Constructs the console.

    Args:
      stream: where to write; standard output by default.
    """
    self._stream = stream or sys.stdout
    self._status = ''
    self._last = -_SECONDS_BETWEEN_STATUS

  @property
  def is_terminal(self) -> bool:
    """Whether the line that keeps changing is shown."""
    return self._stream.isatty()

  def __call__(self, line: str) -> None:
    """Writes a line that stays."""
    if self._status:
      self._stream.write(_CLEAR)
    print(line, file=self._stream, flush=True)
    self._show(self._status)

  def status(self, text: str) -> None:
    """Puts `text` in place of the line that keeps changing."""
    now = time.monotonic()
    if self.is_terminal and now - self._last >= _SECONDS_BETWEEN_STATUS:
      self._last = now
      self._show(text)

  def finish(self) -> None:
    """Lets the line that keeps changing stay as it is."""
    if self._status:
      print(file=self._stream, flush=True)
      self._status = ''

  def _show(self, text: str) -> None:
    self._status = text
    if text:
      columns = shutil.get_terminal_size().columns
      self._stream.write(_CLEAR + text[: columns - 1])
      self._stream.flush()


class LogConsole(Console):
  """A `Console` that hands its lines to a function: in a notebook, say."""

  def __init__(self, log: Log):
    """Constructs the console from what takes a line."""
    super().__init__()
    self._log = log

  @property
  def is_terminal(self) -> bool:
    """Nothing is shown that does not stay."""
    return False

  def __call__(self, line: str) -> None:
    """Hands on a line."""
    self._log(line)


def as_console(log: Log) -> Console:
  """`log` itself where it is a `Console`, or one that hands on to it."""
  return log if isinstance(log, Console) else LogConsole(log)


class Lines:
  """Reports on a long piece of work, at most every 15 seconds."""

  def __init__(self, log: Log | None, what: str, total: int):
    """Constructs the reporter.

    Args:
      log: takes a line; None for silence.
      what: what is done and counted, e.g. 'traces: steps'.
      total: how many there are to do.
    """
    self._log = log
    self._what = what
    self._total = total
    self._start = self._last = time.monotonic()

  def done(self, number: int) -> None:
    """Says that `number` of the total are done."""
    now = time.monotonic()
    if self._log is None or now - self._last < _SECONDS_BETWEEN_LINES:
      return
    self._last = now
    speed = number / (now - self._start)
    left = max(0, self._total - number) / speed
    rate = f'{speed:,.0f}' if speed >= 10 else f'{speed:.2g}'
    self._log(
      f'{self._what}: {number:,} of {self._total:,}, {rate}/s, '
      f'{left:.0f} s left'
    )

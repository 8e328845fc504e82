"""Progress of long work: lines that stay, and a status line that changes.

Long-running functions take a `log`: a `Console`, any function of a line, or
None for silence. They report progress with a `Stage`:

  with progress.Stage(log, 'lesions', num_steps, 'steps') as stage:
    for number in range(num_steps):
      ...
      stage.done(number + 1)
"""

from collections.abc import Callable
import io
import shutil
import sys
import textwrap
import time
from typing import TextIO

Log = Callable[[str], None]

_SECONDS_BETWEEN_STATUS = 0.2
_SECONDS_BETWEEN_LINES = 60.0
# Returns to the first column and clears the line.
_CLEAR = '\r\x1b[K'


def duration(seconds: float) -> str:
  """Hours, minutes and seconds, e.g. '0:01:30'."""
  minutes, seconds = divmod(round(seconds), 60)
  hours, minutes = divmod(minutes, 60)
  return f'{hours}:{minutes:02}:{seconds:02}'


class Console:
  """Writes lines and, on a terminal, a status line below them.

  >>> console = Console()
  >>> console('a line that stays')
  a line that stays

  Attributes:
    is_terminal: whether there is a status line.
    stages: names of the stages under way, outermost first.
  """

  def __init__(self, log: Log | None = None, stream: TextIO | None = None):
    """Constructs the console.

    Args:
      log: takes each line instead of the stream.
      stream: where to write; standard output by default.
    """
    # Python has no stdout if its descriptor was closed.
    self._stream = stream or sys.stdout or io.StringIO()
    self._log = log
    self.is_terminal = log is None and self._stream.isatty()
    self.stages: list[str] = []
    self._status = ''
    self._last = time.monotonic()

  def __call__(self, line: str) -> None:
    """Writes a line that stays; on a terminal, wraps it between words."""
    self._last = time.monotonic()
    if self._log is not None:
      _write(self._log, line)
      return
    if self.is_terminal:
      line = _wrapped(line)
    clear = _CLEAR if self._status else ''
    _write(self._stream.write, f'{clear}{line}\n{self._status}')
    self._stream.flush()

  def show(self, text: str) -> None:
    """Shows `text` as the status line or, without a terminal, as a line."""
    if not self.is_terminal:
      self(text)
      return
    self._last = time.monotonic()
    self._status = text[: shutil.get_terminal_size().columns - 1]
    _write(self._stream.write, _CLEAR + self._status)
    self._stream.flush()

  def status(self, text: str) -> None:
    """Calls `show`, at most every 0.2 s, or every minute without a terminal."""
    interval = _SECONDS_BETWEEN_LINES
    if self.is_terminal:
      interval = _SECONDS_BETWEEN_STATUS
    if time.monotonic() - self._last >= interval:
      self.show(text)

  def finish(self) -> None:
    """Ends the status line, which stays as it is."""
    if self._status:
      print(file=self._stream, flush=True)
      self._status = ''


def _write(write: Callable[[str], object], text: str) -> None:
  """Writes a text, with ? for characters that the terminal does not have."""
  try:
    write(text)
  except UnicodeEncodeError as e:
    write(text.encode(e.encoding, 'replace').decode(e.encoding))


def _wrapped(text: str) -> str:
  columns = shutil.get_terminal_size().columns
  return '\n'.join(
    textwrap.fill(
      line,
      columns - 1,
      subsequent_indent='  ',
      break_long_words=False,
      break_on_hyphens=False,
    )
    for line in text.split('\n')
  )


def as_console(log: Log | None) -> Console:
  """Returns `log` if it is a `Console`, else a `Console` that calls it."""
  if isinstance(log, Console):
    return log
  return Console(log or (lambda line: None))


class Stage:
  """A part of the work, as a context manager: one line, kept up to date.

  The line shows how much is done, the speed, and the time left. Nested stages
  share the line. It stays when the outermost stage ends.
  """

  def __init__(
    self, log: Log | None, what: str, total: int = 0, unit: str = ''
  ):
    """Constructs the stage.

    Args:
      log: takes the line.
      what: what is done, e.g. 'training'.
      total: how much there is to do; 0 if nothing is counted.
      unit: what is counted, e.g. 'steps'.
    """
    self._console = as_console(log)
    self._what = what
    self._total = total
    self._unit = unit

  def __enter__(self):
    self._start = time.monotonic()
    self._console.stages.append(self._what)
    if self._console.is_terminal or len(self._console.stages) == 1:
      self._console.show(self._name())
    return self

  def _name(self) -> str:
    return ': '.join(self._console.stages)

  def done(self, number: int) -> None:
    """Reports that `number` of the total are done."""
    seconds = time.monotonic() - self._start
    if not number or not seconds:
      return
    speed = number / seconds
    left = max(0, self._total - number) / speed
    rate = f'{speed:,.0f}' if speed >= 10 else f'{speed:.2g}'
    self._console.status(
      f'{self._name()}: {number:,} of {self._total:,} {self._unit}, {rate}/s, '
      f'{duration(left)} left'
    )

  def __exit__(self, kind, error, traceback):
    name = self._name()
    self._console.stages.pop()
    if kind is not None:
      self._console.finish()
    elif not self._console.stages:
      taken = duration(time.monotonic() - self._start)
      self._console.show(f'{name}: done in {taken}')
      self._console.finish()
    elif self._console.is_terminal:
      self._console.show(self._name())

"""A line of progress now and then: what, how much of how much, how fast."""

from collections.abc import Callable
import time

Log = Callable[[str], None]

_SECONDS_BETWEEN_LINES = 15.0


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

"""Light stages for tests of engines; workers import this module."""

from collections.abc import Iterator
from collections.abc import Sequence
import dataclasses
import os
import signal
import time

from dnc.system import errors


@dataclasses.dataclass(frozen=True)
class Source:
  """Makes `folder` the run; workers write there what they did."""

  folder: str

  def load(self) -> str:
    return self.folder


class Stage:
  """Works on numbers; the run is a folder."""

  def __init__(self, folder: str):
    self._folder = folder

  def halves(self, items: Sequence[int], more: float) -> Iterator[float]:
    """Yields what takes all digits of a float."""
    for item in items:
      self._note(f'{item} {os.getpid()}')
      # Long enough that every worker gets some.
      time.sleep(0.05)
      yield (item + more) / 3

  def halves_with_a_kill(self, items, more):
    """The same, but the first process to work on 2 is killed at once."""
    for item in items:
      marker = os.path.join(self._folder, 'killed')
      if item == 2 and not os.path.exists(marker):
        with open(marker, 'w'):
          pass
        os.kill(os.getpid(), signal.SIGKILL)
      yield from self.halves([item], more)

  def refused(self, items):
    """The third item is the user's mistake."""
    for item in items:
      if item == 2:
        raise errors.UsageError('--x=2: must be less')
      yield item

  def broken(self, items):
    """Ours."""
    yield 1 // min(0, *items)

  def _note(self, line: str) -> None:
    with open(os.path.join(self._folder, 'notes'), 'a') as file:
      file.write(line + '\n')

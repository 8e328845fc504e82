"""For tests of engines: light stages, which workers import; and a spread."""

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
import dataclasses
import os
import pickle
import signal
import time
from typing import Any

from dnc.system import errors
from dnc.system import spreading


def apart(stage: Any) -> spreading.Spread:
  """A spread that does one item at a time, the last one first.

  What is found goes through bytes, as between processes.
  """

  def spread(work, items, *args):
    args = [
      [*spread(*x[1:3], *x.arguments)]
      if isinstance(x, spreading.Assignment)
      else x
      for x in args
    ]
    done = [
      pickle.dumps(list(work(stage, items[i : i + 1], *args)))
      for i in _back(items)
    ]
    for found in reversed(done):
      yield from pickle.loads(found)

  return spread


def _back(items: Sequence[object]) -> range:
  return range(len(items) - 1, -1, -1)


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

  def totals(self, items: Sequence[int], found: Iterable[float]):
    """Adds each item to the sum of what was found before."""
    for item in items:
      yield item + sum(found)

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

"""What workers do, and the files through which they get and leave it.

A folder holds tasks, and what is found of each item: a file that appears whole
or not at all. An item that has its file is not worked on again.
"""

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
import contextlib
import dataclasses
import functools
import os
import pickle
import socket
import threading
from typing import Any

from dnc.system import errors
from dnc.system import files
from dnc.system import own_settings
from dnc.system import spreading

# What workers read and, beside a result's name, which process has begun it.
_TASKS, _BEGUN = 'tasks.pickle', '.begun'
# Numbers of its level, its task and its item: a level needs the levels before.
Element = tuple[int, int, int]
# One thread at a time works: TensorFlow has threads enough, and stages are for
# one thread.
_lock = threading.Lock()


def write_tasks(
  folder: str, source: Any, tasks: Sequence[spreading.Assignment]
) -> None:
  """Writes what `work` reads.

  Args:
    folder: may not be there yet.
    source: its `load` returns the run, in any process; can be pickled.
    tasks: what to do. Their arguments may be `TaskFiles`.
  """
  with files.atomic_file(os.path.join(folder, _TASKS)) as file:
    pickle.dump((source, list(tasks)), file)


def forget_begun(folder: str, elements: Iterable[Element]) -> None:
  """Makes as if nobody had begun to work on elements."""
  for element in elements:
    with contextlib.suppress(FileNotFoundError):
      os.unlink(result_path(folder, element) + _BEGUN)


def have_begun(folder: str, elements: Iterable[Element]) -> bool:
  """Whether any process has begun to work on any of the elements."""
  return any(os.path.exists(result_path(folder, x) + _BEGUN) for x in elements)


def missing(folder: str, elements: Iterable[Element]) -> list[Element]:
  """The elements that have no result yet."""
  there = set(os.listdir(folder))
  return [
    x for x in elements if os.path.basename(result_path(folder, x)) not in there
  ]


def lost_by(folder: str, element: Element) -> int | None:
  """The process of this machine that has begun an element, and is gone."""
  try:
    with open(result_path(folder, element) + _BEGUN, encoding='utf-8') as file:
      host, pid = file.read().split()
  except FileNotFoundError:
    return None
  if host != socket.gethostname() or _is_alive(pid):
    return None
  # It may have finished just before.
  return int(pid) if missing(folder, [element]) else None


def _is_alive(pid: str) -> bool:
  try:
    with open(f'/proc/{pid}/stat', encoding='utf-8') as file:
      state = file.read().rpartition(') ')[2][0]
  except (FileNotFoundError, ProcessLookupError):
    return False
  return state not in 'XZ'  # Killed, but nobody has asked.


def result_path(folder: str, element: Element) -> str:
  """The file of what is found of an element."""
  return os.path.join(folder, '{}_{}_{}.pickle'.format(*element))


def work(folder: str, element: Element, before: Iterable[None]) -> None:
  """Works on an item, in a worker; leaves what it finds in a file."""
  del before  # What it stands for is in files.
  own, tasks = result_path(folder, element), os.path.join(folder, _TASKS)
  # Without the tasks, this worker does not see the folder. The process that
  # evaluates misses the file and says so.
  if os.path.exists(own) or not os.path.exists(tasks):
    return
  with _lock, own_settings.computing():
    files.write_text(own + _BEGUN, f'{socket.gethostname()} {os.getpid()}')
    try:
      found = _tasks(tasks)(*element[1:])
    except errors.UsageError as e:
      found = e
  with files.atomic_file(own) as file:
    pickle.dump(found, file)


@functools.lru_cache(maxsize=1)
def _tasks(path: str) -> Any:
  """Reads tasks; returns a function that works on one of their items."""
  with open(path, 'rb') as file:
    source, tasks = pickle.load(file)

  @functools.cache
  def stage(make: bytes) -> Any:
    return pickle.loads(make)(_run(pickle.dumps(source)))

  def work(task: int, item: int) -> list[Any]:
    task = tasks[task]
    items = task.items[item : item + 1]
    made = stage(pickle.dumps(task.make))
    return list(task.work(made, items, *task.arguments))

  return work


@functools.lru_cache(maxsize=1)
def _run(source: bytes) -> Any:
  return pickle.loads(source).load()


@dataclasses.dataclass(frozen=True)
class TaskFiles:
  """What was found of a task, read from files whenever it is asked for.

  Attributes:
    paths: the file of each item.
  """

  paths: Sequence[str]

  def __iter__(self) -> Iterator[Any]:
    for path in self.paths:
      with open(path, 'rb') as file:
        found = pickle.load(file)
      if isinstance(found, errors.UsageError):
        raise found
      yield from found

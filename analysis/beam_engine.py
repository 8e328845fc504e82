"""Spreads an evaluation over the workers of an Apache Beam runner.

  engine = beam_engine.BeamEngine('DirectRunner', '--direct_num_workers=2 ...')
  experiment.evaluate(model_dir, config, engine=engine)

Each item of a stage (see `dnc.system.spreading`) is an element of a pipeline
that does nothing else. Where a task needs what is found of others, it waits for
these. Workers load the run by themselves, once a process, and leave what they
find in files in the folder of the evaluation. These appear whole or not at all,
and an item that has its file is not worked on again. So it does not matter how
often or in which order a runner tries an element, or whether it loses a worker.

Sums of parts are such files, too, which a later element adds up in the order of
the parts. A `CombineFn` would add them up as they come: rounded otherwise each
time, and what follows from rounded sums, such as a training, can differ by much
more. It would also send each, up to hundreds of megabytes, through the runner.

The process that evaluates reads the files in the
order of the items. Its numbers are those that it would compute by itself.

All workers must see the run's folder under the same path. The only module that
imports Beam, and only when it is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Hashable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
import contextlib
import dataclasses
import functools
import io
import itertools
import logging
import os
import pickle
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING
from typing import Any

from dnc import config as config_lib
from dnc.system import command_line
from dnc.system import errors
from dnc.system import files
from dnc.system import own_settings
from dnc.system import progress
from dnc.system import spreading

if TYPE_CHECKING:
  from analysis import evaluated_run

# Names of Beam's runners, and what they are to it. Beam's own DirectRunner
# would choose among runners and ignore the number of workers with some.
_RUNNERS = {x: x for x in config_lib.RUNNERS} | {'DirectRunner': 'FnApiRunner'}
_FOLDER = '.workers'
# Files there: what workers read; what they and their runner say; and, beside a
# result's name, which process has begun to work on it.
_TASKS, _LOG, _BEGUN = 'tasks.pickle', 'log', '.begun'
_LAUNCH = 'from analysis import beam_engine; beam_engine.launch()'
# How often a pipeline may fail before any item has its file.
_TRIES = 2
_SECONDS_BETWEEN_LOOKS = 0.5
# How long a runner may take to end once all results are there.
_SECONDS_TO_END = 10

# Numbers of its level, its task and its item: a level needs the levels before.
_Element = tuple[int, int, int]

# One thread at a time works: TensorFlow has threads enough, and stages are for
# one thread.
_lock = threading.Lock()


@dataclasses.dataclass(frozen=True)
class _Source:
  """From what a worker loads the run, see `evaluated_run.load`.

  Attributes:
    model_dir: an absolute path.
    evaluation: as given.
    data_dir: an absolute path, or None.
    checkpoint: as given.
    fingerprint: of the weights that it must find.
  """

  model_dir: str
  evaluation: config_lib.EvaluationConfig
  data_dir: str | None
  checkpoint: str
  fingerprint: str

  def load(self) -> evaluated_run.EvaluatedRun:
    """Loads the run.

    Raises:
      UsageError: if it has other weights.
    """
    command_line.load_tensorflow()
    from analysis import evaluated_run
    from dnc.training import checkpoints

    run = evaluated_run.load(
      self.model_dir,
      self.evaluation,
      self.data_dir,
      self.checkpoint,
      progress.as_console(None),
    )
    if checkpoints.fingerprint(run.trained.model) != self.fingerprint:
      raise errors.UsageError(
        f'{self.model_dir}: a worker found other weights; do not train the run '
        'while it is evaluated'
      )
    return run


class BeamEngine:
  """A Beam runner and its options."""

  def __init__(self, runner: str, options: str = ''):
    """Checks that Beam knows the options.

    Args:
      runner: one of `config.RUNNERS`.
      options: Beam's own, as on a command line.

    Raises:
      UsageError: if Beam is not installed or an option is wrong.
    """
    self.runner = runner
    try:
      self._words = _parsed(options)
    except ImportError as e:
      raise errors.UsageError(
        f'--runner={runner}: needs Apache Beam ({e}); install it with pip '
        "install -e '.[beam]'"
      ) from e

  def run(
    self,
    run: evaluated_run.EvaluatedRun,
    evaluation: config_lib.EvaluationConfig,
    data_dir: str | os.PathLike[str] | None,
    checkpoint: str,
  ) -> evaluated_run.EvaluatedRun:
    """Returns a run with workers; the arguments are what it was loaded with."""
    from dnc.training import checkpoints

    source = _Source(
      os.path.abspath(run.model_dir),
      evaluation,
      data_dir and os.path.abspath(data_dir),
      checkpoint,
      checkpoints.fingerprint(run.trained.model),
    )
    folder = os.path.join(os.path.abspath(run.folder), _FOLDER)
    workers = BeamWorkers(self, source, folder, run.console)
    return dataclasses.replace(run, workers=workers)

  def work(
    self,
    folder: str,
    elements: Sequence[_Element],
    left: Callable[[int], None],
  ) -> str:
    """Runs a pipeline of elements.

    A process of its own runs it: some runners wait forever for a worker that
    was killed, and all of them talk.

    Args:
      folder: of tasks and results.
      elements: what to work on, by level.
      left: takes, now and then, how many have no result yet.

    Returns:
      What went wrong, in a line; '' if nothing did. Results may lack anyway.
    """
    for element in elements:  # An earlier pipeline may have begun it.
      with contextlib.suppress(FileNotFoundError):
        os.unlink(_path(folder, element) + _BEGUN)
    job = folder, _RUNNERS[self.runner], self._words, elements, os.getpid()
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    path = [root, *filter(None, [os.environ.get('PYTHONPATH')])]
    with open(os.path.join(folder, _LOG), 'ab') as log:
      launcher = subprocess.Popen(
        [sys.executable, '-c', _LAUNCH],
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=log,
        start_new_session=True,
        env={**os.environ, 'PYTHONPATH': os.pathsep.join(path)},
      )
    try:
      with contextlib.suppress(BrokenPipeError), launcher.stdin as stdin:
        pickle.dump(job, stdin)
      while launcher.poll() is None:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
        missing = _missing(folder, elements)
        left(len(missing))
        if not missing:
          with contextlib.suppress(subprocess.TimeoutExpired):
            launcher.wait(_SECONDS_TO_END)
          return ''
        # The launcher may itself be the worker, and have failed by now.
        is_lost = any(_is_lost(folder, element) for element in missing)
        if is_lost and launcher.poll() is None:
          return 'a worker was lost'
      return _last_line(log.name) if launcher.returncode else ''
    finally:
      with contextlib.suppress(ProcessLookupError):
        os.killpg(launcher.pid, signal.SIGKILL)
      launcher.wait()


def launch() -> None:
  """Runs the pipeline of `BeamEngine.work`, in its own process."""
  import apache_beam as beam
  from apache_beam.options import pipeline_options

  folder, runner, words, elements, parent = pickle.load(sys.stdin.buffer)
  threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
  options = pipeline_options.PipelineOptions(words)
  with beam.Pipeline(runner, options) as pipeline:
    before = pipeline | beam.Create([None])
    for level, own in itertools.groupby(elements, lambda x: x[0]):
      # The side input makes it wait.
      before = (
        pipeline
        | f'items {level}' >> beam.Create([*own])
        | f'work {level}'
        >> beam.Map(
          functools.partial(_work, folder), beam.pvalue.AsIter(before)
        )
      )


def _end_with(parent: int) -> None:
  """Ends this process and its workers if the parent has ended."""
  while os.getppid() == parent:
    time.sleep(_SECONDS_BETWEEN_LOOKS)
  os.killpg(0, signal.SIGKILL)


def _missing(folder: str, elements: Iterable[_Element]) -> list[_Element]:
  """The elements that have no result yet."""
  there = set(os.listdir(folder))
  return [
    x for x in elements if os.path.basename(_path(folder, x)) not in there
  ]


def _is_lost(folder: str, element: _Element) -> bool:
  """Whether a process on this machine has begun an element, and is gone."""
  try:
    with open(_path(folder, element) + _BEGUN, encoding='utf-8') as file:
      host, pid = file.read().split()
  except FileNotFoundError:
    return False
  if host != socket.gethostname() or _is_alive(pid):
    return False
  return bool(_missing(folder, [element]))  # It may have finished just before.


def _is_alive(pid: str) -> bool:
  try:
    with open(f'/proc/{pid}/stat', encoding='utf-8') as file:
      state = file.read().rpartition(') ')[2][0]
  except (FileNotFoundError, ProcessLookupError):
    return False
  return state not in 'XZ'  # Killed, but nobody has asked.


def _last_line(log: str) -> str:
  with open(log, encoding='utf-8', errors='replace') as file:
    lines = [line.strip() for line in file if line.strip()]
  return lines[-1] if lines else 'it failed'


def _parsed(text: str) -> list[str]:
  """Returns the words of a text if they are options that Beam knows."""
  logging.disable(logging.WARNING)  # Beam warns of what we do not use.
  try:
    from apache_beam.options import pipeline_options
  finally:
    logging.disable(logging.NOTSET)

  said = io.StringIO()
  try:
    # argparse writes to stderr and exits.
    with contextlib.redirect_stderr(said):
      words = shlex.split(text)
      known, given = (
        pipeline_options.PipelineOptions(some).get_all_options(
          retain_unknown_options=True
        )
        for some in ([], words)
      )
  except (SystemExit, ValueError) as e:
    reason = said.getvalue().strip().rpartition('error: ')[2] or e
    raise errors.UsageError(f'--runner_options={text}: {reason}') from e
  unknown = set(given) - set(known)
  if unknown:
    raise errors.UsageError(
      f'--runner_options={text}: Beam has no option --{min(unknown)}'
    )
  return words


class BeamWorkers:
  """The workers of an engine, for one run."""

  def __init__(
    self,
    engine: BeamEngine,
    source: Any,
    folder: str,
    console: progress.Console,
  ):
    """Constructs it.

    Args:
      engine: the engine.
      source: its `load` returns the run, in any process; can be pickled.
      folder: for tasks and results, an absolute path; `close` removes it.
      console: takes progress.
    """
    self._engine = engine
    self._source = source
    self._folder = folder
    self._console = console
    self._found: dict[Hashable, _TaskFiles] = {}
    self._num_pipelines = 0

  def __call__(self, make: evaluated_run.Make) -> spreading.Spread:
    """The spread of a stage."""

    def spread(work, items, *arguments):
      task = spreading.Assignment(make, work, items, arguments)
      if _key(task) not in self._found:
        self.prepare([task])
      return iter(self._found[_key(task)])

    return spread

  def prepare(self, tasks: Sequence[spreading.Assignment]) -> None:
    """Does tasks in one pipeline: to start workers takes long.

    Args:
      tasks: what later calls of spreads will ask for.

    Raises:
      UsageError: if workers do not see the folder.
    """
    folder, elements = os.path.join(self._folder, str(self._num_pipelines)), []
    ready = []
    for number, (level, task) in enumerate(_levels(tasks)):
      own = [(level, number, item) for item in range(len(task.items))]
      paths = [_path(folder, element) for element in own]
      self._found[_key(task)] = _TaskFiles(paths)
      elements += own
      arguments = [self._argument(task.make, x) for x in task.arguments]
      ready.append(task._replace(arguments=tuple(arguments)))
    if not elements:
      return
    if not self._num_pipelines:  # A killed evaluation may have left some.
      shutil.rmtree(self._folder, ignore_errors=True)
    self._num_pipelines += 1
    with files.atomic_file(os.path.join(folder, _TASKS)) as file:
      pickle.dump((self._source, ready), file)
    number = len(elements)
    with progress.Stage(self._console, 'on workers', number, 'parts') as stage:
      self._run(folder, elements, lambda left: stage.done(number - left))

  def _argument(self, make: evaluated_run.Make, argument: Any) -> Any:
    """Puts what will be found in place of a task that is needed."""
    if not isinstance(argument, spreading.Assignment):
      return argument
    return self._found[_key(argument._replace(make=make))]

  def _run(
    self,
    folder: str,
    elements: Sequence[_Element],
    report: Callable[[int], None],
  ) -> None:
    problem, num_tries, left = '', 0, _missing(folder, elements)
    while left and num_tries < _TRIES:
      problem = self._engine.work(folder, left, report)
      before, left = left, _missing(folder, elements)
      num_tries = 0 if len(left) < len(before) else num_tries + 1
      if not problem:
        break
    if not left:
      return
    runner = f'--runner={self._engine.runner}'
    if problem:
      raise errors.UsageError(
        f'{runner}: {problem}; see {os.path.join(folder, _LOG)}'
      )
    raise errors.UsageError(
      f'{runner}: its workers do not see {os.path.dirname(self._folder)}; '
      'choose a --model_dir that all of them see under the same path'
    )

  def close(self) -> None:
    """Removes the folder."""
    self._found = {}
    shutil.rmtree(self._folder, ignore_errors=True)


@dataclasses.dataclass(frozen=True)
class _TaskFiles:
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


def _key(task: spreading.Assignment) -> Hashable:
  """Equal tasks have equal keys."""
  needed = map(_key, task.needed)
  rest = [x for x in task.arguments if not isinstance(x, spreading.Assignment)]
  about = repr(task.make), task.work, repr(task.items)
  return (*about, *needed, pickle.dumps(rest))


def _levels(
  tasks: Sequence[spreading.Assignment],
) -> list[tuple[int, spreading.Assignment]]:
  """Returns tasks, and what they need, each once; with their levels, sorted.

  A task's level is above those of all that it needs.
  """
  found = {}

  def put(task):
    level = max((1 + put(x) for x in task.needed), default=0)
    found[_key(task)] = level, task
    return level

  for task in tasks:
    put(task)
  return sorted(found.values(), key=lambda x: x[0])


def _path(folder: str, element: _Element) -> str:
  return os.path.join(folder, '{}_{}_{}.pickle'.format(*element))


def _work(folder: str, element: _Element, before: Iterable[None]) -> None:
  """Works on an item, in a worker; leaves what it finds in a file."""
  del before  # What it stands for is in files.
  path, tasks = _path(folder, element), os.path.join(folder, _TASKS)
  # Without the tasks, this worker does not see the folder. The process that
  # evaluates misses the file and says so.
  if os.path.exists(path) or not os.path.exists(tasks):
    return
  with _lock, own_settings.computing():
    files.write_text(path + _BEGUN, f'{socket.gethostname()} {os.getpid()}')
    try:
      found = _tasks(tasks)(*element[1:])
    except errors.UsageError as e:
      found = e
  with files.atomic_file(path) as file:
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

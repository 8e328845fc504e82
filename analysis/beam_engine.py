"""Spreads an evaluation over the workers of an Apache Beam runner.

  engine = beam_engine.BeamEngine('DirectRunner', '--direct_num_workers=2 ...')
  experiment.evaluate(model_dir, config, engine=engine)

Each item of a stage (see `dnc.system.spreading`) is an element of a pipeline
that does nothing else. Workers load the run by themselves, once a process, and
leave what they find in files in the folder of the evaluation. These appear
whole or not at all, and an item that has its file is not worked on again. So it
does not matter how often or in which order a runner tries an element, or
whether it loses a worker. The process that evaluates reads the files in the
order of the items. Its numbers are those that it would compute by itself.

All workers must see the run's folder under the same path. The only module that
imports Beam, and only when it is needed.
"""

from __future__ import annotations

from collections.abc import Hashable
from collections.abc import Iterator
from collections.abc import Sequence
import contextlib
import dataclasses
import functools
import io
import os
import pickle
import shlex
import shutil
import threading
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
_TASKS = 'tasks.pickle'
# How often a pipeline is started for items that lack their file.
_TRIES = 3
_SECONDS_BETWEEN_COUNTS = 0.5

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
      self._options = _parsed(options)
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
    return dataclasses.replace(run, workers=Workers(self, run, source))

  def work(self, folder: str, elements: Sequence[tuple[int, int]]) -> None:
    """Runs a pipeline of elements, each the numbers of a task and an item."""
    import apache_beam as beam

    with beam.Pipeline(_RUNNERS[self.runner], self._options()) as pipeline:
      _ = (
        pipeline
        | 'items' >> beam.Create(list(elements))
        | 'work' >> beam.Map(functools.partial(_work, folder))
      )


def _parsed(text: str) -> Any:
  """Returns a function that makes Beam's options of a text."""
  from apache_beam.options import pipeline_options

  words = shlex.split(text)
  make = functools.partial(pipeline_options.PipelineOptions, words)
  said = io.StringIO()
  try:
    # argparse writes to stderr and exits.
    with contextlib.redirect_stderr(said):
      known = pipeline_options.PipelineOptions([]).get_all_options()
      given = make().get_all_options(retain_unknown_options=True)
  except SystemExit as e:
    reason = said.getvalue().strip().rpartition('error: ')[2]
    raise errors.UsageError(f'--runner_options={text}: {reason}') from e
  unknown = set(given) - set(known)
  if unknown:
    raise errors.UsageError(
      f'--runner_options={text}: Beam has no option --{min(unknown)}'
    )
  return make


class Workers:
  """The workers of an engine, for one run."""

  def __init__(
    self, engine: BeamEngine, run: evaluated_run.EvaluatedRun, source: _Source
  ):
    """Constructs it.

    Args:
      engine: the engine.
      run: the run, for its folder and console.
      source: where workers find it.
    """
    self._engine = engine
    self._console = run.console
    self._folder = os.path.join(os.path.abspath(run.folder), _FOLDER)
    self._source = source
    # By key, the files of what was found, in the order of the items.
    self._found: dict[Hashable, list[str]] = {}
    self._num_pipelines = 0

  def __call__(self, make: evaluated_run.Make) -> spreading.Spread:
    """The spread of a stage."""

    def spread(work, items, *arguments):
      task = spreading.Task(make, work, items, arguments)
      if _key(task) not in self._found:
        self.prepare([task])
      return self._results(task)

    return spread

  def prepare(self, tasks: Sequence[spreading.Task]) -> None:
    """Does tasks in one pipeline: to start workers takes long.

    Args:
      tasks: what later calls of spreads will ask for.

    Raises:
      UsageError: if workers do not see the folder.
    """
    if not self._num_pipelines:  # A killed evaluation may have left some.
      shutil.rmtree(self._folder, ignore_errors=True)
    self._num_pipelines += 1
    folder = os.path.join(self._folder, str(self._num_pipelines))
    with files.atomic_file(os.path.join(folder, _TASKS)) as file:
      pickle.dump((self._source, list(tasks)), file)
    paths = {
      (i, j): _path(folder, i, j)
      for i, task in enumerate(tasks)
      for j in range(len(task.items))
    }
    for i, task in enumerate(tasks):
      self._found[_key(task)] = [p for (k, _), p in paths.items() if k == i]
    with (
      progress.Stage(self._console, 'on workers', len(paths), 'parts') as stage,
      _counting(folder, stage),
    ):
      self._run(folder, paths)
    os.unlink(os.path.join(folder, _TASKS))

  def _run(self, folder: str, paths: dict[tuple[int, int], str]) -> None:
    failure = None
    for _ in range(_TRIES):
      missing = [x for x, path in paths.items() if not os.path.exists(path)]
      if not missing:
        return
      try:
        self._engine.work(folder, missing)
        failure = None
      except Exception as e:  # Of any type: it is the runner's.
        failure = e
    missing = [x for x, path in paths.items() if not os.path.exists(path)]
    if not missing:
      return
    if failure is not None:
      raise failure
    raise errors.UsageError(
      f'--runner={self._engine.runner}: its workers do not see '
      f'{os.path.dirname(self._folder)}; choose a --model_dir that all workers '
      'see under the same path'
    )

  def _results(self, task: spreading.Task) -> Iterator[Any]:
    for path in self._found.pop(_key(task)):
      with open(path, 'rb') as file:
        found = pickle.load(file)
      os.unlink(path)
      if isinstance(found, errors.UsageError):
        raise found
      yield from found
    for folder in (self._folder, os.path.dirname(path)) if task.items else ():
      with contextlib.suppress(OSError):  # Not empty.
        os.rmdir(folder)


def _key(task: spreading.Task) -> Hashable:
  """Equal tasks have equal keys."""
  about = repr(task.make), task.work, repr(task.items)
  return (*about, pickle.dumps(task.arguments))


def _path(folder: str, task: int, item: int) -> str:
  return os.path.join(folder, f'{task}_{item}.pickle')


@contextlib.contextmanager
def _counting(folder: str, stage: progress.Stage) -> Iterator[None]:
  """Shows how many files there are, as long as it lasts."""
  over = threading.Event()

  def count():
    while not over.wait(_SECONDS_BETWEEN_COUNTS):
      stage.done(sum(x.endswith('.pickle') for x in os.listdir(folder)) - 1)

  thread = threading.Thread(target=count, daemon=True)
  thread.start()
  try:
    yield
  finally:
    over.set()
    thread.join()


def _work(folder: str, element: tuple[int, int]) -> None:
  """Works on an item, in a worker; leaves what it finds in a file."""
  task, item = element
  path, tasks = _path(folder, task, item), os.path.join(folder, _TASKS)
  # Without the tasks, this worker does not see the folder. The process that
  # evaluates misses the file and says so.
  if os.path.exists(path) or not os.path.exists(tasks):
    return
  with _lock, own_settings.computing():
    command_line.load_tensorflow()
    try:
      found = _tasks(tasks)(task, item)
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
    return pickle.loads(make)(_run(source))

  def work(task: int, item: int) -> list[Any]:
    task = tasks[task]
    items = task.items[item : item + 1]
    made = stage(pickle.dumps(task.make))
    return list(task.work(made, items, *task.arguments))

  return work


@functools.lru_cache(maxsize=1)
def _run(source: _Source) -> evaluated_run.EvaluatedRun:
  """Loads the run."""
  from analysis import evaluated_run
  from dnc.training import checkpoints

  run = evaluated_run.load(
    source.model_dir,
    source.evaluation,
    source.data_dir,
    source.checkpoint,
    progress.as_console(None),
  )
  if checkpoints.fingerprint(run.trained.model) != source.fingerprint:
    raise errors.UsageError(
      f'{source.model_dir}: a worker found other weights; do not train the '
      'run while it is evaluated'
    )
  return run

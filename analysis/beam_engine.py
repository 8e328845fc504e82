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

The process that evaluates reads the files in the order of the items. Its
numbers are those that it would compute by itself.

All workers must see the run's folder under the same path. The only module that
imports Beam, and only when it is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Hashable
from collections.abc import Sequence
import contextlib
import dataclasses
import functools
import io
import itertools
import logging
import math
import os
import pickle
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING
from typing import Any

from analysis import work_files
from dnc import config as config_lib
from dnc.system import command_line
from dnc.system import errors
from dnc.system import progress
from dnc.system import spreading

if TYPE_CHECKING:
  from analysis import evaluated_run

# Names of Beam's runners, and what they are to it. Beam's own DirectRunner
# would choose among runners and ignore the number of workers with some.
_RUNNERS = {x: x for x in config_lib.RUNNERS} | {'DirectRunner': 'FnApiRunner'}
_FOLDER = '.workers'
# A file there: what workers and their runner say.
_LOG = 'log'
_LAUNCH = 'from analysis import beam_engine; beam_engine.launch()'
# How often a pipeline may fail before any item has its file.
_TRIES = 2
_SECONDS_BETWEEN_LOOKS = 0.5
# After how long without any worker to say so.
_SECONDS_TO_BEGIN = 120
# Beam's options that say where a runner and its workers are to be found.
_PLACES = (
  'job_endpoint',
  'flink_master',
  'spark_master_url',
  'environment_type',
  'environment_config',
)
# How long a runner may take to end once all results are there.
_SECONDS_TO_END = 10


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
    elements: Sequence[work_files.Element],
    left: Callable[[int], None],
    say: Callable[[str], None],
  ) -> str:
    """Runs a pipeline of elements.

    A process of its own runs it: some runners wait forever for a worker that
    was killed, and all of them talk.

    Args:
      folder: of tasks and results.
      elements: what to work on, by level.
      left: takes, now and then, how many have no result yet.
      say: takes a line if no worker begins.

    Returns:
      What went wrong, in a line; '' if nothing did. Results may lack anyway.
    """
    work_files.forget_begun(folder, elements)  # By an earlier pipeline.
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
      silence = time.monotonic() + _SECONDS_TO_BEGIN
      while launcher.poll() is None:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
        missing = work_files.missing(folder, elements)
        left(len(missing))
        if not missing:
          with contextlib.suppress(subprocess.TimeoutExpired):
            launcher.wait(_SECONDS_TO_END)
          return ''
        if time.monotonic() > silence:
          silence = math.inf
          if not work_files.have_begun(folder, elements):
            say(f'{self._waiting()}; see {log.name}')
        lost = {work_files.lost_by(folder, x) for x in missing}
        # The launcher may itself be the worker: then it will say what it was.
        if lost - {None, launcher.pid}:
          return 'a worker was lost'
      return _last_line(log.name) if launcher.returncode else ''
    finally:
      with contextlib.suppress(ProcessLookupError):
        os.killpg(launcher.pid, signal.SIGKILL)
      launcher.wait()

  def _waiting(self) -> str:
    """What is waited for if no worker begins, and what to check."""
    from apache_beam.options import pipeline_options

    given = pipeline_options.PipelineOptions(self._words).get_all_options(
      drop_default=True
    )
    said = [f'--{x}={given[x]}' for x in _PLACES if given.get(x)]
    return (
      f'--runner={self.runner}: still waits for its first worker to begin, '
      f'after {_SECONDS_TO_BEGIN} seconds; check '
      + (' and '.join(said) or '--runner_options')
    )


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
          functools.partial(work_files.work, folder), beam.pvalue.AsIter(before)
        )
      )


def _end_with(parent: int) -> None:
  """Ends this process and its workers if the parent has ended."""
  while os.getppid() == parent:
    time.sleep(_SECONDS_BETWEEN_LOOKS)
  os.killpg(0, signal.SIGKILL)


def _last_line(log: str) -> str:
  """The end of a log: what went wrong."""
  with open(log, encoding='utf-8', errors='replace') as file:
    lines = [line.strip() for line in file if line.strip()]
  if lines and lines[-1] == '>':  # The end of an error of gRPC.
    details = 'details = '
    lines += [
      x.removeprefix(details).strip('"') for x in lines if details in x
    ][-1:]
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
    self._found: dict[Hashable, work_files.TaskFiles] = {}
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
      paths = [work_files.result_path(folder, element) for element in own]
      self._found[_key(task)] = work_files.TaskFiles(paths)
      elements += own
      arguments = [self._argument(task.make, x) for x in task.arguments]
      ready.append(task._replace(arguments=tuple(arguments)))
    if not elements:
      return
    if not self._num_pipelines:  # A killed evaluation may have left some.
      shutil.rmtree(self._folder, ignore_errors=True)
    self._num_pipelines += 1
    work_files.write_tasks(folder, self._source, ready)
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
    elements: Sequence[work_files.Element],
    report: Callable[[int], None],
  ) -> None:
    problem, num_tries, left = '', 0, work_files.missing(folder, elements)
    while left and num_tries < _TRIES:
      problem = self._engine.work(folder, left, report, self._console)
      before, left = left, work_files.missing(folder, elements)
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

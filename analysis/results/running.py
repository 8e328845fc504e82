"""Runs the trainings and evaluations that are missing, one after the other.

Each is a process of train.py or evaluate.py, so Ctrl-C and a later run of the
same command lose nothing.
"""

from collections.abc import Iterator
from collections.abc import Sequence
import shlex
import signal
import subprocess
import sys

from analysis.results import keeping
from analysis.results import kinds as kinds_lib
from analysis.results import reading
from dnc.config import runs
from dnc.system import command_line
from dnc.system import errors
from dnc.system import progress


def is_evaluated(kind: kinds_lib.Kind, seed: int) -> bool:
  """Whether a run of this kind is here, with its evaluation."""
  return _read_run(kind, seed) is not None


def _read_run(
  kind: kinds_lib.Kind, seed: int
) -> reading.EvaluatedNumbers | None:
  model_dir = kind.model_dir(seed)
  if not runs.is_finished(model_dir):
    return None
  return reading.read(model_dir, kind.training(seed), kind.evaluation())


def read(
  kind: kinds_lib.Kind, seed: int, folder: str
) -> reading.EvaluatedNumbers | None:
  """Returns the numbers of a model, from its run here or else from `folder`.

  Numbers from the run are also written to the folder. None if the model has not
  been trained and evaluated.
  """
  found = _read_run(kind, seed)
  if found is None:
    return keeping.read(folder, kind, seed)
  keeping.write(folder, kind, seed, found)
  return found


def plan(names: Sequence[str], num_models: int, folder: str) -> Iterator[str]:
  """Yields a line for each kind with its models, and one with what will run."""
  to_train, to_evaluate = set(), set()  # Kinds may share runs.
  for name in names:
    kind = kinds_lib.KINDS[name]
    seeds = range(kind.number(num_models))
    model_dirs = [kind.model_dir(seed) for seed in seeds]
    trained = [x for x in model_dirs if runs.is_finished(x)]
    evaluated = [
      kind.model_dir(x) for x in seeds if read(kind, x, folder) is not None
    ]
    line = (
      f'{name}: {len(evaluated)} of {len(seeds)} evaluated, {len(trained)} '
      'trained here'
    )
    if trained:
      seconds = sum(map(reading.training_seconds, trained)) / len(trained)
      line += f'; a training takes {progress.duration(seconds)}'
    yield line
    to_train |= {*model_dirs} - {*trained} - {*evaluated}
    to_evaluate |= {*model_dirs} - {*evaluated}
  yield f'to run: {len(to_train)} trainings, {len(to_evaluate)} evaluations'


def run_missing(names: Sequence[str], num_models: int, folder: str) -> None:
  """Trains and evaluates what is missing, the first seed of all kinds first.

  Raises:
    UsageError: if a process fails.
    KeyboardInterrupt: after Ctrl-C or SIGTERM, once the process has ended.
  """
  for seed in range(num_models):
    for kind in (kinds_lib.KINDS[name] for name in names):
      if seed >= kind.number(num_models):
        continue
      if read(kind, seed, folder) is not None:
        continue
      model_dir = kind.model_dir(seed)
      if not runs.is_finished(model_dir):
        _run('train.py', *kind.flags(), f'--seed={seed}')
      _run('evaluate.py', *kind.evaluation_flags(), f'--model_dir={model_dir}')
      if read(kind, seed, folder) is None:
        raise errors.UsageError(f'{model_dir}: its evaluation lacks numbers')


def _run(*words: str) -> None:
  """Runs one of our scripts in this folder."""
  shown = shlex.join(['python', *words])
  print(f'\n{shown}', flush=True)
  # Shells start background jobs with Ctrl-C ignored.
  ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
  process, is_stopped, is_told = None, False, False

  def stop(*_):
    nonlocal is_stopped, is_told
    is_stopped = True
    if process is not None and not is_told:
      is_told = True
      process.send_signal(signal.SIGTERM if ignored else signal.SIGINT)

  before = {}
  try:
    # SIGTERM ends the process, too; the default would leave it running.
    for number in (signal.SIGTERM, *([] if ignored else [signal.SIGINT])):
      before[number] = signal.signal(number, stop)
    # In a process group of its own, the process is signalled only by this one.
    process = subprocess.Popen([sys.executable, *words], process_group=0)
    if is_stopped:  # While the process was started.
      stop()
    status = process.wait()
  finally:
    for number, handler in before.items():
      signal.signal(number, handler)
  if is_stopped or status == command_line.EXIT_INTERRUPTED:
    raise KeyboardInterrupt
  if status:
    raise errors.UsageError(f'{shown} ended with status {status}')

"""A trained run under evaluation: its model, its traces, its results."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import functools
import os
from typing import Any
from typing import Protocol

import numpy as np

from analysis.common import tables
from dnc import config as config_lib
from dnc import tasks
from dnc import traces as traces_lib
from dnc.config import runs
from dnc.config import settings
from dnc.dsprites import table as table_lib
from dnc.dsprites import variation
from dnc.next_sprite import recording
from dnc.next_sprite import rollouts
from dnc.system import errors
from dnc.system import progress
from dnc.system import spreading
from dnc.traces import writing
from dnc.training import checkpoints

_TRACES_DIR = 'traces'
# Fewest unseen rollouts of Test 1: an interval needs more than one.
_MIN_UNSEEN, _MIN_UNSEEN_ISOLATED = 2, 20


@dataclasses.dataclass(frozen=True)
class TraceRequest:
  """Traces that a test needs.

  Attributes:
    name: prefix of the folder's name.
    splits: the rollouts of each split.
    representations: what to record at each step.
  """

  name: str
  splits: Mapping[str, rollouts.RolloutRange]
  representations: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class ProbeRequests:
  """The traces of Test 1.

  Attributes:
    trained: traces in which latents vary as in training.
    isolated: by latent, traces in which only that latent varies.
  """

  trained: TraceRequest
  isolated: Mapping[str, TraceRequest]

  def all(self) -> list[TraceRequest]:
    """Returns all requests."""
    return [self.trained, *self.isolated.values()]


# Makes a stage from a run, see `spreading`; can be pickled.
Make = Callable[['EvaluatedRun'], Any]


class Workers(Protocol):
  """Other processes, each of which loads the run and makes its stages."""

  def __call__(self, make: Make) -> spreading.Spread:
    """Returns what spreads the work of a stage over the workers."""

  def prepare(self, tasks: Sequence[spreading.Assignment]) -> None:
    """Does work in advance; spreads that need it later yield its results."""

  def close(self) -> None:
    """Discards the results of `prepare`."""


class Engine(Protocol):
  """Provides runs with workers."""

  def run(
    self,
    run: EvaluatedRun,
    evaluation: config_lib.EvaluationConfig,
    data_dir: str | os.PathLike[str] | None,
    checkpoint: str,
  ) -> EvaluatedRun:
    """Returns a run with workers; the other arguments are those of `load`."""


@dataclasses.dataclass(frozen=True)
class EvaluatedRun:
  """A run, its trained model, and how to evaluate it.

  Attributes:
    model_dir: the run's folder.
    task: the task that the model was trained on.
    trained: the model.
    evaluation: the settings, as `Task.evaluation_of` returns them.
    table: the sprites; None if the task has none.
    console: takes lines and progress.
    untrained: by seed, what untrained cores hold; filled by Test 1.
    workers: do the work; None: this process does it.
  """

  model_dir: str
  task: tasks.Task
  trained: tasks.TrainedModel
  evaluation: config_lib.EvaluationConfig
  table: table_lib.SpriteTable | None
  console: progress.Console
  untrained: dict[int, dict[str, np.ndarray]] = dataclasses.field(
    default_factory=dict
  )
  workers: Workers | None = None

  def spread(self, make: Make) -> spreading.Spread | None:
    """Spreads the work of a stage over workers; None if there are none."""
    return self.workers and self.workers(make)

  @property
  def folder(self) -> str:
    """The folder of the results."""
    return os.path.join(self.model_dir, runs.EVALUATION_DIR)

  def about(self) -> dict[str, Any]:
    """Describes model, data and settings, for the JSON of the results."""
    data = {}
    if self.table is not None:
      data['data_fingerprint'] = self.table.fingerprint
    return dict(
      model_dir=self.model_dir,
      num_updates=self.trained.num_updates,
      model_fingerprint=checkpoints.fingerprint(self.trained.model),
      **data,
      training=dataclasses.asdict(self.trained.config),
      evaluation=self._settings(),
    )

  def _settings(self) -> dict[str, Any]:
    """The settings of the evaluation that the task's tests use."""
    about = settings.of(config_lib.EvaluationConfig)
    return {
      name: value
      for name, value in dataclasses.asdict(self.evaluation).items()
      if name not in about
      or not about[name].tests
      or set(about[name].tests) & set(self.task.tests)
    }

  def write(self, name: str, text: str, data: Mapping[str, Any]) -> None:
    """Writes the tables of a test as `<name>.md` and `<name>.json`."""
    tables.write(self.folder, name, text, data)

  # The rest is for tasks with sprites.

  @functools.cached_property
  def widths(self) -> dict[str, int]:
    """Numbers per step of each representation, and of the loss."""
    return recording.widths(self.trained.config)

  def spec(self) -> rollouts.RolloutSpec:
    """The rollouts of Tests 1, 3 and 4."""
    return rollouts.evaluation_spec(self.evaluation, self.trained.config)

  def probed(self) -> tuple[str, ...]:
    """The representations that Test 1 probes."""
    return recording.probed(self.evaluation, self.widths)

  def for_probe(self) -> ProbeRequests:
    """Returns the traces of Test 1.

    Traces in which only one latent varies hold only the probed representations.
    """
    exported = recording.exported(self.evaluation, self.widths)
    probed = self.probed()
    # The folder's name lists what is recorded if it is not the default.
    default = config_lib.EvaluationConfig()
    names, suffix = ['probe'], ''
    if exported != recording.exported(default, self.widths):
      names += exported
    if probed != recording.probed(default, self.widths):
      suffix = '_'.join(['', *probed])
    spec, number = self.spec(), self.evaluation.num_rollouts
    splits = _splits(spec, number, _MIN_UNSEEN)
    isolated = {}
    if self.evaluation.num_isolated:
      for latent in spec.varying:
        isolated[latent] = TraceRequest(
          f'probe_alone{suffix}',
          _splits(
            dataclasses.replace(spec, varying=(latent,)),
            self.evaluation.num_isolated,
            _MIN_UNSEEN_ISOLATED,
          ),
          probed,
        )
    trained = TraceRequest('_'.join(names), splits, exported)
    return ProbeRequests(trained, isolated)

  def for_mutual_information(
    self, representations: Iterable[str]
  ) -> TraceRequest:
    """The traces of Test 2."""
    spec = rollouts.moving_spec(self.evaluation, self.trained.config)
    split = rollouts.RolloutRange(spec, 0, self.evaluation.num_sequences)
    return TraceRequest('mi', dict(sequences=split), tuple(representations))

  def _model_traces(self, request: TraceRequest) -> recording.ModelTraces:
    splits = request.splits.values()
    sizes = '+'.join(str(split.num_rollouts) for split in splits)
    num_updates = self.trained.num_updates
    name = (
      f'{request.name}{_confined(next(iter(splits)).spec)}_{sizes}'
      f'x{self.evaluation.rollout_length}_seed{self.evaluation.seed}'
      f'_update{num_updates}'
    )
    return recording.ModelTraces(
      path=os.path.join(self.folder, _TRACES_DIR, name),
      predictor=self.trained.model,
      table=self.table,
      splits=request.splits,
      widths={name: self.widths[name] for name in request.representations},
      metadata=dict(num_updates=num_updates, run=self.trained.config.name()),
    )

  def check_space(self, requests: Iterable[TraceRequest]) -> None:
    """Checks and reports the disk space that traces need; writes no traces.

    Args:
      requests: all traces that the tests need.

    Raises:
      UsageError: if the disk has too little space, or a folder holds other
        traces.
    """
    writing.check_space(
      os.path.join(self.folder, _TRACES_DIR),
      [self._model_traces(request).plan() for request in requests],
      self.console,
    )

  def traces(self, request: TraceRequest) -> traces_lib.Traces:
    """Opens traces, after writing those that are missing."""
    spread = self.spread(functools.partial(_exporting, request))
    return self._model_traces(request).export(self.console, spread)

  def export(
    self,
    requests: Sequence[TraceRequest],
    others: Sequence[spreading.Assignment],
  ) -> None:
    """Has workers write all traces, and do `others`, which need no traces."""
    exports, tasks = [], []
    for request in requests:
      export = self._model_traces(request).plan()
      if not export.is_finished:
        export.begin(self.console)
        make = functools.partial(_exporting, request)
        write = recording.ModelTraces.write
        tasks.append(spreading.Assignment(make, write, export.missing))
        exports.append(export)
    self.workers.prepare([*tasks, *others])
    for export, task in zip(exports, tasks):
      list(self.workers(task.make)(task.work, task.items))
      export.finish()


def load(
  model_dir: str,
  evaluation: config_lib.EvaluationConfig,
  data_dir: str | None,
  checkpoint: str,
  console: progress.Console,
) -> EvaluatedRun:
  """Restores a run's model, and loads the data of its task.

  Args:
    model_dir: the run's folder.
    evaluation: how to evaluate it.
    data_dir: where the table of sprites is kept; TFDS's folder by default.
    checkpoint: which checkpoint: `newest`, or `best` by validation.
    console: takes lines and progress.

  Raises:
    UsageError: if there is no such run or no readable checkpoint, or the task
      has none of the requested tests.
  """
  task = tasks.get(runs.load(model_dir).TASK)
  if not set(evaluation.tests) & set(task.tests):
    raise errors.UsageError(
      f'--test={evaluation.tests[0]}: {model_dir} is a run of '
      f'--task={task.name}, which has only --test={"|".join(task.tests)}'
    )
  trained = task.restore(model_dir, checkpoint, console)
  tests = tuple(test for test in evaluation.tests if test in task.tests)
  evaluation = dataclasses.replace(evaluation, tests=tests)
  evaluation = task.evaluation_of(trained.config, evaluation)
  return EvaluatedRun(
    model_dir=model_dir,
    task=task,
    trained=trained,
    evaluation=evaluation,
    table=task.load_table(trained.config, evaluation, data_dir),
    console=console,
  )


def _exporting(
  request: TraceRequest, run: EvaluatedRun
) -> recording.ModelTraces:
  return run._model_traces(request)


def _splits(
  spec: rollouts.RolloutSpec, number: int, min_unseen: int
) -> dict[str, rollouts.RolloutRange]:
  """Training rollouts and unseen ones: a tenth, but at least `min_unseen`."""
  return dict(
    train=rollouts.RolloutRange(spec, 0, number),
    test=rollouts.RolloutRange(spec, number, max(min_unseen, -(-number // 10))),
  )


def _confined(spec: rollouts.RolloutSpec) -> str:
  """Returns the part of a folder's name that says how rollouts are confined."""
  usual = variation.resolve(None, spec.fixed)[0]
  if spec.stream == 'mutual_information':
    usual = rollouts.MOVING
  name = ''
  if spec.varying != usual:
    name += f'_varying-{"-".join(spec.varying)}'
  if spec.fixed:
    name += f'_fixed-{"-".join(f"{k}{v}" for k, v in spec.fixed)}'
  return name

"""A trained run that is evaluated: its rollouts, its traces, its folder."""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
import dataclasses
import functools
import os
from typing import Any

from analysis.common import tables
from dnc import config as config_lib
from dnc.dsprites import table as table_lib
from dnc.dsprites import variation
from dnc.next_sprite import model as predictor_lib
from dnc.next_sprite import recording as exports
from dnc.next_sprite import rollouts
from dnc.traces import reading as traces_lib
from dnc.traces import writing as trace_export
from dnc.training import checkpoints

_TRACES_DIR = 'traces'
# Unseen rollouts of Test 1: an interval wants more than one.
_LEAST_UNSEEN, _LEAST_ALONE = 2, 20

Log = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Wanted:
  """Traces that a test asks for.

  Attributes:
    name: what their folder's name begins with.
    splits: which rollouts.
    representations: what of each step.
    is_untrained: whether of an untrained core of the same sizes.
  """

  name: str
  splits: Mapping[str, rollouts.RolloutRange]
  representations: tuple[str, ...]
  is_untrained: bool = False


@dataclasses.dataclass(frozen=True)
class EvaluatedRun:
  """A trained model, and what it is evaluated with.

  Attributes:
    training: how it was trained.
    evaluation: how it is evaluated.
    predictor: the model.
    num_updates: after how many updates.
    table: the sprites.
    folder: where results go, in the run's folder.
    log: takes a line of progress now and then, and the tables.
  """

  training: config_lib.TrainingConfig
  evaluation: config_lib.EvaluationConfig
  predictor: predictor_lib.SpritePredictor
  num_updates: int
  table: table_lib.SpriteTable
  folder: str
  log: Log

  @functools.cached_property
  def widths(self) -> dict[str, int]:
    """Numbers per step of all that the core has."""
    return exports.widths(self.training)

  @functools.cached_property
  def untrained(self) -> predictor_lib.SpritePredictor:
    """The model before its first update."""
    return predictor_lib.SpritePredictor(self.training)

  def spec(self) -> rollouts.RolloutSpec:
    """The rollouts of Tests 1 and 3."""
    return rollouts.evaluation_spec(self.evaluation)

  def about(self) -> dict[str, Any]:
    """What the results are of, for their JSON."""
    return dict(
      model_dir=os.path.dirname(self.folder),
      num_updates=self.num_updates,
      model_fingerprint=checkpoints.fingerprint(self.predictor),
      data_fingerprint=self.table.fingerprint,
      training=dataclasses.asdict(self.training),
      evaluation=dataclasses.asdict(self.evaluation),
    )

  def write(self, name: str, text: str, data: Mapping[str, Any]) -> None:
    """Prints a report and writes it."""
    paths = tables.write(self.folder, name, text, data)
    self.log(f'\n{text}\nwritten: {", ".join(paths)}')

  def for_probe(self) -> dict[str, Wanted]:
    """The traces of Test 1.

    Returns:
      `trained`; `untrained`, unless the model is that itself; and by its name
      each latent that is probed in isolation.
    """
    probed = exports.probed(self.evaluation, self.widths)
    exported = exports.exported(self.evaluation, self.widths)
    usual = config_lib.EvaluationConfig()
    name = 'probe'
    if exported != exports.exported(usual, self.widths):
      name = '_'.join([name, *exported])
    # Of the controls only what is probed is written.
    of_probed = ''
    if probed != exports.probed(usual, self.widths):
      of_probed = f'_{"_".join(probed)}'
    spec, number = self.spec(), self.evaluation.num_rollouts
    splits = _splits(spec, number, _LEAST_UNSEEN)
    wanted = dict(trained=Wanted(name, splits, exported))
    if not self.training.freeze_core:
      name = f'probe_untrained{of_probed}'
      wanted['untrained'] = Wanted(name, splits, probed, is_untrained=True)
    if self.evaluation.num_isolated:
      for latent in spec.varying:
        splits = _splits(
          dataclasses.replace(spec, varying=(latent,)),
          self.evaluation.num_isolated,
          _LEAST_ALONE,
        )
        wanted[latent] = Wanted(f'probe_alone{of_probed}', splits, probed)
    return wanted

  def for_mutual_information(self, representations: Iterable[str]) -> Wanted:
    """The traces of Test 2."""
    split = rollouts.RolloutRange(
      rollouts.moving_spec(self.evaluation), 0, self.evaluation.num_sequences
    )
    return Wanted('mi', dict(sequences=split), tuple(representations))

  def _model_traces(self, wanted: Wanted) -> exports.ModelTraces:
    splits = wanted.splits.values()
    sizes = '+'.join(str(split.num_rollouts) for split in splits)
    num_updates = 0 if wanted.is_untrained else self.num_updates
    name = (
      f'{wanted.name}{_confined(next(iter(splits)).spec)}_{sizes}'
      f'x{self.evaluation.rollout_length}_seed{self.evaluation.seed}'
      f'_update{num_updates}'
    )
    return exports.ModelTraces(
      path=os.path.join(self.folder, _TRACES_DIR, name),
      predictor=self.untrained if wanted.is_untrained else self.predictor,
      table=self.table,
      splits=wanted.splits,
      widths={name: self.widths[name] for name in wanted.representations},
      metadata=dict(num_updates=num_updates, run=self.training.name()),
    )

  def check_space(self, wanted: Iterable[Wanted]) -> None:
    """Says what traces will take on the disk, before any is written.

    Args:
      wanted: all that the tests ask for.

    Raises:
      UsageError: if the disk has too little space, or a folder holds others.
    """
    trace_export.check_space(
      os.path.join(self.folder, _TRACES_DIR),
      [self._model_traces(each).plan() for each in wanted],
      self.log,
    )

  def traces(self, wanted: Wanted) -> traces_lib.Traces:
    """Writes traces, or finds them written."""
    return self._model_traces(wanted).export(self.log)


def _splits(
  spec: rollouts.RolloutSpec, number: int, least: int
) -> dict[str, rollouts.RolloutRange]:
  """Rollouts to train probes on, and a tenth as many unseen ones, or more."""
  return dict(
    train=rollouts.RolloutRange(spec, 0, number),
    test=rollouts.RolloutRange(spec, number, max(least, -(-number // 10))),
  )


def _confined(spec: rollouts.RolloutSpec) -> str:
  """For a folder's name: how a test's rollouts differ from the usual."""
  usual = variation.resolve(None, spec.fixed)[0]
  if spec.stream == 'mutual_information':
    usual = rollouts.MOVING
  name = ''
  if spec.varying != usual:
    name += f'_varying-{"-".join(spec.varying)}'
  if spec.fixed:
    name += f'_fixed-{"-".join(f"{k}{v}" for k, v in spec.fixed)}'
  return name

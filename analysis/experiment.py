"""The second half of the experiment: from a trained run to its reports.

What `evaluate.py` does, without flags: `evaluate` restores a run's model,
scores its predictions, writes its traces and puts them to Test 1 and Test 2.
Everything is left in the run's folder, under `evaluation/`:

  prediction.json, predictions.png   how well the model predicts
  traces/                            what it held, as TFDS datasets
  probe.md, probe.json               Test 1
  mutual_information.md, .json       Test 2
"""

from collections.abc import Callable
from collections.abc import Mapping
import dataclasses
import glob
import math
import os
import shutil
from typing import Any

import tensorflow as tf

from analysis import mutual_information
from analysis import mutual_information_tables
from analysis import probe
from analysis import probe_inputs
from analysis import probe_tables
from analysis import tables
from dnc import config as config_lib
from dnc import errors
from dnc import evaluation
from dnc import files
from dnc import predictor as predictor_lib
from dnc import rollouts
from dnc import traces as traces_lib
from dnc import training
from dnc.dsprites import sprites
from dnc.dsprites import variation

EVALUATION_DIR = 'evaluation'

# Rollouts on which predictions are scored.
_NUM_SCORED = 16
_MAGNIFICATION = 2
# Unseen rollouts in which one latent varies.
_LEAST_ALONE = 20
# What varies in Test 2's sequences.
_MOVING = ('x_position',)

Log = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class _Run:
  """A trained model, and what it is evaluated with."""

  training: config_lib.TrainingConfig
  evaluation: config_lib.EvaluationConfig
  predictor: predictor_lib.SpritePredictor
  num_updates: int
  table: sprites.SpriteTable
  folder: str
  log: Log

  def spec(self, stream: str) -> rollouts.RolloutSpec:
    """The rollouts of a stream: of Test 1, or with only x moving of Test 2."""
    length = longest = self.evaluation.rollout_length
    varying, fixed = self.evaluation.varying, self.evaluation.fixed
    if stream != 'evaluation':
      longest, varying = 2 * length, _MOVING
      fixed = [pair for pair in fixed if pair[0] not in _MOVING]
    return rollouts.RolloutSpec(
      seed=self.evaluation.seed,
      stream=stream,
      min_length=length,
      max_length=longest,
      varying=varying,
      fixed=fixed,
    )

  def about(self) -> dict[str, Any]:
    """What the results are of, for their JSON."""
    return dict(
      model_dir=os.path.dirname(self.folder),
      num_updates=self.num_updates,
      model_fingerprint=evaluation.fingerprint(self.predictor),
      data_fingerprint=self.table.fingerprint,
      training=dataclasses.asdict(self.training),
      evaluation=dataclasses.asdict(self.evaluation),
    )

  def traces(
    self,
    test: str,
    splits: Mapping[str, evaluation.Split],
    representations: tuple[str, ...],
    untrained: predictor_lib.SpritePredictor | None = None,
  ) -> traces_lib.Traces:
    """Writes the traces of a test, or finds them written.

    Args:
      test: what their name begins with.
      splits: which rollouts.
      representations: what to record.
      untrained: a model without updates, in place of the run's.

    Returns:
      The traces.
    """
    num_updates = self.num_updates if untrained is None else 0
    widths = predictor_lib.widths(self.training)
    sizes = '+'.join(str(split.num_rollouts) for split in splits.values())
    spec = next(iter(splits.values())).spec
    path = os.path.join(
      self.folder,
      'traces',
      f'{test}{_confined(spec)}_{sizes}x{self.evaluation.rollout_length}'
      f'_seed{self.evaluation.seed}_update{num_updates}',
    )
    verb = 'reading' if os.path.exists(path) else 'writing'
    self.log(f'traces: {verb} {path}')
    return evaluation.export_traces(
      path,
      untrained or self.predictor,
      self.table,
      splits,
      {name: widths[name] for name in representations},
      dict(num_updates=num_updates, run=self.training.name()),
      log=self.log,
    )

  def write(self, name: str, text: str, data: Mapping[str, Any]) -> None:
    """Prints a report and writes it."""
    paths = tables.write(self.folder, name, text, data)
    self.log(f'\n{text}\nwritten: {", ".join(paths)}')


def _confined(spec: rollouts.RolloutSpec) -> str:
  """For a folder's name: how a test's rollouts differ from the usual."""
  usual = variation.resolve(None, spec.fixed)[0]
  if spec.stream == 'mutual_information':
    usual = _MOVING
  name = ''
  if spec.varying != usual:
    name += f'_varying-{"-".join(spec.varying)}'
  if spec.fixed:
    name += f'_fixed-{"-".join(f"{k}{v}" for k, v in spec.fixed)}'
  return name


def evaluate(
  model_dir: str,
  config: config_lib.EvaluationConfig,
  data_dir: str | None = None,
  log: Log = print,
  checkpoint: str = 'newest',
) -> dict[str, Any]:
  """Puts a trained model to the tests.

  Args:
    model_dir: the folder of its run.
    config: which tests, on what.
    data_dir: where the table of sprites is kept; TFDS's folder by default.
    log: takes each line of progress, and the tables.
    checkpoint: which of the run: `newest`, or `best` by validation.

  Returns:
    What was found, by test: `prediction`, a dict of means per step; `probe`, a
    `probe.ProbeResult`; `mi`, a `mutual_information.MutualInformationResult`,
    not for a core without a memory.

  Raises:
    UsageError: if there is no such run, its traces are another model's, or the
      folder cannot be written.
  """
  training_config, predictor, num_updates = training.restore_predictor(
    model_dir, checkpoint, log
  )
  log(f'evaluating {model_dir} after {num_updates} updates')
  run = _Run(
    training=training_config,
    evaluation=config.for_run(training_config),
    predictor=predictor,
    num_updates=num_updates,
    table=sprites.load_table(
      config.dataset or training_config.dataset, data_dir
    ),
    folder=os.path.join(model_dir, EVALUATION_DIR),
    log=log,
  )
  tests = dict(probe=_run_probe, mi=_run_mutual_information)
  with files.explained_errors(run.folder):
    os.makedirs(run.folder, exist_ok=True)
    with files.only_writer(run.folder):
      # Nobody else writes now: these are left from processes that were killed.
      for partial in glob.glob(
        os.path.join(glob.escape(run.folder), 'traces', '*.partial')
      ):
        shutil.rmtree(partial)
      found = dict(prediction=_score_prediction(run))
      for name in config.tests:
        if name == 'mi' and 'memory' not in predictor_lib.widths(run.training):
          message = f'a run of --core={run.training.core} has no memory'
          if config.tests == ('mi',):
            raise errors.UsageError(f'--test=mi: {message}')
          log(f'no Test 2: {message}')
          continue
        found[name] = tests[name](run)
  log(f'results: {run.folder}')
  return found


def _score_prediction(run: _Run) -> dict[str, float]:
  """Scores the model's predictions and draws some."""
  scorer = evaluation.Scorer(
    run.predictor, run.table, run.spec('evaluation'), _NUM_SCORED
  )
  means = scorer.score()
  if not math.isfinite(means['loss']):
    raise errors.UsageError(
      f'{os.path.dirname(run.folder)}: the model has diverged, its loss is '
      f'{means["loss"]}; train it anew, with a lower --learning_rate'
    )
  files.write_json(
    os.path.join(run.folder, 'prediction.json'),
    dict(config=run.about(), num_rollouts=_NUM_SCORED, means=means),
  )
  picture = scorer.picture().repeat(_MAGNIFICATION, 0).repeat(_MAGNIFICATION, 1)
  with files.atomic_file(os.path.join(run.folder, 'predictions.png')) as file:
    file.write(tf.io.encode_png(picture).numpy())
  loss = {
    config_lib.SIGMOID_CROSS_ENTROPY: 'cross-entropy {:.1f} nats',
    config_lib.MEAN_SQUARED_ERROR: 'squared error {:.1f}',
  }[run.training.loss].format(means['loss'])
  run.log(
    f'prediction on unseen rollouts: {loss} an image, '
    f'{means["pixel_error"]:.2%} of pixels wrong, IoU {means["iou"]:.3f}'
  )
  return means


def _run_probe(run: _Run) -> probe.ProbeResult:
  """Test 1."""
  spec = run.spec('evaluation')
  widths = predictor_lib.widths(run.training)
  memory_fits = widths.get('memory', 0) <= run.evaluation.MAX_MEMORY
  recorded = tuple(name for name in widths if name != 'memory' or memory_fits)
  probed = run.evaluation.representations or recorded
  missing = [name for name in probed if name not in widths]
  if missing:
    raise errors.UsageError(
      f'--representations={",".join(probed)}: a run of --core='
      f'{run.training.core} has no {missing[0]}; it has {", ".join(widths)}'
    )
  name = 'probe'
  if not set(probed) <= set(recorded):
    recorded = probed
    name = '_'.join(['probe', *probed])
  # An interval wants more than one.
  splits = _splits(spec, run.evaluation.num_rollouts, 2)
  settings = dict(
    seed=run.evaluation.seed,
    representations=probed,
    num_seeds=run.evaluation.num_seeds,
    log=run.log,
  )
  untrained = None
  if not run.training.freeze_core:
    untrained = run.traces(
      f'{name}_untrained',
      splits,
      recorded,
      predictor_lib.SpritePredictor(run.training),
    )
  result = probe.run(
    run.traces(name, splits, recorded),
    run.evaluation.offsets,
    untrained=untrained,
    inputs=probe_inputs.sprite_inputs(run.table, spec),
    **settings,
  )
  result = dataclasses.replace(
    result, isolated=_isolate(run, name, recorded, settings)
  )
  kind = dict(varying=spec.varying, fixed=spec.fixed)
  run.write(
    'probe',
    probe_tables.probe_text(result, **kind),
    probe_tables.probe_data(result, run.about(), **kind),
  )
  return result


def _splits(
  spec: rollouts.RolloutSpec, number: int, least: int
) -> dict[str, evaluation.Split]:
  """Rollouts to train probes on, and a tenth as many unseen ones, or more."""
  return dict(
    train=evaluation.Split(spec, 0, number),
    test=evaluation.Split(spec, number, max(least, -(-number // 10))),
  )


def _isolate(
  run: _Run, name: str, recorded: tuple[str, ...], settings: Mapping[str, Any]
) -> dict[str, probe.ProbeResult]:
  """Test 1 on rollouts in which one latent varies, for each that may."""
  if not run.evaluation.num_isolated:
    return {}
  spec, found = run.spec('evaluation'), {}
  for latent in spec.varying:
    run.log(f'only {latent} varies:')
    alone = dataclasses.replace(spec, varying=(latent,))
    splits = _splits(alone, run.evaluation.num_isolated, _LEAST_ALONE)
    traces = run.traces(f'{name}_alone', splits, recorded)
    found[latent] = probe.run(
      traces, (0,), asked=(latent,), plant=False, centred=True, **settings
    )
  return found


def _run_mutual_information(
  run: _Run,
) -> mutual_information.MutualInformationResult:
  """Test 2."""
  spec = run.spec('mutual_information')
  if not set(_MOVING) <= set(run.training.varying):
    run.log('Test 2 moves x_position, which did not vary in training')
  split = evaluation.Split(spec, 0, run.evaluation.num_sequences)
  traces = run.traces('mi', dict(sequences=split), ('memory',))
  result = mutual_information.run(
    mutual_information.from_traces(traces, 'sequences'),
    estimator=run.evaluation.estimator,
    seed=run.evaluation.seed,
    num_sequences=run.evaluation.num_sequences,
    log=run.log,
  )
  run.write(
    'mutual_information',
    mutual_information_tables.mutual_information_text(result, spec.fixed),
    mutual_information_tables.mutual_information_data(result, run.about()),
  )
  return result

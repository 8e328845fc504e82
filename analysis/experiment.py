"""The second half of the experiment: from a trained run to its reports.

What `evaluate.py` does, without flags: `evaluate` restores a run's model,
scores its predictions, writes its traces and puts them to Test 1 and Test 2,
and the model to Test 3, which is also for runs of repeat-copy. Everything is
left in the run's folder, under `evaluation/`:

  prediction.json, predictions.png   how well the model predicts
  traces/                            what it held, as TFDS datasets
  probe.md, probe.json               Test 1
  mutual_information.md, .json       Test 2
  lesion.md, lesion.json             Test 3
"""

from collections.abc import Callable
from collections.abc import Mapping
import dataclasses
import math
import os
from typing import Any

import numpy as np
import tensorflow as tf

from analysis import lesion
from analysis import lesion_tables
from analysis import lesion_tasks
from analysis import mutual_information
from analysis import mutual_information_tables
from analysis import probe
from analysis import probe_inputs
from analysis import probe_tables
from analysis import report
from analysis import tables
from dnc import config as config_lib
from dnc import errors
from dnc import evaluation
from dnc import exports
from dnc import files
from dnc import predictor as predictor_lib
from dnc import repeat_copy_training
from dnc import rollouts
from dnc import runs
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
    predictor: predictor_lib.SpritePredictor | None = None,
    suffix: str = '',
  ) -> traces_lib.Traces:
    """Writes the traces of a test, or finds them written.

    Args:
      test: what the folder's name begins with.
      splits: which rollouts.
      representations: what to write of each step.
      predictor: another than the trained one, of the same sizes; and
      suffix: what it is called in the folder's name.

    Returns:
      The traces.
    """
    widths = predictor_lib.widths(self.training)
    sizes = '+'.join(str(split.num_rollouts) for split in splits.values())
    spec = next(iter(splits.values())).spec
    path = os.path.join(
      self.folder,
      'traces',
      f'{test}{_confined(spec)}_{sizes}x{self.evaluation.rollout_length}'
      f'_seed{self.evaluation.seed}_{suffix or f"update{self.num_updates}"}',
    )
    num_updates = 0 if predictor else self.num_updates
    return exports.export_traces(
      path,
      predictor or self.predictor,
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
  command: str = 'analysis.experiment.evaluate',
) -> dict[str, Any]:
  """Puts a trained model to the tests.

  Args:
    model_dir: the folder of its run.
    config: which tests, on what.
    data_dir: where the table of sprites is kept; TFDS's folder by default.
    log: takes each line of progress, and the tables.
    checkpoint: which of the run: `newest`, or `best` by validation.
    command: how this was asked for, for the report.

  Returns:
    What was found, by test: `prediction`, a dict of means per step; `probe`, a
    `probe.ProbeResult`; `mi`, by representation, a
    `mutual_information.MutualInformationResult`; and `lesion`, a
    `lesion.LesionResult`, not for a core without a memory; of a run of
    repeat-copy only this one.

  Raises:
    UsageError: if there is no such run, its traces are another model's, or the
      folder cannot be written.
  """
  if runs.load(model_dir, task=None).TASK == config_lib.REPEAT_COPY:
    return _evaluate_repeat_copy(model_dir, config, log, checkpoint)
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
  tests = dict(probe=_run_probe, mi=_run_mutual_information, lesion=_run_lesion)
  with files.explained_errors(run.folder):
    os.makedirs(run.folder, exist_ok=True)
    with files.only_writer(run.folder):
      found = dict(prediction=_score_prediction(run))
      for name in config.tests:
        has_memory = 'memory' in predictor_lib.widths(run.training)
        if name == 'lesion' and not has_memory:
          message = f'a run of --core={run.training.core} has no memory'
          if config.tests == (name,):
            raise errors.UsageError(f'--test={name}: {message}')
          log(f'no Test 3: {message}')
          continue
        found[name] = tests[name](run)
      if config.tests == config_lib.TESTS:
        _write_report(run, found, command)
  log(f'results: {run.folder}')
  return found


def _write_report(run: _Run, found: Mapping[str, Any], command: str) -> None:
  """Puts everything on one page."""
  scorer = _scorer(run, 1)
  has_memory = 'memory' in predictor_lib.widths(run.training)
  made = report.compose(
    {**run.about(), 'command': command},
    found,
    _magnified(scorer.picture()),
    scorer.trace_memory() if has_memory else None,
  )
  paths = report.write(run.folder, made, run.num_updates)
  run.log(f'report: {", ".join(paths)}')


def _scorer(run: _Run, num_rollouts: int) -> evaluation.Scorer:
  return evaluation.Scorer(
    run.predictor, run.table, run.spec('evaluation'), num_rollouts
  )


def _magnified(picture: np.ndarray) -> np.ndarray:
  return picture.repeat(_MAGNIFICATION, 0).repeat(_MAGNIFICATION, 1)


def _score_prediction(run: _Run) -> dict[str, float]:
  """Scores the model's predictions and draws some."""
  scorer = _scorer(run, _NUM_SCORED)
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
  picture = _magnified(scorer.picture())
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
  probed = exports.probed(run.evaluation, widths)
  exported = exports.exported(run.evaluation, widths)
  usual = exports.exported(config_lib.EvaluationConfig(), widths)
  name = 'probe' if exported == usual else '_'.join(['probe', *exported])
  # Of the controls only what is probed is written.
  all_probed = exports.probed(config_lib.EvaluationConfig(), widths)
  of_probed = '' if probed == all_probed else f'_{"_".join(probed)}'
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
      f'probe_untrained{of_probed}',
      splits,
      probed,
      predictor_lib.SpritePredictor(run.training),
      'update0',
    )
  result = probe.run(
    run.traces(name, splits, exported),
    run.evaluation.offsets,
    untrained=untrained,
    inputs=probe_inputs.sprite_inputs(run.table, spec),
    **settings,
  )
  result = dataclasses.replace(
    result, isolated=_isolate(run, f'probe_alone{of_probed}', probed, settings)
  )
  kind = dict(varying=spec.varying, fixed=spec.fixed)
  run.write(
    'probe',
    probe_tables.probe_text(result, **kind),
    probe_tables.probe_data(result, run.about(), **kind),
  )
  return result


def _layouts(config: config_lib.TrainingConfig) -> dict[str, tuple[int, ...]]:
  """Shapes of what Test 2 scores, the memory first: the post scored it."""
  controller = dict.fromkeys(
    ('controller_hidden', 'controller_cell'), (config.hidden_size,)
  )
  if config.core == config_lib.LSTM:
    return controller
  return {
    'memory': (config.memory_size, config.word_size),
    'read_words': (config.num_read_heads, config.word_size),
    **controller,
  }


def _splits(
  spec: rollouts.RolloutSpec, number: int, least: int
) -> dict[str, evaluation.Split]:
  """Rollouts to train probes on, and a tenth as many unseen ones, or more."""
  return dict(
    train=evaluation.Split(spec, 0, number),
    test=evaluation.Split(spec, number, max(least, -(-number // 10))),
  )


def _isolate(
  run: _Run, name: str, probed: tuple[str, ...], settings: Mapping[str, Any]
) -> dict[str, probe.ProbeResult]:
  """Test 1 on rollouts in which one latent varies, for each that may."""
  if not run.evaluation.num_isolated:
    return {}
  spec, found = run.spec('evaluation'), {}
  for latent in spec.varying:
    run.log(f'only {latent} varies:')
    alone = dataclasses.replace(spec, varying=(latent,))
    splits = _splits(alone, run.evaluation.num_isolated, _LEAST_ALONE)
    traces = run.traces(name, splits, probed)
    found[latent] = probe.run(
      traces, (0,), asked=(latent,), centred=True, **settings
    )
  return found


def _run_mutual_information(
  run: _Run,
) -> dict[str, mutual_information.MutualInformationResult]:
  """Test 2."""
  spec = run.spec('mutual_information')
  if not set(_MOVING) <= set(run.training.varying):
    run.log('Test 2 moves x_position, which did not vary in training')
  layouts = recorded = _layouts(run.training)
  if 'memory' not in layouts:
    core = run.training.core
    run.log(f'Test 2: --core={core} has no memory; its controller is scored')
  locations = run.evaluation.locations
  if locations is not None:
    shown = f'--locations={",".join(map(str, locations))}'
    if 'memory' not in layouts:
      raise errors.UsageError(f'{shown}: --core={core} has no memory')
    number = math.prod(layouts['memory'])
    if max(locations) >= number:
      raise errors.UsageError(
        f'{shown}: must be of 0 to {number - 1}, the numbers of this memory'
      )
    layouts = {'memory': layouts['memory']}
  split = evaluation.Split(spec, 0, run.evaluation.num_sequences)
  traces = run.traces('mi', dict(sequences=split), tuple(recorded))
  results = mutual_information.from_traces(
    traces,
    'sequences',
    layouts,
    lags=run.evaluation.lags,
    locations=locations,
    estimator=run.evaluation.estimator,
    seed=run.evaluation.seed,
    log=run.log,
  )
  run.write(
    'mutual_information',
    mutual_information_tables.mutual_information_text(results, spec.fixed),
    mutual_information_tables.mutual_information_data(results, run.about()),
  )
  return results


def _run_lesion(run: _Run) -> lesion.LesionResult:
  """Test 3."""
  evaluated = run.evaluation
  result = lesion.run(
    lesion_tasks.SpriteTask(run.predictor, run.table, run.spec('evaluation')),
    evaluated.num_lesioned,
    evaluated.lesion_step,
    evaluated.reset_interval,
    evaluated.seed,
    run.log,
  )
  run.write(
    'lesion',
    lesion_tables.lesion_text(result),
    lesion_tables.lesion_data(result, run.about()),
  )
  return result


def _evaluate_repeat_copy(
  model_dir: str, config: config_lib.EvaluationConfig, log: Log, checkpoint: str
) -> dict[str, Any]:
  """`evaluate`, of a run of repeat-copy: Test 3."""
  if 'lesion' not in config.tests:
    raise errors.UsageError(
      f'--test={config.tests[0]}: {model_dir} is a run of --task=repeat_copy, '
      'for which there is --test=lesion alone'
    )
  training_config, core, num_updates = repeat_copy_training.restore_core(
    model_dir, checkpoint, log
  )
  log(f'evaluating {model_dir} after {num_updates} updates')
  if config.tests != ('lesion',):
    log('only Test 3: the others are for runs of --task=dsprites')
  folder = os.path.join(model_dir, EVALUATION_DIR)
  with files.explained_errors(folder):
    os.makedirs(folder, exist_ok=True)
    with files.only_writer(folder):
      result = lesion.run(
        lesion_tasks.RepeatCopyTask(
          core, dataclasses.replace(training_config, seed=config.seed)
        ),
        config.num_lesioned,
        config.lesion_step,
        config.reset_interval,
        config.seed,
        log,
      )
      about = dict(
        model_dir=model_dir,
        num_updates=num_updates,
        model_fingerprint=evaluation.fingerprint(core),
        training=dataclasses.asdict(training_config),
        evaluation=dataclasses.asdict(config),
      )
      text = lesion_tables.lesion_text(result)
      data = lesion_tables.lesion_data(result, about)
      paths = tables.write(folder, 'lesion', text, data)
      log(f'\n{text}\nwritten: {", ".join(paths)}')
  return dict(lesion=result)

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
  report.html, .md, .json, figures/  all of it, if all tests were asked for
"""

from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import math
import os
from typing import Any

import numpy as np
import tensorflow as tf

from analysis import evaluated_run
from analysis import lesion
from analysis import mutual_information
from analysis import probe
from analysis.common import tables
from analysis.report import composer as report
from dnc import config as config_lib
from dnc import tasks
from dnc.config import runs
from dnc.dsprites import table as table_lib
from dnc.next_sprite import recording as exports
from dnc.next_sprite import rollouts
from dnc.next_sprite import scoring
from dnc.next_sprite import sequences as sprite_sequences
from dnc.next_sprite import training
from dnc.repeat_copy import sequences as copy_sequences
from dnc.repeat_copy import training as repeat_copy_training
from dnc.system import errors
from dnc.system import files
from dnc.training import checkpoints

EVALUATION_DIR = 'evaluation'

# Rollouts on which predictions are scored.
_NUM_SCORED = 16
_MAGNIFICATION = 2

_Run = evaluated_run.EvaluatedRun
Log = evaluated_run.Log


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
  if runs.load(model_dir).TASK == tasks.REPEAT_COPY:
    return _evaluate_repeat_copy(model_dir, config, log, checkpoint, command)
  trained = training.restore(model_dir, checkpoint, log)
  training_config = trained.config
  log(f'evaluating {model_dir} after {trained.num_updates} updates')
  run = _Run(
    training=training_config,
    evaluation=config.for_run(training_config),
    predictor=trained.model,
    num_updates=trained.num_updates,
    table=table_lib.load_table(
      config.dataset or training_config.dataset, data_dir
    ),
    folder=os.path.join(model_dir, EVALUATION_DIR),
    log=log,
  )
  tests = dict(probe=_run_probe, mi=_run_mutual_information, lesion=_run_lesion)
  chosen = _chosen_tests(run)
  with files.explained_errors(run.folder):
    os.makedirs(run.folder, exist_ok=True)
    with files.only_writer(run.folder):
      run.check_space(_wanted(run, chosen))
      found = dict(prediction=_score_prediction(run))
      for name in chosen:
        found[name] = tests[name](run)
      if config.tests == config_lib.TESTS:
        _write_report(run, found, command)
      else:
        _tell_of_report(run.folder, log)
  log(f'results: {run.folder}')
  return found


def _chosen_tests(run: _Run) -> list[str]:
  """The tests that are asked for and that the model can be put to.

  Raises:
    UsageError: if it cannot be put to the only one that is asked for, or a
      test is asked for what the model has not.
  """
  chosen = list(run.evaluation.tests)
  if 'mi' in chosen:
    _check_locations(run)
  if 'lesion' in chosen and 'memory' not in run.widths:
    message = f'a run of --core={run.training.core} has no memory'
    if chosen == ['lesion']:
      raise errors.UsageError(f'--test=lesion: {message}')
    run.log(f'no Test 3: {message}')
    chosen.remove('lesion')
  return chosen


def _wanted(run: _Run, chosen: Sequence[str]) -> list[evaluated_run.Wanted]:
  """The traces of all chosen tests."""
  wanted = []
  if 'probe' in chosen:
    wanted += run.for_probe().values()
  if 'mi' in chosen:
    wanted.append(run.for_mutual_information(_layouts(run.training)))
  return wanted


def _tell_of_report(folder: str, log: Log) -> None:
  """Says so if a report of an earlier evaluation stays as it is."""
  path = os.path.join(folder, 'report.html')
  if os.path.exists(path):
    log(f'{path} is of an earlier evaluation; --test=all makes it anew')


def _write_report(run: _Run, found: Mapping[str, Any], command: str) -> None:
  """Puts everything on one page."""
  scorer = _scorer(run, 1)
  made = report.compose(
    {**run.about(), 'command': command},
    found,
    _magnified(scorer.picture()),
    scorer.trace_memory() if 'memory' in run.widths else None,
  )
  paths = report.write(run.folder, made, run.num_updates)
  run.log(f'report: {", ".join(paths)}')


def _scorer(run: _Run, num_rollouts: int) -> scoring.PredictionScorer:
  return scoring.PredictionScorer(
    run.predictor, run.table, run.spec(), num_rollouts
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
  spec = run.spec()
  wanted = run.for_probe()
  trained, untrained = wanted.pop('trained'), wanted.pop('untrained', None)
  settings = dict(
    seed=run.evaluation.seed,
    representations=exports.probed(run.evaluation, run.widths),
    num_seeds=run.evaluation.num_seeds,
    log=run.log,
  )
  result = probe.from_traces(
    run.traces(trained),
    run.evaluation.offsets,
    untrained=untrained and run.traces(untrained),
    inputs=probe.sprite_inputs(run.table, spec),
    **settings,
  )
  isolated = {}
  for latent, alone in wanted.items():
    run.log(f'only {latent} varies:')
    isolated[latent] = probe.from_traces(
      run.traces(alone), (0,), asked=(latent,), centred=True, **settings
    )
  result = dataclasses.replace(result, isolated=isolated)
  kind = dict(varying=spec.varying, fixed=spec.fixed)
  run.write(
    'probe',
    probe.tables.text(result, **kind),
    probe.tables.data(result, run.about(), **kind),
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


def _check_locations(run: _Run) -> None:
  """Raises a `UsageError` if the memory has no such numbers."""
  locations = run.evaluation.locations
  if locations is None:
    return
  layouts = _layouts(run.training)
  shown = f'--locations={",".join(map(str, locations))}'
  if 'memory' not in layouts:
    core = run.training.core
    raise errors.UsageError(f'{shown}: --core={core} has no memory')
  number = math.prod(layouts['memory'])
  if max(locations) >= number:
    raise errors.UsageError(
      f'{shown}: must be of 0 to {number - 1}, the numbers of this memory'
    )


def _run_mutual_information(
  run: _Run,
) -> dict[str, mutual_information.MutualInformationResult]:
  """Test 2."""
  if not set(rollouts.MOVING) <= set(run.training.varying):
    run.log('Test 2 moves x_position, which did not vary in training')
  layouts = _layouts(run.training)
  wanted = run.for_mutual_information(layouts)
  traces = run.traces(wanted)
  if 'memory' not in layouts:
    core = run.training.core
    run.log(f'Test 2: --core={core} has no memory; its controller is scored')
  elif run.evaluation.locations is not None:
    layouts = {'memory': layouts['memory']}
  results = mutual_information.from_traces(
    traces,
    'sequences',
    layouts,
    lags=run.evaluation.lags,
    locations=run.evaluation.locations,
    estimator=run.evaluation.estimator,
    seed=run.evaluation.seed,
    log=run.log,
  )
  fixed = wanted.splits['sequences'].spec.fixed
  run.write(
    'mutual_information',
    mutual_information.tables.text(results, fixed),
    mutual_information.tables.data(results, run.about()),
  )
  return results


def _run_lesion(run: _Run) -> lesion.LesionResult:
  """Test 3."""
  evaluated = run.evaluation
  result = lesion.measure(
    sprite_sequences.SpriteSequences(run.predictor, run.table, run.spec()),
    evaluated.num_lesioned,
    evaluated.lesion_step,
    evaluated.reset_interval,
    evaluated.seed,
    run.log,
  )
  run.write(
    'lesion',
    lesion.tables.text(result),
    lesion.tables.data(result, run.about()),
  )
  return result


def _evaluate_repeat_copy(
  model_dir: str,
  config: config_lib.EvaluationConfig,
  log: Log,
  checkpoint: str,
  command: str,
) -> dict[str, Any]:
  """`evaluate`, of a run of repeat-copy: Test 3."""
  if 'lesion' not in config.tests:
    raise errors.UsageError(
      f'--test={config.tests[0]}: {model_dir} is a run of --task=repeat_copy, '
      'for which there is --test=lesion alone'
    )
  trained = repeat_copy_training.restore(model_dir, checkpoint, log)
  training_config, num_updates = trained.config, trained.num_updates
  core = trained.core
  log(f'evaluating {model_dir} after {num_updates} updates')
  if config.tests != ('lesion',):
    log('only Test 3: the others are for runs of --task=dsprites')
  folder = os.path.join(model_dir, EVALUATION_DIR)
  with files.explained_errors(folder):
    os.makedirs(folder, exist_ok=True)
    with files.only_writer(folder):
      result = lesion.measure(
        copy_sequences.CopySequences(
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
        model_fingerprint=checkpoints.fingerprint(core),
        training=dataclasses.asdict(training_config),
        evaluation=dict(
          tests=('lesion',),
          num_lesioned=config.num_lesioned,
          lesion_step=result.lesion_step,
          reset_interval=result.reset_interval,
          seed=config.seed,
        ),
      )
      text = lesion.tables.text(result)
      data = lesion.tables.data(result, about)
      paths = tables.write(folder, 'lesion', text, data)
      log(f'\n{text}\nwritten: {", ".join(paths)}')
      found = dict(lesion=result)
      if config.tests == config_lib.TESTS:
        made = report.compose({**about, 'command': command}, found)
        paths = report.write(folder, made, num_updates)
        log(f'report: {", ".join(paths)}')
      else:
        _tell_of_report(folder, log)
  return found

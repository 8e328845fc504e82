"""The second half of the experiment: from a trained run to its report.

`evaluate` does what `evaluate.py` does, without flags. It restores a run's
model and runs the tests that its task allows. Results are written to the run's
folder, under `evaluation/`:

  prediction.json, predictions.png   how well the model predicts
  traces/                            what the model held, as TFDS datasets
  probe.md, probe.json               Test 1
  mutual_information.md, .json       Test 2
  lesion.md, lesion.json             Test 3
  intervention.md, .json             Test 4
  report.html, .md, .json, figures/  all results, if all tests were requested

`evaluate_all` does so for runs that differ only in their seeds, and writes the
means over them to a folder beside theirs.

Tasks without sprites have only Test 3 and the report.
"""

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import functools
import math
import os
from typing import Any

import numpy as np
import tensorflow as tf

from analysis import evaluated_run
from analysis import intervention
from analysis import lesion
from analysis import mutual_information
from analysis import pooling
from analysis import probe
from analysis import report
from dnc import config as config_lib
from dnc import dnc
from dnc.config import runs
from dnc.dsprites import latents
from dnc.next_sprite import model as model_lib
from dnc.next_sprite import rollouts
from dnc.next_sprite import scoring
from dnc.system import errors
from dnc.system import files
from dnc.system import own_settings
from dnc.system import progress
from dnc.system import spreading
from dnc.training import checkpoints

# Rollouts on which predictions are scored.
_NUM_SCORED = 16
_MAGNIFICATION = 2
_LOSSES = {
  config_lib.SIGMOID_CROSS_ENTROPY: 'cross-entropy {:.1f} nats',
  config_lib.MEAN_SQUARED_ERROR: 'squared error {:.1f}',
}


@own_settings.computing()
def evaluate(
  model_dir: str | os.PathLike[str],
  config: config_lib.EvaluationConfig,
  data_dir: str | os.PathLike[str] | None = None,
  log: progress.Log = print,
  checkpoint: str = 'newest',
  command: str = 'analysis.experiment.evaluate',
  engine: evaluated_run.Engine | None = None,
) -> dict[str, Any]:
  """Runs the tests on a trained model.

  Args:
    model_dir: the folder of its run.
    config: which tests to run, on which rollouts.
    data_dir: where the table of sprites is kept; TFDS's folder by default.
    log: takes each line of progress, then a line with each test's answer; a
      `progress.Console` also shows how far the work is.
    checkpoint: which checkpoint: `newest`, or `best` by validation.
    command: the command that the report shows.
    engine: provides workers, such as a `beam_engine.BeamEngine`; None: this
      process does the work.

  Returns:
    Results by test: `prediction`, a dict of means per step; `probe`, a
    `probe.ProbeResult`; `mi`, by representation, a
    `mutual_information.MutualInformationResult`; `lesion`, a
    `lesion.LesionResult`; and `intervention`, an
    `intervention.InterventionResult`. Tests that were not requested, or that
    the task or the core does not allow, are left out.

  Raises:
    UsageError: if there is no such run, it has diverged, its folder has traces
      of another model, or the folder cannot be written.
  """
  console = progress.as_console(log)
  model_dir = runs.folder(model_dir)
  run = evaluated_run.load(model_dir, config, data_dir, checkpoint, console)
  if engine is not None:
    run = engine.run(run, config, data_dir, checkpoint)
  return _evaluate(run, config, command)


def _evaluate(
  run: evaluated_run.EvaluatedRun,
  config: config_lib.EvaluationConfig,
  command: str,
) -> dict[str, Any]:
  console = run.console
  console(
    f'evaluating {run.model_dir} after {run.trained.num_updates:,} updates'
  )
  if run.evaluation.tests != config.tests:
    tests = '|'.join(run.evaluation.tests)
    console(f'--task={run.task.name} has only --test={tests}')
  tests = _possible_tests(run)
  requests = _trace_requests(run, tests)
  with files.explained_errors(run.folder):
    os.makedirs(run.folder, exist_ok=True)
    with files.only_writer(run.folder):
      found, shown = {}, None
      if run.table is not None:
        run.check_space(requests)
        found['prediction'], shown = _score_prediction(run)
      if run.workers is not None:
        _prepare(run, tests)
      for name in tests:
        stage, test = _TESTS[name]
        with progress.Stage(console, stage):
          found[name] = test(run)
      if config.tests == config_lib.TESTS:
        _write_report(run, found, shown, command)
      if run.workers is not None:
        run.workers.close()
  for line in _answers(run, found):
    console(line)
  for line in report.overview.lines(found):
    console(line)
  _tell_where(run.folder, config, console)
  return found


@own_settings.computing()
def evaluate_all(
  model_dirs: Sequence[str | os.PathLike[str]],
  config: config_lib.EvaluationConfig,
  data_dir: str | os.PathLike[str] | None = None,
  log: progress.Log = print,
  checkpoint: str = 'newest',
  command: str = 'analysis.experiment.evaluate_all',
  engine: evaluated_run.Engine | None = None,
) -> pooling.PooledResult | None:
  """Evaluates runs that differ only in their seeds, and pools them.

  Each run is evaluated as by `evaluate`. Means over the runs are written to a
  folder beside the first. The arguments are those of `evaluate`.

  Returns:
    The pooled results; None for a single run.

  Raises:
    UsageError: as in `evaluate`; also if the runs differ in more than their
      seeds, are the same run, or have different numbers of updates.
  """
  console = progress.as_console(log)
  model_dirs = [runs.folder(model_dir) for model_dir in model_dirs]
  runs.load_seeds(model_dirs)
  _check_updates(model_dirs)
  untrained, found, answers = {}, [], []
  for model_dir in model_dirs:
    run = evaluated_run.load(model_dir, config, data_dir, checkpoint, console)
    run = dataclasses.replace(run, untrained=untrained)
    if engine is not None:
      run = engine.run(run, config, data_dir, checkpoint)
    found.append(_evaluate(run, config, command))
    answers.append(_answers(run, found[-1]))
    if 'probe' in found[-1]:
      said = probe.verdict.augments(found[-1]['probe'])
      answers[-1] += [said] if said else []
  if len(model_dirs) == 1:
    return None
  result = pooling.pool(found)
  folder = runs.pooled_dir(model_dirs)
  about = dict(
    command=command,
    model_dirs=list(model_dirs),
    evaluation=dataclasses.asdict(config),
  )
  with files.explained_errors(folder):
    os.makedirs(folder, exist_ok=True)
    with files.only_writer(folder):
      pooling.write(folder, result, answers, about)
  for line in pooling.lines(result, answers):
    console(line)
  path = os.path.join(folder, 'report.html')
  console(f'report of all {len(model_dirs)} runs: {path}')
  return result


def _check_updates(model_dirs: Sequence[str]) -> None:
  """Checks that no run was trained longer than another.

  Finished runs may differ: another seed draws rollouts of other lengths.
  """
  if all(map(runs.is_finished, model_dirs)):
    return
  numbers = [checkpoints.num_updates(model_dir) for model_dir in model_dirs]
  for model_dir, number in zip(model_dirs, numbers):
    if number != max(numbers):
      raise errors.UsageError(
        f'--model_dir={",".join(model_dirs)}: {model_dir} has {number} '
        f'updates, must be {max(numbers)} as in the longest of these runs; '
        'continue its training, or leave it out'
      )


def _has_memory(run: evaluated_run.EvaluatedRun) -> bool:
  return isinstance(run.trained.core, dnc.DNC)


def _is_frozen(run: evaluated_run.EvaluatedRun) -> bool:
  """Whether the core was never trained; not all tasks allow that."""
  return getattr(run.trained.config, 'freeze_core', False)


def _answers(
  run: evaluated_run.EvaluatedRun, found: Mapping[str, Any]
) -> list[str]:
  return report.answers(found, _has_memory(run), _is_frozen(run))


def _write(
  run: evaluated_run.EvaluatedRun,
  name: str,
  text: Callable[[str], str],
  data: Mapping[str, Any],
) -> None:
  """Writes a test's tables, with a verdict that says if the core is frozen."""
  verdict = report.told(data['verdict'], _is_frozen(run))
  run.write(name, text(verdict), {**data, 'verdict': verdict})


def _possible_tests(run: evaluated_run.EvaluatedRun) -> list[str]:
  """The requested tests that the model allows.

  Raises:
    UsageError: if there are none, or a flag of theirs does not fit the model or
      the task.
  """
  tests = list(run.evaluation.tests)
  if 'mi' in tests:
    _check_locations(run)
  if _has_memory(run):
    if 'lesion' in tests:
      _lesion_trial(run).check()
    if 'intervention' in tests:
      intervention.chosen_steps(run.spec())
    return tests
  message = f'a run of --core={run.trained.config.core} has no memory'
  for name in _OF_MEMORY:
    if name not in tests:
      continue
    if tests == [name]:
      raise errors.UsageError(f'--test={name}: {message}')
    run.console(f'no {_TESTS[name][0]}: {message}')
    tests.remove(name)
  return tests


def _trace_requests(
  run: evaluated_run.EvaluatedRun, tests: Sequence[str]
) -> list[evaluated_run.TraceRequest]:
  requests = []
  if 'probe' in tests:
    requests += run.for_probe().all()
  if 'mi' in tests:
    requests.append(run.for_mutual_information(_layouts(run.trained.config)))
  return requests


def _prepare(run: evaluated_run.EvaluatedRun, tests: Sequence[str]) -> None:
  """Has workers do what the tests will need, in two pipelines."""
  evaluation, first, second = run.evaluation, [], []
  if 'probe' in tests and evaluation.num_untrained:
    seeds = probe.other_seeds(run.trained.config, evaluation.num_untrained)
    items = probe.cores(seeds, run.untrained)
    first.append(spreading.Assignment(_gauge, probe.Gauge.measure, items))
  if 'lesion' in tests:
    trial, stage = _lesion_trial(run), lesion.LesionTrial
    batches = trial.batches
    first.append(spreading.Assignment(_lesion_trial, stage.sums, batches))
  run.export(_trace_requests(run, tests), first)
  if 'probe' in tests:
    for latent in (None, *run.for_probe().isolated):
      make = functools.partial(_probing, latent)
      second.append(make(run).task._replace(make=make))
  if 'mi' in tests:
    score = mutual_information.TraceScores.score
    items = range(evaluation.num_sequences)
    second.append(spreading.Assignment(_trace_scores, score, items))
  if 'lesion' in tests:
    means = (lesion.means(trial, run.spread(_lesion_trial)),)
    second.append(
      spreading.Assignment(_lesion_trial, stage.scores, batches, means)
    )
  run.workers.prepare(second)


def _tell_where(
  folder: str, config: config_lib.EvaluationConfig, console: progress.Console
) -> None:
  """Says where the results are, and whether an old report is among them."""
  path = os.path.join(folder, 'report.html')
  if config.tests == config_lib.TESTS:
    console(f'report: {path}')
    return
  console(f'tables: {folder}')
  if os.path.exists(path):
    console(f'{path} is from an earlier evaluation; --test=all replaces it')


def _write_report(
  run: evaluated_run.EvaluatedRun,
  found: Mapping[str, Any],
  shown: scoring.PredictionScorer | None,
  command: str,
) -> None:
  picture = memory = None
  if shown is not None:
    picture = _magnified(shown.picture())
    memory = shown.trace_memory() if _has_memory(run) else None
  about = {**run.about(), 'command': command}
  composed = report.compose(
    run.task, about, found, _has_memory(run), picture, memory
  )
  report.write(run.folder, composed, run.trained.num_updates)


def _magnified(picture: np.ndarray) -> np.ndarray:
  return picture.repeat(_MAGNIFICATION, 0).repeat(_MAGNIFICATION, 1)


def _score_prediction(
  run: evaluated_run.EvaluatedRun,
) -> tuple[dict[str, float], scoring.PredictionScorer]:
  """Scores the model's predictions and draws some.

  Returns:
    The means, and a scorer of the first rollout.
  """
  scorer = scoring.PredictionScorer(
    run.trained.model, run.table, run.spec(), _NUM_SCORED
  )
  means = scorer.score()
  if not math.isfinite(means['loss']):
    raise errors.UsageError(
      f'{run.model_dir}: the model has diverged, its loss is {means["loss"]}; '
      'train it again, with a lower --learning_rate'
    )
  files.write_json(
    os.path.join(run.folder, 'prediction.json'),
    dict(config=run.about(), num_rollouts=_NUM_SCORED, means=means),
  )
  picture = _magnified(scorer.picture())
  with files.atomic_file(os.path.join(run.folder, 'predictions.png')) as file:
    file.write(tf.io.encode_png(picture).numpy())
  loss = _LOSSES[run.trained.config.loss].format(means['loss'])
  run.console(
    f'prediction on unseen rollouts: {loss} an image, '
    f'{means["pixel_error"]:.2%} of pixels wrong, IoU {means["iou"]:.3f}'
  )
  return means, scorer.fewer(1)


def _run_probe(run: evaluated_run.EvaluatedRun) -> probe.ProbeResult:
  """Test 1."""
  spec, requests = run.spec(), run.for_probe()
  result = _probing(None, run).result(
    run.spread(functools.partial(_probing, None))
  )
  untrained = probe.against_untrained(
    run.trained.model,
    run.trained.config,
    run.table,
    requests.trained.splits,
    _compared(run),
    run.evaluation.offsets,
    run.evaluation.num_untrained,
    run.console,
    run.untrained,
    run.spread(_gauge),
  )
  isolated = {}
  for latent in requests.isolated:
    with progress.Stage(run.console, f'only {latent} varies'):
      isolated[latent] = _probing(latent, run).result(
        run.spread(functools.partial(_probing, latent))
      )
  result = dataclasses.replace(result, untrained=untrained, isolated=isolated)
  kind = dict(varying=spec.varying, fixed=spec.fixed)
  asked = -1 if spec.recall is None else spec.recall
  run.write(
    'probe',
    probe.tables.text(result, **kind, asked=asked),
    probe.tables.data(result, run.about(), **kind),
  )
  return result


def _probing(
  latent: str | None, run: evaluated_run.EvaluatedRun
) -> probe.Passes:
  """The stage that probes traces in which only `latent` varies.

  None: traces in which latents vary as in training.
  """
  requests, offsets = run.for_probe(), run.evaluation.offsets
  settings = dict(
    seed=run.evaluation.seed,
    representations=run.probed(),
    num_seeds=run.evaluation.num_seeds,
    log=run.console,
  )
  if latent is not None:
    traces = run.traces(requests.isolated[latent])
    return probe.of_traces(
      traces, (0,), asked=(latent,), centred=True, **settings
    )
  return probe.of_traces(
    run.traces(requests.trained),
    offsets,
    inputs=probe.sprite_inputs(run.table, run.spec(), offsets),
    num_slots=run.trained.config.memory_size if _has_memory(run) else None,
    **settings,
  )


def _gauge(run: evaluated_run.EvaluatedRun) -> probe.Gauge:
  """The stage that measures untrained cores."""
  return probe.Gauge(
    run.trained.config,
    run.table,
    run.for_probe().trained.splits,
    _compared(run),
    run.evaluation.offsets,
    run.trained.model,
  )


def _compared(run: evaluated_run.EvaluatedRun) -> tuple[str, ...]:
  """What Test 1 probes, and the exported weights by which it sorts slots."""
  probed = run.probed()
  exported = run.for_probe().trained.representations
  return (*probed, *(x for x in exported if x.endswith('_weights')))


def _layouts(config: config_lib.TrainingConfig) -> dict[str, tuple[int, ...]]:
  """Shapes of the representations that Test 2 scores, the memory first."""
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


def _check_locations(run: evaluated_run.EvaluatedRun) -> None:
  """Raises a `UsageError` if the memory does not have `--locations`."""
  locations = run.evaluation.locations
  if locations is None:
    return
  config = run.trained.config
  shown = f'--locations={",".join(map(str, locations))}'
  if not _has_memory(run):
    raise errors.UsageError(f'{shown}: --core={config.core} has no memory')
  number = config.memory_size * config.word_size
  if max(locations) >= number:
    raise errors.UsageError(
      f'{shown}: must be in 0 to {number - 1}: this memory has {number} numbers'
    )


def _moves(
  run: evaluated_run.EvaluatedRun, spec: rollouts.RolloutSpec, index: int
) -> np.ndarray:
  """The numbers of the actions that are not always 0: `[time, moving]`."""
  batch = rollouts.make_batch(run.table, spec, [index])
  moving = [latents.NAMES.index(name) for name in rollouts.MOVING]
  return batch.action[:, 0, moving]


def _run_mutual_information(
  run: evaluated_run.EvaluatedRun,
) -> dict[str, mutual_information.MutualInformationResult]:
  """Test 2."""
  config = run.trained.config
  if not set(rollouts.MOVING) <= set(config.varying):
    run.console('Test 2 moves x_position, which did not vary in training')
  stage = _trace_scores(run)
  if not _has_memory(run):
    run.console(
      f'Test 2: --core={config.core} has no memory; its controller is scored'
    )
  results = stage.result(run.spread(_trace_scores))
  fixed = rollouts.moving_spec(run.evaluation, config).fixed
  _write(
    run,
    'mutual_information',
    functools.partial(mutual_information.tables.text, results, fixed),
    mutual_information.tables.data(results, run.about()),
  )
  return results


def _trace_scores(
  run: evaluated_run.EvaluatedRun,
) -> mutual_information.TraceScores:
  """The stage that scores sequences."""
  layouts = _layouts(run.trained.config)
  request = run.for_mutual_information(layouts)
  traces = run.traces(request)
  inputs = {}
  if run.evaluation.locations is None:
    layouts['action'] = (len(rollouts.MOVING),)
    spec = request.splits['sequences'].spec
    inputs['action'] = functools.partial(_moves, run, spec)
  elif _has_memory(run):
    layouts = {'memory': layouts['memory']}
  return mutual_information.TraceScores(
    traces,
    'sequences',
    layouts,
    inputs,
    lags=run.evaluation.lags,
    locations=run.evaluation.locations,
    estimator=run.evaluation.estimator,
    seed=run.evaluation.seed,
    log=run.console,
  )


def _run_lesion(run: evaluated_run.EvaluatedRun) -> lesion.LesionResult:
  """Test 3."""
  result = lesion.result(
    _lesion_trial(run), run.evaluation.seed, run.spread(_lesion_trial)
  )
  _write(
    run,
    'lesion',
    functools.partial(lesion.tables.text, result),
    lesion.tables.data(result, run.about()),
  )
  return result


def _lesion_trial(run: evaluated_run.EvaluatedRun) -> lesion.LesionTrial:
  """The stage that runs sequences with lesions."""
  evaluation = run.evaluation
  return lesion.LesionTrial(
    run.task.sequences(run.trained, evaluation, run.table),
    evaluation.num_lesioned,
    evaluation.lesion_step,
    evaluation.reset_interval,
    run.console,
  )


def _run_intervention(
  run: evaluated_run.EvaluatedRun,
) -> intervention.InterventionResult:
  """Test 4."""
  config = run.trained.config
  untrained = None
  if not config.freeze_core:
    untrained = model_lib.SpritePredictor(config)
  result = intervention.measure(
    run.trained.model,
    run.table,
    run.spec(),
    run.evaluation.num_intervened,
    run.evaluation.seed,
    untrained,
    run.console,
  )
  _write(
    run,
    'intervention',
    functools.partial(intervention.tables.text, result),
    intervention.tables.data(result, run.about()),
  )
  return result


_TESTS = {
  'probe': ('Test 1', _run_probe),
  'mi': ('Test 2', _run_mutual_information),
  'lesion': ('Test 3', _run_lesion),
  'intervention': ('Test 4', _run_intervention),
}
# Tests that need a memory.
_OF_MEMORY = ('lesion', 'intervention')

"""The three passes of Test 1 over a stream of rollouts.

The first finds mean and deviation of every step. The second trains all Keras
probes and gathers the sums for the exact ones. The third scores both, on the
training rollouts and on unseen ones. Only the labels, the sample for the
logistic regression, and one block of steps at a time are in memory.
"""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from concurrent import futures
import contextlib
import dataclasses
import functools
import os
from typing import Any

import numpy as np
import threadpoolctl

from analysis.probe import beyond
from analysis.probe import bits as bits_lib
from analysis.probe import controls
from analysis.probe import exact_probe
from analysis.probe import keras_probe
from analysis.probe import labels as labels_lib
from analysis.probe import normalisation
from analysis.probe import results
from analysis.probe import scoring
from analysis.probe import streams
from dnc.system import errors
from dnc.system import progress
from dnc.system import spreading

# Beside the names of representations: what each adds to others.
ADDED = ''
# A representation and which copy of it.
_Job = tuple[str, int]


@dataclasses.dataclass(frozen=True)
class ProbeSettings:
  """How to probe.

  Attributes:
    offsets: how many steps ago the labelled sprites were.
    seed: the seed of controls, shuffled labels, orders and resamples.
    num_seeds: Keras probes of each representation.
    batch_size: steps in a mini-batch.
    learning_rate: Adam's learning rate.
    plant: whether to probe a planted memory.
    log: takes a line of progress now and then.
  """

  offsets: tuple[int, ...]
  seed: int
  num_seeds: int
  batch_size: int
  learning_rate: float
  plant: bool
  log: progress.Log | None


@dataclasses.dataclass(frozen=True)
class _Statistics:
  """The results of the first pass.

  Attributes:
    num_steps: steps of all training rollouts together.
    normalise: by job, the function that normalises `[time, width]`.
    overall: by representation, the one that does so alike for all steps; only
      of those that are not wide.
    labels: by split.
  """

  num_steps: int
  normalise: Mapping[_Job, Callable[[np.ndarray], np.ndarray]]
  overall: Mapping[str, Callable[[np.ndarray], np.ndarray]]
  labels: Mapping[str, labels_lib.Labels]


@dataclasses.dataclass(frozen=True)
class _Probes:
  """The results of the second pass.

  Attributes:
    readers: by representation, all its probes.
    exact: the exact probes.
    exact_names: the representations that have some.
  """

  readers: Mapping[str, '_Reader']
  exact: exact_probe.ExactProbes
  exact_names: tuple[str, ...]


def probe_stream(
  stream: streams.Stream,
  settings: ProbeSettings,
  compare: Mapping[str, Sequence[str]],
  given: beyond.Given,
) -> results.ProbeResult:
  """Runs Test 1 on the representations of a stream.

  Args:
    stream: the rollouts.
    settings: how to probe.
    compare: by representation, the others to compare it with.
    given: by representation, what it may add to, see `beyond.Beyond`.
  """
  return Passes(stream, settings, compare, given).result()


@contextlib.contextmanager
def threads() -> Iterator[futures.ThreadPoolExecutor]:
  """Threads for whole representations, without threads in BLAS.

  These speed small matrix products up little, because they wait for each other.
  """
  with (
    threadpoolctl.threadpool_limits(1, 'blas'),
    futures.ThreadPoolExecutor(os.cpu_count()) as pool,
  ):
    yield pool


@dataclasses.dataclass(frozen=True)
class _ProbedPart:
  """What the passes find of some representations.

  Attributes:
    num_steps: steps of all training rollouts together.
    covariance: of `LabelSpec.as_outputs`.
    num_sampled: see `ExactProbes`.
    num_wide_steps: see `ExactProbes`.
    exact: those of the representations that have exact probes.
    narrow: all representations with a logistic regression.
    errors: by split.
    added: what is added to others, by part of the steps; None: all steps.
  """

  num_steps: int
  covariance: np.ndarray
  num_sampled: int
  num_wide_steps: int
  exact: tuple[str, ...]
  narrow: tuple[str, ...]
  errors: Mapping[str, scoring.ErrorsByPart]
  added: Mapping[str | None, dict[str, dict[str, results.Differences]]]


class Passes:
  """The passes over a stream; a stage, see `spreading`.

  Its items are representations: no sum of a representation is divided, because
  parts of a sum, added up in another order, round to other numbers.
  """

  def __init__(
    self,
    stream: streams.Stream,
    settings: ProbeSettings,
    compare: Mapping[str, Sequence[str]],
    given: beyond.Given,
  ):
    """Constructs it; see `probe_stream`."""
    # One console for all passes, so that it shows them as parts of one stage.
    console = progress.as_console(settings.log)
    self.stream = stream
    self.settings = dataclasses.replace(settings, log=console)
    self.given = given
    self._compare = compare
    self.inputs = controls.Controlled(
      stream,
      settings.seed,
      settings.num_seeds,
      settings.plant,
      settings.offsets[0],
    )
    # What adds to a wide representation needs the sums that its probe does.
    self._wide = [
      name
      for name, width in self.inputs.widths.items()
      if given and exact_probe.MAX_WIDTH < width <= exact_probe.MAX_WIDE
    ]

  @property
  def items(self) -> list[tuple[str, ...]]:
    """Names that can be probed apart; what takes longest comes first.

    Where nothing further is asked, the rollouts are few, and one item has all.
    """
    if not self.given:
      return [tuple(self.inputs.widths)]
    narrow = [(x,) for x in self.inputs.widths if x not in self._wide]
    return [(ADDED, *self._wide), *narrow]

  def probe(self, items: Sequence[Sequence[str]]) -> Iterator[_ProbedPart]:
    """Makes all passes for some items; yields what is found of all of them.

    Raises:
      UsageError: if the stream is damaged, too short or not finite.
    """
    given = {name for item in items for name in item}
    names = [name for name in self.inputs.widths if name in given]
    with threads() as pool, self.stream.explained_errors():
      yield _PartPasses(self, names, ADDED in given, pool).found()

  def result(
    self, spread: spreading.Spread | None = None
  ) -> results.ProbeResult:
    """Probes everything; see `probe_stream`.

    Args:
      spread: who makes the passes; None: this process.
    """
    spread = spread or spreading.here(self)
    with progress.Stage(self.settings.log, 'probe'):
      parts = list(spread(Passes.probe, self.items))
      with threads() as pool:
        return self._result(parts, pool)

  def _result(
    self, parts: Sequence[_ProbedPart], pool: futures.ThreadPoolExecutor
  ) -> results.ProbeResult:
    first = parts[0]
    for other in parts[1:]:
      for split, found in first.errors.items():
        found.include(other.errors[split])
    names = list(self.inputs.widths)
    exact = {name for part in parts for name in part.exact}
    split_scores = {
      split: {
        part: scoring.SplitScores(
          self.stream.spec,
          self.settings.offsets,
          self.settings.num_seeds,
          own,
          scoring.resamples(
            self.settings.seed, len(own), scoring.NUM_RESAMPLES
          ),
          tuple(name for name in names if name in exact),
          first.narrow,
        )
        for part, own in found.by_part.items()
      }
      for split, found in first.errors.items()
    }

    def scores(found: scoring.SplitScores) -> dict[str, results.Scores]:
      return dict(zip(names, pool.map(found.scores, names)))

    comparisons, added, of_parts = {}, {}, {}
    unseen = dict(split_scores.get('test', {}))
    if unseen:
      whole = unseen.pop(None)
      comparisons = {
        one: {other: whole.difference(one, other) for other in others}
        for one, others in self._compare.items()
      }
      by_part = {k: v for part in parts for k, v in part.added.items()}
      added = by_part.get(None, {})
      # Unless all steps are in one part.
      if all(own.errors.num_labelled for own in unseen.values()):
        of_parts = {
          part: results.PartResult(scores(own), by_part.get(part, {}))
          for part, own in unseen.items()
        }
    return results.ProbeResult(
      widths=self.inputs.widths,
      offsets=self.settings.offsets,
      spec=self.stream.spec,
      num_rollouts=dict(self.stream.num_rollouts),
      num_steps=first.num_steps,
      num_seeds=self.settings.num_seeds,
      num_logistic_steps=first.num_sampled,
      num_wide_steps=max(part.num_wide_steps for part in parts),
      without_exact=tuple(name for name in names if name not in exact),
      attainable=self._attainable(first.covariance),
      scores={split: scores(own[None]) for split, own in split_scores.items()},
      comparisons=comparisons,
      ordered=self.inputs.ordered,
      beyond=added,
      parts=of_parts,
    )

  def _attainable(self, covariance: np.ndarray) -> dict[str, float | None]:
    if self.inputs.planted is None:
      return {}
    spec = self.stream.spec
    found = spec.value_outputs(self.inputs.planted.attainable(covariance))
    return {
      name: float(r2) if np.isfinite(r2) else None
      for name, r2 in zip(spec.values, found)
    }


class _PartPasses:
  """The three passes over a stream, for some representations."""

  def __init__(
    self,
    passes: Passes,
    names: Sequence[str],
    are_added: bool,
    pool: futures.ThreadPoolExecutor,
  ):
    """Constructs it.

    Args:
      passes: what to probe in all.
      names: the representations to probe.
      are_added: whether to ask what is added to others.
      pool: threads.
    """
    self._stream = passes.stream
    self._settings = passes.settings
    self._inputs = passes.inputs
    self._names = names
    self._pool = pool
    self._widths = {**self._inputs.widths, **self._inputs.ordered}
    self._added = beyond.Beyond(
      passes.given if are_added else {},
      self._widths,
      self._stream.extended,
      self._settings.offsets,
      self._stream.parts,
    )
    # Copies of representations, each of which is one thread's work.
    self._jobs = [
      (name, copy)
      for name in names
      for copy in range(self._inputs.copies[name])
    ]
    # The last jobs are for the exact probes of `beyond.py` alone.
    self._num_trained = len(self._jobs)
    needed = self._added.names - set(names)
    self._jobs += [(name, 0) for name in self._widths if name in needed]

  def _map(self, work: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    return list(self._pool.map(work, items))

  def found(self) -> _ProbedPart:
    """Makes the passes."""
    statistics = self._gather_statistics()
    mean, covariance = statistics.labels['train'].moments()
    probes = self._train(statistics, mean)
    wrong, added = {}, {}
    for split in ('train', 'test'):
      if split in self._stream.num_rollouts:
        wrong[split] = self._score(split, statistics, probes)
    if 'test' in wrong and self._added.names:
      for part in wrong['test'].by_part:
        added[part] = self._added.result(self._settings.seed, part)
    return _ProbedPart(
      num_steps=statistics.num_steps,
      covariance=covariance,
      num_sampled=probes.exact.num_sampled,
      num_wide_steps=probes.exact.num_wide_steps,
      exact=probes.exact_names,
      narrow=probes.exact.narrow,
      errors=wrong,
      added=added,
    )

  def _stage(self, what: str, split: str) -> progress.Stage:
    number = self._stream.num_rollouts.get(split, 0)
    return progress.Stage(self._settings.log, what, number, 'rollouts')

  def _gather_statistics(self) -> _Statistics:
    """The first pass."""
    normalisers, found = {}, {'train': [], 'test': []}

    def update(rollout, job):
      features = self._inputs.features(rollout, *job)
      if job not in normalisers:
        kind = normalisation.StepNormaliser
        if features.dtype == np.uint8:
          kind = normalisation.BitNormaliser
        normalisers[job] = kind()
      normalisers[job].update(features)

    with self._stage('mean and deviation of each step', 'train') as stage:
      for rollout in self._read('train'):
        self._map(functools.partial(update, rollout), self._jobs)
        found['train'].append(rollout.labels)
        stage.done(len(found['train']))
    if 'test' in self._stream.num_rollouts:
      found['test'] = list(self._stream.labels('test'))
    self._check(found, normalisers)
    overall = {
      name: normaliser.transform_overall()
      for (name, copy), normaliser in normalisers.items()
      if not copy and self._widths[name] <= exact_probe.MAX_WIDTH
    }
    # Normalisers are freed as soon as they are used: those of images are large.
    normalise = {job: normalisers.pop(job).transform() for job in self._jobs}
    spec = self._stream.spec
    labels = {
      split: labels_lib.Labels(
        spec,
        [own[:, : len(spec.columns)] for own in of_split],
        self._settings.offsets,
        self._settings.seed,
      )
      for split, of_split in found.items()
    }
    num_steps = sum(map(len, found['train']))
    return _Statistics(num_steps, normalise, overall, labels)

  def _check(
    self,
    labels: Mapping[str, Sequence[np.ndarray]],
    normalisers: Mapping[_Job, normalisation.StepNormaliser],
  ) -> None:
    source = self._stream.source
    longest = {k: max(map(len, v), default=0) for k, v in labels.items()}
    furthest = max(map(abs, self._settings.offsets))
    if longest['train'] <= furthest:
      raise errors.UsageError(
        f'{source}: rollouts have at most {longest["train"]} steps, too few '
        f'for labels {furthest} steps away; evaluate longer rollouts'
      )
    if longest['test'] > longest['train']:
      raise errors.UsageError(
        f'{source}: an unseen rollout has {longest["test"]} steps; the longest '
        f'training rollout has only {longest["train"]}'
      )
    for (name, _), normaliser in normalisers.items():
      if not np.isfinite(normaliser.deviation).all():
        raise errors.UsageError(
          f'{source}: {name} holds numbers that are not finite; the model has '
          'diverged: train it again, with a lower learning rate'
        )

  def _read(self, split: str) -> Iterator[streams.ProbedRollout]:
    return self._stream.rollouts(split, {name for name, _ in self._jobs})

  def _rollouts(
    self, split: str, statistics: _Statistics
  ) -> Iterator[tuple[streams.ProbedRollout, np.ndarray]]:
    """Yields rollouts with the labels of all tasks."""
    for position, rollout in enumerate(self._read(split)):
      yield rollout, statistics.labels[split].tasks(position)

  def _examples(
    self,
    statistics: _Statistics,
    exact: exact_probe.ExactProbes,
  ) -> Iterator[keras_probe.Examples]:
    """Yields the training steps, and adds them to the exact probes."""

    def prepare(rollout, sampled, job):
      features, overall = self._normalised(rollout, statistics, job)
      name, copy = job
      if not copy and name in self._names:
        exact.add(name, features, sampled)
      return features, overall

    for rollout, labels in self._rollouts('train', statistics):
      sampled = exact.begin(labels)
      work = functools.partial(prepare, rollout, sampled)
      features, overall = zip(*self._map(work, self._jobs))
      named = self._by_name(features), self._by_name(overall)
      self._added.add(*named, rollout.labels, sampled, self._map)
      dense = self._map(bits_lib.dense, features[: self._num_trained])
      yield keras_probe.Examples(dense, labels)

  def _normalised(
    self,
    rollout: streams.ProbedRollout,
    statistics: _Statistics,
    job: _Job,
  ) -> tuple[np.ndarray | bits_lib.NormalBits, np.ndarray | None]:
    """Features normalised at each step and, where `added` asks, overall."""
    name, copy = job
    features = self._inputs.features(rollout, name, copy)
    overall, normalise = None, statistics.normalise[job]
    if not copy and name in self._added.overall:
      overall = statistics.overall[name](features)
    is_wide = self._widths[name] > exact_probe.MAX_WIDTH
    if is_wide and isinstance(normalise, bits_lib.BitTransform):
      return bits_lib.NormalBits(normalise, features), overall
    return normalise(features), overall

  def _by_name(self, features: Sequence[Any]) -> dict[str, Any]:
    """The first copy of each representation, from those of all jobs."""
    return {
      name: found
      for (name, copy), found in zip(self._jobs, features)
      if not copy
    }

  def _train(self, statistics: _Statistics, mean: np.ndarray) -> _Probes:
    """The second pass; `mean` is the mean of `LabelSpec.as_outputs`."""
    settings, inputs, spec = self._settings, self._inputs, self._stream.spec
    num_tasks = statistics.labels['train'].num_tasks
    exact = exact_probe.ExactProbes(
      inputs.widths, spec, num_tasks, statistics.num_steps, settings.seed
    )
    copies = {name: inputs.copies[name] for name in self._names}
    probe = keras_probe.LinearProbe(
      {name: inputs.widths[name] for name in self._names},
      spec,
      num_tasks,
      settings.num_seeds,
      keras_probe.initial_bias(spec, mean, statistics.num_steps),
      settings.learning_rate,
    )
    keras_probe.fit(
      probe,
      self._examples(statistics, exact),
      list(copies.values()),
      settings.seed,
      statistics.num_steps,
      settings.batch_size,
      settings.log,
      4 * sum(n * inputs.widths[name] for name, n in inputs.copies.items()),
    )
    weights = {name: [found] for name, found in probe.weights().items()}
    with progress.Stage(settings.log, 'exact probes'):
      exact_names = tuple(x for x in exact.names if x in self._names)
      found = self._map(exact.weights, exact_names)
      self._added.fit(exact, self._map)
    for name, of_exact in zip(exact_names, found):
      weights[name].append(of_exact)
    readers = {
      name: _Reader(copies[name], found) for name, found in weights.items()
    }
    return _Probes(readers, exact, exact_names)

  def _score(
    self, split: str, statistics: _Statistics, probes: _Probes
  ) -> scoring.ErrorsByPart:
    """The third pass, over the rollouts of a split.

    Returns:
      The errors in all steps; and in unseen rollouts also in those of each
      part.
    """
    parts = self._stream.parts if split == 'test' else ()
    sums = scoring.ErrorsByPart(self._stream.spec, parts, self._stream.units)

    def prepare(rollout, job):
      return self._normalised(rollout, statistics, job)

    def count(labels, features, name):
      copies = [x for job, x in zip(self._jobs, features) if job[0] == name]
      return sums.count(labels, probes.readers[name](copies))

    with self._stage(f'scores on split {split}', split) as stage:
      for rollout, labels in self._rollouts(split, statistics):
        features, overall = zip(
          *self._map(functools.partial(prepare, rollout), self._jobs)
        )
        by_part = labels_lib.by_part(labels, rollout.parts)
        work = functools.partial(count, by_part, features)
        counted = self._map(work, probes.readers)
        sums.update(by_part, dict(zip(probes.readers, counted)))
        if split == 'test':
          named = self._by_name(features), self._by_name(overall)
          self._added.score(*named, rollout.labels, self._map, rollout.parts)
        stage.done(len(sums.by_part[None]))
    return sums


class _Reader:
  """Applies all probes of a representation at once."""

  def __init__(
    self, copies: int, weights: Sequence[tuple[np.ndarray, np.ndarray]]
  ):
    """Constructs the reader.

    Args:
      copies: copies of the representation: 1, or one for each Keras probe. The
        exact probes read the first.
      weights: kernels `[probe, width, task, output]` and biases `[probe, task,
        output]`: of the Keras probes, then of the exact ones if there are any.
    """
    kernel = np.concatenate([kernel for kernel, _ in weights])
    bias = np.concatenate([bias for _, bias in weights])
    self._num_probes, width, *self._columns = kernel.shape
    copy_of = np.zeros([self._num_probes], np.int64)
    copy_of[:copies] = np.arange(copies)
    self._of_copy = []
    for copy in range(copies):
      (probes,) = np.nonzero(copy_of == copy)
      columns = np.moveaxis(kernel[probes], 1, 0).reshape([width, -1])
      self._of_copy.append(
        (
          probes,
          bits_lib.LinearMap(columns),
          bias[probes].ravel().astype(np.float32),
        )
      )

  def __call__(
    self, features: Sequence[np.ndarray | bits_lib.NormalBits]
  ) -> np.ndarray:
    """Predicts float32 `[time, probe, task, output]` from each copy's features.

    A copy's features are `[time, width]`.
    """
    num_steps = len(features[0])
    shape = [num_steps, self._num_probes, *self._columns]
    predictions = np.empty(shape, np.float32)
    for copy, (probes, read, bias) in zip(features, self._of_copy):
      found = read(copy) + bias
      predictions[:, probes] = found.reshape([num_steps, -1, *self._columns])
    return predictions

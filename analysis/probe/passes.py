"""The three passes of Test 1 over a stream of rollouts.

The first finds mean and deviation of every step. The second trains all Keras
probes and gathers the sums for the exact ones. The third scores both, on the
training rollouts and on unseen ones. Sums are of parts of the rollouts, which
other processes may find. Only the labels, the sample for the
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
from typing import NamedTuple

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

# Rollouts are summed in parts: how many are one at least, and the most parts.
# They depend on the number of rollouts alone, not on who sums them, so sums of
# parts, added up in order, are always the same.
PART_ROLLOUTS, MOST_PARTS = 32, 32
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
  """What follows from the first pass.

  Attributes:
    num_steps: steps of all training rollouts together.
    normalise: by job, the function that normalises `[time, width]`.
    overall: by representation, the one that does so alike for all steps, where
      `beyond.py` asks for it.
    labels: by split.
  """

  num_steps: int
  normalise: Mapping[_Job, Callable[[np.ndarray], np.ndarray]]
  overall: Mapping[str, Callable[[np.ndarray], np.ndarray]]
  labels: Mapping[str, labels_lib.Labels]


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


class Part(NamedTuple):
  """Rollouts that are summed by themselves.

  Attributes:
    split: their split.
    rollouts: their positions in it.
  """

  split: str
  rollouts: range


def _in_order(
  found: Iterable[tuple[Part, Any]], parts: Sequence[Part]
) -> Iterator[Any]:
  """Yields what was found of parts.

  Raises:
    ValueError: if it is not of these parts, each once and in this order.
  """
  for (part, sums), expected in zip(found, parts, strict=True):
    if part != expected:
      raise ValueError(f'{part} in place of {expected}')
    yield sums


@dataclasses.dataclass(frozen=True)
class _Moments:
  """The sums of the first pass.

  Attributes:
    normalisers: by job.
    labels: by split, of each rollout.
  """

  normalisers: dict[_Job, normalisation.StepNormaliser]
  labels: dict[str, list[np.ndarray]]

  def merge(self, other: '_Moments') -> None:
    """Takes over the next training rollouts."""
    for job, found in other.normalisers.items():
      self.normalisers.setdefault(job, type(found)()).merge(found)
    self.labels['train'].extend(other.labels['train'])


@dataclasses.dataclass(frozen=True)
class _Sums:
  """The sums of the second pass.

  Attributes:
    exact: those of the exact probes.
    added: those of what is added to others.
  """

  exact: exact_probe.ExactProbes
  added: beyond.Beyond

  def merge(self, other: '_Sums') -> None:
    """Takes over the next training rollouts."""
    self.exact.merge(other.exact)
    self.added.merge(other.added)


@dataclasses.dataclass(frozen=True)
class _Solved:
  """What follows from the sums of the second pass.

  Attributes:
    num_steps: steps of all training rollouts together.
    covariance: of `LabelSpec.as_outputs`.
    num_sampled: see `ExactProbes`.
    num_wide_steps: see `ExactProbes`.
    narrow: all representations with a logistic regression.
    weights: by representation with exact probes, see `ExactProbes.weights`.
    added: probes of what is added to others.
  """

  num_steps: int
  covariance: np.ndarray
  num_sampled: int
  num_wide_steps: int
  narrow: tuple[str, ...]
  weights: Mapping[str, tuple[np.ndarray, np.ndarray]]
  added: beyond.Beyond


class Passes:
  """The passes over a stream; a stage, see `spreading`.

  This process makes them all at once. Other processes may make them step by
  step, see `task`: sums and scores of parts of the rollouts, but the training
  of Keras probes, in which one step follows another, by representation.
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

  def parts(self, split: str) -> list[Part]:
    """The parts of a split, in order; they are of equal size but for the last.

    There are none if the stream has no such split.
    """
    number = self.stream.num_rollouts.get(split, 0)
    size = max(PART_ROLLOUTS, -(-number // MOST_PARTS))
    return [
      Part(split, range(first, min(first + size, number)))
      for first in range(0, number, size)
    ]

  @property
  def task(self) -> spreading.Assignment:
    """The last step, with those that it needs."""

    def of(work, items, *needed):
      return spreading.Assignment(None, work, items, needed)

    train = self.parts('train')
    names = [tuple(self.inputs.widths)]
    if self.given:  # Else the rollouts are few.
      names = [(name,) for name in self.inputs.widths]
    moments = of(Passes.join, [None], of(Passes.gather, train))
    trained = of(Passes.train, names, moments)
    sums = of(Passes.sum, train, moments)
    solved = of(Passes.solve, [None], moments, sums)
    parts = train + self.parts('test')
    return of(Passes.score, parts, moments, solved, trained)

  @contextlib.contextmanager
  def _walk(self, **options: Any) -> Iterator['_Walk']:
    with threads() as pool, self.stream.explained_errors():
      yield _Walk(self, pool, **options)

  def gather(self, parts: Sequence[Part]) -> Iterator[tuple[Part, _Moments]]:
    """Yields the sums of the first pass.

    Raises:
      UsageError: like all steps, if the stream is damaged.
    """
    with self._walk() as walk:
      for part in parts:
        rollouts = walk.read('train', only=part.rollouts)
        yield part, walk.gathered(part, rollouts)

  def join(
    self, items: Sequence[None], found: Iterable[tuple[Part, _Moments]]
  ) -> Iterator[_Moments]:
    """Yields what `gather` found as one, with the labels of all rollouts.

    Raises:
      UsageError: if the stream is too short or not finite.
    """
    with self._walk() as walk:
      for _ in items:
        yield walk.joined(_in_order(found, self.parts('train')))

  def sum(
    self, parts: Sequence[Part], joined: Iterable[_Moments]
  ) -> Iterator[tuple[Part, _Sums]]:
    """Yields the sums of the second pass."""
    with self._walk(num_copies=1) as walk:
      (moments,) = joined
      statistics = walk.statistics(moments)
      for part in parts:
        sums = walk.empty(statistics, part.rollouts)
        rollouts = walk.read('train', only=part.rollouts)
        for _ in walk.add(statistics, sums, part, rollouts):
          pass
        yield part, sums

  def train(
    self, items: Sequence[Sequence[str]], joined: Iterable[_Moments]
  ) -> Iterator[dict[str, tuple[np.ndarray, np.ndarray]]]:
    """Yields kernels and biases of the Keras probes, by name."""
    given = {name for item in items for name in item}
    names = [name for name in self.inputs.widths if name in given]
    with self._walk(names=names) as walk:
      (moments,) = joined
      yield walk.trained(walk.statistics(moments))

  def solve(
    self,
    items: Sequence[None],
    joined: Iterable[_Moments],
    found: Iterable[tuple[Part, _Sums]],
  ) -> Iterator[_Solved]:
    """Yields the exact probes."""
    with self._walk(num_copies=1) as walk:
      (moments,) = joined
      statistics = walk.statistics(moments)
      for _ in items:
        sums = walk.empty(statistics)
        for own in _in_order(found, self.parts('train')):
          sums.merge(own)
        yield walk.solved(statistics, sums)

  def score(
    self,
    parts: Sequence[Part],
    joined: Iterable[_Moments],
    solved: Iterable[_Solved],
    trained: Iterable[Mapping[str, tuple[np.ndarray, np.ndarray]]],
  ) -> Iterator[tuple[Part, tuple[scoring.ErrorsByPart, ...]]]:
    """Yields the errors of all probes, and of what is added to others."""
    with self._walk() as walk:
      (moments,), (solved,) = joined, solved
      statistics = walk.statistics(moments)
      trained = {k: v for found in trained for k, v in found.items()}
      readers = walk.readers(solved, trained)
      for part in parts:
        added = solved.added.unscored()
        rollouts = walk.read(part.split, only=part.rollouts)
        found = walk.scored(statistics, readers, added, part, rollouts)
        yield part, (found, added.errors)

  def result(
    self, spread: spreading.Spread | None = None
  ) -> results.ProbeResult:
    """Probes everything; see `probe_stream`.

    Args:
      spread: who makes the passes; None: this process.
    """
    with progress.Stage(self.settings.log, 'probe'), self._walk() as walk:
      solved, wrong = self._spread(spread) if spread else self._passed(walk)
      return self._result(solved, wrong, walk.map)

  def _passed(
    self, walk: '_Walk'
  ) -> tuple[_Solved, dict[str, scoring.ErrorsByPart]]:
    """Makes the passes; returns probes and, by split, errors."""
    rollouts = walk.read('train')
    with walk.stage('mean and deviation of each step', 'train') as stage:
      statistics = walk.statistics(
        walk.joined(
          walk.gathered(part, rollouts, stage) for part in self.parts('train')
        )
      )
    sums = walk.empty(statistics)
    trained = walk.trained(statistics, sums)
    solved = walk.solved(statistics, sums)
    readers, wrong = walk.readers(solved, trained), {}
    for split in ('train', 'test'):
      number = self.stream.num_rollouts.get(split)
      if number is None:
        continue
      with walk.stage(f'scores on split {split}', split) as stage:
        wrong[split] = walk.scored(
          statistics,
          readers,
          solved.added,
          Part(split, range(number)),
          walk.read(split),
          stage,
        )
    return solved, wrong

  def _spread(
    self, spread: spreading.Spread
  ) -> tuple[_Solved, dict[str, scoring.ErrorsByPart]]:
    """The same, of what other processes find."""
    task, wrong = self.task, {}
    _, solve, _ = task.arguments
    scored = spread(task.work, task.items, *task.arguments)
    (solved,) = spread(solve.work, solve.items, *solve.arguments)
    for part, found in zip(task.items, _in_order(scored, task.items)):
      errors_of_part, added = found
      if part.split in wrong:
        wrong[part.split].extend(errors_of_part)
      else:
        wrong[part.split] = errors_of_part
      if part.split == 'test':
        solved.added.errors.extend(added)
    return solved, wrong

  def _result(
    self,
    solved: _Solved,
    wrong: Mapping[str, scoring.ErrorsByPart],
    each: Callable[..., list[Any]],
  ) -> results.ProbeResult:
    names = list(self.inputs.widths)
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
          tuple(solved.weights),
          solved.narrow,
        )
        for part, own in found.by_part.items()
      }
      for split, found in wrong.items()
    }

    def scores(found: scoring.SplitScores) -> dict[str, results.Scores]:
      return dict(zip(names, each(found.scores, names)))

    def added(part: str | None) -> dict[str, dict[str, results.Differences]]:
      if not solved.added.names:
        return {}
      return solved.added.result(self.settings.seed, part)

    comparisons, of_all, of_parts = {}, {}, {}
    unseen = dict(split_scores.get('test', {}))
    if unseen:
      whole = unseen.pop(None)
      comparisons = {
        one: {other: whole.difference(one, other) for other in others}
        for one, others in self._compare.items()
      }
      of_all = added(None)
      # Unless all steps are in one part.
      if all(own.errors.num_labelled for own in unseen.values()):
        of_parts = {
          part: results.PartResult(scores(own), added(part))
          for part, own in unseen.items()
        }
    return results.ProbeResult(
      widths=self.inputs.widths,
      offsets=self.settings.offsets,
      spec=self.stream.spec,
      num_rollouts=dict(self.stream.num_rollouts),
      num_steps=solved.num_steps,
      num_seeds=self.settings.num_seeds,
      num_logistic_steps=solved.num_sampled,
      num_wide_steps=solved.num_wide_steps,
      without_exact=tuple(x for x in names if x not in solved.weights),
      attainable=self._attainable(solved.covariance),
      scores={split: scores(own[None]) for split, own in split_scores.items()},
      comparisons=comparisons,
      ordered=self.inputs.ordered,
      beyond=of_all,
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


class _Walk:
  """Goes through the rollouts of a stream."""

  def __init__(
    self,
    passes: Passes,
    pool: futures.ThreadPoolExecutor,
    names: Sequence[str] | None = None,
    num_copies: int | None = None,
  ):
    """Constructs it.

    Args:
      passes: what to probe in all.
      pool: threads.
      names: the representations whose Keras probes alone are asked for; None:
        everything.
      num_copies: how many copies of each representation are read at most.
    """
    self._passes = passes
    self._stream = passes.stream
    self._settings = passes.settings
    self._inputs = passes.inputs
    self._names = [*self._inputs.widths] if names is None else names
    self._pool = pool
    self._widths = {**self._inputs.widths, **self._inputs.ordered}
    added = self._beyond(passes.given if names is None else {})
    self._overall = added.overall
    # Copies of representations, each of which is one thread's work.
    self._jobs = [
      (name, copy)
      for name in self._names
      for copy in range(self._inputs.copies[name])[:num_copies]
    ]
    # The last jobs are for the exact probes of `beyond.py` alone.
    self._num_trained = len(self._jobs)
    needed = added.names - set(self._names)
    self._jobs += [(name, 0) for name in self._widths if name in needed]

  def _beyond(self, given: beyond.Given) -> beyond.Beyond:
    return beyond.Beyond(
      given,
      self._widths,
      self._stream.extended,
      self._settings.offsets,
      self._stream.parts,
    )

  def map(self, work: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    """Works on items in threads."""
    return list(self._pool.map(work, items))

  def stage(self, what: str, split: str) -> progress.Stage:
    """Counts the rollouts of a split."""
    number = self._stream.num_rollouts.get(split, 0)
    return progress.Stage(self._settings.log, what, number, 'rollouts')

  def read(self, split: str, **only: range) -> Iterator[streams.ProbedRollout]:
    """Reads a split, or `only` some rollouts of it."""
    return self._stream.rollouts(
      split, {name for name, _ in self._jobs}, **only
    )

  def gathered(
    self,
    part: Part,
    rollouts: Iterator[streams.ProbedRollout],
    stage: progress.Stage | None = None,
  ) -> _Moments:
    """Sums the next rollouts, those of a part, for the first pass."""
    found = _Moments({}, {'train': []})

    def update(rollout, job):
      features = self._inputs.features(rollout, *job)
      if job not in found.normalisers:
        kind = normalisation.StepNormaliser
        if features.dtype == np.uint8:
          kind = normalisation.BitNormaliser
        found.normalisers[job] = kind()
      found.normalisers[job].update(features)

    for position, rollout in zip(part.rollouts, rollouts):
      self.map(functools.partial(update, rollout), self._jobs)
      found.labels['train'].append(rollout.labels)
      if stage is not None:
        stage.done(position + 1)
    return found

  def joined(self, gathered: Iterable[_Moments]) -> _Moments:
    """Joins what was gathered of all parts, and reads the other labels."""
    found = _Moments({}, {'train': [], 'test': []})
    for own in gathered:
      found.merge(own)
    if 'test' in self._stream.num_rollouts:
      found.labels['test'] = list(self._stream.labels('test'))
    self._check(found.labels, found.normalisers)
    return found

  def statistics(self, moments: _Moments) -> _Statistics:
    """What follows from the first pass."""
    spec = self._stream.spec
    return _Statistics(
      sum(map(len, moments.labels['train'])),
      {job: moments.normalisers[job].transform() for job in self._jobs},
      {
        name: moments.normalisers[name, 0].transform_overall()
        for name in self._overall
      },
      {
        split: labels_lib.Labels(
          spec,
          [own[:, : len(spec.columns)] for own in of_split],
          self._settings.offsets,
          self._settings.seed,
        )
        for split, of_split in moments.labels.items()
      },
    )

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

  def empty(
    self, statistics: _Statistics, rollouts: range | None = None
  ) -> _Sums:
    """Returns sums without steps; for all training rollouts or some."""
    labels = statistics.labels['train']
    num_wide, steps = 0, None
    if rollouts is not None:
      start, stop = map(labels.num_steps, (rollouts.start, rollouts.stop))
      steps = range(start, stop)
      for position in range(rollouts.start):
        if num_wide >= exact_probe.MAX_WIDE_STEPS:
          break
        has_label = labels.tasks(position)[..., -1] > 0
        num_wide += int(has_label.all(axis=1).sum())
    exact = exact_probe.ExactProbes(
      self._inputs.widths,
      self._stream.spec,
      labels.num_tasks,
      statistics.num_steps,
      self._settings.seed,
      steps,
      num_wide,
    )
    return _Sums(exact, self._beyond(self._passes.given))

  def add(
    self,
    statistics: _Statistics,
    sums: _Sums | None,
    part: Part,
    rollouts: Iterator[streams.ProbedRollout],
  ) -> Iterator[tuple[list[np.ndarray | bits_lib.NormalBits], np.ndarray]]:
    """Adds the next rollouts, those of a part, to sums if there are any.

    Yields:
      The features of all jobs, and the labels of all tasks.
    """
    own = sums and self.empty(statistics, part.rollouts)

    def prepare(rollout, sampled, job):
      features, overall = self._normalised(rollout, statistics, job)
      name, copy = job
      if own and not copy:
        own.exact.add(name, features, sampled)
      return features, overall

    for position, rollout in zip(part.rollouts, rollouts):
      labels = statistics.labels['train'].tasks(position)
      sampled = own and own.exact.begin(labels)
      work = functools.partial(prepare, rollout, sampled)
      features, overall = zip(*self.map(work, self._jobs))
      if own:
        named = self._by_name(features), self._by_name(overall)
        own.added.add(*named, rollout.labels, sampled, self.map)
      yield features, labels
    if own:
      sums.merge(own)

  def _examples(
    self, statistics: _Statistics, sums: _Sums | None
  ) -> Iterator[keras_probe.Examples]:
    """Yields the training steps, and adds them to sums if there are any."""
    rollouts = self.read('train')
    for part in self._passes.parts('train'):
      for features, labels in self.add(statistics, sums, part, rollouts):
        dense = self.map(bits_lib.dense, features[: self._num_trained])
        yield keras_probe.Examples(dense, labels)

  def _normalised(
    self,
    rollout: streams.ProbedRollout,
    statistics: _Statistics,
    job: _Job,
  ) -> tuple[np.ndarray | bits_lib.NormalBits, np.ndarray | None]:
    """Features normalised at each step and, where `beyond.py` asks, overall."""
    name, copy = job
    features = self._inputs.features(rollout, name, copy)
    overall, normalise = None, statistics.normalise[job]
    if not copy and name in self._overall:
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

  def trained(
    self, statistics: _Statistics, sums: _Sums | None = None
  ) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Trains the Keras probes, and adds their steps to sums if there are any.

    Returns:
      Kernels and biases by name.
    """
    settings, inputs, spec = self._settings, self._inputs, self._stream.spec
    mean, _ = statistics.labels['train'].moments()
    probe = keras_probe.LinearProbe(
      {name: inputs.widths[name] for name in self._names},
      spec,
      statistics.labels['train'].num_tasks,
      settings.num_seeds,
      keras_probe.initial_bias(spec, mean, statistics.num_steps),
      settings.learning_rate,
    )
    keras_probe.fit(
      probe,
      self._examples(statistics, sums),
      [inputs.copies[name] for name in self._names],
      settings.seed,
      statistics.num_steps,
      settings.batch_size,
      settings.log,
      4 * sum(n * inputs.widths[name] for name, n in inputs.copies.items()),
    )
    return probe.weights()

  def solved(self, statistics: _Statistics, sums: _Sums) -> _Solved:
    """Solves for the exact probes."""
    exact = sums.exact
    _, covariance = statistics.labels['train'].moments()
    with progress.Stage(self._settings.log, 'exact probes'):
      weights = dict(zip(exact.names, self.map(exact.weights, exact.names)))
      sums.added.fit(exact, self.map)
    return _Solved(
      statistics.num_steps,
      covariance,
      exact.num_sampled,
      exact.num_wide_steps,
      exact.narrow,
      weights,
      sums.added,
    )

  def readers(
    self,
    solved: _Solved,
    trained: Mapping[str, tuple[np.ndarray, np.ndarray]],
  ) -> dict[str, '_Reader']:
    """By representation, all its probes."""
    return {
      name: _Reader(
        self._inputs.copies[name],
        [
          weights[name]
          for weights in (trained, solved.weights)
          if name in weights
        ],
      )
      for name in self._names
    }

  def scored(
    self,
    statistics: _Statistics,
    readers: Mapping[str, '_Reader'],
    added: beyond.Beyond,
    part: Part,
    rollouts: Iterator[streams.ProbedRollout],
    stage: progress.Stage | None = None,
  ) -> scoring.ErrorsByPart:
    """Scores the rollouts of a part, if unseen also what is added to others.

    Returns:
      The errors in all steps; and in unseen rollouts also in those of each
      part of the steps.
    """
    is_unseen = part.split == 'test'
    parts = self._stream.parts if is_unseen else ()
    sums = scoring.ErrorsByPart(self._stream.spec, parts, self._stream.units)

    def prepare(rollout, job):
      return self._normalised(rollout, statistics, job)

    def count(labels, features, name):
      copies = [x for job, x in zip(self._jobs, features) if job[0] == name]
      return sums.count(labels, readers[name](copies))

    for position, rollout in zip(part.rollouts, rollouts):
      labels = statistics.labels[part.split].tasks(position)
      features, overall = zip(
        *self.map(functools.partial(prepare, rollout), self._jobs)
      )
      by_part = labels_lib.by_part(labels, rollout.parts)
      work = functools.partial(count, by_part, features)
      counted = self.map(work, readers)
      sums.update(by_part, dict(zip(readers, counted)))
      if is_unseen:
        named = self._by_name(features), self._by_name(overall)
        added.score(*named, rollout.labels, self.map, rollout.parts)
      if stage is not None:
        stage.done(position + 1)
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

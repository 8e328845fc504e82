"""Goes through the rollouts of Test 1: sums them, trains on them, scores them.

Only the labels, the sample for the logistic regression, and one block of steps
at a time are in memory.
"""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from concurrent import futures
import dataclasses
import functools
from typing import Any

import numpy as np

from analysis.probe import beyond
from analysis.probe import bits as bits_lib
from analysis.probe import controls
from analysis.probe import exact_probe
from analysis.probe import keras_probe
from analysis.probe import labels as labels_lib
from analysis.probe import pass_sums
from analysis.probe import reader
from analysis.probe import rollout_parts
from analysis.probe import scoring
from analysis.probe import streams
from analysis.probe import threads
from dnc.system import progress


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


class Walk:
  """Goes through the rollouts of a stream."""

  def __init__(
    self,
    stream: streams.Stream,
    settings: ProbeSettings,
    inputs: controls.Controlled,
    given: beyond.Given,
    pool: futures.ThreadPoolExecutor,
    names: Sequence[str] | None = None,
    num_copies: int | None = None,
  ):
    """Constructs it.

    Args:
      stream: the rollouts.
      settings: how to probe.
      inputs: the stream's representations, and controls.
      given: by representation, what it may add to, see `beyond.Beyond`.
      pool: threads.
      names: the representations whose Keras probes are asked for; None: all.
      num_copies: how many copies of each representation are read at most.
    """
    self._stream = stream
    self._settings = settings
    self._inputs = inputs
    self._given = given
    self._names = [*self._inputs.widths] if names is None else names
    self._pool = pool
    self._widths = {**self._inputs.widths, **self._inputs.ordered}
    added = self._beyond()
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

  def _beyond(self) -> beyond.Beyond:
    return beyond.Beyond(
      self._given,
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
    names = {name for name, _ in self._jobs}
    return threads.ahead(self._stream.rollouts(split, names, **only))

  def gathered(
    self,
    part: rollout_parts.RolloutPart,
    rollouts: Iterator[streams.ProbedRollout],
    stage: progress.Stage | None = None,
  ) -> pass_sums.StepMoments:
    """Sums the next rollouts, those of a part, for the first pass."""
    found = pass_sums.StepMoments({}, {'train': []})

    def update(rollout, job):
      found.update(job, self._inputs.features(rollout, *job))

    for position, rollout in zip(part.rollouts, rollouts):
      self.map(functools.partial(update, rollout), self._jobs)
      found.labels['train'].append(rollout.labels)
      if stage is not None:
        stage.done(position + 1)
    return found

  def joined(
    self, gathered: Iterable[pass_sums.StepMoments]
  ) -> pass_sums.StepMoments:
    """Joins what was gathered of all parts, and reads the other labels."""
    found = pass_sums.StepMoments({}, {'train': [], 'test': []})
    for own in gathered:
      found.merge(own)
    if 'test' in self._stream.num_rollouts:
      found.labels['test'] = list(self._stream.labels('test'))
    found.check(self._stream.source, self._settings.offsets)
    return found

  def statistics(self, moments: pass_sums.StepMoments) -> pass_sums.Statistics:
    """What follows from the first pass."""
    settings = self._settings
    return moments.statistics(
      self._jobs,
      self._overall,
      self._stream.spec,
      settings.offsets,
      settings.seed,
    )

  def empty(
    self, statistics: pass_sums.Statistics, rollouts: range | None = None
  ) -> pass_sums.Sums:
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
    return pass_sums.Sums(exact, self._beyond())

  def add(
    self,
    statistics: pass_sums.Statistics,
    sums: pass_sums.Sums | None,
    part: rollout_parts.RolloutPart,
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
    self, statistics: pass_sums.Statistics, sums: pass_sums.Sums | None
  ) -> Iterator[keras_probe.Examples]:
    """Yields the training steps, and adds them to sums if there are any."""
    rollouts = self.read('train')
    for part in rollout_parts.of_split(self._stream.num_rollouts, 'train'):
      for features, labels in self.add(statistics, sums, part, rollouts):
        dense = self.map(bits_lib.dense, features[: self._num_trained])
        yield keras_probe.Examples(dense, labels)

  def _normalised(
    self,
    rollout: streams.ProbedRollout,
    statistics: pass_sums.Statistics,
    job: pass_sums.Job,
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
    self, statistics: pass_sums.Statistics, sums: pass_sums.Sums | None = None
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

  def solved(
    self, statistics: pass_sums.Statistics, sums: pass_sums.Sums
  ) -> pass_sums.Solved:
    """Solves for the exact probes."""
    with progress.Stage(self._settings.log, 'exact probes'):
      return sums.solve(statistics, self.map)

  def readers(
    self,
    solved: pass_sums.Solved,
    trained: Mapping[str, tuple[np.ndarray, np.ndarray]],
  ) -> dict[str, reader.Reader]:
    """By representation, all its probes."""
    return {
      name: reader.Reader(
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
    statistics: pass_sums.Statistics,
    readers: Mapping[str, reader.Reader],
    added: beyond.Beyond,
    part: rollout_parts.RolloutPart,
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

"""The three passes of Test 1 over a stream of rollouts.

For the statistics of every step; to train all Keras probes and gather the sums
for the exact ones; to score both. No more than a block of steps is in memory,
but for the labels, a few bytes a step.
"""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from concurrent import futures
import dataclasses
import functools
import os

import numpy as np
import threadpoolctl

from analysis.probe import exact as exact_probe
from analysis.probe import inputs as probe_inputs
from analysis.probe import labels as probe_labels
from analysis.probe import linear as linear_probe
from analysis.probe import normalisation
from analysis.probe import scores as probe_scores
from dnc.system import errors
from dnc.system import progress

# Steps are shuffled within blocks of at most this many bytes and steps.
_BLOCK_BYTES = 256 << 20
_BLOCK_STEPS = 32768

# A representation and which copy of it.
_Job = tuple[str, int]


@dataclasses.dataclass(frozen=True)
class Settings:
  """How to probe; see `probe.run`."""

  offsets: tuple[int, ...]
  seed: int
  num_seeds: int
  batch_size: int
  learning_rate: float
  plant: bool
  log: progress.Log | None


class Prober:
  """The three passes over a stream."""

  def __init__(self, stream: probe_inputs.Stream, settings: Settings):
    self._stream = stream
    # One console, which knows that the passes are parts of one stage.
    self._settings = dataclasses.replace(
      settings, log=progress.as_console(settings.log)
    )
    self._inputs = probe_inputs.Controlled(
      stream,
      settings.seed,
      settings.num_seeds,
      settings.plant,
      settings.offsets[0],
    )
    # Copies of representations, each of which is one thread's work.
    self._jobs = [
      (name, copy)
      for name, number in self._inputs.copies.items()
      for copy in range(number)
    ]
    self._normalise: dict[_Job, Callable[[np.ndarray], np.ndarray]] = {}
    self._labels: dict[str, probe_labels.Labels] = {}
    self._num_steps = 0

  def run(
    self, compare: Mapping[str, Sequence[str]]
  ) -> probe_scores.ProbeResult:
    """Runs Test 1.

    Args:
      compare: for representations, with which others to compare them.

    Returns:
      The result.
    """
    # A thread for each processor shares out representations: small products of
    # matrices gain little from threads of their own, which wait for each other.
    with (
      threadpoolctl.threadpool_limits(1, 'blas'),
      futures.ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
      self._map = lambda work, items: list(pool.map(work, items))
      with progress.Stage(self._settings.log, 'probe'):
        return self._run(compare)

  def _run(
    self, compare: Mapping[str, Sequence[str]]
  ) -> probe_scores.ProbeResult:
    self._gather_statistics()
    labels = self._labels['train']
    self._exact = exact_probe.ExactProbes(
      self._inputs.widths,
      self._stream.spec,
      labels.num_tasks,
      self._num_steps,
      self._settings.seed,
    )
    mean, covariance = labels.moments()
    readers = self._train(mean)
    scores, comparisons = {}, {}
    for split in ('train', 'test'):
      if split in self._stream.num_rollouts:
        found = self._score(split, readers)
        scores[split] = dict(zip(readers, self._map(found.scores, readers)))
        if split == 'test':
          comparisons = {
            one: {other: found.difference(one, other) for other in others}
            for one, others in compare.items()
          }
    return probe_scores.ProbeResult(
      widths=self._inputs.widths,
      offsets=self._settings.offsets,
      spec=self._stream.spec,
      num_rollouts=dict(self._stream.num_rollouts),
      num_steps=self._num_steps,
      num_seeds=self._settings.num_seeds,
      num_logistic_steps=self._exact.num_sampled,
      num_wide_steps=self._exact.num_wide_steps,
      without_exact=tuple(
        name for name in readers if name not in self._exact.names
      ),
      attainable=self._attainable(covariance),
      scores=scores,
      comparisons=comparisons,
    )

  def _attainable(self, covariance: np.ndarray) -> dict[str, float | None]:
    values = self._stream.spec.values
    if self._inputs.planted is None or not values:
      return {}
    found = self._inputs.planted.attainable(covariance)[-len(values) :]
    return {
      name: float(r2) if np.isfinite(r2) else None
      for name, r2 in zip(values, found)
    }

  def _stage(self, what: str, split: str) -> progress.Stage:
    number = self._stream.num_rollouts.get(split, 0)
    return progress.Stage(self._settings.log, what, number, 'rollouts')

  def _gather_statistics(self) -> None:
    """The first pass."""
    normalisers, compact = {}, {split: [] for split in ('train', 'test')}

    def update(rollout, job):
      features = self._inputs.features(rollout, *job)
      if job not in normalisers:
        of_bits = features.dtype == np.uint8
        normalisers[job] = (
          normalisation.BitNormaliser()
          if of_bits
          else normalisation.StepNormaliser()
        )
      normalisers[job].update(features)

    with self._stage('mean and deviation of each step', 'train') as stage:
      for rollout in self._stream.rollouts('train'):
        self._map(functools.partial(update, rollout), self._jobs)
        compact['train'].append(rollout.labels)
        stage.done(len(compact['train']))
    if 'test' in self._stream.num_rollouts:
      compact['test'] = list(self._stream.labels('test'))
    self._check(compact, normalisers)
    self._num_steps = sum(map(len, compact['train']))
    for job in self._jobs:
      self._normalise[job] = normalisers.pop(job).transform()
    for split, labels in compact.items():
      self._labels[split] = probe_labels.Labels(
        self._stream.spec,
        labels,
        self._stream.decode,
        self._settings.offsets,
        self._settings.seed,
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
        f'{source}: an unseen rollout has {longest["test"]} steps, and none of '
        f'those trained on more than {longest["train"]}'
      )
    for (name, _), normaliser in normalisers.items():
      if not np.isfinite(normaliser.deviation).all():
        raise errors.UsageError(
          f'{source}: {name} holds numbers that are not finite; the model has '
          'diverged: train it anew, with a lower learning rate'
        )

  def _features(
    self, rollout: probe_inputs.Rollout, name: str, copy: int
  ) -> np.ndarray:
    """Normalised: float32 `[time, width]`."""
    features = self._inputs.features(rollout, name, copy)
    return self._normalise[name, copy](features)

  def _rollouts(
    self, split: str
  ) -> Iterator[tuple[probe_inputs.Rollout, np.ndarray]]:
    """Rollouts, and the labels of all tasks."""
    labels = self._labels[split]
    for position, rollout in enumerate(self._stream.rollouts(split)):
      yield rollout, labels.tasks(position, len(rollout.labels))

  def _examples(self) -> Iterator[linear_probe.Steps]:
    """What is trained on, which the exact probes see on its way."""

    def prepare(rollout, taken, job):
      features = self._features(rollout, *job)
      name, copy = job
      if not copy:
        self._exact.add(name, features, taken)
      return features

    for rollout, labels in self._rollouts('train'):
      taken = self._exact.begin(labels)
      work = functools.partial(prepare, rollout, taken)
      yield self._map(work, self._jobs), labels

  def _train(self, mean: np.ndarray) -> dict[str, 'Reader']:
    """The second pass: all probes."""
    settings, inputs, spec = self._settings, self._inputs, self._stream.spec
    num_tasks = self._labels['train'].num_tasks
    probe = linear_probe.LinearProbe(
      inputs.widths,
      spec,
      num_tasks,
      settings.num_seeds,
      linear_probe.initial_bias(spec, mean, self._num_steps),
      settings.learning_rate,
    )
    bytes_per_step = 4 * sum(inputs.widths[name] for name, _ in self._jobs)
    linear_probe.fit(
      probe,
      self._examples(),
      list(inputs.copies.values()),
      settings.seed,
      settings.num_seeds,
      self._num_steps,
      settings.batch_size,
      min(_BLOCK_STEPS, _BLOCK_BYTES // bytes_per_step),
      settings.log,
    )
    weights = {name: [found] for name, found in probe.weights().items()}
    with progress.Stage(settings.log, 'exact probes'):
      exact = self._map(self._exact.weights, self._exact.names)
    for name, found in zip(self._exact.names, exact):
      weights[name].append(found)
    return {
      name: Reader(inputs.copies[name], found)
      for name, found in weights.items()
    }

  def _score(
    self, split: str, readers: Mapping[str, 'Reader']
  ) -> probe_scores.Split:
    """The third pass, or a first one over unseen rollouts."""
    tally = probe_scores.Tally(self._stream.spec)

    def count(rollout, labels, name):
      copies = range(self._inputs.copies[name])
      features = [self._features(rollout, name, copy) for copy in copies]
      return tally.count(labels, readers[name](features))

    with self._stage(f'scores on split {split}', split) as stage:
      for rollout, labels in self._rollouts(split):
        work = functools.partial(count, rollout, labels)
        tally.update(labels, dict(zip(readers, self._map(work, readers))))
        stage.done(len(tally))
    return probe_scores.Split(
      self._stream.spec,
      self._settings.offsets,
      self._settings.num_seeds,
      tally,
      probe_scores.resamples(
        self._settings.seed, len(tally), probe_scores.NUM_RESAMPLES
      ),
      self._exact.names,
      self._exact.narrow,
    )


class Reader:
  """All probes of a representation at once."""

  def __init__(
    self, copies: int, weights: Sequence[tuple[np.ndarray, np.ndarray]]
  ):
    """Constructs the reader.

    Args:
      copies: of the representation: 1; or as many as there are Keras probes,
        which then read one each. The exact ones read the first.
      weights: kernels `[probe, width, task, output]` and biases `[probe, task,
        output]`: of the Keras probes, one for each seed, and of the exact ones.
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
          columns.astype(np.float32),
          bias[probes].reshape([-1]).astype(np.float32),
        )
      )

  def __call__(self, features: Sequence[np.ndarray]) -> np.ndarray:
    """Reads a rollout.

    Args:
      features: each copy, float32 `[time, width]`.

    Returns:
      float32 `[time, probe, task, output]`.
    """
    num_steps = len(features[0])
    shape = [num_steps, self._num_probes, *self._columns]
    predictions = np.empty(shape, np.float32)
    for copy, (probes, columns, bias) in zip(features, self._of_copy):
      found = copy @ columns + bias
      predictions[:, probes] = found.reshape([num_steps, -1, *self._columns])
    return predictions

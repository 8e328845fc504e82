"""The three passes of Test 1 over a stream of rollouts.

The first finds mean and deviation of every step. The second trains all Keras
probes and gathers the sums for the exact ones. The third scores both, on the
training rollouts and on unseen ones. Sums are of parts of the rollouts, which
other processes may find.
"""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import contextlib
import dataclasses
from typing import Any

import numpy as np

from analysis.probe import beyond
from analysis.probe import controls
from analysis.probe import pass_sums
from analysis.probe import results
from analysis.probe import rollout_parts
from analysis.probe import scoring
from analysis.probe import streams
from analysis.probe import threads
from analysis.probe import walk as walk_lib
from dnc.system import progress
from dnc.system import spreading


class Passes:
  """The passes over a stream; a stage, see `spreading`.

  This process makes them all at once. Other processes may make them step by
  step, see `task`: sums and scores of parts of the rollouts, but the training
  of Keras probes, in which one step follows another, by representation.
  """

  def __init__(
    self,
    stream: streams.Stream,
    settings: walk_lib.ProbeSettings,
    compare: Mapping[str, Sequence[str]],
    given: beyond.Given,
  ):
    """Constructs it.

    Args:
      stream: the rollouts.
      settings: how to probe.
      compare: by representation, the others to compare it with.
      given: by representation, what it may add to, see `beyond.Beyond`.
    """
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

  def _parts(self, split: str) -> list[rollout_parts.RolloutPart]:
    return rollout_parts.of_split(self.stream.num_rollouts, split)

  @property
  def task(self) -> spreading.Assignment:
    """The last step, with those that it needs."""

    def of(work, items, *needed):
      return spreading.Assignment(None, work, items, needed)

    train = self._parts('train')
    names = [tuple(self.inputs.widths)]
    if self.given:  # Else the rollouts are few.
      names = [(name,) for name in self.inputs.widths]
    moments = of(Passes.join, [None], of(Passes.gather, train))
    trained = of(Passes.train, names, moments)
    sums = of(Passes.sum, train, moments)
    solved = of(Passes.solve, [None], moments, sums)
    parts = train + self._parts('test')
    return of(Passes.score, parts, moments, solved, trained)

  @contextlib.contextmanager
  def _walk(self, **options: Any) -> Iterator[walk_lib.Walk]:
    options = {'given': self.given, **options}
    with threads.threads() as pool, self.stream.explained_errors():
      yield walk_lib.Walk(
        self.stream, self.settings, self.inputs, pool=pool, **options
      )

  def gather(
    self, parts: Sequence[rollout_parts.RolloutPart]
  ) -> Iterator[tuple[rollout_parts.RolloutPart, pass_sums.StepMoments]]:
    """Yields the sums of the first pass.

    Raises:
      UsageError: like all steps, if the stream is damaged.
    """
    with self._walk() as walk:
      for part in parts:
        rollouts = walk.read('train', only=part.rollouts)
        yield part, walk.gathered(part, rollouts)

  def join(
    self,
    items: Sequence[None],
    found: Iterable[tuple[rollout_parts.RolloutPart, pass_sums.StepMoments]],
  ) -> Iterator[pass_sums.StepMoments]:
    """Yields what `gather` found as one, with the labels of all rollouts.

    Raises:
      UsageError: if the stream is too short or not finite.
    """
    with self._walk() as walk:
      for _ in items:
        yield walk.joined(rollout_parts.in_order(found, self._parts('train')))

  def sum(
    self,
    parts: Sequence[rollout_parts.RolloutPart],
    joined: Iterable[pass_sums.StepMoments],
  ) -> Iterator[tuple[rollout_parts.RolloutPart, pass_sums.Sums]]:
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
    self,
    items: Sequence[Sequence[str]],
    joined: Iterable[pass_sums.StepMoments],
  ) -> Iterator[dict[str, tuple[np.ndarray, np.ndarray]]]:
    """Yields kernels and biases of the Keras probes, by name."""
    given = {name for item in items for name in item}
    names = [name for name in self.inputs.widths if name in given]
    with self._walk(given={}, names=names) as walk:
      (moments,) = joined
      yield walk.trained(walk.statistics(moments))

  def solve(
    self,
    items: Sequence[None],
    joined: Iterable[pass_sums.StepMoments],
    found: Iterable[tuple[rollout_parts.RolloutPart, pass_sums.Sums]],
  ) -> Iterator[pass_sums.Solved]:
    """Yields the exact probes."""
    with self._walk(num_copies=1) as walk:
      (moments,) = joined
      statistics = walk.statistics(moments)
      for _ in items:
        sums = walk.empty(statistics)
        for own in rollout_parts.in_order(found, self._parts('train')):
          sums.merge(own)
        yield walk.solved(statistics, sums)

  def score(
    self,
    parts: Sequence[rollout_parts.RolloutPart],
    joined: Iterable[pass_sums.StepMoments],
    solved: Iterable[pass_sums.Solved],
    trained: Iterable[Mapping[str, tuple[np.ndarray, np.ndarray]]],
  ) -> Iterator[
    tuple[rollout_parts.RolloutPart, tuple[scoring.ErrorsByPart, ...]]
  ]:
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
    """Runs Test 1 on the representations of the stream.

    Args:
      spread: who makes the passes; None: this process.
    """
    with progress.Stage(self.settings.log, 'probe'), self._walk() as walk:
      solved, wrong = self._spread(spread) if spread else self._passed(walk)
      return self._result(solved, wrong, walk.map)

  def _passed(
    self, walk: walk_lib.Walk
  ) -> tuple[pass_sums.Solved, dict[str, scoring.ErrorsByPart]]:
    """Makes the passes; returns probes and, by split, errors."""
    rollouts = walk.read('train')
    with walk.stage('mean and deviation of each step', 'train') as stage:
      statistics = walk.statistics(
        walk.joined(
          walk.gathered(part, rollouts, stage) for part in self._parts('train')
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
          rollout_parts.RolloutPart(split, range(number)),
          walk.read(split),
          stage,
        )
    return solved, wrong

  def _spread(
    self, spread: spreading.Spread
  ) -> tuple[pass_sums.Solved, dict[str, scoring.ErrorsByPart]]:
    """The same, of what other processes find."""
    task, wrong = self.task, {}
    _, solve, _ = task.arguments
    scored = spread(task.work, task.items, *task.arguments)
    (solved,) = spread(solve.work, solve.items, *solve.arguments)
    for part, found in zip(
      task.items, rollout_parts.in_order(scored, task.items)
    ):
      errors_of_part, added = found
      if part.split in wrong:
        wrong[part.split].extend(errors_of_part)
      else:
        wrong[part.split] = errors_of_part
      if part.split == 'test':
        solved.added.errors.extend(added)
    return solved, wrong

  def _split_scores(
    self, solved: pass_sums.Solved, found: scoring.ErrorsByPart
  ) -> dict[str | None, scoring.SplitScores]:
    """What scores a split, by part of the stream; None: all of its steps."""
    return {
      part: scoring.SplitScores(
        self.stream.spec,
        self.settings.offsets,
        self.settings.num_seeds,
        own,
        scoring.resamples(self.settings.seed, len(own), scoring.NUM_RESAMPLES),
        tuple(solved.weights),
        solved.narrow,
      )
      for part, own in found.by_part.items()
    }

  def _result(
    self,
    solved: pass_sums.Solved,
    wrong: Mapping[str, scoring.ErrorsByPart],
    each: Callable[..., list[Any]],
  ) -> results.ProbeResult:
    names = list(self.inputs.widths)
    split_scores = {
      split: self._split_scores(solved, found) for split, found in wrong.items()
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

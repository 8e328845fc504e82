"""What the passes of Test 1 sum, and what follows from it."""

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
from typing import Any

import numpy as np

from analysis.probe import beyond
from analysis.probe import exact_probe
from analysis.probe import labels as labels_lib
from analysis.probe import normalisation
from dnc.system import errors

# A representation and which copy of it.
Job = tuple[str, int]


@dataclasses.dataclass(frozen=True)
class Statistics:
  """What follows from the first pass.

  Attributes:
    num_steps: steps of all training rollouts together.
    normalise: by job, the function that normalises `[time, width]`.
    overall: by representation, the one that does so alike for all steps, where
      `beyond.py` asks for it.
    labels: by split.
  """

  num_steps: int
  normalise: Mapping[Job, Callable[[np.ndarray], np.ndarray]]
  overall: Mapping[str, Callable[[np.ndarray], np.ndarray]]
  labels: Mapping[str, labels_lib.Labels]


@dataclasses.dataclass(frozen=True)
class StepMoments:
  """The sums of the first pass.

  Attributes:
    normalisers: by job.
    labels: by split, float32 `[time, label]` of each rollout.
  """

  normalisers: dict[Job, normalisation.StepNormaliser]
  labels: dict[str, list[np.ndarray]]

  def update(self, job: Job, features: np.ndarray) -> None:
    """Adds a rollout's features `[time, width]`; those of uint8 are bits."""
    if job not in self.normalisers:
      kind = normalisation.StepNormaliser
      if features.dtype == np.uint8:
        kind = normalisation.BitNormaliser
      self.normalisers[job] = kind()
    self.normalisers[job].update(features)

  def merge(self, other: 'StepMoments') -> None:
    """Takes over the next training rollouts."""
    for job, found in other.normalisers.items():
      self.normalisers.setdefault(job, type(found)()).merge(found)
    self.labels['train'].extend(other.labels['train'])

  def check(self, source: str, offsets: Sequence[int]) -> None:
    """Refuses what cannot be probed.

    Args:
      source: where the rollouts are from.
      offsets: how many steps ago the labelled sprites were.

    Raises:
      UsageError: if rollouts are too short or not finite.
    """
    longest = {k: max(map(len, v), default=0) for k, v in self.labels.items()}
    furthest = max(map(abs, offsets))
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
    for (name, _), normaliser in self.normalisers.items():
      if not np.isfinite(normaliser.deviation).all():
        raise errors.UsageError(
          f'{source}: {name} holds numbers that are not finite; the model has '
          'diverged: train it again, with a lower learning rate'
        )

  def statistics(
    self,
    jobs: Sequence[Job],
    overall: Sequence[str],
    spec: labels_lib.LabelSpec,
    offsets: Sequence[int],
    seed: int,
  ) -> Statistics:
    """Returns what follows.

    Args:
      jobs: the representations to normalise.
      overall: those to normalise alike for all steps, too.
      spec: the labels, which are the first of each rollout.
      offsets: see `labels.Labels`.
      seed: see `labels.Labels`.
    """
    return Statistics(
      sum(map(len, self.labels['train'])),
      {job: self.normalisers[job].transform() for job in jobs},
      {name: self.normalisers[name, 0].transform_overall() for name in overall},
      {
        split: labels_lib.Labels(
          spec,
          [own[:, : len(spec.columns)] for own in of_split],
          offsets,
          seed,
        )
        for split, of_split in self.labels.items()
      },
    )


@dataclasses.dataclass(frozen=True)
class Solved:
  """What follows from the sums of the second pass.

  Attributes:
    num_steps: steps of all training rollouts together.
    covariance: of `LabelSpec.as_outputs`, float64 `[output, output]`.
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


@dataclasses.dataclass(frozen=True)
class Sums:
  """The sums of the second pass.

  Attributes:
    exact: those of the exact probes.
    added: those of what is added to others.
  """

  exact: exact_probe.ExactProbes
  added: beyond.Beyond

  def merge(self, other: 'Sums') -> None:
    """Takes over the next training rollouts."""
    self.exact.merge(other.exact)
    self.added.merge(other.added)

  def solve(
    self, statistics: Statistics, each: Callable[..., list[Any]]
  ) -> Solved:
    """Solves for the exact probes.

    Args:
      statistics: from the first pass.
      each: like `map`, perhaps in threads.
    """
    exact = self.exact
    _, covariance = statistics.labels['train'].moments()
    weights = dict(zip(exact.names, each(exact.weights, exact.names)))
    self.added.fit(exact, each)
    return Solved(
      statistics.num_steps,
      covariance,
      exact.num_sampled,
      exact.num_wide_steps,
      exact.narrow,
      weights,
      self.added,
    )

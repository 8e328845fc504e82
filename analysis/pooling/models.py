"""Means and intervals over models."""

from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
from typing import Any

import numpy as np

from analysis import intervention
from analysis import lesion
from analysis import probe
from analysis.common import statistics
from analysis.probe import beyond
from analysis.probe import learned

# In place of a lag: the random sequence.
RANDOM = 'random x'


@dataclasses.dataclass(frozen=True)
class OverModels:
  """One number of each model, and the mean of these numbers.

  Attributes:
    values: the numbers of the models that have one.
    mean: their mean; None if no model has a number.
    interval: 95 % interval of the mean, by Student's t; None for one model.
  """

  values: tuple[float, ...]
  mean: float | None
  interval: statistics.Interval | None


def _over(values: Sequence[float | None]) -> OverModels:
  """Pools numbers; those that are None or not finite are left out."""
  there = tuple(float(x) for x in values if x is not None and np.isfinite(x))
  if not there:
    return OverModels((), None, None)
  return OverModels(there, *statistics.mean_interval(there))


@dataclasses.dataclass(frozen=True)
class PooledResult:
  """The results of several models.

  Attributes:
    number: how many models there are.
    prediction: by score; empty for a task without sprites.
    gains: of Test 1's better probe on unseen rollouts, by representation,
      offset and label, without controls. This and each mapping below is empty
      if its test was not run.
    beyond: how much a representation adds to given ones, by representation,
      given ones, offset and label.
    untrained: these models' exact probes beside those of untrained cores.
    nats: of Test 2, by representation and lag: the most information above
      chance that a single number has; under `RANDOM`, that about a random
      sequence, which is above 0 because it is the most of many.
    lost: of Test 3, by lesion, shares of the gain over the baseline: 'all
      steps', and the 'jolt' after a cut and what is 'lasting'.
    lesions: names of the lesions in words.
    slopes: of Test 4, for the sprite to be predicted: by representation and
      latent, and by the kind of direction.
  """

  number: int
  prediction: Mapping[str, OverModels]
  gains: Mapping[str, Mapping[int, Mapping[str, OverModels]]]
  beyond: Mapping[str, Mapping[str, Mapping[int, Mapping[str, OverModels]]]]
  untrained: learned.AgainstUntrained | None
  nats: Mapping[str, Mapping[int | str, OverModels]]
  lost: Mapping[str, Mapping[str, OverModels]]
  lesions: Mapping[str, str]
  slopes: Mapping[str, Mapping[str, OverModels]]

  @property
  def probed(self) -> tuple[str, ...]:
    """The representations that Test 1 read."""
    return tuple(dict.fromkeys([*self.gains, *self.beyond]))

  def held(self, name: str) -> dict[int, dict[str, OverModels]]:
    """What a representation holds, by offset and label.

    Of sorted memories, and of the angle, only the probes of `beyond` read it.
    """
    gains = self.gains.get(name, {})
    alone = self.beyond.get(name, {}).get(beyond.ALONE, {})
    return {
      offset: {**alone.get(offset, {}), **gains.get(offset, {})}
      for offset in gains or alone
    }


def pool(found: Sequence[Mapping[str, Any]]) -> PooledResult:
  """Pools what `experiment.evaluate` returned for runs of the same kind."""
  of_test = {name: [each[name] for each in found] for name in found[0]}
  probes = of_test.get('probe', [])
  untrained = [each.untrained for each in probes if each.untrained is not None]
  return PooledResult(
    number=len(found),
    prediction=_each(of_test.get('prediction', [])),
    gains=_gains(probes),
    beyond=_added(probes),
    untrained=learned.pool(untrained) if untrained else None,
    nats=_nats(of_test.get('mi', [])),
    lost=_lost(of_test.get('lesion', [])),
    lesions={
      name: lesion.naming.label(name, each)
      for each in of_test.get('lesion', [])[:1]
      for name in each.comparisons
    },
    slopes=_slopes(of_test.get('intervention', [])),
  )


def _each(found: Sequence[Mapping[Any, float]]) -> dict[Any, OverModels]:
  """Pools dicts that have the same keys."""
  return {k: _over([each[k] for each in found]) for x in found[:1] for k in x}


def _gains(
  found: Sequence[probe.ProbeResult],
) -> dict[str, dict[int, dict[str, OverModels]]]:
  return {
    name: {
      offset: {
        label: _over(
          [each.scores['test'][name][offset][label].best.gain for each in found]
        )
        for label in by_label
      }
      for offset, by_label in by_offset.items()
    }
    for first in found[:1]
    for name, by_offset in first.scores['test'].items()
    if not probe.naming.is_control(name)
  }


def _added(found: Sequence[probe.ProbeResult]) -> dict[str, Any]:
  def added(name: str, given: str, offset: int, label: str) -> OverModels:
    return _over(
      [each.beyond[name][given][offset][label].difference for each in found]
    )

  return {
    name: {
      given: {
        offset: {label: added(name, given, offset, label) for label in by_label}
        for offset, by_label in by_offset.items()
      }
      for given, by_offset in by_given.items()
    }
    for first in found[:1]
    for name, by_given in first.beyond.items()
    if not probe.naming.is_control(name)
  }


def _nats(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
  return {
    name: _each(
      [
        {
          **dict(zip(x.lags, x.excess.max(axis=1))),
          RANDOM: (x.control - x.null).max(),
        }
        for x in (each[name] for each in found)
      ]
    )
    for first in found[:1]
    for name in first
  }


def _lost(found: Sequence[lesion.LesionResult]) -> dict[str, Any]:
  def shares(result: lesion.LesionResult, name: str) -> dict[str, Any]:
    course = result.courses[name]
    compared = {
      'all steps': result.comparisons[name][result.metrics[0]],
      'jolt': course.jolt,
      'lasting': course.lasting,
    }
    return {k: None if x is None else x.share for k, x in compared.items()}

  return {
    name: _each([shares(each, name) for each in found])
    for first in found[:1]
    for name in first.comparisons
  }


def _slopes(
  found: Sequence[intervention.InterventionResult],
) -> dict[str, dict[str, OverModels]]:
  by_row = [intervention.verdict.all_slopes(each) for each in found]
  return {
    row: _each([each[row] for each in by_row])
    for first in by_row[:1]
    for row in first
  }

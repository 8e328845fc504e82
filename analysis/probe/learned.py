"""Has a model learned what it holds? It is compared with untrained cores.

An untrained core holds much of its input, and cores of different seeds differ.
So a trained model's gain must be higher than that of one more untrained core
would be: above the prediction interval of several cores, by Student's t,
corrected for the number of comparisons.
"""

from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses

import numpy as np

from analysis.common import statistics
from analysis.probe import naming

# With fewer untrained cores their spread is unknown.
LEAST_CORES = 3
# The probability above a 95 % prediction interval. It is not 0.05, because
# gains of untrained cores are not quite normally distributed: see
# untrained_benchmark.py.
SIGNIFICANT = 0.025
_MEMORY = 'memory'
# The memory with fixed and with sorted slots.
ORDERS = tuple(f'{_MEMORY}{order}' for order in ('', *naming.ORDERS))
_BEST = f'{_MEMORY}{naming.IN_BEST_ORDER}'
# Representations whose comparisons are corrected together: those that the
# verdict of Test 1 is about, the sorted slots, and those of the controller.
_FAMILIES = (
  ('read_words', _MEMORY),
  (*ORDERS[1:], _BEST),
  ('controller_hidden', 'controller_cell'),
)


@dataclasses.dataclass(frozen=True)
class Compared:
  """The gains of trained models beside those of untrained cores.

  Attributes:
    trained: gain of the exact probe of each trained model.
    untrained: gain of the exact probe of each untrained core.
    p_value: one-sided, that a model holds more than one more untrained core
      would or, for several models, that their mean is higher; after Holm's
      correction. None with fewer than `LEAST_CORES` untrained cores.
  """

  trained: tuple[float, ...]
  untrained: tuple[float, ...]
  p_value: float | None

  @property
  def is_more(self) -> bool:
    """Whether the trained models hold more."""
    return self.p_value is not None and self.p_value < SIGNIFICANT


# By representation, offset and label.
ByRepresentation = Mapping[str, Mapping[int, Mapping[str, Compared]]]


@dataclasses.dataclass(frozen=True)
class AgainstUntrained:
  """What the representations of models hold, beside those of untrained cores.

  Attributes:
    own_seeds: the seeds of the models.
    seeds: the seeds of the untrained cores.
    num_rollouts: by split, the rollouts of these comparisons.
    is_frozen: whether the models' own cores were never trained.
    compared: by representation, offset and label. Representations too wide for
      these probes, and labels that do not vary, are missing.
  """

  own_seeds: tuple[int, ...]
  seeds: tuple[int, ...]
  num_rollouts: Mapping[str, int]
  is_frozen: bool
  compared: ByRepresentation

  def is_learned(self, name: str, offset: int, label: str) -> bool | None:
    """Whether a representation holds more than one more untrained core would.

    None if it is unknown. A core that was never trained has learned nothing.
    Training may only have made the slots keep their places, so the memory must
    hold more with fixed slots, and more in its best order than untrained cores
    in theirs.
    """
    if self.is_frozen:
      return False
    is_sorted = name == _MEMORY and _BEST in self.compared
    found = [
      self.compared.get(each, {}).get(offset, {}).get(label)
      for each in ([name, _BEST] if is_sorted else [name])
    ]
    if any(x is None or x.p_value is None for x in found):
      return None
    return all(x.is_more for x in found)


def compare(
  trained: Mapping[str, Sequence[np.ndarray]],
  untrained: Mapping[str, Sequence[np.ndarray]],
  offsets: Sequence[int],
  labels: Sequence[str],
) -> ByRepresentation:
  """Compares gains, also those of the best of the memory's orders.

  Args:
    trained: by representation, the gains of each trained model, float
      `[offset, label]`; NaN where the label does not vary.
    untrained: the same for each untrained core.
    offsets: the offsets of the rows.
    labels: the labels of the columns.
  """

  def of_label(name: str, *place: int) -> Compared:
    own, others = (
      tuple(float(gains[place]) for gains in of_models[name])
      for of_models in (trained, untrained)
    )
    return Compared(own, others, None)

  return _with_p_values(
    {
      name: {
        offset: {
          label: of_label(name, i, k)
          for k, label in enumerate(labels)
          if np.isfinite([gains[i, k] for gains in of_models]).all()
        }
        for i, offset in enumerate(offsets)
      }
      for name, of_models in trained.items()
    }
  )


def _with_best_order(compared: ByRepresentation) -> ByRepresentation:
  """Adds the highest gain of the memory in any order, for each core."""
  orders = [compared[name] for name in ORDERS if name in compared]
  if len(orders) < 2:
    return compared
  return {
    **compared,
    _BEST: {
      offset: {
        label: Compared(
          *(
            tuple(map(max, *(getattr(x[offset][label], of) for x in orders)))
            for of in ('trained', 'untrained')
          ),
          None,
        )
        for label in by_label
      }
      for offset, by_label in orders[0].items()
    },
  }


def _with_p_values(compared: ByRepresentation) -> ByRepresentation:
  """Adds the best order and, to all, corrected p-values."""
  compared = _with_best_order(compared)
  p_values = {}
  for family in _FAMILIES:
    raw = {
      (name, offset, label): statistics.more_than(x.trained, x.untrained)
      for name in family
      for offset, by_label in compared.get(name, {}).items()
      for label, x in by_label.items()
      if len(x.untrained) >= LEAST_CORES
    }
    p_values |= zip(raw, statistics.holm(list(raw.values())).tolist())
  return {
    name: {
      offset: {
        label: dataclasses.replace(
          x, p_value=p_values.get((name, offset, label))
        )
        for label, x in by_label.items()
      }
      for offset, by_label in by_offset.items()
    }
    for name, by_offset in compared.items()
  }


def pool(found: Sequence[AgainstUntrained]) -> AgainstUntrained:
  """Pools the comparisons of models that differ only in their seeds.

  Every untrained core counts once. If the models are frozen, their own cores
  count only as models. What some of them lack is left out.
  """
  first, *_ = found
  own = tuple(seed for each in found for seed in each.own_seeds)
  places = {
    seed: (run, number)
    for run, each in enumerate(found)
    for number, seed in enumerate(each.seeds)
    if not (first.is_frozen and seed in own)
  }

  def pooled(name: str, offset: int, label: str) -> Compared:
    of_runs = [each.compared[name][offset][label] for each in found]
    return Compared(
      tuple(gain for each in of_runs for gain in each.trained),
      tuple(of_runs[run].untrained[k] for run, k in places.values()),
      None,
    )

  return AgainstUntrained(
    own_seeds=own,
    seeds=tuple(places),
    num_rollouts=first.num_rollouts,
    is_frozen=first.is_frozen,
    compared=_with_p_values(
      {
        name: {
          offset: {label: pooled(name, offset, label) for label in by_label}
          for offset, by_label in by_offset.items()
        }
        for name, by_offset in first.compared.items()
        if all(name in each.compared for each in found)
      }
    ),
  )

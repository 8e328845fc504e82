"""Is what a representation holds learned? It is held against untrained cores.

An untrained core holds much of its input, and cores of different seeds differ.
So a trained model's gain must lie beyond what one more untrained core would
have: beyond the prediction interval of several, by Student's t, corrected for
the number of comparisons.
"""

from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses

import numpy as np

from analysis.common import statistics

# With fewer untrained cores their spread is unknown.
LEAST_CORES = 3
_SIGNIFICANT = 0.05
# Representations whose comparisons are corrected together: those that the
# answer of Test 1 is about, and those beside it.
_FAMILIES = (
  ('read_words', 'memory'),
  ('controller_hidden', 'controller_cell'),
)


@dataclasses.dataclass(frozen=True)
class Compared:
  """A trained model's gain beside those of untrained cores.

  Attributes:
    trained: gain of the exact probe from the trained model.
    untrained: its gain from each untrained core.
    p_value: of the trained model holding more than one more untrained core,
      after Holm's correction; None with fewer than `LEAST_CORES` of them.
  """

  trained: float
  untrained: tuple[float, ...]
  p_value: float | None

  @property
  def is_more(self) -> bool:
    """Whether the trained model holds more."""
    return self.p_value is not None and self.p_value < _SIGNIFICANT


@dataclasses.dataclass(frozen=True)
class AgainstUntrained:
  """What a model's representations hold, beside those of untrained cores.

  Attributes:
    seeds: the seeds of the untrained cores.
    num_rollouts: by split, of these comparisons.
    is_frozen: whether the model's own core was never trained.
    compared: by representation, offset and label. Representations too wide for
      these probes are missing, and labels that do not vary.
  """

  seeds: tuple[int, ...]
  num_rollouts: Mapping[str, int]
  is_frozen: bool
  compared: Mapping[str, Mapping[int, Mapping[str, Compared]]]

  def is_learned(self, name: str, offset: int, label: str) -> bool | None:
    """Whether a representation holds more than one more untrained core would.

    None if there is no telling. A core that was never trained has learned
    nothing.
    """
    if self.is_frozen:
      return False
    found = self.compared.get(name, {}).get(offset, {}).get(label)
    if found is None or found.p_value is None:
      return None
    return found.is_more


def compare(
  trained: Mapping[str, np.ndarray],
  untrained: Mapping[str, Sequence[np.ndarray]],
  offsets: Sequence[int],
  labels: Sequence[str],
) -> dict[str, dict[int, dict[str, Compared]]]:
  """Compares gains.

  Args:
    trained: of the trained model, by representation: float `[offset, label]`,
      NaN where the label does not vary.
    untrained: of untrained cores, by representation: one such array a core.
    offsets: names the rows.
    labels: names the columns.

  Returns:
    By representation, offset and label.
  """
  found = {
    name: {
      (i, k): (float(gains[i, k]), [float(x[i, k]) for x in untrained[name]])
      for i in range(len(offsets))
      for k in range(len(labels))
      if np.isfinite(gains[i, k])
    }
    for name, gains in trained.items()
  }
  p_values = {}
  for family in _FAMILIES:
    raw = {
      (name, place): statistics.more_than([gain], others)
      for name in family
      for place, (gain, others) in found.get(name, {}).items()
      if len(others) >= LEAST_CORES
    }
    p_values |= zip(raw, statistics.holm(list(raw.values())).tolist())
  compared = {name: {offset: {} for offset in offsets} for name in found}
  for name, by_place in found.items():
    for (i, k), (gain, others) in by_place.items():
      compared[name][offsets[i]][labels[k]] = Compared(
        gain, tuple(others), p_values.get((name, (i, k)))
      )
  return compared

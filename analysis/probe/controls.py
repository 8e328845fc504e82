"""Controls beside the representations: random inputs and a planted memory."""

import numpy as np

from analysis.common import orders
from analysis.probe import exact_probe
from analysis.probe import naming
from analysis.probe import planted
from analysis.probe import streams

# Keeps these draws apart from others of the same seed and index.
_INPUTS = 3
# The planted memory whose slots rotate: with fixed and with sorted slots.
ROTATING = (naming.ROTATING, f'{naming.ROTATING}{orders.BY_WRITING}')


def random_inputs(
  seed: int, index: int, num_steps: int, width: int, copy: int = 0
) -> np.ndarray:
  """Draws standard normal numbers in place of a representation of a rollout.

  PROTOCOL, 'Test 1': 'Control: random inputs of the same width'. They depend
  only on the arguments, so every pass over the rollouts sees the same numbers.

  Returns:
    float32 `[num_steps, width]`.
  """
  rng = np.random.default_rng((seed, index, _INPUTS, width, copy))
  return rng.standard_normal((num_steps, width), np.float32)


class Controlled:
  """A stream's representations, with controls beside them.

  For every width of a probed representation there are random inputs: one copy
  for each seed, or a single copy for all seeds if they are wide. The planted
  memory is as wide as the widest probed representation, but at most
  `exact_probe.MAX_WIDTH`.

  Attributes:
    widths: width of each representation, controls included.
    copies: number of copies of each representation.
    ordered: width of each memory with its slots sorted, and of the planted
      memory whose slots rotate.
    planted: the planted memory; None if there is none.
  """

  def __init__(
    self,
    stream: streams.Stream,
    seed: int,
    num_seeds: int,
    plant: bool,
    offset: int = 0,
  ):
    """Constructs the controls.

    Args:
      stream: the representations.
      seed: the seed of the controls.
      num_seeds: copies of random inputs.
      plant: whether to plant a memory.
      offset: the planted memory holds the labels of this many steps ago.

    Raises:
      ValueError: if a representation has the name of a control.
    """
    self._spec = stream.spec
    self._seed = seed
    self._offset = offset
    probed = sorted({stream.widths[name] for name in stream.probed})[::-1]
    of_controls = {f'{naming.RANDOM}{width}': width for width in probed}
    self._random = tuple(of_controls)
    self.planted = None
    if plant:
      width = min(probed[0], exact_probe.MAX_WIDTH)
      self.planted = planted.PlantedMemory(seed, width, *stream.scale)
      of_controls[f'{naming.PLANTED}{width}'] = width
    taken = set(of_controls) & set(stream.widths)
    if taken:
      raise ValueError(f'{taken.pop()} is the name of a control')
    self.widths = {**stream.widths, **of_controls}
    self.ordered = dict(stream.ordered)
    self._rotating = planted.RotatingMemory(seed, *stream.scale)
    if stream.ordered:
      width = self._rotating.width
      self.ordered.update(dict.fromkeys(ROTATING, width))
    self.copies = dict.fromkeys(self.widths, 1)
    for name in self._random:
      if self.widths[name] <= exact_probe.MAX_WIDTH:
        self.copies[name] = num_seeds

  def features(
    self, rollout: streams.ProbedRollout, name: str, copy: int = 0
  ) -> np.ndarray:
    """A representation or control: float32 `[time, width]`, uint8 for bits."""
    if name in rollout.features:
      return rollout.features[name]
    if name in self._random:
      num_steps, width = len(rollout.labels), self.widths[name]
      return random_inputs(self._seed, rollout.index, num_steps, width, copy)
    if name in ROTATING:
      outputs = self._spec.as_outputs(rollout.labels)
      memory, weights = self._rotating.features(rollout.index, outputs)
      if name == naming.ROTATING:
        return memory
      number = self._rotating.NUM_SLOTS
      return orders.reordered(orders.BY_WRITING, memory, weights, number)
    # Labels are wrapped around the ends. This does not matter: steps whose
    # label lies outside the rollout are never scored.
    labels = np.roll(rollout.labels, self._offset, axis=0)
    return self.planted.features(rollout.index, self._spec.as_outputs(labels))

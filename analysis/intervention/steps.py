"""The steps at which Test 4 changes what is held, and the sprites asked for."""

import numpy as np

from dnc.next_sprite import rollouts
from dnc.system import errors

NEXT = -1
# Number of changed steps in each rollout.
_NUM_STEPS = 6
# In this first share of a rollout nothing is changed: the memory still fills.
_FILLING = 0.1


def offsets(spec: rollouts.RolloutSpec) -> tuple[int, ...]:
  """The offset of the sprite to be predicted, and others.

  They are the next sprite, and the current one if it is hidden.
  """
  asked = NEXT if spec.recall is None else spec.recall
  current = [0] if spec.show_every > 1 else []
  return tuple(dict.fromkeys([asked, NEXT, *current]))


def chosen_steps(spec: rollouts.RolloutSpec) -> list[int]:
  """Returns spread steps that have a sprite at each offset.

  With `show_every`, they are also spread over the steps after a shown image:
  evenly spaced steps might all be steps with a shown image.

  Raises:
    UsageError: if the rollouts are too short.
  """
  num_steps, furthest = spec.max_length, max(0, *offsets(spec))
  first = max(furthest, int(_FILLING * num_steps))
  last = num_steps - 2  # The last step has no label of the next sprite.
  if first > last:
    raise errors.UsageError(
      f'--rollout_length={num_steps}: must be at least {furthest + 2} for Test '
      '4'
    )
  end = max(first, last - (spec.show_every - 1))
  steps = np.linspace(first, end, _NUM_STEPS).astype(int)
  # How many steps after the last shown image: from none to all but one.
  since_shown = np.arange(_NUM_STEPS) * spec.show_every // _NUM_STEPS
  steps += (since_shown - steps) % spec.show_every
  return np.unique(np.minimum(steps, last)).tolist()

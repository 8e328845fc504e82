"""Names of representations, labels and offsets, in keys and in text."""

from analysis.common import orders
from analysis.common import tables

# Prefixes of the names of controls.
RANDOM = 'random_'
PLANTED = 'planted_'
# The inputs of a model of sprites: those of this step, and the actions, up to
# this step, that led to the labelled sprites and away from them.
ACTIONS = 'actions_around'
MODEL_INPUTS = ('image', 'action', ACTIONS)

# Steps in which the model is shown the image that determines the target, and
# steps in which it was shown this image earlier.
SHOWN = 'shown'
HIDDEN = 'hidden'
PARTS = (SHOWN, HIDDEN)

# Suffix of a memory in the order, fixed slots included, in which most is read.
IN_BEST_ORDER = '_in_best_order'
# Prefix of sorted slots that hold what another rollout wrote.
OTHER = 'other_'
# The planted memory whose slots rotate.
ROTATING = f'{PLANTED}rotating'

# The orders of sorted slots, in text.
ORDERS = {
  orders.BY_WRITING: 'by writing',
  orders.BY_READING: 'by reading',
}
_SUFFIXES = {**ORDERS, IN_BEST_ORDER: 'in its best order'}
_IN_WORDS = {
  ROTATING: 'planted rotating memory',
  'image': 'input image',
  ACTIONS: 'actions around the sprites',
  'x_position': 'x',
  'y_position': 'y',
  'orientation_angle': 'angle',
}
_CONTROLS = {RANDOM: 'random inputs', PLANTED: 'planted memory'}


def without_order(name: str) -> str:
  """Returns the name of a memory without that of its slots' order, if any."""
  for suffix in ORDERS:
    name = name.removesuffix(suffix)
  return name


def is_control(name: str) -> bool:
  """Whether a representation is a control: not held by the trained model."""
  return name in MODEL_INPUTS or name.startswith(tuple(_CONTROLS))


def in_words(name: str) -> str:
  """Returns the name of a representation or a label in text."""
  if name.startswith(OTHER):
    return f'{in_words(name.removeprefix(OTHER))}, of another rollout'
  for suffix, words in _SUFFIXES.items():
    if name.endswith(suffix):
      return f'{in_words(name.removesuffix(suffix))}, {words}'
  if name in _IN_WORDS:
    return _IN_WORDS[name]
  for prefix, words in _CONTROLS.items():
    if name.startswith(prefix):
      return words
  return tables.title(name)


def when(offset: int) -> str:
  """Returns the step at an offset, in words."""
  if not offset:
    return 'the current step'
  if offset == -1:
    return 'the next step'
  steps = 'step' if abs(offset) == 1 else 'steps'
  return f'{abs(offset)} {steps} {"before" if offset > 0 else "ahead"}'


def sprite(offset: int) -> str:
  """Returns the sprite at an offset, in words."""
  if offset in (-1, 0):
    return when(offset).replace('step', 'sprite')
  return f'the sprite {when(offset)}'


def short_offset(offset: int) -> str:
  """Returns an offset as in titles: t-5, t-0, t+1."""
  return f't+{-offset}' if offset < 0 else f't-{offset}'

"""Names of latents, directions and sprites; formatted numbers."""

from analysis.common import statistics
from analysis.common import tables
from analysis.intervention import effects
from analysis.intervention import steps

_SHORT = {'x_position': 'x', 'y_position': 'y'}
_KINDS = {
  effects.PROBE: "the probe's",
  effects.SHUFFLED: 'shuffled labels',
  effects.RANDOM: 'random',
}


def latent(name: str) -> str:
  """Returns a latent's name in a table: 'x' for `x_position`."""
  return _SHORT.get(name, tables.title(name))


def kind(name: str) -> str:
  """Returns the name of a direction: "the probe's" for `effects.PROBE`."""
  return _KINDS[name]


def sprite(offset: int) -> str:
  """Returns the name of the sprite at an offset."""
  if offset == steps.NEXT:
    return 'the next sprite'
  return f'the sprite shown {offset} steps before'


def with_interval(
  value: float, interval: statistics.Interval | None, form: str = 'z.2f'
) -> str:
  """Returns a number and its interval, e.g. '0.95 (0.91 to 0.98)'."""
  if interval is None:
    return format(value, form)
  low, high = (format(x, form) for x in interval)
  return f'{value:{form}} ({low} to {high})'

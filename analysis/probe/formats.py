"""Scores as text, for the tables of Test 1."""

from analysis.probe import naming
from analysis.probe import results

DOES_NOT_VARY = 'does not vary'
NONE = '-'


def gain(value: float, interval: results.MaybeInterval = None) -> str:
  """Returns a gain with its interval: '+0.043 [+0.036, +0.050]'."""
  # Adding zero turns -0.0 into 0.0.
  numbers = [f'{round(x, 3) + 0.0:+.3f}' for x in (value, *(interval or ()))]
  return numbers[0] + (f' [{", ".join(numbers[1:])}]' if interval else '')


def gain_cell(value: float | None, interval: results.MaybeInterval) -> str:
  """Returns a gain; `value` is None if the label does not vary."""
  return DOES_NOT_VARY if value is None else gain(value, interval)


def error_cell(
  error: float | None,
  value: float | None,
  interval: results.MaybeInterval = None,
) -> str:
  """Returns an error, with the gain `value` in parentheses."""
  if error is None or value is None:
    return DOES_NOT_VARY
  return f'{error:.6f} ({gain(value, interval)})'


def named(result: results.ProbeResult, name: str) -> str:
  """Returns a representation and its width: 'memory (256)'."""
  width = {**result.widths, **result.ordered}[name]
  return f'{naming.in_words(name)} ({width})'

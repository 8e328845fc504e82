"""Lists in sentences."""

from collections.abc import Iterable


def join(words: Iterable[str]) -> str:
  """Joins words with commas and, before the last one, 'and'.

  >>> join(['scale', 'x', 'y'])
  'scale, x and y'
  """
  *first, last = list(words) or ['']
  return f'{", ".join(first)} and {last}' if first else last

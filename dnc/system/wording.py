"""Words for messages: lists in sentences, and long texts in one line."""

from collections.abc import Iterable


def join(words: Iterable[str]) -> str:
  """Joins words with commas and, before the last one, 'and'.

  >>> join(['scale', 'x', 'y'])
  'scale, x and y'
  """
  *first, last = list(words) or ['']
  return f'{", ".join(first)} and {last}' if first else last


def one_line(message: object, limit: int | None = None) -> str:
  r"""Writes a message in one line of at most `limit` characters.

  >>> one_line(ValueError('not a\n  number'))
  'not a number'
  """
  return ' '.join(str(message).split())[:limit]

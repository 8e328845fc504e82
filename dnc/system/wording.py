"""Wording of messages: lists, numbers, texts on one line."""

from collections.abc import Iterable


def join(words: Iterable[str]) -> str:
  """Joins words with commas and, before the last one, 'and'.

  >>> join(['scale', 'x', 'y'])
  'scale, x and y'
  """
  *first, last = list(words) or ['']
  return f'{", ".join(first)} and {last}' if first else last


def number(value: float) -> str:
  """Formats a number with four digits or, from 100 on, with one decimal."""
  return f'{value:.1f}' if abs(value) >= 100 else f'{value:.4g}'


def one_line(message: object, limit: int | None = None) -> str:
  r"""Puts a message on one line of at most `limit` characters.

  >>> one_line(ValueError('not a\n  number'))
  'not a number'
  """
  return ' '.join(str(message).split())[:limit]

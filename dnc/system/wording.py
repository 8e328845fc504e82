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
  r"""Writes a message, such as an exception, in one line.

  >>> one_line(ValueError('not a\n  number'))
  'not a number'

  Args:
    message: converted to a string.
    limit: maximum number of characters; None for no limit.

  Returns:
    The words of the message, separated by single spaces.
  """
  return ' '.join(str(message).split())[:limit]

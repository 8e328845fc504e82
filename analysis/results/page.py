"""The generated part of docs/RESULTS.md."""

import os

from dnc.system import errors
from dnc.system import files

PATH = os.path.join('docs', 'RESULTS.md')
# The lines before and after the generated part.
_BEGIN = '<!-- begin: python -m analysis.results -->\n'
_END = '<!-- end -->\n'


def split(path: str = PATH) -> tuple[str, str]:
  """Returns the text before and after the generated part.

  Raises:
    UsageError: if the page cannot be read, or lacks a marker line.
  """
  try:
    with open(path, encoding='utf-8') as file:
      before, begin, rest = file.read().partition(_BEGIN)
  except OSError as e:
    raise errors.UsageError(
      f'{path} cannot be read: {e.strerror}; run this in a clone of the '
      'repository'
    ) from e
  _, end, after = rest.partition(_END)
  if not begin or not end:
    line = (_END if begin else _BEGIN).strip()
    raise errors.UsageError(f'{path}: there must be a line {line}')
  return before, after


def write(text: str, path: str = PATH) -> None:
  """Writes the generated part; the rest of the page is kept.

  Raises:
    UsageError: as `split`, or if the page cannot be written.
  """
  before, after = split(path)
  with files.explained_errors(path):
    files.write_text(path, f'{before}{_BEGIN}\n{text}\n\n{_END}{after}')

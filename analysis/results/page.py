"""The part of docs/RESULTS.md that is written anew."""

import os

from dnc.system import errors
from dnc.system import files

PATH = os.path.join('docs', 'RESULTS.md')
# The lines between which it stands.
_BEGIN = '<!-- begin: python -m analysis.results -->\n'
_END = '<!-- end -->\n'


def split(path: str = PATH) -> tuple[str, str]:
  """Returns what stands before and after it.

  Raises:
    UsageError: if there is no such page, or it lacks a marker line.
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
  """Writes it; the rest of the page stays.

  Raises:
    UsageError: as `split`, or if the page cannot be written.
  """
  before, after = split(path)
  with files.explained_errors(path):
    files.write_text(path, f'{before}{_BEGIN}\n{text}\n\n{_END}{after}')

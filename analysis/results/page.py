"""The generated parts of docs/RESULTS.md."""

from collections.abc import Mapping
import os

from dnc.system import errors
from dnc.system import files

PATH = os.path.join('docs', 'RESULTS.md')
# The generated parts: models of the post's size, and of the quick preset.
FULL, QUICK = 'full', 'quick'
# The lines before and after a generated part.
_BEGIN = '<!-- begin {}: python -m analysis.results -->\n'
_END = '<!-- end -->\n'


def split(part: str, path: str = PATH) -> tuple[str, str]:
  """Returns the text before and after a generated part.

  Raises:
    UsageError: if the page cannot be read, or lacks a marker line.
  """
  try:
    with open(path, encoding='utf-8') as file:
      before, begin, rest = file.read().partition(_BEGIN.format(part))
  except OSError as e:
    raise errors.UsageError(
      f'{path} cannot be read: {e.strerror}; run this in a clone of the '
      'repository'
    ) from e
  _, end, after = rest.partition(_END)
  if not begin or not end:
    line = (_END if begin else _BEGIN.format(part)).strip()
    raise errors.UsageError(f'{path}: there must be a line {line}')
  return before, after


def write(texts: Mapping[str, str], path: str = PATH) -> None:
  """Writes the generated parts; the rest of the page is kept.

  Args:
    texts: by part.
    path: the page.

  Raises:
    UsageError: as `split`, or if the page cannot be written.
  """
  for part, text in texts.items():
    before, after = split(part, path)
    begin = _BEGIN.format(part)
    with files.explained_errors(path):
      files.write_text(path, f'{before}{begin}\n{text}\n\n{_END}{after}')

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
_END = '<!-- end {} -->\n'


def check(path: str = PATH) -> None:
  """Checks that the page has the marker lines of all parts.

  Raises:
    UsageError: if the page cannot be read, or lacks a line.
  """
  replaced(dict.fromkeys((FULL, QUICK), ''), path)


def replaced(texts: Mapping[str, str], path: str = PATH) -> str:
  """Returns the page with new generated parts; the rest is as it was.

  Args:
    texts: by part.
    path: the page.

  Raises:
    UsageError: if the page cannot be read, or lacks a marker line.
  """
  try:
    with open(path, encoding='utf-8') as file:
      page = file.read()
  except OSError as e:
    raise errors.UsageError(
      f'{path} cannot be read: {e.strerror}; run this in a clone of the '
      'repository'
    ) from e
  for part, text in texts.items():
    begin, end = _BEGIN.format(part), _END.format(part)
    before, found, rest = page.partition(begin)
    _, found_end, after = rest.partition(end)
    if not found or not found_end:
      line = (end if found else begin).strip()
      raise errors.UsageError(f'{path}: there must be a line {line}')
    page = f'{before}{begin}\n{text}\n\n{end}{after}'
  return page


def write(texts: Mapping[str, str], path: str = PATH) -> None:
  """Writes the generated parts.

  Raises:
    UsageError: as `replaced`, or if the page cannot be written.
  """
  page = replaced(texts, path)
  with files.explained_errors(path):
    files.write_text(path, page)

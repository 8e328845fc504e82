"""Markdown tables, and writing results as Markdown and JSON."""

from collections.abc import Mapping
from collections.abc import Sequence
import os
import re

from dnc.system import files
from dnc.system import wording

# Title of the report's table of the post's errors and ours; docs/RESULTS.md
# takes it from there.
POST_TITLE = "The post's table, beside ours"


def title(name: str) -> str:
  """Returns a name as text: 'read words' for `read_words`."""
  return name.replace('_', ' ')


def code(text: str) -> str:
  """Returns a text as code in Markdown, even if it has special characters."""
  text = wording.one_line(text)
  longest = max(map(len, re.findall('`+', text)), default=0)
  marks = '`' * (longest + 1)
  space = ' ' if longest else ''
  return f'{marks}{space}{text}{space}{marks}'


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
  """Returns a Markdown table, its columns padded for reading in a terminal.

  The first column is aligned left, the others right.
  """
  widths = [max(map(len, column)) for column in zip(header, *rows)]

  def line(cells: Sequence[str]) -> str:
    first, *rest = (
      cell.rjust(width) if i else cell.ljust(width)
      for i, (cell, width) in enumerate(zip(cells, widths))
    )
    return f'| {" | ".join([first, *rest])} |'

  rule = ['-' * widths[0]] + ['-' * (width - 1) + ':' for width in widths[1:]]
  return '\n'.join([line(header), line(rule), *map(line, rows)])


def of_rows(rows: Sequence[Mapping[str, str]]) -> str:
  """Returns the table of rows that map the same columns to cells."""
  return table([*rows[0]], [[*row.values()] for row in rows])


def write(
  folder: str | os.PathLike[str], name: str, text: str, data: Mapping
) -> list[str]:
  """Writes results as `<name>.md` and `<name>.json`.

  Args:
    folder: the folder; created if missing.
    name: e.g. 'probe'.
    text: Markdown.
    data: JSON values, e.g. from `json_values.clean`.

  Returns:
    The two paths.
  """
  paths = [
    os.path.join(folder, f'{name}.{ending}') for ending in ('md', 'json')
  ]
  files.write_text(paths[0], text)
  files.write_json(paths[1], data)
  return paths

"""Results as Markdown tables and as JSON.

Tables have padded columns, to be read in a terminal as well.
"""

from collections.abc import Mapping
from collections.abc import Sequence
import os
from typing import Any

import numpy as np

from dnc.system import files


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
  """Returns a Markdown table: first column to the left, others to the right."""
  widths = [max(map(len, column)) for column in zip(header, *rows)]

  def line(cells: Sequence[str]) -> str:
    first, *rest = (
      cell.rjust(width) if i else cell.ljust(width)
      for i, (cell, width) in enumerate(zip(cells, widths))
    )
    return f'| {" | ".join([first, *rest])} |'

  rule = ['-' * widths[0]] + ['-' * (width - 1) + ':' for width in widths[1:]]
  return '\n'.join([line(header), line(rule), *map(line, rows)])


def plain(value: Any) -> Any:
  """Returns `value` in what JSON holds; numbers that are not finite as None."""
  if isinstance(value, Mapping):
    return {str(key): plain(item) for key, item in value.items()}
  if isinstance(value, np.ndarray):
    return plain(value.tolist())
  if isinstance(value, list | tuple):
    return [plain(item) for item in value]
  if isinstance(value, np.generic):
    return plain(value.item())
  if isinstance(value, float) and not np.isfinite(value):
    return None
  return value


def write(
  folder: str | os.PathLike[str], name: str, text: str, data: Mapping
) -> list[str]:
  """Writes a report as `<name>.md` and `<name>.json`.

  Args:
    folder: where; made if missing.
    name: e.g. 'probe'.
    text: Markdown.
    data: anything that JSON holds, e.g. from `plain`.

  Returns:
    The two paths.
  """
  paths = [
    os.path.join(folder, f'{name}.{ending}') for ending in ('md', 'json')
  ]
  files.write_text(paths[0], text)
  files.write_json(paths[1], data)
  return paths

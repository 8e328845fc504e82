"""Reads Markdown tables."""


def rows(text: str) -> list[dict[str, list[str]]]:
  """Maps the first cell of each row to its other cells, for each table."""
  tables, table = [], None
  for line in text.splitlines():
    if not line.startswith('|'):
      table = None
      continue
    if table is None:
      table = {}
      tables.append(table)
    first, *rest = (cell.strip() for cell in line.strip('|').split('|'))
    table[first] = rest
  return tables

"""Tables that score steps with shown and with hidden images separately."""

from analysis.common import tables
from analysis.probe import beyond
from analysis.probe import formats
from analysis.probe import naming
from analysis.probe import results

_ABOUT = (
  'R^2, or accuracy above chance, of the same probes on some steps only. In '
  '*shown* steps the image goes into the model. In *hidden* steps it was shown '
  'some steps before, so the model must keep it in its state. Of the two '
  'probes, the one with the higher gain counts; memories with sorted slots '
  'have only the exact probe.'
)


def parts(result: results.ProbeResult) -> list[str]:
  """Returns a title, how to read the tables, and a table for each offset."""
  found = ['## Shown and hidden images: unseen rollouts', _ABOUT]
  for offset in result.offsets:
    found += [f'{naming.short_offset(offset)}:', _table(result, offset)]
  return found


def _table(result: results.ProbeResult, offset: int) -> str:
  rows, labels = [], result.spec.names
  for name in (*result.widths, *result.ordered):
    for part, own in result.parts.items():
      cells = _cells(own, name, offset)
      what = f'{formats.named(result, name)}, {part}'
      rows.append([what, *(cells.get(x, formats.NONE) for x in labels)])
  return tables.table(['', *map(naming.in_words, labels)], rows)


def _cells(found: results.PartResult, name: str, offset: int) -> dict[str, str]:
  """Gains by label; of the exact probe if no Keras probe reads it."""
  if name in found.scores:
    return {
      label: formats.gain_cell(score.best.gain, score.best.interval)
      for label, score in found.scores[name][offset].items()
    }
  alone = found.beyond.get(name, {}).get(beyond.ALONE, {offset: {}})
  return {
    label: formats.gain_cell(x.difference, x.interval)
    for label, x in alone[offset].items()
  }

"""Tables of what each representation adds to others."""

from analysis.common import tables
from analysis.probe import beyond
from analysis.probe import formats
from analysis.probe import naming
from analysis.probe import results

_ABOUT = (
  'What a representation tells beyond what is given (conditional probing, '
  'Hewitt et al., 2021): R^2 of the exact probe of both together, minus that '
  'of the given numbers alone; for classes the same with the accuracy of the '
  'linear discriminant. A linear function of what is given adds nearly 0: '
  'scaling step by step leaves it not quite linear. *Alone*: nothing is given. '
  '*Inputs*: the image and the action that go into this very step; '
  'as the image is wide, these probes are fitted to the first steps only, like '
  'its exact probe. *Controller*: its hidden and cell state together. *Angle*: '
  'the orientation as a point (cos, sin) that goes around a circle once for '
  'every turn after which the sprite looks the same: a quarter for squares, a '
  'half for ellipses, a whole for hearts. The raw orientation jumps where a '
  'turn ends, so no linear map of the picture has it. Angles, and memories '
  'with slots in order, are not held against random inputs. *By writing*, '
  '*by reading*: with slots in order of when each was last written, or of the '
  'weight with which it is read; a sprite that moves from slot to slot is then '
  'in one place. The planted rotating memory keeps the last 16 sprites, each '
  'in the next slot: it must be found by writing, and not with fixed slots.'
)


def parts(result: results.ProbeResult) -> list[str]:
  """Returns a title, how to read the tables, and a table for each offset."""
  found = ['## Beyond: unseen rollouts', _ABOUT]
  for offset in result.offsets:
    found += [f'{naming.short_offset(offset)}:', _table(result, offset)]
  return found


def _table(result: results.ProbeResult, offset: int) -> str:
  """What each representation adds to what is given."""
  rows, labels = [], {}
  for name, by_given in result.beyond.items():
    for given, by_offset in by_given.items():
      labels = by_offset[offset]
      what = formats.named(result, name)
      what += ', alone' if given == beyond.ALONE else f', beyond {given}'
      cells = [
        formats.gain_cell(x.difference, x.interval) for x in labels.values()
      ]
      rows.append([what, *cells])
  if 'memory' in result.beyond:
    # Traces may lack the weights by which slots are sorted.
    rows += [
      [naming.in_words(name), *[formats.NONE] * len(labels)]
      for name in (f'memory{order}' for order in naming.ORDERS)
      if name not in result.beyond
    ]
  return tables.table(['', *map(naming.in_words, labels)], rows)

"""Tables of what each representation adds to others."""

from collections.abc import Iterator

from analysis.common import tables
from analysis.probe import beyond
from analysis.probe import exact_probe
from analysis.probe import formats
from analysis.probe import naming
from analysis.probe import results

_ABOUT = (
  'What a representation adds to given numbers (conditional probing, Hewitt '
  'et al., 2021): R^2 of the exact probe of both together, minus R^2 of the '
  'exact probe of the given numbers alone; for classes, the same with the '
  'accuracy of the linear discriminant. The probes are fitted to, and scored '
  'on, the steps that have the labels of all offsets. *Alone*: nothing is '
  'given. Each number is normalised by one mean and deviation for all steps, '
  'so a linear function of the given numbers adds 0, and *alone* differs a '
  "little from the exact probe's own score. In probes with the image, each "
  'step has its own mean and deviation, so there a linear function can add a '
  'little. *Actions*: that of this step, and those that led to each labelled '
  'sprite and away from it. *Inputs*: these and the image of this step; as the '
  'image is wide, these probes are fitted to the first steps only, like its '
  'exact probe. *Controller*: its hidden and cell state together. *Angle*: '
  'the orientation as a point (cos, sin) that goes around a circle once for '
  'every turn after which the sprite looks the same: a quarter for squares, a '
  'half for ellipses, a whole for hearts. The raw orientation jumps where a '
  'turn ends, so no linear map of the picture alone gives it; the actions tell '
  'how it changes. *By writing*, *by reading*: slots are sorted by when each '
  'was last written, or by the weight with which it is read; a sprite that '
  'moves from slot to slot is then always in the same place. Angles '
  'and sorted memories count as held if the interval of *alone* is above 0 '
  'and, for sorted slots, above what they show of another rollout: there are '
  'no random inputs or shuffled labels for them. Except *alone*, a gain below '
  '0 counts as 0. *Too wide*: more '
  f'than {exact_probe.MAX_WIDTH:,} numbers, so not measured. The '
  'planted rotating memory keeps the last 16 sprites, each in the next slot: '
  'it must be found with slots sorted by writing, and not with fixed slots.'
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
  rows += [[what, *[formats.NONE] * len(labels)] for what in _left_out(result)]
  return tables.table(['', *map(naming.in_words, labels)], rows)


def _left_out(result: results.ProbeResult) -> Iterator[str]:
  """Yields rows of representations without scores; says which are too wide."""
  for name, width in result.widths.items():
    is_wide = width > exact_probe.MAX_WIDTH
    if is_wide and not naming.is_control(name):
      yield f'{formats.named(result, name)}, too wide'
    if name == 'memory':
      # Traces may lack the weights by which slots are sorted.
      for order in naming.ORDERS:
        if f'{name}{order}' not in result.beyond:
          words = naming.in_words(f'{name}{order}')
          yield f'{words}, too wide' if is_wide else words

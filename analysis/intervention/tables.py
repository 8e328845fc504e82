"""The results of Test 4 as Markdown and JSON."""

from collections.abc import Iterator
from collections.abc import Mapping
import dataclasses
from typing import Any

from analysis.common import tables
from analysis.intervention import effects
from analysis.intervention import measuring
from analysis.intervention import naming
from analysis.intervention import verdict
from dnc.system import json_values
from dnc.system import wording

_NONE = '-'
_ABOUT_SUMMARY = (
  'A linear probe reads a latent of {asked} from the words read, or from the '
  'memory. These are changed by the least change that shifts the reading. '
  "*By writing*, *by reading*: with the memory's slots sorted, the last "
  'written or the most read first. '
  '*Slope*: the shift of the predicted sprite over that of the reading, with '
  '95 % intervals over rollouts: 1 if the sprite follows, 0 if it stays. '
  'Controls: changes of the same length along the direction of shuffled labels '
  'and in random directions. *Taken out*: how much the loss of an image rises '
  'if the direction is taken out, so that no linear probe reads the latent. '
  '*Random out*: the same for a random direction. *Counts*: the slope lies '
  'above {limit} and further from 0 than its controls, and the direction costs '
  'more than a random one, all corrected for the number of slopes: one for '
  'each latent and, of the memory, for each order of slots. '
  '*Untrained*: what a probe reads from an untrained core. "-": a probe reads '
  'too little for its reading to be shifted (R^2 below {least}).'
)
_HOW_TO_READ = (
  'How to read it: the words read are changed before the output layer. The '
  'memory is changed before the same heads read it. The output of the same '
  'step is read back as the nearest sprite. The controller is left as it is. '
  'So a slope below 1 may mean that the network relies on what its controller '
  'holds of the same latent, as well as on what was changed.',
  'A change is the least in units of how the representation varies, so a '
  'changed representation still looks like a usual one. The reading shifts '
  'exactly by the amount; amounts are steps of the grid of a latent, for x and '
  'y 32/31 pixels. Each change is made both ways, and half the difference is '
  'the shift, so a change that destroys the image shifts nothing. Only steps '
  'whose sprite can move both ways count.',
  'The target of a change is the sprite that the intact model predicts, with '
  'only this latent moved. IoU and errors compare the changed prediction with '
  'this target.',
)


def summary(result: measuring.InterventionResult) -> str:
  """Returns the small table of the verdict, and how to read it."""
  rows = []
  for name in result.names:
    counted = verdict.counted(result, name)
    for latent in result.latents:
      row = _row(result, result.asked, name, latent)
      is_held = row['slope'] != _NONE
      row['counts'] = (
        ('yes' if latent in counted else 'no') if is_held else _NONE
      )
      rows.append(row)
  about = _ABOUT_SUMMARY.format(
    asked=naming.sprite(result.asked),
    least=measuring.LEAST_R2,
    limit=verdict.MOST_STAYING,
  )
  if result.num_sorted < result.num_slots:
    about += (
      f' Of sorted slots, the first {result.num_sorted} of {result.num_slots} '
      'are read and changed.'
    )
  if result.too_wide:
    names = wording.join(map(tables.title, result.too_wide))
    about += f' Too wide to be changed: {names}.'
  return '\n\n'.join([*([tables.of_rows(rows)] if rows else []), about])


def _row(
  result: measuring.InterventionResult, offset: int, name: str, latent: str
) -> dict[str, str]:
  row = {'': f'{tables.title(name)}: {naming.latent(latent)}'}
  readings = {'reads (R^2)': result.readings}
  if result.untrained is not None:
    readings['untrained (R^2)'] = result.untrained
  for title, by_offset in readings.items():
    own = by_offset[offset].get(name)
    row[title] = f'{own[latent].r2:z.3f}' if own else _NONE
  kinds = result.effects[offset].get(name, {}).get(latent, {})
  for kind, title in (
    (effects.PROBE, 'slope'),
    (effects.SHUFFLED, 'shuffled'),
    (effects.RANDOM, 'random'),
  ):
    row[title] = _slope(kinds.get(kind))
  removal = result.removals[offset].get(name, {}).get(latent)
  row['taken out'] = row['random out'] = _NONE
  if removal is not None:
    row['taken out'], row['random out'] = (
      naming.with_interval(*x, '+z.1f')
      for x in (
        (removal.difference, removal.interval),
        (removal.random, removal.random_interval),
      )
    )
  return row


def _slope(effect: effects.Effect | None) -> str:
  if effect is None:
    return _NONE
  return naming.with_interval(effect.slope, effect.interval)


def text(result: measuring.InterventionResult, told: str | None = None) -> str:
  """Returns the verdict and all tables of Test 4 in Markdown.

  Args:
    result: what Test 4 found.
    told: the verdict; that of the result by default.
  """
  parts = [
    '# Test 4: interventions on what is held',
    told or verdict.text(result),
    summary(result),
    details(result),
  ]
  return '\n\n'.join(parts)


def details(result: measuring.InterventionResult) -> str:
  """Returns the tables of all directions and amounts, and how to read them."""
  predicted = wording.join(
    f'{naming.latent(name)} {r2:z.3f}' for name, r2 in result.predicted.items()
  )
  parts = [
    f'{len(result.steps)} steps of each of {result.num_rollouts} unseen '
    f'rollouts; probes of {result.num_fitted} others. R^2 of the sprite that '
    f'the intact model predicts: {predicted or "nothing varies"}.',
    *_HOW_TO_READ,
  ]
  for offset in result.offsets:
    if offset != result.asked:
      rows = [
        _row(result, offset, name, latent)
        for name in result.names
        for latent in result.latents
      ]
      if rows:
        parts += [_title(result, offset, 'slopes'), tables.of_rows(rows)]
    rows = list(_shift_rows(result, offset))
    if rows:
      parts += [
        _title(result, offset, 'shifts by amount, IoU and errors'),
        tables.of_rows(rows),
      ]
  return '\n\n'.join(parts) + '\n'


def _title(result: measuring.InterventionResult, offset: int, of: str) -> str:
  which = 'asked for' if offset == result.asked else 'not asked for'
  return f'## {naming.sprite(offset).capitalize()}, {which}: {of}'


def _shift_rows(
  result: measuring.InterventionResult, offset: int
) -> Iterator[dict[str, str]]:
  amounts = sorted({x for own in effects.AMOUNTS.values() for x in own})
  for name, of_latents in result.effects[offset].items():
    for latent, kinds in of_latents.items():
      for kind, effect in kinds.items():
        row = {
          '': f'{tables.title(name)}: {naming.latent(latent)}, '
          f'{naming.kind(kind)}'
        }
        shifts = dict(zip(effect.amounts.tolist(), effect.shifts.tolist()))
        for amount in amounts:
          shift = shifts.get(amount)
          is_there = shift is not None and shift == shift
          row[f'by {amount}'] = f'{shift:z.2f}' if is_there else _NONE
        row['IoU'] = f'{effect.iou:.3f}'
        for error, value in effect.errors.items():
          row[tables.title(error)] = wording.number(value)
        yield row


def data(
  result: measuring.InterventionResult, config: Mapping[str, Any]
) -> dict[str, Any]:
  """Returns the results of Test 4 for JSON, at full precision.

  Args:
    result: what Test 4 found.
    config: what was tested: flags, metadata of model and data.

  Returns:
    A dict of `config`, `verdict` and the attributes of `InterventionResult`,
    without the pictures.
  """
  found = dataclasses.asdict(result)
  del found['drag']
  return json_values.clean(
    {'config': config, 'verdict': verdict.text(result), **found}
  )

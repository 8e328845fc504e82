"""The figures of Test 4: a dragged sprite, and shifts of the sprite."""

import numpy as np

from analysis.common import figures
from analysis.common import tables
from analysis.intervention import effects
from analysis.intervention import measuring
from analysis.intervention import naming


def drag(result: measuring.InterventionResult) -> figures.figure.Figure | None:
  """Draws a sprite while one latent is dragged; None if nothing is held."""
  dragged = result.drag
  if dragged is None:
    return None
  rows = {'asked': dragged.images['asked']}
  for name, images in dragged.images.items():
    if name != 'asked':
      rows[_title(name)] = images
  return figures.rows_of_images(
    rows,
    [f'{shift:+}' if shift else '0' for shift in dragged.shifts],
    f'shift of the reading of {naming.latent(dragged.latent)}, steps',
  )


def _title(name: str) -> str:
  own = name.removesuffix(f'_{effects.RANDOM}')
  title = tables.title(own)
  return title if own == name else f'{title},\nrandom'


def shifts(
  result: measuring.InterventionResult,
) -> figures.figure.Figure | None:
  """Draws the shift of the sprite over that of the reading.

  The latent is the first of x, y and scale that is held. The memory's slots
  are in the order in which most of it is read.

  Returns:
    The figure; None if nothing is held.
  """
  found = result.effects[result.asked]
  for latent in ('x_position', 'y_position', 'scale'):
    curves = {}
    for kind in (effects.PROBE, effects.RANDOM):
      for part in reversed(measuring.PARTS):  # The memory first.
        name = result.best(part, latent)
        effect = found.get(name, {}).get(latent, {}).get(kind)
        if effect is not None:
          title = tables.title(name)
          if kind != effects.PROBE:
            title = f'{title}, {naming.kind(kind)}'
          curve = np.column_stack(
            [effect.amounts, effect.shifts, effect.shift_intervals]
          )
          curves[title] = curve[np.isfinite(effect.shifts)]
    if curves:
      amounts = effects.AMOUNTS[latent]
      asked = np.transpose([amounts] * 4).astype(np.float64)
      return figures.bands(
        {**curves, 'asked': asked},
        f'shift of the reading of {naming.latent(latent)}, steps',
        'shift of the sprite, steps',
        x_ticks=amounts,
      )
  return None

"""The results of Test 1 as text and JSON, beside the post's numbers."""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np

from analysis import probe
from analysis import tables
from dnc.dsprites import latents
from dnc.dsprites import variation

# The post's table at t-0, scored on its training data (PROTOCOL, 'Test 1').
_POST = {
  'post: random inputs': (0.66727, 0.030594, 3.478349, 0.091143, 0.091290),
  'post: Model A, read words (256)': (
    0.57304,
    0.029882,
    3.454712,
    0.026715,
    0.012845,
  ),
  'post: Model B, full memory (256)': (
    0.63969,
    0.028924,
    3.398510,
    0.089517,
    0.088407,
  ),
}
_SPLITS = {
  'train': 'rollouts the probe was trained on, as the post scores',
  'test': 'rollouts the probe has not seen',
}
_HOW_TO_READ_PROBE = (
  'How to read the tables: for shape, the share of wrong classes (and how much '
  'more is right than the third that guessing gets); for the others, the mean '
  'squared error (and R^2: 0 is predicting the mean, 1 is perfect). A '
  'representation holds a latent if, on rollouts the probe has not seen, its '
  'bracket is above 0 and above that of random inputs of the same width. The '
  'probe is trained for one epoch, as in the post: with few rollouts it finds '
  'less than there is.'
)
_ABOUT_THE_POST = (
  "The post's rows are scores on its training rollouts at t-0. For t-5 and "
  't-10 it gives no numbers, and found nothing above random inputs.'
)
_DOES_NOT_VARY = 'does not vary'
_ABOUT_CONFINED_ROLLOUTS = (
  "The post's numbers are not shown: all latents vary in its rollouts. What "
  f'{_DOES_NOT_VARY} is of one class in all of these steps, and no score tells '
  'whether a representation holds it. What is drawn once for each rollout has '
  'as many labels as there are rollouts: with few of them its scores tell '
  'little.'
)


def mean_errors(fixed: variation.Fixed = ()) -> np.ndarray:
  """Returns the exact errors of a probe that knows nothing: float64 `[5]`.

  Two thirds of the shapes are wrong, and predicting the mean of a value costs
  its variance. What is fixed costs nothing.

  Args:
    fixed: latents that keep one class, as `variation.resolve` returns them.
  """
  errors = latents.variances()
  errors[0] = 1 - probe.CHANCE_ACCURACY
  for name, _ in fixed:
    errors[latents.NAMES.index(name)] = 0
  return errors


def _cell(error: float, gain: float | None) -> str:
  if gain is None:
    return _DOES_NOT_VARY
  # Adding zero turns -0.0 into 0.0.
  return f'{error:.6f} ({round(gain, 3) + 0.0:+.3f})'


def _row_of_errors(name: str, errors: Sequence[float]) -> list[str]:
  """Returns a row from errors alone, with gains over knowing nothing."""
  known = mean_errors()
  gains = 1 - np.asarray(errors) / known
  gains[0] = known[0] - errors[0]
  # Knowing nothing is only free of error about what is fixed.
  return [name, *(_cell(e, g if e else None) for e, g in zip(errors, gains))]


def _row_of_scores(name: str, scores: Mapping[str, Mapping]) -> list[str]:
  cells = []
  for latent in latents.NAMES:
    gain = 'accuracy_above_chance' if latent == 'shape' else 'r2'
    cells.append(_cell(scores[latent]['error'], scores[latent][gain]))
  return [name, *cells]


def _in_words(name: str) -> str:
  if name.startswith(probe.CONTROL_PREFIX):
    return 'random inputs'
  return name.replace('_', ' ')


def _post(varying: variation.Varying) -> dict[str, tuple[float, ...]]:
  """The post's rows, where the rollouts are like its own."""
  return _POST if varying == latents.NAMES else {}


def probe_text(
  result: probe.ProbeResult,
  varying: variation.Varying = latents.NAMES,
  fixed: variation.Fixed = (),
) -> str:
  """Returns the tables of Test 1 in Markdown.

  One table for each split and offset; the post's numbers stand in those of t-0,
  if its rollouts were such.

  Args:
    result: what `probe.run` returned.
    varying: latents that varied within the rollouts, and
    fixed: latents that kept one class; as `variation.resolve` returns them.
  """
  header = ['', 'shape error (above chance)', 'scale mse (R^2)']
  header += ['orientation mse (R^2)', 'x mse (R^2)', 'y mse (R^2)']
  parts = ['# Test 1: linear probe']
  if varying != latents.NAMES:
    parts.append(f'In the rollouts {variation.in_words(varying, fixed)}.')
  for split, scores in result.scores.items():
    for offset in result.offsets:
      rows = [
        _row_of_scores(f'{_in_words(name)} ({width})', scores[name][offset])
        for name, width in result.widths.items()
      ]
      known = mean_errors(fixed)
      rows.append(_row_of_errors('predicting the mean (exact)', known))
      if offset == 0:
        post = _post(varying).items()
        rows += [_row_of_errors(name, row) for name, row in post]
      parts.append(f'## t-{offset}: {_SPLITS[split]}')
      parts.append(tables.table(header, rows))
  about = _ABOUT_THE_POST if _post(varying) else _ABOUT_CONFINED_ROLLOUTS
  parts += [_HOW_TO_READ_PROBE, about]
  return '\n\n'.join(parts) + '\n'


def probe_data(
  result: probe.ProbeResult,
  config: Mapping[str, Any],
  varying: variation.Varying = latents.NAMES,
  fixed: variation.Fixed = (),
) -> dict[str, Any]:
  """Returns Test 1 for JSON, at full precision.

  Args:
    result: what `probe.run` returned.
    config: what the result is of: flags, metadata of model and data.
    varying: as for `probe_text`.
    fixed: as for `probe_text`.

  Returns:
    A dict of `config`, `widths`, `offsets`, `scores` (by split, representation,
    offset, latent; see `probe.ProbeResult`), `predicting_the_mean` and `post`
    (errors in the order of `latents.NAMES`; empty where its rollouts were not
    such).
  """
  return tables.plain(
    {
      'config': config,
      'widths': result.widths,
      'offsets': result.offsets,
      'scores': result.scores,
      'predicting_the_mean': mean_errors(fixed),
      'post': _post(varying),
    }
  )

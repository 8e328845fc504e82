"""The results of Test 1 as text and JSON, beside the post's numbers."""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np

from analysis.common import tables
from analysis.probe import exact as exact_probe
from analysis.probe import inputs as probe_inputs
from analysis.probe import labels as probe_labels
from analysis.probe import probing as probe
from analysis.probe import scores as probe_scores
from analysis.probe import verdict as probe_verdict
from dnc.dsprites import latents
from dnc.dsprites import variation
from dnc.system import json_values

verdict = probe_verdict.verdict

# The post's table at t-0, scored on its training data (PROTOCOL, 'Test 1').
_POST = {
  'post, training rollouts: random inputs': (
    0.66727,
    0.030594,
    3.478349,
    0.091143,
    0.091290,
  ),
  'post, training rollouts: Model A, read words (256)': (
    0.57304,
    0.029882,
    3.454712,
    0.026715,
    0.012845,
  ),
  'post, training rollouts: Model B, full memory (256)': (
    0.63969,
    0.028924,
    3.398510,
    0.089517,
    0.088407,
  ),
}
# Of ours, what the post scored as well.
_LIKE_THE_POST = ('read_words', 'memory')
# What has not been trained on comes first: it is what counts.
_SPLITS = {
  'test': 'rollouts the probes have not seen',
  'train': 'rollouts the probes were trained on, as the post scores',
}
_HOW_TO_READ = (
  'How to read the tables: for classes, as shapes, the share of wrong ones '
  '(and how much more is right than guessing gets); for values the mean '
  'squared error (and R^2: 0 is predicting the mean, 1 is perfect), with the '
  '95 % confidence interval of the bracket, over resampled rollouts. A '
  'representation holds a label if, on rollouts the probes have not seen, the '
  'interval is above 0, above that of random inputs of the same width, and '
  'above that of labels shuffled across rollouts (selectivity is the gain less '
  'theirs). The Keras probe is trained for one epoch, as in the post: with few '
  'rollouts it finds less than there is. The exact probe finds all that is to '
  'be had by a linear map of these steps, or of wide ones, as the input image, '
  'of the first of them: least squares for values; for '
  'classes multinomial logistic regression, or, where that is given a sample '
  'of the steps alone, the linear discriminant, from all of them.'
)
_ABOUT_CONTROLS = (
  'Controls: random inputs hold nothing. Something is to be had of the input '
  'image and the action, which went into the model. The untrained core is the '
  'same model before training: what it holds needs no learning. In the planted '
  'memory the labels of the first offset were hidden, so that they must be '
  'found there.'
)
_ABOUT_THE_POST = (
  "The post's rows are scores on its training rollouts at t-0, wherever they "
  'stand. For t-5 and '
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
_NONE = '-'


def mean_errors(fixed: variation.Fixed = ()) -> np.ndarray:
  """Returns the exact errors of a probe that knows nothing: float64 `[5]`.

  Two thirds of the shapes are wrong, and predicting the mean of a value costs
  its variance. What is fixed costs nothing.

  Args:
    fixed: latents that keep one class, as `variation.resolve` returns them.
  """
  errors = latents.variances()
  errors[0] = 1 - probe_inputs.CHANCE_ACCURACY
  for name, _ in fixed:
    errors[latents.NAMES.index(name)] = 0
  return errors


def _gain(gain: float, interval: probe_scores.Interval = None) -> str:
  # Adding zero turns -0.0 into 0.0.
  numbers = [f'{round(x, 3) + 0.0:+.3f}' for x in (gain, *(interval or ()))]
  return numbers[0] + (f' [{", ".join(numbers[1:])}]' if interval else '')


def _cell(
  error: float | None,
  gain: float | None,
  interval: probe_scores.Interval = None,
) -> str:
  if error is None or gain is None:
    return _DOES_NOT_VARY
  return f'{error:.6f} ({_gain(gain, interval)})'


def _row_of_errors(name: str, errors: Sequence[float]) -> list[str]:
  """Returns a row from errors alone, with gains over knowing nothing."""
  known = mean_errors()
  gains = 1 - np.asarray(errors) / known
  gains[0] = known[0] - errors[0]
  # Knowing nothing is only free of error about what is fixed.
  return [name, *(_cell(e, g if e else None) for e, g in zip(errors, gains))]


def _score_cell(
  spec: probe_labels.LabelSpec, label: str, score: Mapping[str, Any] | None
) -> str:
  if score is None:
    return _NONE
  gain = score[probe_scores.gain_name(spec, label)]
  return _cell(score['error'], gain, score['interval'])


def _named(result: probe.ProbeResult, name: str) -> str:
  return f'{probe_verdict.in_words(name)} ({result.widths[name]})'


def _header(spec: probe_labels.LabelSpec) -> list[str]:
  header = ['']
  for label in spec.names:
    score = 'error (above chance' if label in spec.classes else 'mse (R^2'
    header.append(f'{probe_verdict.in_words(label)} {score} [95 %])')
  return header


def _known(
  result: probe.ProbeResult, offset: int, fixed: variation.Fixed, post: Mapping
) -> list[list[str]]:
  """Rows that are not scores: of knowing nothing, and the post's."""
  if result.spec.names != latents.NAMES:
    return []
  rows = [_row_of_errors('predicting the mean (exact)', mean_errors(fixed))]
  if offset == 0:
    rows += [_row_of_errors(name, row) for name, row in post.items()]
  return rows


def _keras_table(
  result: probe.ProbeResult, split: str, offset: int, rows: list[list[str]]
) -> str:
  spec = result.spec
  found = [
    [
      _named(result, name),
      *(_score_cell(spec, x, score) for x, score in scores[offset].items()),
    ]
    for name, scores in result.scores[split].items()
  ]
  return tables.table(_header(spec), found + rows)


def post_table(
  result: probe.ProbeResult, varying: variation.Varying = latents.NAMES
) -> str | None:
  """What the post scored, beside the post's numbers: on training rollouts.

  Args:
    result: what `probe.run` returned.
    varying: as for `probe_text`.

  Returns:
    A table of the Keras probe at t-0; None where the post has nothing like it.
  """
  post = _post(varying)
  if result.spec.names != latents.NAMES or 0 not in result.offsets or not post:
    return None
  if not set(_LIKE_THE_POST) & set(result.widths):
    return None
  rows = [
    [
      _named(result, name),
      *(_score_cell(result.spec, x, score) for x, score in scores[0].items()),
    ]
    for name, scores in result.scores['train'].items()
    if name in _LIKE_THE_POST or name.startswith(probe_inputs.RANDOM_PREFIX)
  ]
  rows += [_row_of_errors(name, row) for name, row in post.items()]
  return tables.table(_header(result.spec), rows)


def _exact_table(
  result: probe.ProbeResult, split: str, offset: int, rows: list[list[str]]
) -> str:
  """The exact probes; of each class the other one as well, behind all."""
  spec = result.spec
  is_sample = result.num_logistic_steps < result.num_steps
  beside = 'logistic regression' if is_sample else 'discriminant'
  header = _header(spec) + [
    f'{probe_verdict.in_words(x)}, {beside}' for x in spec.classes
  ]
  found = []
  for name, by_offset in result.scores[split].items():
    scores = by_offset[offset]
    cells = [_score_cell(spec, x, scores[x]['exact']) for x in spec.names]
    cells += [_score_cell(spec, x, scores[x]['beside']) for x in spec.classes]
    found.append([_named(result, name), *cells])
  blank = [_NONE] * len(spec.classes)
  return tables.table(header, found + [[*row, *blank] for row in rows])


def _selectivity_table(result: probe.ProbeResult, offset: int) -> str:
  """Of the probe that reads more."""
  rows = []
  for name, by_offset in result.scores['test'].items():
    cells = []
    for score in by_offset[offset].values():
      found = probe_verdict.best(score)
      cells.append(
        _DOES_NOT_VARY
        if found['selectivity'] is None
        else _gain(found['selectivity'], found['selectivity_interval'])
      )
    rows.append([_named(result, name), *cells])
  header = [
    f'{probe_verdict.in_words(x)} selectivity [95 %]' for x in result.spec.names
  ]
  return tables.table(['', *header], rows)


def _comparison_table(result: probe.ProbeResult) -> str:
  """How much more is read off one representation than off another."""
  rows = []
  for one, others in result.comparisons.items():
    for other, by_offset in others.items():
      for offset, found in by_offset.items():
        cells = [
          _DOES_NOT_VARY
          if found[label]['interval'] is None
          else _gain(found[label]['difference'], found[label]['interval'])
          for label in result.spec.names
        ]
        one_words, other_words = map(probe_verdict.in_words, (one, other))
        what = f'{one_words} - {other_words}, {probe_verdict.when(offset)}'
        rows.append([what, *cells])
  header = ['', *map(probe_verdict.in_words, result.spec.names)]
  return tables.table(header, rows)


def _isolated_table(isolated: Mapping[str, probe.ProbeResult]) -> str:
  """Two rows for each representation: of the Keras and of the exact probe."""
  first = next(iter(isolated.values()))
  rows = []
  for name in first.widths:
    for exact in (False, True):
      cells = []
      for latent, result in isolated.items():
        score = result.scores['test'][name][0][latent]
        score = score['exact'] if exact else score
        if score is None:
          cells.append(_NONE)
          continue
        gain = score[probe_scores.gain_name(result.spec, latent)]
        cells.append(
          _DOES_NOT_VARY if gain is None else _gain(gain, score['interval'])
        )
      rows.append([_named(first, name) + (', exact' if exact else ''), *cells])
  header = []
  for latent, result in isolated.items():
    score = 'above chance' if latent in result.spec.classes else 'R^2'
    header.append(f'{probe_verdict.in_words(latent)} {score} [95 %]')
  return tables.table(['', *header], rows)


def _isolated_parts(isolated: Mapping[str, probe.ProbeResult]) -> list[str]:
  if not isolated:
    return []
  counts = next(iter(isolated.values())).num_rollouts
  return [
    '## Each latent in isolation',
    f'For each column {counts["train"]:,} rollouts to train on and '
    f'{counts["test"]:,} unseen ones, which are scored; in all of them only '
    'that latent varies from sprite to sprite, and the others are drawn once '
    "for each rollout, of which every number's mean over the rollout is taken "
    'away. Of the current sprite. Below 0 is worse than the mean: what was '
    'learned on some rollouts misleads on others, the exact probe most where '
    'rollouts are few.',
    _isolated_table(isolated),
  ]


def _post(varying: variation.Varying) -> dict[str, tuple[float, ...]]:
  """The post's rows, where the rollouts are like its own."""
  return _POST if varying == latents.NAMES else {}


def shown_offset(offset: int) -> str:
  """An offset as in the titles: t-5, t-0, t+1."""
  return f't+{-offset}' if offset < 0 else f't-{offset}'


def _about(result: probe.ProbeResult) -> str:
  """What was trained on, and how the exact probes were come by."""
  count, steps = result.num_rollouts['train'], result.num_steps
  sentences = [f'Trained on {steps:,} steps of {count:,} rollouts.']
  ranges = [
    (score['range'][1] - score['range'][0], name, label, offset, split)
    for split, by_name in result.scores.items()
    for name, by_offset in by_name.items()
    if probe_verdict.is_probed(name)
    for offset, scores in by_offset.items()
    for label, score in scores.items()
    if score['range']
  ]
  if result.num_seeds > 1 and ranges:
    widest, name, label, offset, split = max(ranges)
    sentences.append(
      f'Keras probes: means of {result.num_seeds} seeds, whose brackets are '
      f'{widest:.3f} apart at most ({_named(result, name)}, '
      f'{probe_verdict.in_words(label)}, {shown_offset(offset)}, {split}).'
    )
  if result.spec.classes:
    number = result.num_logistic_steps
    sentences.append(
      'The logistic regression is given '
      + (
        'all steps.'
        if number == steps
        else f'{number:,} of these steps, drawn uniformly; so the linear '
        'discriminant, from all of them, is the exact answer here.'
      )
    )
  if result.without_exact:
    names = ', '.join(_named(result, name) for name in result.without_exact)
    sentences.append(
      f'No exact probes of {names}: wider than {exact_probe.MAX_WIDE:,} '
      f'numbers, or than {exact_probe.MAX_WIDTH:,} without steps that have the '
      'labels of all offsets.'
    )
  if result.num_wide_steps:
    wide = ', '.join(
      _named(result, name)
      for name, width in result.widths.items()
      if exact_probe.MAX_WIDTH < width <= exact_probe.MAX_WIDE
    )
    sentences.append(
      f'The exact probes of {wide} are fitted to {result.num_wide_steps:,} of '
      'the steps, with the linear discriminant for classes.'
    )
  there = [
    f'{probe_verdict.in_words(label)} {r2:.3f}'
    for label, r2 in result.attainable.items()
    if r2 is not None
  ]
  if there:
    sentences.append(
      'Of the planted memory the best linear map attains an R^2 of '
      + ', '.join(there)
      + f' at {shown_offset(result.offsets[0])}.'
    )
  return ' '.join(sentences)


def probe_text(
  result: probe.ProbeResult,
  varying: variation.Varying = latents.NAMES,
  fixed: variation.Fixed = (),
) -> str:
  """Returns the tables of Test 1 in Markdown.

  For each split and offset one of the Keras probes and one of the exact ones.
  The post's numbers stand with the Keras probes of t-0, if its rollouts were
  such.

  Args:
    result: what `probe.run` or `probe.fit_and_score` returned.
    varying: latents that varied within the rollouts, and
    fixed: latents that kept one class; as `variation.resolve` returns them.
  """
  of_sprites = result.spec.names == latents.NAMES
  post = _post(varying) if of_sprites else {}
  parts = ['# Test 1: linear probe', f'**{verdict(result)}**', _about(result)]
  if varying != latents.NAMES:
    parts.append(f'In the rollouts {variation.in_words(varying, fixed)}.')
  for split in (x for x in _SPLITS if x in result.scores):
    for offset in result.offsets:
      title = f'{shown_offset(offset)}: {_SPLITS[split]}'
      rows = _known(result, offset, fixed, post)
      parts += [
        f'## {title}',
        'Keras probe:',
        _keras_table(result, split, offset, rows),
        'Exact probe:',
        _exact_table(result, split, offset, rows[:1]),
      ]
      if split == 'test':
        parts += [
          'Selectivity, of the probe that reads more:',
          _selectivity_table(result, offset),
        ]
  if result.comparisons:
    parts += [
      '## More than elsewhere: unseen rollouts',
      'How much more is read off one than off another (the difference of R^2, '
      'or of accuracy above chance), each by the probe that reads more.',
      _comparison_table(result),
    ]
  parts += _isolated_parts(result.isolated)
  parts += [_HOW_TO_READ, _ABOUT_CONTROLS]
  if of_sprites:
    parts.append(_ABOUT_THE_POST if post else _ABOUT_CONFINED_ROLLOUTS)
  return '\n\n'.join(parts) + '\n'


def _plain_result(result: probe.ProbeResult) -> dict[str, Any]:
  data = {**vars(result), 'spec': vars(result.spec)}
  data['isolated'] = {
    latent: _plain_result(found) for latent, found in result.isolated.items()
  }
  return data


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
    A dict of `config`, `verdict`, the attributes of `probe.ProbeResult`,
    `predicting_the_mean` and `post` (errors in the order of `latents.NAMES`;
    empty where its rollouts were not such).
  """
  return json_values.clean(
    {
      'config': config,
      'verdict': verdict(result),
      **_plain_result(result),
      'predicting_the_mean': mean_errors(fixed),
      'post': _post(varying),
    }
  )

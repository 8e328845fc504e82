"""The results of Test 1 as text and JSON, beside the post's numbers."""

from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import itertools
from typing import Any

import numpy as np

from analysis.common import tables
from analysis.probe import beyond_tables
from analysis.probe import exact_probe
from analysis.probe import formats
from analysis.probe import labels as labels_lib
from analysis.probe import naming
from analysis.probe import parts_tables
from analysis.probe import results
from analysis.probe import untrained_table
from analysis.probe import verdict
from dnc.dsprites import latents
from dnc.dsprites import variation
from dnc.system import json_values

# The post's table at t-0, scored on its training data (PROTOCOL, 'Test 1').
_POST_ROWS = (
  'random inputs',
  'Model A, read words (256)',
  'Model B, full memory (256)',
)
_POST_ERRORS = (
  (0.66727, 0.030594, 3.478349, 0.091143, 0.091290),
  (0.57304, 0.029882, 3.454712, 0.026715, 0.012845),
  (0.63969, 0.028924, 3.398510, 0.089517, 0.088407),
)
# The offsets that the post scored.
_POST_OFFSETS = (0, 5, 10)
# Representations that the post scored as well.
_LIKE_THE_POST = ('read_words', 'memory')
# Unseen rollouts come first: they decide.
_SPLITS = {
  'test': 'rollouts the probes have not seen',
  'train': 'rollouts the probes were trained on, as in the post',
}
# How to read the table of the verdict.
ABOUT_SUMMARY = (
  'A cell names the label that is held best, with its R^2 (for shape, the '
  'accuracy above chance), then how many of all labels are held. Fixed slots '
  'must show more than those of a planted memory that keeps everything in '
  'slots that rotate; sorted slots, more than with the contents of another '
  'rollout. *Beyond*: what is added to the inputs of the step, or to the '
  'controller, if its interval lies above 0.01. *More than untrained*: how '
  'many of the held labels untrained cores hold less of.'
)
_HOW_TO_READ = (
  'How to read the tables: for classes, such as the shape, a cell has the '
  'share of wrong answers and, in parentheses, the accuracy above guessing. '
  'For values it has the mean squared error and, in parentheses, R^2: 0 is '
  'predicting the mean, 1 is perfect. Accuracy above guessing and R^2 are the '
  'gain; its 95 % confidence interval, over resampled rollouts, is in square '
  'brackets. A representation holds a label if, on rollouts the probes have '
  'not seen, this interval lies above 0, above that of random inputs of the '
  'same width, and above that of labels shuffled across rollouts (a memory '
  'also above that of the planted memory whose slots rotate). The Keras '
  'probe is trained for one epoch, as in the post; with few rollouts it finds '
  'less than there is. The exact probe is the best linear map for these steps '
  'or, for wide representations such as the input image, for the first of '
  'them. It is least squares for values. For classes the heading names it: '
  'multinomial logistic regression or, if that is fitted to only a sample of '
  'the steps, the linear discriminant of all steps.'
)
_ABOUT_CONTROLS = (
  'Controls: random inputs hold nothing. The input image and the action, which '
  'go into the model, do hold something. The planted memory '
  'holds the labels of the first offset, hidden in noise; probes must find '
  'them there.'
)
_ABOUT_THE_POST = (
  "The post's rows are always scores on its training rollouts at t-0, even in "
  'tables of unseen rollouts. The post has no numbers for t-5 and t-10; it '
  'found nothing above random inputs there.'
)
_ABOUT_CONFINED_ROLLOUTS = (
  "The post's numbers are not shown, because in its rollouts all latents vary. "
  f'A latent that {formats.DOES_NOT_VARY} has the same class in all of these '
  'steps, so no score can tell whether a representation holds it. A latent '
  'that is drawn once for each rollout has only as many labels as there are '
  'rollouts: with few rollouts, its scores are unreliable.'
)


def _mean_errors(fixed: variation.Fixed = ()) -> np.ndarray:
  """The exact errors of a probe that knows nothing: float64 `[5]`.

  It guesses two thirds of the shapes wrong. Its squared error of a value is the
  variance. It predicts fixed latents without error.
  """
  errors = latents.variances()
  errors[0] = 1 - 1 / latents.SIZES[0]
  for name, _ in fixed:
    errors[latents.NAMES.index(name)] = 0
  return errors


def _row_of_errors(name: str, errors: Sequence[float]) -> list[str]:
  """A row of errors, with the gains over knowing nothing."""
  known = _mean_errors()
  gains = 1 - np.asarray(errors) / known
  gains[0] = known[0] - errors[0]
  # Only fixed latents can be predicted without error.
  return [
    name,
    *(formats.error_cell(e, g if e else None) for e, g in zip(errors, gains)),
  ]


def _score_cell(score: results.TaskScore | None) -> str:
  if score is None:
    return formats.NONE
  return formats.error_cell(score.error, score.gain, score.interval)


def _header(
  spec: labels_lib.LabelSpec, probe: str = '', interval: str = ' [95 %]'
) -> list[str]:
  """Names the labels, and for classes the probe, if it is given."""
  of_classes = f', {probe}: error' if probe else ' error'
  header = ['']
  for label in spec.names:
    is_class = label in spec.classes
    score = f'{of_classes} (above chance' if is_class else ' mse (R^2'
    header.append(f'{naming.in_words(label)}{score}{interval})')
  return header


def _keras_rows(
  result: results.ProbeResult, split: str, offset: int
) -> dict[str, list[str]]:
  """Rows by representation."""
  return {
    name: [
      formats.named(result, name),
      *map(_score_cell, scores[offset].values()),
    ]
    for name, scores in result.scores[split].items()
  }


def post_table(
  result: results.ProbeResult, varying: variation.Varying = latents.NAMES
) -> str | None:
  """Returns our scores beside the post's, on training rollouts.

  Args:
    result: what Test 1 found.
    varying: latents that varied within the rollouts.

  Returns:
    A table of the Keras probe at t-0, without intervals, so that it fits a
    page; None if the post has no such numbers.
  """
  post = _post(varying)
  if result.spec.names != latents.NAMES or 0 not in result.offsets or not post:
    return None
  if not set(_LIKE_THE_POST) & set(result.widths):
    return None
  rows = [
    [
      formats.named(result, name),
      *(formats.error_cell(x.error, x.gain) for x in scores[0].values()),
    ]
    for name, scores in result.scores['train'].items()
    if name in _LIKE_THE_POST or name.startswith(naming.RANDOM)
  ]
  rows += itertools.starmap(_row_of_errors, post.items())
  return tables.table(_header(result.spec, interval=''), rows)


def _exact_table(
  result: results.ProbeResult, split: str, offset: int, rows: list[list[str]]
) -> str:
  """The exact probes; for classes, the second one in columns at the end."""
  spec = result.spec
  kinds = ['logistic regression', 'discriminant']
  if result.num_logistic_steps < result.num_steps:
    kinds.reverse()
  exact, beside = kinds
  header = _header(spec, exact) + [
    f'{naming.in_words(x)}, {beside}' for x in spec.classes
  ]
  found = []
  for name, by_offset in result.scores[split].items():
    scores = by_offset[offset]
    cells = [_score_cell(scores[x].exact) for x in spec.names]
    cells += [_score_cell(scores[x].beside) for x in spec.classes]
    found.append([formats.named(result, name), *cells])
  blank = [formats.NONE] * len(spec.classes)
  return tables.table(header, found + [[*row, *blank] for row in rows])


def _shuffled_table(result: results.ProbeResult, offset: int) -> str:
  """Gain above that with shuffled labels, of the better probe."""
  rows = []
  for name, by_offset in result.scores['test'].items():
    best = [score.best for score in by_offset[offset].values()]
    cells = [
      formats.gain_cell(x.above_shuffled, x.above_shuffled_interval)
      for x in best
    ]
    rows.append([formats.named(result, name), *cells])
  header = [
    f'{naming.in_words(x)} above shuffled [95 %]' for x in result.spec.names
  ]
  return tables.table(['', *header], rows)


def _comparison_table(result: results.ProbeResult) -> str:
  """How much more one representation holds than another."""
  rows = []
  for one, others in result.comparisons.items():
    for other, by_offset in others.items():
      for offset, found in by_offset.items():
        one_words, other_words = map(naming.in_words, (one, other))
        what = f'{one_words} - {other_words}, {naming.when(offset)}'
        cells = [
          formats.gain_cell(x.difference, x.interval) for x in found.values()
        ]
        rows.append([what, *cells])
  header = ['', *map(naming.in_words, result.spec.names)]
  return tables.table(header, rows)


def _isolated_table(isolated: Mapping[str, results.ProbeResult]) -> str:
  """Two rows for each representation: of the Keras and of the exact probe."""
  first = next(iter(isolated.values()))
  rows = []
  for name in first.widths:
    keras, exact = (
      [formats.named(first, name)],
      [f'{formats.named(first, name)}, exact'],
    )
    for latent, result in isolated.items():
      score = result.scores['test'][name][0][latent]
      keras.append(formats.gain_cell(score.gain, score.interval))
      found = score.exact
      exact.append(
        formats.gain_cell(found.gain, found.interval) if found else formats.NONE
      )
    rows += [keras, exact]
  header = []
  for latent, result in isolated.items():
    score = 'above chance' if latent in result.spec.classes else 'R^2'
    header.append(f'{naming.in_words(latent)} {score} [95 %]')
  return tables.table(['', *header], rows)


def _isolated_parts(isolated: Mapping[str, results.ProbeResult]) -> list[str]:
  counts = next(iter(isolated.values())).num_rollouts
  return [
    '## Each latent in isolation',
    'In each column, one latent varies from sprite to sprite; the others are '
    'drawn once for each rollout. Probes are trained on '
    f'{counts["train"]:,} such rollouts and scored on {counts["test"]:,} '
    'unseen ones, for the current sprite. The mean over the rollout is '
    'subtracted from every number. A gain below 0 is worse than predicting the '
    'mean: a rule that holds in some rollouts misleads the probe in others. If '
    'rollouts are few, this affects the exact probe most.',
    _isolated_table(isolated),
  ]


def _post(varying: variation.Varying) -> dict[str, tuple[float, ...]]:
  """The post's errors; none unless all latents vary, as in its rollouts."""
  if varying != latents.NAMES:
    return {}
  names = (f'post, training rollouts: {name}' for name in _POST_ROWS)
  return dict(zip(names, _POST_ERRORS))


def _offset_title(offset: int, of_sprites: bool, asked: int) -> str:
  """An offset, whether the post scored it, and whether the task asks for it."""
  marks = {}
  if of_sprites:
    marks.update(dict.fromkeys(_POST_OFFSETS, ', which the post scored'))
  marks[asked] = ', the sprite to be predicted'
  return naming.short_offset(offset) + marks.get(offset, '')


def _seed_range(result: results.ProbeResult) -> str:
  """How much the seeds of the Keras probes differ; '' for a single seed."""
  ranges = [
    (score.range[1] - score.range[0], name, label, offset, split)
    for split, by_name in result.scores.items()
    for name, by_offset in by_name.items()
    if not naming.is_control(name)
    for offset, scores in by_offset.items()
    for label, score in scores.items()
    if score.range
  ]
  if result.num_seeds < 2 or not ranges:
    return ''
  widest, name, label, offset, split = max(ranges)
  return (
    f'Keras probes: means of {result.num_seeds} seeds, whose gains differ by '
    f'at most {widest:.3f} ({formats.named(result, name)}, '
    f'{naming.in_words(label)}, {naming.short_offset(offset)}, {split}).'
  )


def _exact_probes(result: results.ProbeResult) -> list[str]:
  """Which steps the exact probes were fitted to, in sentences."""
  sentences = []
  if result.spec.classes:
    number = result.num_logistic_steps
    sentences.append(
      'The logistic regression is fitted to all steps.'
      if number == result.num_steps
      else f'The logistic regression is fitted to {number:,} of these steps, '
      'drawn uniformly. So the exact probe of classes is the linear '
      'discriminant, which uses all steps.'
    )
  if result.without_exact:
    names = ', '.join(
      formats.named(result, name) for name in result.without_exact
    )
    sentences.append(
      f'There are no exact probes of {names}: wider than '
      f'{exact_probe.MAX_WIDE:,} numbers, or wider than '
      f'{exact_probe.MAX_WIDTH:,} and without steps that have the labels of '
      'all offsets.'
    )
  if result.num_wide_steps:
    wide = ', '.join(
      formats.named(result, name)
      for name, width in result.widths.items()
      if exact_probe.MAX_WIDTH < width <= exact_probe.MAX_WIDE
    )
    sentences.append(
      f'The exact probes of {wide} are fitted to {result.num_wide_steps:,} of '
      'the steps, with the linear discriminant for classes.'
    )
  return sentences


def _about(result: results.ProbeResult) -> str:
  """What the probes were trained on."""
  count, steps = result.num_rollouts['train'], result.num_steps
  sentences = [
    f'The probes are trained on {steps:,} steps of {count:,} rollouts.',
    _seed_range(result),
    *_exact_probes(result),
  ]
  attainable = [
    f'{naming.in_words(label)} {r2:.3f}'
    for label, r2 in result.attainable.items()
    if r2 is not None
  ]
  if attainable:
    sentences.append(
      'The best linear map from the planted memory attains an R^2 of '
      + ', '.join(attainable)
      + f' at {naming.short_offset(result.planted_offset)}.'
    )
  return ' '.join(filter(None, sentences))


def summary(result: results.ProbeResult) -> str:
  """Returns the small table of the verdict, and the answer to the post."""
  parts = [verdict.table(result), ABOUT_SUMMARY, verdict.augments(result)]
  return '\n\n'.join(filter(None, parts))


def text(
  result: results.ProbeResult,
  varying: variation.Varying = latents.NAMES,
  fixed: variation.Fixed = (),
  asked: int = -1,
) -> str:
  """Returns the tables of Test 1 in Markdown.

  For each split and offset there is a table of the Keras probes and one of the
  exact ones. The tables of the Keras probes at t-0 include the post's numbers
  if all latents varied, as in its rollouts.

  Args:
    result: what Test 1 found.
    varying: latents that varied within the rollouts.
    fixed: latents that kept one class, see `variation.resolve`.
    asked: the offset of the sprite that the model predicts.
  """
  of_sprites = result.spec.names == latents.NAMES
  post, mean = {}, []
  if of_sprites:
    post = _post(varying)
    mean.append(
      _row_of_errors('predicting the mean (exact)', _mean_errors(fixed))
    )
  parts = [
    '# Test 1: linear probe',
    f'**{verdict.text(result)}**',
    summary(result),
    _about(result),
  ]
  if varying != latents.NAMES:
    parts.append(f'In the rollouts {variation.in_words(varying, fixed)}.')
  for split in (x for x in _SPLITS if x in result.scores):
    for offset in result.offsets:
      keras = list(_keras_rows(result, split, offset).values()) + mean
      if offset == 0:
        keras += itertools.starmap(_row_of_errors, post.items())
      parts += [
        f'## {_offset_title(offset, of_sprites, asked)}: {_SPLITS[split]}',
        'Keras probe:',
        tables.table(_header(result.spec), keras),
        'Exact probe:',
        _exact_table(result, split, offset, mean),
      ]
      if split == 'test':
        parts += [
          'Gain above shuffled labels, of the probe with the higher gain:',
          _shuffled_table(result, offset),
        ]
  if result.comparisons:
    parts += [
      '## Differences between representations: unseen rollouts',
      'How much more a probe reads from one representation than from another: '
      'the difference of R^2, or of accuracy above chance, each for the probe '
      'with the higher gain.',
      _comparison_table(result),
    ]
  if result.parts:
    parts += parts_tables.parts(result)
  if result.beyond:
    parts += beyond_tables.parts(result)
  if result.untrained is not None and result.untrained.seeds:
    parts += [
      '## More than untrained cores: unseen rollouts',
      untrained_table.text(result.untrained),
    ]
  if result.isolated:
    parts += _isolated_parts(result.isolated)
  parts += [_HOW_TO_READ, _ABOUT_CONTROLS]
  if of_sprites:
    parts.append(_ABOUT_THE_POST if post else _ABOUT_CONFINED_ROLLOUTS)
  return '\n\n'.join(parts) + '\n'


def _as_dict(result: results.ProbeResult) -> dict[str, Any]:
  return {
    **vars(result),
    'spec': vars(result.spec),
    'untrained': result.untrained and dataclasses.asdict(result.untrained),
    'isolated': {k: _as_dict(v) for k, v in result.isolated.items()},
  }


def data(
  result: results.ProbeResult,
  config: Mapping[str, Any],
  varying: variation.Varying = latents.NAMES,
  fixed: variation.Fixed = (),
) -> dict[str, Any]:
  """Returns Test 1 for JSON, at full precision.

  Args:
    result: what Test 1 found.
    config: what was probed: flags, metadata of model and data.
    varying: latents that varied within the rollouts.
    fixed: latents that kept one class, see `variation.resolve`.

  Returns:
    A dict of `config`, `verdict`, the attributes of `ProbeResult`, and errors
    in the order of `latents.NAMES`: `predicting_the_mean` and `post`, which is
    empty unless all latents varied, as in the post's rollouts.
  """
  return json_values.clean(
    {
      'config': config,
      'verdict': verdict.text(result),
      **_as_dict(result),
      'predicting_the_mean': _mean_errors(fixed),
      'post': _post(varying),
    }
  )

"""The sections of the report: results in text, tables and figures."""

from collections.abc import Mapping
import re
from typing import Any

import numpy as np
import tensorflow as tf

from analysis import intervention
from analysis import lesion
from analysis import mutual_information
from analysis import probe
from analysis.common import figures
from analysis.common import tables
from analysis.report import page
from dnc import lesions
from dnc.training import summaries
from dnc.visualize import memory_trace

# Changes of the loss are drawn on a linear axis up to this share of the model's
# gain.
_LINEAR_SHARE = 0.01
# The label whose gain is drawn over time.
_OVER_TIME = 'x_position'


class Sections:
  """Collects the paragraphs and pictures of a report.

  Attributes:
    about: what was run, see `composer.compose`.
    parts: paragraphs, tables and pictures in Markdown, in order.
    pictures: pictures by file name.
    pixels: the same pictures, uint8 `[height, width, channels]`.
  """

  def __init__(self, about: Mapping[str, Any]):
    self.about = about
    self.parts: list[str] = []
    self.pictures: dict[str, page.Picture] = {}
    self.pixels: dict[str, np.ndarray] = {}

  def add(self, *parts: str) -> None:
    """Adds paragraphs."""
    self.parts += parts

  def draw(self, tag: str, pixels: np.ndarray, name: str, caption: str) -> None:
    """Adds a picture, uint8 `[height, width, channels]`."""
    content = tf.io.encode_png(pixels).numpy()
    self._add(page.Picture(f'{tag}.png', content, name, caption), pixels)

  def plot(
    self, tag: str, drawn: figures.figure.Figure, name: str, caption: str
  ) -> None:
    """Adds a figure."""
    picture = page.Picture(f'{tag}.svg', figures.to_svg(drawn), name, caption)
    self._add(picture, figures.to_pixels(drawn))

  def _add(self, picture: page.Picture, pixels: np.ndarray) -> None:
    self.pictures[picture.file] = picture
    self.pixels[picture.file] = pixels
    self.parts.append(picture.markdown())

  def add_tables(self, text: str) -> None:
    """Adds the tables of a test, without their title if they have one."""
    text = re.sub(r'\A# .*\n', '', text).strip()
    self.parts.append(text.replace('\n## ', '\n### '))


def add_legend(
  sections: Sections, found: Mapping[str, Any], has_memory: bool
) -> None:
  """Adds the terms that answers and tables use, as far as they occur.

  Args:
    sections: the sections to add to.
    found: as `experiment.evaluate` returns it.
    has_memory: whether the core has a memory.
  """
  lines = []
  if 'probe' in found:
    lines += [
      '**t+1, t-0, t-5**: the next sprite, the current one, the one five steps '
      'before.',
      '**Label**: what a probe is asked for, a latent of one of these sprites '
      'or its *angle*, the orientation as a point on a circle. *8/12*: true '
      'of 8 of 12 labels.',
      '**Controller hidden, cell** (h_t, c_t): the state of the LSTM that '
      + ('controls the heads.' if has_memory else 'is the whole network.'),
    ]
    if has_memory:
      lines.append(
        '**Memory** (M_t): its slots; *by writing*, sorted by when they were '
        'last written; *by reading*, by how much they are read. **Read words** '
        '(r_t): what the heads read from it.'
      )
  if 'lesion' in found:
    lines.append(
      '**Jolt**: what a sudden change of the memory costs at first, until the '
      'controller has adapted.'
    )
  if lines:
    sections.add('\n'.join(f'- {line}' for line in lines))


def add_predictions(
  sections: Sections, means: Mapping[str, float], picture: np.ndarray
) -> None:
  """Adds how well the model predicts the next sprite.

  Args:
    sections: the sections to add to.
    means: scores of its predictions.
    picture: uint8 `[height, width, 1]`, true sprites above predicted ones.
  """
  sections.add(
    '## Does it predict?',
    f'On unseen rollouts: loss {means["loss"]:.1f} an image, '
    f'{means["pixel_error"]:.2%} of the pixels wrong, intersection over union '
    f'of true and predicted sprite {means["iou"]:.3f} (1 is perfect; a blank '
    'image has 0).',
  )
  sections.draw(
    'predictions',
    picture,
    'True and predicted sprites',
    'Above, the first ten sprites of an unseen rollout that are to be '
    'predicted. Below, the prediction of each: the lighter a pixel, the more '
    'probable that it is on.',
  )


def add_probe(sections: Sections, result: probe.ProbeResult) -> None:
  """Adds Test 1, except for its full tables."""
  sprite = probe.naming.sprite(result.shown_offset)
  planted = probe.naming.sprite(result.planted_offset)
  varying = sections.about['evaluation']['varying']
  sections.add(
    '## Test 1: can the latents be read?',
    'A linear layer, the *probe*, is trained to predict the latents of a '
    'sprite from the numbers that the network holds at a step. Latents that it '
    'can read are there in linear form. Latents that it cannot read may still '
    'be there in another form.',
  )
  post = probe.tables.post_table(result, varying)
  if post is not None:
    sections.add(
      f'### {tables.POST_TITLE}',
      "Errors of the post's probe for the current sprite: mean squared "
      'errors and, for shape, the share of wrong answers; in brackets R², or '
      'accuracy above chance; `probe.md` has their intervals. As in the post, '
      'these scores are for the rollouts that the probe was trained on. '
      'Elsewhere on this page, unless a heading says otherwise, and in the '
      'answer above, scores are for rollouts that no probe has seen.',
      post,
      '### What the probes read',
    )
  for label in result.spec.names:
    title = probe.naming.in_words(label)
    drawn = probe.figures.gains(result, label)
    if drawn is None:
      sections.add(f'There is no figure of {title}: it does not vary.')
      continue
    sections.plot(
      f'probe_{label}',
      drawn,
      f'Probe: {title}',
      f'How much of the {title} of {sprite} a linear probe reads from each '
      'representation (in brackets, its width), on unseen rollouts. Dot: the '
      "post's probe, with its 95 % interval over rollouts. Ring: the exact "
      'probe, the best linear one for the same training rollouts (for the '
      'image, for the first of them). An arrow marks a value outside the '
      'figure. Blue: the memory; green: the controller; light blue: the input; '
      f'grey: controls. The planted memory holds the latents of {planted}, and '
      'is probed for them. Random inputs hold nothing. Untrained cores hold '
      'what needs no learning; their mean and range, by the exact probe, are '
      'shown.',
    )
  if len(result.offsets) > 1 and _OVER_TIME in varying:
    _plot_over_time(sections, result)
  sections.add('All tables of Test 1 are at the end.')


def _plot_over_time(sections: Sections, result: probe.ProbeResult) -> None:
  sections.plot(
    'probe_over_time',
    probe.figures.over_time(result, _OVER_TIME),
    'Probe: earlier and later sprites',
    'How much of the x position of earlier and later sprites a linear probe '
    'reads from memory and controller, with 95 % intervals. The better of the '
    'Keras and the exact probe is shown; of sorted slots, the exact one. Grey: '
    'untrained networks, their mean and range. t-0 is the current sprite, t+1 '
    'the next one, t-5 the one five steps before. The current sprite is the '
    'input of the same step: to hold it, the network need only pass it on. '
    'Earlier sprites must be remembered. Only the part that exceeds an '
    'untrained network was learned.',
  )


def add_mutual_information(
  sections: Sections,
  results: Mapping[str, mutual_information.MutualInformationResult],
) -> None:
  """Adds Test 2."""
  sections.add(
    '## Test 2: does a single number follow a position?',
    'The network is shown sequences in which only the x position of the '
    'sprite changes. *Mutual information* measures how much information each '
    'number, by itself, has about x; 0 is none.',
    mutual_information.tables.summary(results),
  )
  for name, result in results.items():
    if len(result.layout) == 2 and len(result.locations) == np.prod(
      result.layout
    ):
      _plot_locations(sections, name, result)
  for name, result in results.items():
    if len(result.locations) == 1:
      continue  # One number has no spread.
    title = tables.title(name)
    sections.plot(
      f'mutual_information_spread_{name}',
      figures.histogram(
        {
          'true x': result.scores[result.shown],
          'random x': result.control,
          'shifted x': result.shifted,
        },
        f'{title}: mutual information, nats',
        {'true x': 'memory', 'random x': 'lesion', 'shifted x': 'control'},
      ),
      f'Spread of mutual information: {title}',
      f'Scores of all numbers of the {title}: with the true x positions of '
      f'{_shown(result)}, with the same positions in '
      'random order, and with the true sequence shifted in time. An estimate '
      'from a finite number of steps is above zero even where there is '
      'nothing; the random and the shifted positions show by how much.',
    )
  fixed = sections.about['evaluation']['fixed']
  sections.add_tables(
    mutual_information.tables.details(
      results, [item for item in fixed if item[0] != 'x_position']
    )
  )


def _shown(result: mutual_information.MutualInformationResult) -> str:
  """The sprite of the lag in the figures."""
  return probe.naming.sprite(result.lags[result.shown])


def _plot_locations(sections: Sections, name: str, result: Any) -> None:
  title = tables.title(name)
  row = 'slot' if name == 'memory' else 'head'
  sections.plot(
    f'mutual_information_{name}',
    figures.heat_map(
      result.excess[result.shown].reshape(result.layout),
      result.significant[result.shown].reshape(result.layout),
      'nats above chance',
      row,
    ),
    f'Mutual information: {title}',
    f'How much information each number of the {title} has about the x position '
    f'of {_shown(result)}, above its information about '
    f'the same sequence shifted in time. Each row is a {row}, each column a '
    'position in its word. Orange dots: significant after correction for all '
    f'numbers and lags. At most {result.ceiling:.2f} nats are possible.',
  )


def add_lesion(sections: Sections, result: lesion.LesionResult) -> None:
  """Adds Test 3."""
  sections.add(
    '## Test 3: is the memory used?',
    'A network need not use what its memory holds. Here the memory is cut in '
    'several ways while the network runs: whatever gets worse depended on what '
    'was cut.',
    lesion.tables.summary(result),
  )
  courses = lesion.figures.courses(result)
  if courses is not None:
    sections.plot(
      'lesion_course',
      courses,
      'Lesions: after a cut',
      'What a cut of the memory costs, by the number of steps since the cut, '
      f'on unseen {result.unit}s: the change of the loss, with 95 % intervals '
      f'over {result.unit}s. Left of the dotted line is the jolt of the cut: '
      'controller and memory do not match. Right of it is what lasts, which '
      'depends on what the memory held. Later points are means of several '
      'steps. Both axes are logarithmic, except close to no change.',
    )
  for metric in result.metrics:
    _plot_changes(sections, result, metric)
  sections.add_tables(lesion.tables.details(result))


def _plot_changes(
  sections: Sections, result: lesion.LesionResult, metric: str
) -> None:
  rows = [
    figures.Row(
      lesion.naming.label(name, result),
      found[metric].difference,
      *found[metric].interval,
      'lesion',
    )
    for name, found in result.comparisons.items()
    if found[metric] is not None
  ]
  title = lesion.naming.metric(metric)
  references, linear, axis = [(0.0, 'intact')], None, f'change of {title}'
  about_axis = ''
  if lesion.naming.is_loss(metric):
    axis = f'{axis}, {result.loss_unit}'
    intact, mean = (
      float(np.nanmean(result.scores[name][metric]))
      for name in (lesions.INTACT, lesion.BASELINE)
    )
    if mean > intact:
      references.append((mean - intact, 'mean'))
      linear = _LINEAR_SHARE * (mean - intact)
      about_axis = (
        f' The right line marks {lesion.naming.baseline(result)}; beyond a '
        'hundredth of its value, the axis is logarithmic.'
      )
  sections.plot(
    f'lesion_{metric}',
    figures.intervals(rows, axis, references, linear=linear),
    f'Lesions: {title}',
    f'How the {title} on unseen {result.unit}s changes when the memory is '
    f'cut, with 95 % intervals over {result.unit}s; those that end '
    'before the first cut are left out. No change: the network '
    'does not use what was cut. It was not trained with zeros in place of what '
    'it reads, so zeros may do harm by themselves; words of another '
    f'{result.unit} look as in training.{about_axis}',
  )


def add_intervention(
  sections: Sections, result: intervention.InterventionResult
) -> None:
  """Adds Test 4."""
  asked = intervention.naming.sprite(result.asked)
  sections.add(
    '## Test 4: does the network use what a probe reads?',
    'A probe may read a latent that the network itself does not use. Here the '
    'words read, or the memory, are changed as little as possible so that the '
    'reading of a probe shifts by a given amount. Does the predicted sprite '
    'move as much?',
    intervention.tables.summary(result),
  )
  drag = intervention.figures.drag(result)
  if drag is not None:
    sections.plot(
      'intervention_drag',
      drag,
      'Interventions: a dragged sprite',
      f'What the network predicts at one step, where {asked} is near the '
      'middle, while one latent is dragged by changing only what its row says. '
      'Top: the sprite that it predicts, moved as asked. The slots of the '
      'memory are in the order in which most of the latent is read. In a row '
      'called random, the change is as long but has a random direction. The '
      'lighter a pixel, the more probable that it is on.',
    )
  shifts = intervention.figures.shifts(result)
  if shifts is not None:
    sections.plot(
      'intervention_shifts',
      shifts,
      'Interventions: shifts',
      'How far the predicted sprite moves when the reading of a probe is '
      'shifted, in words read or memory, with 95 % intervals over rollouts, in '
      'steps of the grid (x and y: about a pixel). The slots of the memory are '
      'in the order in which most of the latent is read. On the line "asked", '
      'the sprite moves as much as the reading.',
    )
  sections.add_tables(intervention.tables.details(result))


def add_memory(
  sections: Sections, trace: memory_trace.MemoryTrace, sprites: np.ndarray
) -> None:
  """Adds pictures of the memory.

  Args:
    sections: the sections to add to.
    trace: what the memory does in one rollout.
    sprites: the input sprites, float `[time, 64, 64]`.
  """
  sections.add(
    '## What the memory does in one rollout',
    'Rows are slots, columns are steps; above are the input sprites.',
  )
  for name, drawn in summaries.draw_memory(trace, sprites).items():
    title = name.split('/')[1].replace('_', ' ')
    tag = name.replace('/', '_')
    sections.draw(tag, drawn, title, summaries.PICTURES[name])


def add_what_was_run(sections: Sections) -> None:
  """Adds the command, all settings, fingerprints, and versions."""
  about = sections.about

  def settings(fields: Mapping[str, Any]) -> str:
    return ', '.join(f'{k} {v}' for k, v in fields.items() if v is not None)

  rows = {
    'command': tables.code(about['command']),
    'run': tables.code(about['model_dir']),
    'training': settings(about['training']),
    'updates': f'{about["num_updates"]:,}',
    'evaluation': settings(about['evaluation']),
    'model': f'fingerprint `{about["model_fingerprint"]}`',
  }
  if 'data_fingerprint' in about:
    rows['data'] = f'fingerprint `{about["data_fingerprint"]}`'
  rows['versions'] = settings(about['versions'])
  sections.add('## What was run')
  sections.add('\n'.join(f'- **{k}**: {v}' for k, v in rows.items()))

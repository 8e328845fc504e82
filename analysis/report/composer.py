"""The report: everything that was found of a run, on one page.

`compose` makes the text and the pictures of what the tests returned, for
`page.py` to write; the same pictures go to TensorBoard.
"""

from collections.abc import Callable
from collections.abc import Mapping
import dataclasses
import os
import platform
import shutil
from typing import Any

import keras
import numpy as np
import sklearn
import sonnet
import tensorflow as tf

from analysis import lesion
from analysis import mutual_information
from analysis import probe
from analysis.common import figures
from analysis.common import tables
from analysis.report import page
from dnc import config as config_lib
from dnc import lesions
from dnc import tasks
from dnc.system import files
from dnc.system import json_values
from dnc.training import summaries
from dnc.visualize import memory_trace

TITLE = '# What does this network keep in its memory?'

_DNC = """\
A Differentiable Neural Computer is a network with a memory: *slots* of numbers
that its *heads* write and read at every step."""
_TASK = """\
trained on sequences ("rollouts") of sprites, small white shapes on black. At
each step it is shown the image of the current sprite and an *action*, which
says how the next sprite will differ from it, and has to predict the image of
the next. What a sprite looks like is decided by five *latents*: its shape
(square, ellipse or heart), scale, orientation, and x and y position. The
network is never told them."""
_INTRODUCTION = f"""\
{_DNC} This one was {_TASK}
Do they stand in its memory all the same, and does it use what stands there?"""
_ABOUT_LSTM = f"""\
This network is the controller of a Differentiable Neural Computer, an LSTM,
without the memory: a control. It was {_TASK}
Do they stand in its state all the same?"""
_ABOUT_REPEAT_COPY = f"""\
{_DNC} This one was trained on
DeepMind's repeat-copy task. The network hears a pattern, vectors of bits one
after the other, and a number, and has to say the pattern as many times. That
cannot be done without remembering the pattern. It is the positive control of
the test that asks whether a network uses its memory: of a network that does the
task, the test must say yes."""

_QUESTIONS = {
  'probe': 'Test 1, can the latents be read off the memory?',
  'mi': 'Test 2, does a single number of it follow the x position?',
  'lesion': 'Test 3, is the memory used?',
}
_QUESTIONS_TO_LSTM = {
  **_QUESTIONS,
  'probe': 'Test 1, can the latents be read off its state?',
}
# Of what a network gains, the share up to which changes are drawn as they are.
_LINEAR = 0.01
# What is drawn over time.
_POSITION = 'x_position'
_NOT_RUN = 'Not tested: this network has no memory.'


@dataclasses.dataclass(frozen=True)
class Report:
  """A report, to be written.

  Attributes:
    text: Markdown.
    pictures: by file name.
    pixels: the same, uint8 `[height, width, channels]`.
    data: `about`, the verdicts, and what the figures show, for JSON.
  """

  text: str
  pictures: dict[str, page.Picture]
  pixels: dict[str, np.ndarray]
  data: dict[str, Any]


def versions() -> dict[str, str]:
  """Versions of what the numbers depend on, by name."""
  return {
    'python': platform.python_version(),
    **{
      module.__name__: module.__version__
      for module in (tf, sonnet, keras, np, sklearn)
    },
  }


class _Composer:
  """Collects the parts of a report."""

  def __init__(self):
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


def _what_was_run(composer: _Composer, about: Mapping[str, Any]) -> None:
  training, evaluation = about['training'], about['evaluation']

  def settings(fields: Mapping[str, Any]) -> str:
    return ', '.join(f'{k} {v}' for k, v in fields.items() if v is not None)

  rows = {
    'command': f'`{about["command"]}`',
    'run': about['model_dir'],
    'training': settings(training),
    'updates': f'{about["num_updates"]:,}',
    'evaluation': settings(evaluation),
    'model': f'fingerprint `{about["model_fingerprint"]}`',
  }
  if 'data_fingerprint' in about:
    rows['data'] = f'fingerprint `{about["data_fingerprint"]}`'
  rows['versions'] = settings(about['versions'])
  composer.add('## What was run')
  composer.add('\n'.join(f'- **{k}**: {v}' for k, v in rows.items()))


def _predictions(
  composer: _Composer, means: Mapping[str, float], picture: np.ndarray
) -> None:
  composer.add(
    '## Does it predict?',
    f'On rollouts it was not trained on: loss {means["loss"]:.1f} an image, '
    f'{means["pixel_error"]:.2%} of the pixels wrong, intersection over union '
    f'of true and predicted sprite {means["iou"]:.3f} (1 is perfect, a blank '
    'image has 0).',
  )
  composer.draw(
    'predictions',
    picture,
    'True and predicted sprites',
    'The first ten sprites of a rollout that the network was not trained on '
    '(above), and what it predicted of each from the sprite before it and the '
    'action (below; the lighter, the more probable that the pixel is on).',
  )


def _memory(
  composer: _Composer, trace: memory_trace.MemoryTrace, sprites: np.ndarray
) -> None:
  composer.add(
    '## What the memory does in one rollout',
    'The rows are slots, the columns steps; above, the sprites that went in.',
  )
  for name, drawn in summaries.draw_memory(trace, sprites).items():
    title = name.split('/')[1].replace('_', ' ')
    tag = name.replace('/', '_')
    composer.draw(tag, drawn, title, summaries.PICTURES[name])


def _probe(composer: _Composer, result: probe.ProbeResult, about: dict) -> None:
  composer.add(
    '## Test 1: can it be read off?',
    'A linear layer, the *probe*, is trained to tell the latents of '
    f'{probe.naming.sprite(result.offsets[0])} from the numbers that the '
    'network holds at a step. What such a layer can read off is there in plain '
    'form; what it cannot may still be there in another.',
  )
  sprite = probe.naming.sprite(result.offsets[0])
  post = probe.tables.post_table(result, about['evaluation']['varying'])
  if post is not None:
    composer.add(
      "### The post's table, beside ours",
      'Mean squared errors, and for shape the share of wrong ones, of the '
      "current sprite, by the post's probe, on the rollouts that the probe was "
      'trained on, as the post scored it; in brackets R², or accuracy above '
      'chance, with 95 % intervals. Elsewhere on this page, and in the '
      'verdict, what counts is rollouts that no probe has seen.',
      post,
      '### What is read off',
    )
  for label in result.spec.names:
    title = probe.naming.in_words(label)
    drawn = probe.figures.gains(result, label)
    if drawn is None:
      composer.add(f'There is no figure of {title}: it does not vary.')
      continue
    composer.plot(
      f'probe_{label}',
      drawn,
      f'Probe: {title}',
      f'How much of the {title} of {sprite} a linear probe reads off each '
      'representation (in brackets, how many numbers it has), '
      'on rollouts it was not trained on. Dot: the probe as in the post, with '
      'its 95 % interval over rollouts. Ring: the exact answer, the best '
      'linear probe of the same training rollouts (for the image, of the '
      'first of them); an arrow is one that lies '
      'outside. Blue is the memory, green the controller, light blue what goes '
      'in, grey are controls: the planted memory holds these latents and must '
      'be found, random inputs must not; the untrained core shows what comes '
      'without learning.',
    )
  if len(result.offsets) > 1 and _POSITION in about['evaluation']['varying']:
    composer.plot(
      'probe_over_time',
      probe.figures.over_time(result, _POSITION),
      'Probe: earlier and later sprites',
      'How much of the x position of earlier or later sprites a linear probe '
      'reads off what the network holds (of the Keras and the exact one, the '
      'probe that reads more), with 95 % intervals; grey, the controller of an '
      'untrained network. t is the current sprite, t-5 that of five steps '
      'before; beyond 0.1 the axis is logarithmic. The current sprite is what '
      'goes in at that very step: to hold it is to pass it on. Only what is '
      'held of earlier ones is '
      'remembered, and of that only what an untrained controller does not hold '
      'as well was learned.',
    )
  composer.add('All tables of Test 1 are at the end.')


def _mutual_information(
  composer: _Composer,
  results: Mapping[str, mutual_information.MutualInformationResult],
  about: dict,
) -> None:
  composer.add(
    '## Test 2: does a single number follow a position?',
    'The network is shown sequences in which only the x position of the '
    'sprite changes. *Mutual information* measures, for each number by itself, '
    'how much it tells about x: 0 is nothing, however it may be hidden.',
  )
  for name, result in results.items():
    title = tables.title(name)
    sprite = probe.naming.sprite(result.lags[0])
    if len(result.layout) == 2 and len(result.locations) == np.prod(
      result.layout
    ):
      composer.plot(
        f'mutual_information_{name}',
        figures.heat_map(
          result.excess[0].reshape(result.layout),
          result.significant[0].reshape(result.layout),
          'nats above chance',
          'slot' if name == 'memory' else 'head',
        ),
        f'Mutual information: {title}',
        f'How much each number of the {title} tells about the x position of '
        f'{sprite}, above what it tells about the same sequence shifted in '
        'time. A row is a '
        f'{"slot" if name == "memory" else "head"}, a column a number of its '
        'word. Orange dots: significant after correction for all numbers and '
        f'lags; {result.ceiling:.2f} nats would be everything that can be '
        'told in this way.',
      )
  for name, result in results.items():
    title = tables.title(name)
    sprite = probe.naming.sprite(result.lags[0])
    composer.plot(
      f'mutual_information_spread_{name}',
      figures.histogram(
        {
          'true x': result.scores[0],
          'random x': result.control,
          'shifted x': result.shifted,
        },
        f'{title}: mutual information, nats',
        {'true x': 'memory', 'random x': 'lesion', 'shifted x': 'control'},
      ),
      f'Spread of mutual information: {title}',
      f'Scores of all numbers of the {title}: against the true x positions of '
      f'{sprite}, against the same positions in random order, and against the '
      'true sequence shifted in time. An estimate from finitely many '
      'steps is not zero even where there is nothing: the latter two show what '
      'it is then.',
    )
  composer.add(
    _below_heading(
      mutual_information.tables.text(
        results,
        [x for x in about['evaluation']['fixed'] if x[0] != 'x_position'],
      )
    )
  )


def _lesion(
  composer: _Composer, result: lesion.LesionResult, about: dict
) -> None:
  del about
  composer.add(
    '## Test 3: is it used?',
    'What stands in the memory need not be used. Here the memory is cut, in '
    'several ways, while the network works; what it then does worse, it did '
    'with the memory.',
  )
  if result.task != tasks.REPEAT_COPY:
    composer.add(
      'That the test can see use is shown by a network that has learned to '
      'copy sequences, which needs a memory: `python train.py '
      '--task=repeat_copy --num_bits=6 --min_length=2 --max_length=8 '
      '--hidden_size=32 --num_training_iterations=12000`, then `python '
      'evaluate.py`.',
    )
  for metric in result.metrics:
    rows = [
      figures.Row(
        lesion.naming.label(name, result),
        found[metric].difference,
        *found[metric].interval,
        'lesion',
      )
      for name, found in result.comparisons.items()
    ]
    title = lesion.naming.metric(metric)
    references, linear, axis = [(0.0, 'intact')], None, f'change of {title}'
    of_axis = ''
    if metric == 'loss':
      axis = f'{axis}, {result.loss_unit}'
      intact, mean = (
        float(np.nanmean(result.scores[name][metric]))
        for name in (lesions.INTACT, lesion.BASELINE)
      )
      if mean > intact:
        references.append((mean - intact, 'mean'))
        linear = _LINEAR * (mean - intact)
        of_axis = (
          f' {lesion.naming.baseline(result).capitalize()} costs what '
          'the right line says; beyond a hundredth of that the axis is '
          'logarithmic.'
        )
    composer.plot(
      f'lesion_{metric}',
      figures.intervals(rows, axis, references, linear=linear),
      f'Lesions: {title}',
      f'How the {title} on unseen {result.unit}s changes when the memory is '
      'cut, with 95 % intervals over them. No change: the network does not '
      'use what was cut. Zeros in place of what is read are foreign to it and '
      f'may do harm by themselves; the words of another {result.unit} are not.'
      f'{of_axis}',
    )
  composer.add(_below_heading(lesion.tables.text(result)))


def _below_heading(text: str) -> str:
  """A text of its own as a part of this one, without its heading."""
  return text.split('\n', 1)[1].strip().replace('\n## ', '\n### ')


# What the figures show of each test, for JSON.
_NUMBERS: dict[str, Callable[[Any], Any]] = {
  'probe': lambda result: result.scores['test'],
  'mi': lambda results: {k: v.summary() for k, v in results.items()},
  'lesion': lambda result: {
    name: {metric: vars(of_metric) for metric, of_metric in found.items()}
    for name, found in result.comparisons.items()
  },
}


def compose(
  about: Mapping[str, Any],
  found: Mapping[str, Any],
  picture: np.ndarray | None = None,
  memory: tuple[memory_trace.MemoryTrace, np.ndarray] | None = None,
) -> Report:
  """Makes the report of an evaluation.

  Args:
    about: what was run: `command`, `model_dir`, `num_updates`, fingerprints,
      `training` and `evaluation`, the settings.
    found: as `experiment.evaluate` returns it; tests that were not run are left
      out, and said to be.
    picture: uint8 `[height, width, 1]`, true sprites above predicted ones; None
      of repeat-copy.
    memory: what the memory does in one rollout, and the sprites that go in,
      float `[time, 64, 64]`; None without a memory.

  Returns:
    The report.
  """
  about = {**about, 'versions': versions()}
  composer = _Composer()
  sections = {
    'probe': (_probe, probe.verdict.text),
    'mi': (_mutual_information, mutual_information.verdict.text),
    'lesion': (_lesion, lesion.verdict.text),
  }
  of_sprites = 'prediction' in found
  verdicts = {
    name: verdict(found[name]) if name in found else _NOT_RUN
    for name, (_, verdict) in sections.items()
    # The other tests are of sprites.
    if of_sprites or name in found
  }
  introduction, questions = _ABOUT_REPEAT_COPY, _QUESTIONS
  if of_sprites:
    is_lstm = about['training']['core'] == config_lib.LSTM
    introduction = _ABOUT_LSTM if is_lstm else _INTRODUCTION
    questions = _QUESTIONS_TO_LSTM if is_lstm else _QUESTIONS
  composer.add(TITLE, introduction, '## The answers')
  composer.add(
    '\n'.join(
      f'- **{questions[name]}** {verdict}' for name, verdict in verdicts.items()
    )
  )
  if of_sprites:
    _predictions(composer, found['prediction'], picture)
  for name, (section, _) in sections.items():
    if name in found:
      section(composer, found[name], about)
  if memory is not None:
    _memory(composer, *memory)
  _what_was_run(composer, about)
  if 'probe' in found:
    kind = {k: about['evaluation'][k] for k in ('varying', 'fixed')}
    text = probe.tables.text(found['probe'], **kind)
    composer.add('## All tables of Test 1', _below_heading(text))
  return Report(
    text='\n\n'.join(composer.parts).replace('R^2', 'R²') + '\n',
    pictures=composer.pictures,
    pixels=composer.pixels,
    data=dict(
      about=about,
      verdicts=verdicts,
      **({'prediction': dict(found['prediction'])} if of_sprites else {}),
      # All numbers are in the files of each test.
      **{
        name: _NUMBERS[name](found[name]) for name in _NUMBERS if name in found
      },
    ),
  )


def write(folder: str, made: Report, num_updates: int) -> list[str]:
  """Writes a report, and shows its pictures in TensorBoard.

  Args:
    folder: where; gets `report.md`, `report.html`, `report.json`, `figures/`
      and `summaries/`.
    made: the report.
    num_updates: of the model.

  Returns:
    The paths of the first three.
  """
  paths = page.write(folder, 'report', made.text, made.pictures)
  paths.append(os.path.join(folder, 'report.json'))
  files.write_json(paths[-1], json_values.clean(made.data))
  to_tensorboard(os.path.join(folder, 'summaries'), made, num_updates)
  return paths


def to_tensorboard(folder: str, found: Report, step: int) -> None:
  """Shows a report's pictures in TensorBoard, in place of an earlier one's.

  Args:
    folder: of the summaries, and of nothing else.
    found: the report.
    step: number of updates of the model.
  """
  if os.path.exists(folder):
    shutil.rmtree(folder)
  writer = tf.summary.create_file_writer(folder)
  with writer.as_default(step=step):
    for file, pixels in found.pixels.items():
      tf.summary.image(
        f'evaluation/{os.path.splitext(file)[0]}',
        pixels[np.newaxis],
        description=found.pictures[file].caption,
      )
  writer.close()

"""The report: all results of a run, on one page.

`compose` turns the results of the tests into text and pictures. `write` writes
them with `page.py`, and the same pictures for TensorBoard.
"""

from collections.abc import Callable
from collections.abc import Mapping
import dataclasses
import os
import platform
import shutil
from typing import Any
from typing import NamedTuple

import keras
import numpy as np
import sklearn
import sonnet
import tensorflow as tf

from analysis import intervention
from analysis import lesion
from analysis import mutual_information
from analysis import probe
from analysis.report import overview
from analysis.report import page
from analysis.report import sections as sections_lib
from dnc import tasks
from dnc.system import files
from dnc.system import json_values
from dnc.visualize import memory_trace

TITLE = '# What does this network keep in its memory?'

_ABOUT_DNC = """\
A Differentiable Neural Computer is a network with a memory: *slots* of numbers
that its *heads* write and read at every step."""
_ABOUT_LSTM = """\
This network is the controller of a Differentiable Neural Computer, an LSTM,
without the memory: a control."""
_NO_MEMORY = 'Not tested: this network has no memory.'
_NEVER_TRAINED = 'This core was never trained.'


class _Test(NamedTuple):
  """What the report says of a test.

  Attributes:
    question: the test's question; `{held}` is 'memory' or 'state'.
    verdict: returns the answer, from the test's result.
    add_section: adds the test's section.
    numbers: returns the numbers that the figures show, from the test's result.
  """

  question: str
  verdict: Callable[[Any], str]
  add_section: Callable[[sections_lib.Sections, Any], None]
  numbers: Callable[[Any], Any]


_TESTS = {
  'probe': _Test(
    'Test 1, can the latents be read from its {held}?',
    probe.verdict.text,
    sections_lib.add_probe,
    lambda result: result.scores['test'],
  ),
  'mi': _Test(
    'Test 2, does a single number of its {held} follow the x position?',
    mutual_information.verdict.text,
    sections_lib.add_mutual_information,
    lambda results: {name: x.summary() for name, x in results.items()},
  ),
  'lesion': _Test(
    'Test 3, is the memory used?',
    lesion.verdict.text,
    sections_lib.add_lesion,
    lambda result: {
      name: {
        **{
          metric: change and vars(change) for metric, change in changes.items()
        },
        'course': dataclasses.asdict(result.courses[name]),
      }
      for name, changes in result.comparisons.items()
    },
  ),
  'intervention': _Test(
    'Test 4, does it use what a probe reads from its {held}?',
    intervention.verdict.text,
    sections_lib.add_intervention,
    lambda result: dataclasses.asdict(result)['effects'],
  ),
}


@dataclasses.dataclass(frozen=True)
class Report:
  """A report, to be written.

  Attributes:
    text: Markdown.
    pictures: by file name.
    pixels: the same pictures, uint8 `[height, width, channels]`.
    data: `about`, the verdicts, and the numbers of the figures, for JSON.
  """

  text: str
  pictures: dict[str, page.Picture]
  pixels: dict[str, np.ndarray]
  data: dict[str, Any]


def _versions() -> dict[str, str]:
  """Versions of Python and the libraries that the numbers depend on."""
  return {
    'python': platform.python_version(),
    **{
      module.__name__: module.__version__
      for module in (tf, sonnet, keras, np, sklearn)
    },
  }


def _question(test: str, has_memory: bool) -> str:
  held = 'memory' if has_memory else 'state'
  return _TESTS[test].question.format(held=held)


def told(verdict: str, is_frozen: bool) -> str:
  """Returns a verdict that says so if the core was never trained.

  Args:
    verdict: the verdict of any test but Test 1, which compares untrained cores
      and so says it itself.
    is_frozen: whether the core was never trained.
  """
  return f'{verdict} {_NEVER_TRAINED}' if is_frozen else verdict


def _answer(test: str, result: Any, is_frozen: bool) -> str:
  verdict = _TESTS[test].verdict(result)
  return verdict if test == 'probe' else told(verdict, is_frozen)


def answers(
  found: Mapping[str, Any], has_memory: bool, is_frozen: bool = False
) -> list[str]:
  """Returns each test's question and verdict.

  Args:
    found: as `experiment.evaluate` returns it.
    has_memory: whether the core has a memory.
    is_frozen: whether the core was never trained.
  """
  found = {name: found[name] for name in _TESTS if name in found}
  return [
    f'{_question(name, has_memory)} {_answer(name, result, is_frozen)}'
    for name, result in found.items()
  ]


def compose(
  task: tasks.Task,
  about: Mapping[str, Any],
  found: Mapping[str, Any],
  has_memory: bool,
  picture: np.ndarray | None = None,
  memory: tuple[memory_trace.MemoryTrace, np.ndarray] | None = None,
) -> Report:
  """Makes the report of an evaluation.

  Args:
    task: what the model was trained on.
    about: what was run: `command`, `model_dir`, `num_updates`, fingerprints,
      `training` and `evaluation`, the settings.
    found: as `experiment.evaluate` returns it, with all tests of the task that
      need no memory.
    has_memory: whether the core has a memory.
    picture: uint8 `[height, width, 1]`, true sprites above predicted ones;
      needed if `found` has a `prediction`.
    memory: a trace of the memory in one rollout, and the input sprites, float
      `[time, 64, 64]`; None to leave it out.

  Returns:
    The report.
  """
  about = {**about, 'versions': _versions()}
  sections = sections_lib.Sections(about)
  introduction = _ABOUT_DNC if has_memory else _ABOUT_LSTM
  sections.add(
    TITLE,
    f'{introduction} It was trained on\n{task.describe(about["training"])}',
  )
  sections_lib.add_legend(sections, found, has_memory)
  sections.add('## The answers')
  is_frozen = about['training'].get('freeze_core', False)
  verdicts = {
    name: _answer(name, found[name], is_frozen) if name in found else _NO_MEMORY
    for name in task.tests
  }
  for name, verdict in verdicts.items():
    sections.add(f'**{_question(name, has_memory)}** {verdict}')
  sections.add(*filter(None, [overview.markdown(found)]))
  if 'prediction' in found:
    sections_lib.add_predictions(sections, found['prediction'], picture)
  for name, test in _TESTS.items():
    if name in found:
      test.add_section(sections, found[name])
  if memory is not None:
    sections_lib.add_memory(sections, *memory)
  sections_lib.add_what_was_run(sections)
  if 'probe' in found:
    kind = {k: about['evaluation'][k] for k in ('varying', 'fixed')}
    recall = about['training'].get('recall')
    asked = -1 if recall is None else recall
    sections.add('## All tables of Test 1')
    sections.add_tables(probe.tables.text(found['probe'], **kind, asked=asked))
  return Report(
    text='\n\n'.join(sections.parts).replace('R^2', 'R²') + '\n',
    pictures=sections.pictures,
    pixels=sections.pixels,
    data=dict(about=about, verdicts=verdicts, **_numbers(found)),
  )


def _numbers(found: Mapping[str, Any]) -> dict[str, Any]:
  """The numbers of the figures; each test's own file has all its numbers."""
  numbers = {}
  if 'probe' in found:
    numbers['augments'] = probe.verdict.augments(found['probe'])
  if 'prediction' in found:
    numbers['prediction'] = dict(found['prediction'])
  tested = {name: test for name, test in _TESTS.items() if name in found}
  return numbers | {name: x.numbers(found[name]) for name, x in tested.items()}


def write(folder: str, report: Report, num_updates: int) -> None:
  """Writes a report, and shows its pictures in TensorBoard.

  Args:
    folder: where to write `report.md`, `report.html`, `report.json`, `figures/`
      and `summaries/`.
    report: the report.
    num_updates: the model's number of updates.
  """
  page.write(folder, 'report', report.text, report.pictures)
  files.write_json(
    os.path.join(folder, 'report.json'), json_values.clean(report.data)
  )
  _to_tensorboard(os.path.join(folder, 'summaries'), report, num_updates)


def _to_tensorboard(folder: str, report: Report, num_updates: int) -> None:
  """Writes the pictures as summaries; deletes those of an earlier report."""
  if os.path.exists(folder):
    shutil.rmtree(folder)
  writer = tf.summary.create_file_writer(folder)
  with writer.as_default(step=num_updates):
    for file, pixels in report.pixels.items():
      tf.summary.image(
        f'evaluation/{os.path.splitext(file)[0]}',
        pixels[np.newaxis],
        description=report.pictures[file].caption,
      )
  writer.close()

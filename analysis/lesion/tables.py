"""The results of Test 3 as Markdown and JSON."""

from collections.abc import Mapping
import dataclasses
from typing import Any

from analysis.common import tables
from analysis.lesion import comparison
from analysis.lesion import course
from analysis.lesion import measuring
from analysis.lesion import naming
from analysis.lesion import verdict
from dnc import lesions
from dnc import tasks
from dnc.system import json_values
from dnc.system import wording

_HOW_TO_READ = (
  'How to read it: a lesion removes one thing and leaves all weights as they '
  'are. A change is the score with the lesion minus the score without it, '
  'averaged over the {unit}s; its 95 % interval comes from resampling {unit}s. '
  '"Lost" is the change of the loss as a share of what the intact model gains '
  'over {baseline}: at 0 % nothing is lost; at 100 % the model is no better '
  'than {baseline}.',
  'A lesion may do harm merely because it feeds the model inputs unseen '
  'in training. So harm by zeros in place of the words read does not prove '
  'that the model used the words. Mean words stay in the usual range. The '
  'words of another {unit} look as in training but say nothing about this '
  '{unit}: **what the model loses with them is an upper bound on what it '
  'used**. If more than 100 % is lost, wrong words mislead the model: it does '
  'not merely miss the right ones. A change whose interval includes 0 is no '
  'evidence of use.',
  'The words read depend on the contents of the memory and on the query. So a '
  'model may use the memory as one more layer and remember nothing. Some '
  'lesions test whether it remembers. **A frozen memory** stores nothing new '
  'from a given step on, not even for reading in the same step. The memory of '
  "another {unit} has other contents, and the {unit}'s own earlier memory has "
  'older ones. A reset says less: in training, the model meets a memory of '
  'zeros only at the start of a {unit}. A model may do without links, or '
  'without usage, if it finds its words, or free slots, by other means.',
  'Right after a cut, the model also suffers because controller and memory do '
  'not match. This jolt passes, so **only what lasts shows what the memory '
  'held**. Lesions without a cut act from the first step on. A {unit} that '
  'ends before the first cut is left out; "-": too few are cut.',
)
_ABOUT_SUMMARY = (
  'Change of the loss as a share of what the intact model gains over '
  '{baseline} in the same steps, with 95 % intervals. *Jolt*: the first {jolt} '
  'steps since a cut, in which controller and memory do not match. *Lasting*: '
  'the later steps, until the next cut. The last column has the share of the '
  'later steps that lose more than {much:.0%} of the gain. Lesions without a '
  'cut have no jolt. Other cells are empty if there is no step that counts, or '
  'no gain that could be lost.'
)


def _lost(found: comparison.Comparison) -> str:
  """The share lost, and its interval."""
  if found.share is None:
    return ''
  low, high = found.share_interval
  decimals = 1 if high - low > 0.01 else 2
  share, low, high = (
    f'{round(x, 2 + decimals) + 0.0:.{decimals}%}'
    for x in (found.share, low, high)
  )
  return f'{share} ({low} to {high})'


def _rows(result: measuring.LesionResult) -> list[list[str]]:
  rows = []

  def add_reference(name, scores):
    cells = [name]
    for metric in result.metrics:
      cells += [naming.mean(scores[metric]), '']
      cells += [''] * naming.is_loss(metric)
    rows.append(cells)

  def add_lesion(name):
    cells = [naming.label(name, result)]
    for metric, found in result.comparisons[name].items():
      if found is None:
        cells += ['-'] * (2 + naming.is_loss(metric))
        continue
      cells.append(wording.number(found.lesioned))
      cells.append(naming.change(found.difference, found.interval))
      if naming.is_loss(metric):
        cells.append(_lost(found))
    rows.append(cells)

  add_reference('intact', result.scores[lesions.INTACT])
  add_reference(naming.baseline(result), result.scores[measuring.BASELINE])
  for name in lesions.NAMES:
    if name == 'frozen_memory' and result.lesion_step:
      add_reference(
        f'intact, from step {result.lesion_step} on',
        result.late_scores[lesions.INTACT],
      )
    add_lesion(name)
  return rows


def summary(result: measuring.LesionResult) -> str:
  """Returns the small table of the verdict, and how to read it."""
  rows = []
  for name, found in result.courses.items():
    jolt = found.jolt if name in lesions.WITH_CUT else None
    much = found.share_of_much
    row = {
      '': naming.label(name, result),
      'jolt': _lost(jolt) if jolt else '',
      'lasting': _lost(found.lasting) if found.lasting else '',
      f'lose > {course.MUCH:.0%}': '' if much is None else f'{much:.1%}',
    }
    rows.append(row)
  table = tables.of_rows(rows)
  return f'{table}\n\n{_formatted(_ABOUT_SUMMARY, result)}'


def _formatted(template: str, result: measuring.LesionResult) -> str:
  return template.format(
    unit=result.unit,
    baseline=naming.baseline(result),
    jolt=course.JOLT_STEPS,
    much=course.MUCH,
  )


def text(result: measuring.LesionResult, told: str | None = None) -> str:
  """Returns the verdict and all tables of Test 3 in Markdown.

  Args:
    result: what Test 3 found.
    told: the verdict; that of the result by default.
  """
  parts = [
    '# Test 3: lesions of the memory',
    told or verdict.text(result),
    summary(result),
    details(result),
  ]
  return '\n\n'.join(parts)


def details(result: measuring.LesionResult) -> str:
  """Returns the table of all scores, and how to read it."""
  header = ['']
  for metric in result.metrics:
    if naming.is_loss(metric):
      unit = f' ({result.loss_unit})'
      header += [f'{naming.metric(metric)}{unit}', 'change', 'lost']
    else:
      header += [naming.metric(metric), 'change']
  parts = [
    f'{result.num_sequences} unseen {result.unit}s of up to '
    f'{result.num_steps} steps, each run intact and with every lesion.',
    tables.table(header, _rows(result)),
    *(_formatted(paragraph, result) for paragraph in _HOW_TO_READ),
    tasks.get(result.task).about_lesions,
  ]
  return '\n\n'.join(parts) + '\n'


def data(
  result: measuring.LesionResult, config: Mapping[str, Any]
) -> dict[str, Any]:
  """Returns the results of Test 3 for JSON, at full precision.

  Args:
    result: what Test 3 found.
    config: what was tested: flags, metadata of model and data.

  Returns:
    A dict of `config`, `verdict` and the attributes of `LesionResult`.
  """
  return json_values.clean(
    {
      'config': config,
      'verdict': verdict.text(result),
      **dataclasses.asdict(result),
    }
  )

"""What models hold beside untrained cores, as a table."""

import numpy as np

from analysis.common import statistics
from analysis.common import tables
from analysis.probe import formats
from analysis.probe import labels as labels_lib
from analysis.probe import learned
from analysis.probe import naming


def text(untrained: learned.AgainstUntrained) -> str:
  """Returns the table of what was compared, in Markdown, and how to read it."""
  rows, labels = [], labels_lib.OF_SPRITES
  for name, by_offset in untrained.compared.items():
    for offset, found in by_offset.items():
      what = f'{naming.in_words(name)}, {naming.short_offset(offset)}'
      cells = zip(*(_cells(found.get(label)) for label in labels))
      for words, row in zip((what, 'untrained', 'p'), cells):
        rows.append([words, *row])
  header = ['', *map(naming.in_words, labels)]
  return f'{_about(untrained)}\n\n{tables.table(header, rows)}'


def _about(untrained: learned.AgainstUntrained) -> str:
  counts, number = untrained.num_rollouts, len(untrained.seeds)
  sentences = [
    'Do trained models hold more than cores that were never trained? Below '
    'each '
    f'gain are the mean and the range of {number} such cores, each with its '
    'own seed.'
  ]
  if len(untrained.own_seeds) == 1:
    sentences.append(
      'p is the chance that one more untrained core holds as much, by '
      "Student's t from the distance to their mean."
    )
  else:
    sentences.append(
      'p is the chance that the mean of as many more untrained cores is as '
      "large, by Student's t from its distance to their mean. Intervals of "
      'the models are for their mean.'
    )
  sentences.append(
    'p is corrected for the number of comparisons (Holm); below '
    f'{learned.SIGNIFICANT} a model counts as holding more. The memory must '
    'hold more with fixed slots and in its best order: training may only have '
    'made its slots keep their places. Sorted slots of another rollout show '
    'what the weights tell by which slots are sorted. All gains are of exact '
    'probes (of the shape: the discriminant) that are fitted to '
    f'{counts["train"]:,} rollouts and scored on {counts["test"]:,} unseen '
    'ones.'
  )
  if number < learned.LEAST_CORES:
    sentences.append(
      f'With fewer than {learned.LEAST_CORES} untrained cores there is no p.'
    )
  if untrained.is_frozen:
    sentences.append(
      'The core of the model was itself never trained: nothing in it is '
      'learned.'
    )
  return ' '.join(sentences)


def _cells(found: learned.Compared | None) -> tuple[str, str, str]:
  """The models' gain; mean and range of untrained cores; p."""
  if found is None:
    return (formats.DOES_NOT_VARY,) * 3
  ends = min(found.untrained), max(found.untrained)
  p_value = formats.NONE if found.p_value is None else f'{found.p_value:.2g}'
  if found.is_more:
    p_value = f'**{p_value}**'
  return (
    formats.gain(*statistics.mean_interval(found.trained)),
    formats.gain(float(np.mean(found.untrained)), ends),
    p_value,
  )

"""Tests of the report's sections: every figure has a caption."""

import os
import re
from unittest import mock

from absl.testing import absltest
import numpy as np

from analysis.common import figures
from analysis.report import sections as sections_lib
from tests.analysis.lesion import examples
from tests.support import evaluated_run


class SectionsTest(absltest.TestCase):
  def test_every_figure_is_there_and_described(self):
    folder = evaluated_run.get().folder
    with open(os.path.join(folder, 'report.md'), encoding='utf-8') as file:
      text = file.read()
    captions = dict(re.findall(r'!\[.+\]\(figures/(.+)\)\n\*(.{60,})\*', text))
    self.assertEqual(
      captions.keys(), set(os.listdir(os.path.join(folder, 'figures')))
    )
    self.assertContainsSubset(
      {f'probe_{x}.svg' for x in ('shape', 'scale', 'x_position', 'over_time')}
      | {'mutual_information_memory.svg', 'lesion_loss.svg', 'lesion_iou.svg'}
      | {'lesion_course.svg'}
      | {'predictions.png', 'memory_words.png', 'memory_read_weights.png'}
      | {'memory_write_weights.png', 'memory_usage.png'},
      captions.keys(),
    )
    self.assertStartsWith(
      captions['probe_scale.svg'],
      'How much of the scale of the sprite 5 steps before a linear probe reads',
    )
    for name in ('memory', 'spread_memory'):
      self.assertIn(
        'of the sprite 1 step before',
        captions[f'mutual_information_{name}.svg'],
      )

  def test_a_lesion_that_cuts_no_sequence_is_not_drawn(self):
    result = examples.result(examples.USED)
    for metric in result.metrics:
      result.comparisons['earlier_memory'][metric] = None
      result.scores['earlier_memory'][metric] = np.full(
        examples.NUM_SEQUENCES, np.nan
      )
    sections = sections_lib.Sections({})
    with mock.patch.object(
      figures, 'intervals', wraps=figures.intervals
    ) as drawn:
      sections_lib.add_lesion(sections, result)
    for call in drawn.call_args_list:
      rows = call.args[0]
      self.assertLen(rows, len(result.comparisons) - 1)
      self.assertFalse([row for row in rows if 'steps ago' in row.name])
    self.assertIn('(never cut)', '\n'.join(sections.parts))


if __name__ == '__main__':
  absltest.main()

"""Tests of the report's sections: every figure has a caption."""

import os
import re
from unittest import mock

from absl.testing import absltest
import numpy as np

from analysis.common import figures
from analysis.report import sections as sections_lib
from tests.analysis.intervention import examples as intervention_examples
from tests.analysis.lesion import examples
from tests.analysis.mutual_information import (
  examples as mutual_information_examples,
)
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
    # Not the first offset and lag: the post's.
    self.assertStartsWith(
      captions['probe_scale.svg'],
      'How much of the scale of the current sprite a linear probe reads',
    )
    self.assertIn(
      'The planted memory holds the latents of the sprite 5 steps before,',
      captions['probe_scale.svg'],
    )
    for name in ('memory', 'spread_memory'):
      self.assertIn(
        'of the current sprite',
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

  def test_a_dragged_sprite_is_drawn_if_there_is_one(self):
    sections = sections_lib.Sections({})
    sections_lib.add_intervention(sections, intervention_examples.result())
    self.assertEqual(
      [*sections.pictures],
      ['intervention_drag.svg', 'intervention_shifts.svg'],
    )
    self.assertIn('the next sprite is', sections.parts[3])
    self.assertIn('### The next sprite, asked for', sections.parts[-1])
    sections = sections_lib.Sections({})
    nothing = intervention_examples.result(None, None, drag=None)
    sections_lib.add_intervention(sections, nothing)
    self.assertEmpty(sections.pictures)

  def test_draws_the_scores_of_the_current_sprite(self):
    for lags, row in ((-1, 0), 1), ((0, 5), 0), ((5, -1), 0):
      result = mutual_information_examples.result(lags=lags)
      sections = sections_lib.Sections({'evaluation': {'fixed': []}})
      with (
        mock.patch.object(
          figures, 'heat_map', wraps=figures.heat_map
        ) as heat_map,
        mock.patch.object(
          figures, 'histogram', wraps=figures.histogram
        ) as histogram,
      ):
        sections_lib.add_mutual_information(sections, {'memory': result})
      excess, significant = heat_map.call_args.args[:2]
      np.testing.assert_array_equal(excess.ravel(), result.excess[row])
      np.testing.assert_array_equal(
        significant.ravel(), result.significant[row]
      )
      drawn = histogram.call_args.args[0]['true x']
      np.testing.assert_array_equal(drawn, result.scores[row])


if __name__ == '__main__':
  absltest.main()

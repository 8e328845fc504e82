"""Tests for analysis.probe.figures."""

import dataclasses
from unittest import mock

import tensorflow as tf

from analysis.common import figures as figures_lib
from analysis.probe import figures
from analysis.probe import learned
from tests.analysis.probe import examples


class FiguresTest(tf.test.TestCase):
  def _rows(self, draw, *args):
    """The rows that a function draws, by name."""
    with mock.patch.object(
      figures_lib, 'intervals', wraps=figures_lib.intervals
    ) as intervals:
      draw(*args)
    return {row.name: row for row in intervals.call_args.args[0]}

  def test_gains_of_every_representation(self):
    result = examples.result({(0, 'scale'): 0.3})
    rows = self._rows(figures.gains, result, 'scale')
    self.assertLen(rows, len(result.widths) + 1)
    untrained = rows['untrained: memory']
    self.assertAllClose(untrained[1:4], [0.02, 0.0, 0.05])
    self.assertEqual(untrained.kind, 'control')
    memory = rows['memory (256)']
    self.assertAllClose(memory[1:4], [0.3, 0.29, 0.31])
    self.assertEqual((memory.kind, memory.other), ('memory', 0.3))
    image = rows['input image (4096)']
    self.assertEqual((image.kind, image.other), ('input', None))
    self.assertEqual(rows['planted memory (256)'].kind, 'control')

  def test_gains_are_of_the_current_sprite_and_of_what_is_planted(self):
    result = examples.result({(-1, 'scale'): 0.3, (0, 'scale'): 0.2})
    result = dataclasses.replace(result, offsets=(-1, 0, 5))
    of_planted = result.scores['test']['planted_256']
    of_planted[-1], of_planted[0] = of_planted[0], of_planted[-1]
    of_untrained = result.untrained.compared['memory']
    for offset, label_score in of_untrained.items():
      label_score['scale'] = learned.Compared((0.3,), (offset, offset), 1.0)
    rows = self._rows(figures.gains, result, 'scale')
    self.assertEqual(rows['memory (256)'].value, 0.2)
    self.assertEqual(rows['planted memory (256)'].value, 0.5)
    self.assertEqual(rows['untrained: memory'].value, 0)
    # Without the current sprite: the first offset.
    result = dataclasses.replace(result, offsets=(-1, 5))
    rows = self._rows(figures.gains, result, 'scale')
    self.assertEqual(rows['memory (256)'].value, 0.3)

  def test_no_figure_of_a_label_that_does_not_vary(self):
    result = examples.result()
    for of_offset in result.scores['test'].values():
      of_offset[0]['scale'] = examples.label_score('scale', None)
    self.assertIsNone(figures.gains(result, 'scale'))

  def test_over_time_shows_the_memory_at_each_offset(self):
    result = examples.result({(5, 'x_position'): 0.3})
    rows = self._rows(figures.over_time, result, 'x_position')
    self.assertEqual(
      list(rows),
      [
        f'{name}, {step}'
        for name in ('memory', 'controller cell')
        for step in ('t', 't-5', 't+1')
      ],
    )
    self.assertEqual(rows['memory, t-5'].value, 0.3)


if __name__ == '__main__':
  tf.test.main()

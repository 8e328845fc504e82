"""Tests for analysis.probe.figures."""

import dataclasses
from unittest import mock

import tensorflow as tf

from analysis.common import figures as figures_lib
from analysis.probe import figures
from analysis.probe import learned
from analysis.probe import results
from tests.analysis.probe import examples


class FiguresTest(tf.test.TestCase):
  def _rows(self, draw, *args):
    """The rows that a function draws, by name."""
    with mock.patch.object(
      figures_lib, 'intervals', wraps=figures_lib.intervals
    ) as intervals:
      draw(*args)
    return {row.name: row for row in intervals.call_args.args[0]}

  def _panels(self, result):
    """The rows of each panel of `over_time`, by title and name."""
    with mock.patch.object(
      figures_lib, 'panels', wraps=figures_lib.panels
    ) as panels:
      figures.over_time(result, 'x_position')
    return {
      title: {row.name: row for row in rows}
      for title, rows in panels.call_args.args[0].items()
    }

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
    panels = self._panels(result)
    self.assertEqual(list(panels), ['t-0', 't-5', 't+1'])
    for rows in panels.values():
      self.assertEqual(list(rows), ['memory', 'controller cell'])
    self.assertEqual(panels['t-5']['memory'].value, 0.3)

  def test_over_time_shows_sorted_slots_and_untrained_cores(self):
    result = examples.result({(5, 'x_position'): 0.3})
    sorted_slots = {
      offset: {'x_position': results.Difference(0.4 + offset, (0.25, 0.5))}
      for offset in result.offsets
    }
    best = {
      offset: {'x_position': learned.Compared((0.4,), (0.1, 0.3), 1.0)}
      for offset in result.offsets
    }
    result = dataclasses.replace(
      result,
      ordered={'memory_by_writing': 256},
      beyond={**result.beyond, 'memory_by_writing': {'alone': sorted_slots}},
      untrained=dataclasses.replace(
        result.untrained,
        compared={**result.untrained.compared, 'memory_in_best_order': best},
      ),
    )
    panels = self._panels(result)
    self.assertEqual(
      list(panels['t-0']),
      [
        'memory',
        'memory, by writing',
        'controller cell',
        'untrained: memory, best order',
      ],
    )
    _, *row, kind, _ = panels['t-0']['memory, by writing']
    self.assertEqual((*row, kind), (0.4, 0.25, 0.5, 'memory'))
    self.assertEqual(panels['t-5']['memory, by writing'].value, 5.4)
    _, *row, kind, _ = panels['t-0']['untrained: memory, best order']
    self.assertAllClose(row, (0.2, 0.1, 0.3))


if __name__ == '__main__':
  tf.test.main()

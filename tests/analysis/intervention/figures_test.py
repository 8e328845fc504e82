"""Tests for analysis.intervention.figures."""

import dataclasses
from unittest import mock

from absl.testing import absltest
import numpy as np

from analysis.common import figures as common_figures
from analysis.intervention import figures
from tests.analysis.intervention import examples


class FiguresTest(absltest.TestCase):
  def test_drag(self):
    drawn = figures.drag(examples.result())
    self.assertLen(drawn.axes, 3 * 3)
    labels = [axes.get_ylabel() for axes in drawn.axes]
    self.assertEqual(labels[::3], ['asked', 'memory', 'memory,\nrandom'])
    titles = [axes.get_xlabel() for axes in drawn.axes]
    self.assertEqual(titles[-3:], ['-4', '0', '+4'])
    self.assertIn(b'<svg', common_figures.to_svg(drawn))

  def test_shifts(self):
    with mock.patch.object(common_figures, 'bands') as bands:
      figures.shifts(examples.result())
    curves = bands.call_args.args[0]
    self.assertEqual(
      [*curves],
      ['memory', 'read words', 'memory, random', 'read words, random', 'asked'],
    )
    drawn = figures.shifts(examples.result())
    self.assertEqual(list(drawn.axes[0].get_xticks()), [1, 2, 4, 8])
    np.testing.assert_allclose(curves['memory'][3], [8, 2.4, 2.32, 2.48])

  def test_shifts_of_the_order_in_which_most_is_read(self):
    with mock.patch.object(common_figures, 'bands') as bands:
      figures.shifts(examples.wide(slope=0.3))
    curves = bands.call_args.args[0]
    self.assertIn('memory by reading', curves)
    self.assertNotIn('memory', curves)

  def test_nothing_is_held(self):
    result = examples.result(None, None)
    self.assertIsNone(figures.shifts(result))
    self.assertIsNone(figures.drag(dataclasses.replace(result, drag=None)))


if __name__ == '__main__':
  absltest.main()

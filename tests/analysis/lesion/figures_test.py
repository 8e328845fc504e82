"""Tests of the figure of Test 3: it shows the courses."""

import dataclasses

import numpy as np
import tensorflow as tf

from analysis.lesion import figures
from dnc import lesions
from tests.analysis.lesion import examples


class FiguresTest(tf.test.TestCase):
  def test_shows_the_courses_of_cuts(self):
    result = examples.result(examples.USED)
    drawn = figures.courses(result)
    (axes,) = drawn.axes
    curves = {line.get_label(): line for line in axes.lines[:5]}
    self.assertLen(curves, len(lesions.WITH_CUT))
    steps, changes = curves['memory frozen from step 250 on'].get_data()
    self.assertAllClose(steps, [1, np.sqrt(6), np.sqrt(40)])
    self.assertAllClose(changes, 8.76 * np.array([3.0, 1.5, 1.0]))
    self.assertEqual((axes.get_xscale(), axes.get_yscale()), ('log', 'symlog'))
    # The line between the third step and the fourth.
    self.assertAllClose(axes.lines[-1].get_xdata(), [3.5, 3.5])
    band = axes.collections[0].get_paths()[0].get_extents()
    intervals = result.courses['frozen_memory'].intervals
    self.assertAllClose(band.intervaly, [intervals.min(), intervals.max()])

  def test_lesions_that_never_cut_are_left_out(self):
    result = examples.result(examples.USED)
    empty = dict(changes=np.empty(0), intervals=np.empty([0, 2]))
    courses = {
      name: dataclasses.replace(found, **empty)
      for name, found in result.courses.items()
    }
    without = dataclasses.replace(result, courses=courses)
    self.assertIsNone(figures.courses(without))
    courses['reset_memory'] = result.courses['reset_memory']
    (axes,) = figures.courses(without).axes
    self.assertEqual(
      axes.get_legend_handles_labels()[1], ['memory reset every 10 steps']
    )

  def test_no_change_at_all(self):
    (axes,) = figures.courses(examples.result()).axes
    self.assertEqual(axes.get_yscale(), 'linear')


if __name__ == '__main__':
  tf.test.main()

"""Tests of figures: they show the given numbers."""

from xml.etree import ElementTree

import matplotlib
import numpy as np
import tensorflow as tf

from analysis.common import figures

_ROWS = [
  figures.Row('memory', 0.2, 0.1, 0.3, 'memory', 0.25),
  figures.Row('planted', 0.9, 0.8, 0.95, 'control'),
  figures.Row('far off', -3.0, -4.0, -2.0, 'control'),
]


def _markers(axes, marker, size=None):
  """Returns the positions of the markers of a kind."""
  return [
    (float(line.get_xdata()[0]), float(line.get_ydata()[0]))
    for line in axes.lines
    if line.get_marker() == marker and size in (None, line.get_markersize())
  ]


class FiguresTest(tf.test.TestCase):
  def test_intervals(self):
    drawn = figures.intervals(_ROWS, 'R²', [(0.0, 'nothing')])
    (axes,) = drawn.axes
    self.assertAllClose(_markers(axes, 'o', 5), [(0.2, 0), (0.9, 1), (-3.0, 2)])
    self.assertAllClose(_markers(axes, 'o', 8), [(0.25, 0)])
    bars = [x.get_xdata() for x in axes.lines if x.get_marker() == 'None']
    self.assertAllClose(
      bars, [(0.1, 0.3), (0.8, 0.95), (-4.0, -2.0), (0.0, 0.0)]
    )
    self.assertEqual(
      [x.get_text() for x in axes.get_yticklabels()],
      [row.name for row in _ROWS],
    )
    # The first row is on top.
    self.assertGreater(axes.get_ylim()[0], axes.get_ylim()[1])

  def test_panels(self):
    other = [row._replace(value=0.5, other=None) for row in _ROWS]
    drawn = figures.panels({'t-0': _ROWS, 't-5': other}, 'R²', (-0.1, 1))
    first, second = drawn.axes
    self.assertEqual([x.get_title() for x in drawn.axes], ['t-0', 't-5'])
    self.assertAllClose(_markers(first, 'o', 5), [(0.2, 0), (0.9, 1)])
    self.assertAllClose(_markers(first, '<'), [(-0.1, 2)])
    self.assertAllClose(_markers(second, 'o', 5), [(0.5, k) for k in range(3)])
    self.assertEqual(
      [x.get_text() for x in first.get_yticklabels()],
      [row.name for row in _ROWS],
    )
    self.assertEqual(
      [(x.get_text(), x.get_ha()) for x in first.texts],
      # Each has room on its side.
      [('0.20', 'left'), ('0.90', 'right'), ('-3.00', 'left')],
    )

  def test_a_value_out_of_bounds_is_an_arrow_at_the_bound(self):
    (axes,) = figures.intervals(_ROWS, 'R²', bounds=(-0.1, 1.0)).axes
    self.assertAllClose(_markers(axes, '<'), [(-0.1, 2)])
    self.assertLen(_markers(axes, 'o', 5), 2)
    self.assertAllClose(axes.get_xlim(), (-0.1, 1.0))
    # The same holds for a ring.
    row = _ROWS[0]._replace(other=7.0)
    (axes,) = figures.intervals([row], 'R²', bounds=(-0.1, 1.0)).axes
    self.assertAllClose(_markers(axes, '>', 8), [(1.0, 0)])
    self.assertEmpty(_markers(axes, 'o', 8))

  def test_a_logarithmic_axis(self):
    (axes,) = figures.intervals(_ROWS, 'nats', linear=0.1).axes
    self.assertEqual(axes.get_xscale(), 'symlog')
    self.assertEqual(
      [x.get_text() for x in axes.get_xticklabels()],
      ['-1', '-0.1', '0', '0.1', '1'],
    )

  def test_bands(self):
    curves = {
      'one': np.array([[1, 5.0, 4.0, 6.0], [4, 0.5, 0.25, 0.75]]),
      'other': np.array([[2, -2.0, -3.0, -1.0]]),
    }
    (axes,) = figures.bands(curves, 'steps', 'nats', linear=0.1, mark=3).axes
    for line, (name, curve) in zip(axes.lines, curves.items()):
      self.assertAllClose(line.get_xydata(), curve[:, :2])
      self.assertEqual(line.get_label(), name)
    for band, ends in zip(axes.collections, ([0.25, 6.0], [-3.0, -1.0])):
      found = band.get_paths()[0].get_extents()
      self.assertAllClose(found.intervaly, ends)
    self.assertContainsSubset(
      ['-1', '-0.1', '0', '0.1', '1'],
      [x.get_text() for x in axes.get_yticklabels()],
    )
    self.assertAllClose(axes.lines[-1].get_xdata(), [3, 3])
    (axes,) = figures.bands(curves, 'steps', 'nats').axes
    self.assertEqual(axes.get_yscale(), 'linear')

  def test_heat_map(self):
    values = np.arange(12.0).reshape([3, 4])
    marked = values > 9
    axes, bar = figures.heat_map(values, marked, 'nats', 'slot').axes
    self.assertAllEqual(axes.images[0].get_array(), values)
    places = axes.collections[0].get_offsets()
    self.assertAllEqual(places, [(2, 2), (3, 2)])
    self.assertEqual(axes.get_ylabel(), 'slot')
    self.assertEqual(bar.get_ylabel(), 'nats')

  def test_histogram(self):
    samples = {'one': np.array([0.0, 0.0, 1.0, 4.0]), 'other': np.full(2, 2.0)}
    kinds = {'one': 'memory', 'other': 'control'}
    (axes,) = figures.histogram(samples, 'nats', kinds).axes
    for patch, values in zip(axes.patches, samples.values(), strict=True):
      shares, edges, _ = patch.get_data()
      self.assertAlmostEqual(shares.sum(), 1)
      self.assertAllClose(shares * len(values), np.histogram(values, edges)[0])
    # Values may all be the same.
    figures.histogram({'one': np.zeros(3)}, 'nats', kinds)

  def test_files_are_the_same_each_time(self):
    first, second = (
      figures.to_svg(figures.intervals(_ROWS, 'R²')) for _ in range(2)
    )
    self.assertEqual(first, second)
    users = {'text.usetex': True, 'savefig.dpi': 9, 'svg.fonttype': 'none'}
    with matplotlib.rc_context({**users, 'font.size': 30}):
      third = figures.to_svg(figures.intervals(_ROWS, 'R²'))
    self.assertEqual(first, third)
    ElementTree.fromstring(first)
    pixels = figures.to_pixels(figures.intervals(_ROWS, 'R²'))
    self.assertEqual(pixels.dtype, np.uint8)
    self.assertEqual(pixels.shape[2], 3)
    self.assertGreater(pixels.shape[1], pixels.shape[0])
    self.assertAllEqual(pixels[0, 0], [255] * 3)
    # The row of the memory has its colour.
    self.assertTrue((pixels == [0x00, 0x72, 0xB2]).all(axis=2).any())


if __name__ == '__main__':
  tf.test.main()

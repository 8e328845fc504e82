"""Tests of dnc.dsprites.sheet."""

import io

import numpy as np
import tensorflow as tf

from dnc import dsprites
from dnc.dsprites import sheet


def _cells(drawn):
  """Lists the image and the number of each cell, row by row."""
  return [
    (axes.images[0].get_array(), axes.get_xlabel()) for axes in drawn.axes
  ]


class SheetTest(tf.test.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.drawn = sheet.draw()

  def test_sweeps(self):
    ten_of_40 = [0, 4, 9, 13, 17, 22, 26, 30, 35, 39]
    ten_of_32 = [0, 3, 7, 10, 14, 17, 21, 24, 28, 31]
    classes = [
      *([x, 5, 0, 16, 16] for x in range(3)),
      *([2, x, 0, 16, 16] for x in range(6)),
      *([2, 5, x, 16, 16] for x in ten_of_40),
      *([2, 5, 0, x, 16] for x in ten_of_32),
      *([2, 5, 0, 16, x] for x in ten_of_32),
    ]
    images, numbers = zip(*_cells(self.drawn))
    self.assertAllEqual(images, dsprites.render_images(classes))
    self.assertEqual(
      list(map(int, numbers)),
      [*range(3), *range(6), *ten_of_40, *ten_of_32, *ten_of_32],
    )
    titles = [axes.get_title(loc='left') for axes in self.drawn.axes]
    self.assertEqual(
      list(filter(None, titles)),
      ['shape', 'scale', 'orientation', 'x position', 'y position'],
    )

  def test_pixels_and_numbers_are_in_the_picture(self):
    file = io.BytesIO()
    self.drawn.savefig(file, format='png')
    picture = tf.io.decode_png(file.getvalue(), channels=1)[..., 0].numpy()
    height = len(picture)
    for axes in self.drawn.axes:
      (image,) = axes.images
      corners = axes.transData.transform([[-0.5, 63.5], [63.5, -0.5]])
      (left, bottom), (right, top) = corners
      # The middle of every pixel.
      rows = height - top + (top - bottom) * (np.arange(64) + 0.5) / 64
      columns = left + (right - left) * (np.arange(64) + 0.5) / 64
      shown = picture[np.ix_(rows.astype(int), columns.astype(int))]
      # The outermost pixels lie under the frame.
      self.assertAllEqual(
        shown[1:-1, 1:-1] > 128, image.get_array()[1:-1, 1:-1]
      )
      number = axes.xaxis.label.get_window_extent()
      self.assertGreater(number.y0, 0)
      self.assertLess(number.y1, bottom)

  def test_small_images_of_many_classes(self):
    spec = dsprites.SpriteSpec(
      polygons=[[(-2, -2), (2, -2), (2, 2), (-2, 2)]],
      scales=np.linspace(0.5, 1, 12346),
      orientations=np.linspace(0, 1, 6790),
      x_positions=[4],
      y_positions=[4],
      image_size=8,
    )
    cells = _cells(sheet.draw(spec))
    self.assertLen(cells, 23)
    self.assertEqual(cells[0][0].shape, (8, 8))
    self.assertEqual(int(cells[10][1]), 12345)


if __name__ == '__main__':
  tf.test.main()

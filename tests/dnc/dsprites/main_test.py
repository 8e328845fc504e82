"""Tests of `python -m dnc.dsprites` and what it calls: verify and sheet."""

import contextlib
import io
import os
import subprocess
import sys
from unittest import mock

from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from dnc import dsprites
from dnc.dsprites import __main__ as dsprites_main
from dnc.dsprites import latents
from dnc.dsprites import published_file
from dnc.dsprites import render
from dnc.dsprites import sheet
from dnc.dsprites import verify
from tests.support import data as testing_data

_FILE = 'dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz'


def _main(*words):
  """Runs a command in this process: exit status and what it printed."""
  with contextlib.redirect_stdout(io.StringIO()) as output:
    status = dsprites_main.main(dsprites_main._parse(['', *words]))
  return status, output.getvalue()


class VerifyTest(tf.test.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.rendered = testing_data.rendered_table().bits
    # A heart, a square and another square, as if a file had them otherwise.
    cls.sprites = latents.classes_to_index(
      [[0, 5, 0, 31, 31], [0, 5, 39, 0, 31], [2, 3, 7, 9, 30]]
    )
    cls.bits = np.array(cls.rendered)
    for sprite, pixels in zip(
      cls.sprites,
      (
        # The square covers rows and columns 38 to 57.
        [(38, 38), (37, 57)],
        [(63, column) for column in range(20, 30)],
        [(0, 0), (63, 63)],
      ),
    ):
      for row, column in pixels:
        cls.bits[sprite, row, column // 8] ^= 128 >> column % 8

  def _verify(self, bits, *flags):
    with (
      mock.patch.object(
        published_file, 'read_bits', autospec=True, return_value=bits
      ) as read_bits,
      mock.patch.object(render, 'render_all', return_value=self.rendered),
    ):
      status, output = _main('verify', _FILE, *flags)
    read_bits.assert_called_once_with(_FILE)
    return status, output

  def test_equal(self):
    status, output = self._verify(np.array(self.rendered))
    self.assertEqual(status, 0)
    self.assertEqual(
      output,
      f'reading {_FILE}\n'
      f'{_FILE}: all 737,280 images are equal to the rendering\n',
    )

  def test_different(self):
    status, output = self._verify(self.bits)
    self.assertEqual(status, 1)
    first, second, third = self.sprites
    self.assertEqual(
      output.splitlines(),
      [
        f'reading {_FILE}',
        f'{_FILE}: 3 of 737,280 images differ from the rendering',
        'pixels: 14 differ, 13 on in the file only (-) and 1 in the rendering '
        f'only (+); at most 10 in an image (image {second})',
        'images by the number of pixels: 2: 2, 10: 1',
        'images by class of shape: 0: 2, 2: 1',
        'images by class of scale: 3: 1, 5: 2',
        'images by class of orientation: 0: 1, 7: 1, 39: 1',
        'images by class of x_position: 0: 1, 9: 1, 31: 1',
        'images by class of y_position: 30: 1, 31: 2',
        'the first 3: classes (values), and pixels (row, column)',
        f'  image {first}: shape 0 (1), scale 5 (1), orientation 0 (0), '
        'x_position 31 (1), y_position 31 (1): -(37, 57) +(38, 38)',
        f'  image {second}: shape 0 (1), scale 5 (1), orientation 39 (6.283), '
        'x_position 0 (0), y_position 31 (1): -(63, 20) -(63, 21) -(63, 22) '
        '-(63, 23) -(63, 24) -(63, 25) -(63, 26) -(63, 27) and 2 more',
        f'  image {third}: shape 2 (3), scale 3 (0.8), orientation 7 (1.128), '
        'x_position 9 (0.2903), y_position 30 (0.9677): -(0, 0) -(63, 63)',
      ],
    )

  def test_fewer_listed(self):
    _, output = self._verify(self.bits, '--num_listed=1')
    self.assertIn('the first 1:', output)
    self.assertEqual(output.count('\n  image '), 1)
    _, output = self._verify(self.bits, '--num_listed=0')
    self.assertEndsWith(output, 'y_position: 30: 1, 31: 2\n')

  def test_every_image(self):
    comparison = verify.Comparison(self.rendered, ~self.rendered)
    self.assertLen(comparison.differing, latents.NUM_SPRITES)
    self.assertEqual(comparison.removed.sum(), 128328786)
    self.assertAllEqual(
      comparison.removed[:9] + comparison.added[:9], [4096] * 9
    )


class SheetTest(tf.test.TestCase):
  def _cells(self, picture, size):
    """Cuts out what is inside of grey frames, row by row."""
    picture = picture[::2, ::2, 0]
    grey = picture == 128
    above, left = np.roll(grey, 1, 0), np.roll(grey, 1, 1)
    below, right = np.roll(grey, -1, 0), np.roll(grey, -1, 1)
    corners = grey & ~above & ~left & below & right
    return [
      picture[row + 1 : row + 1 + size, column + 1 : column + 1 + size]
      for row, column in np.argwhere(corners)
    ]

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
    cells = self._cells(sheet.draw(), 64)
    self.assertAllEqual(cells, 255 * dsprites.render_images(classes))

  def test_tiny_images_of_many_classes(self):
    spec = dsprites.SpriteSpec(
      polygons=[[(-2, -2), (2, -2), (2, 2), (-2, 2)]],
      scales=np.linspace(0.5, 1, 12346),
      orientations=np.linspace(0, 1, 6790),
      x_positions=[4],
      y_positions=[4],
      image_size=8,
    )
    picture = sheet.draw(spec)
    self.assertLen(self._cells(picture, 8), 23)
    # The number below the last scale is not cut off: five digits and a gap.
    self.assertAllEqual(picture[:, -16:], np.full_like(picture[:, -16:], 255))

  def test_letters(self):
    for letter, rows in sheet._LETTERS.items():
      rows = rows.split()
      self.assertIn(len(rows), (7, 9), msg=letter)
      self.assertEqual({len(row) for row in rows}, {5}, msg=letter)
    written = sheet._written('71')
    self.assertAllEqual(
      written[:, :6] == 0,
      [[dot == '#' for dot in row + '.'] for row in sheet._LETTERS['7'].split()]
      + [[False] * 6] * 2,
    )
    self.assertAllEqual(written[:, 6:], sheet._written('1'))


class CommandTest(tf.test.TestCase, parameterized.TestCase):
  def _run(self, *words, tensorflow=False):
    path = [testing_data.ROOT]
    if not tensorflow:
      # Importing it for nothing would fail.
      folder = self.create_tempdir()
      folder.create_file('tensorflow.py', 'raise ImportError("for nothing")')
      path.insert(0, folder.full_path)
    return subprocess.run(
      [sys.executable, '-m', 'dnc.dsprites', *words],
      cwd=self.get_temp_dir(),
      env={**os.environ, 'PYTHONPATH': os.pathsep.join(path)},
      capture_output=True,
      text=True,
      check=False,
    )

  @parameterized.parameters(
    ('--help', r'COMMAND(.*\n)*.*verify(.*\n)*.*sheet'),
    ('verify --help', 'FILE(.*\n)*.*--num_listed'),
    ('sheet --help', '--out FILE'),
  )
  def test_help(self, words, pattern):
    result = self._run(*words.split())
    self.assertEqual(result.returncode, 0)
    self.assertRegex(result.stdout, pattern)
    self.assertEmpty(result.stderr)

  @parameterized.parameters(
    ('', 'arguments are required: COMMAND; see python -m dnc.dsprites --help'),
    ('paint', "'paint' .*verify.*sheet"),
    ('verify', 'FILE; see python -m dnc.dsprites verify --help'),
    ('verify a.npz b.npz', 'unrecognized arguments: b.npz'),
    ('verify a.npz --num_listed=-1', '--num_listed: -1: .* 0 or more'),
    ('sheet --ou=a.png', 'unrecognized arguments: --ou=a.png'),
    ('sheet --out=a.jpg', '--out=a.jpg: must end in .png'),
    ('verify /nonexistent.npz', '/nonexistent.npz .*No such file'),
  )
  def test_mistakes(self, words, pattern):
    result = self._run(*words.split())
    self.assertEqual(result.returncode, 2)
    self.assertLen(result.stderr.splitlines(), 1, msg=result.stderr)
    self.assertRegex(result.stderr, f'^python -m dnc.dsprites: .*{pattern}')

  def test_a_file_that_is_not_dsprites(self):
    path = os.path.join(self.get_temp_dir(), 'images.npz')
    np.savez(path, imgs=np.zeros([10, 64, 64], np.uint8))
    result = self._run('verify', path)
    self.assertEqual(result.returncode, 2)
    self.assertLen(result.stderr.splitlines(), 1, msg=result.stderr)
    self.assertRegex(result.stderr, 'images.npz is not dSprites')

  def test_sheet(self):
    result = self._run('sheet', '--out=new/drawn.png', tensorflow=True)
    self.assertEqual(result.returncode, 0, msg=result.stderr)
    self.assertEqual(result.stdout, 'wrote new/drawn.png\n')
    self.assertEmpty(result.stderr)
    path = os.path.join(self.get_temp_dir(), 'new/drawn.png')
    png = tf.io.decode_png(tf.io.read_file(path))
    self.assertAllEqual(png, sheet.draw())

  def test_sheet_where_nothing_can_be_written(self):
    with open(os.path.join(self.get_temp_dir(), 'file'), 'w'):
      pass
    result = self._run('sheet', '--out=file/a.png')
    self.assertEqual(result.returncode, 2)
    self.assertLen(result.stderr.splitlines(), 1, msg=result.stderr)
    self.assertRegex(
      result.stderr, '--out=file/a.png cannot be written: .*exists'
    )


if __name__ == '__main__':
  tf.test.main()

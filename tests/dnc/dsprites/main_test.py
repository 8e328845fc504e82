"""Tests of `python -m dnc.dsprites`."""

import contextlib
import io
import os
import subprocess
import sys
from unittest import mock

from absl.testing import absltest
from absl.testing import parameterized
import numpy as np

from dnc.dsprites import __main__ as dsprites_main
from dnc.dsprites import latents
from dnc.dsprites import published_file
from dnc.dsprites import render
from dnc.system import errors
from tests.support import testing_data

_FILE = 'dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz'


def _main(*words):
  """Runs a command in this process; returns its exit status and output."""
  with contextlib.redirect_stdout(io.StringIO()) as output:
    status = dsprites_main.main(dsprites_main._parse(['', *words]))
  return status, output.getvalue()


class VerifyTest(absltest.TestCase):
  def test_status_and_output(self):
    # On the first sprites of dSprites.
    self.enterContext(mock.patch.object(latents, 'NUM_SPRITES', 50))
    images = render.render_images(latents.index_to_classes(np.arange(50)))
    rendered = np.packbits(images, axis=-1)
    different = np.array(rendered)
    different[5, 0, 0] = 128
    for bits, status, pattern in (
      (rendered, 0, f'^reading {_FILE}\n{_FILE}: all .* are equal .*\n$'),
      (different, 1, r'1 of 50 images differ(.*\n)*.*image 5: .*\(0, 0\)'),
    ):
      with (
        mock.patch.object(
          published_file, 'read_bits', autospec=True, return_value=bits
        ) as read_bits,
        mock.patch.object(render, 'render_all', return_value=rendered),
      ):
        found, output = _main('verify', _FILE)
      read_bits.assert_called_once_with(_FILE)
      self.assertEqual(found, status)
      self.assertRegex(output, pattern)


class CommandTest(parameterized.TestCase):
  @parameterized.parameters(
    ('--help', r'COMMAND(.*\n)*.*verify(.*\n)*.*sheet'),
    ('verify --help', 'FILE(.*\n)*.*--num_listed'),
    ('sheet --help', '--out FILE'),
  )
  def test_help(self, words, pattern):
    with (
      contextlib.redirect_stdout(io.StringIO()) as output,
      self.assertRaises(SystemExit) as caught,
    ):
      dsprites_main._parse(['', *words.split()])
    self.assertEqual(caught.exception.code, 0)
    self.assertRegex(output.getvalue(), pattern)

  @parameterized.parameters(
    ('', 'arguments are required: COMMAND; see python -m dnc.dsprites --help'),
    ('paint', "'paint' .*verify.*sheet"),
    ('verify', 'FILE; see python -m dnc.dsprites verify --help'),
    ('verify a.npz b.npz', 'unrecognized arguments: b.npz'),
    ('verify a.npz --num_listed=-1', '--num_listed: -1: .* 0 or more'),
    ('sheet --ou=a.png', 'unrecognized arguments: --ou=a.png'),
    ('sheet --out=a.jpg', '--out=a.jpg: must end in .png'),
    ('sheet --out=/dev/null/a.png', '--out=/dev/null/a.png cannot be written:'),
    ('verify /nonexistent.npz', '/nonexistent.npz .*No such file'),
  )
  def test_mistakes(self, words, pattern):
    with self.assertRaisesRegex(errors.UsageError, pattern) as caught:
      _main(*words.split())
    self.assertNotIn('\n', str(caught.exception))


class ProcessTest(absltest.TestCase):
  """Runs without TensorFlow: importing it would fail."""

  def _run(self, *words):
    folder = self.create_tempdir()
    folder.create_file('tensorflow.py', 'raise ImportError("for nothing")')
    path = os.pathsep.join([folder.full_path, testing_data.ROOT])
    return subprocess.run(
      [sys.executable, '-m', 'dnc.dsprites', *words],
      cwd=folder.full_path,
      env={**os.environ, 'PYTHONPATH': path},
      capture_output=True,
      text=True,
      check=False,
    )

  def test_sheet(self):
    path = os.path.join(self.create_tempdir().full_path, 'new/drawn.png')
    result = self._run('sheet', f'--out={path}')
    self.assertEqual(result.returncode, 0, msg=result.stderr)
    self.assertEqual(result.stdout, f'wrote {path}\n')
    with open(path, 'rb') as file:
      self.assertStartsWith(file.read(), b'\x89PNG\r\n\x1a\n')
    self.assertEqual(os.listdir(os.path.dirname(path)), ['drawn.png'])

  def test_a_file_that_is_not_dsprites(self):
    path = os.path.join(self.create_tempdir().full_path, 'images.npz')
    np.savez(path, imgs=np.zeros([10, 64, 64], np.uint8))
    result = self._run('verify', path)
    self.assertEqual(result.returncode, 2)
    self.assertRegex(
      result.stderr,
      '^python -m dnc.dsprites: .*images.npz is not dSpr.*\n$',
    )


if __name__ == '__main__':
  absltest.main()

"""Tests of the rule for all paths."""

import os
import pathlib
import tempfile
from unittest import mock

from absl.testing import absltest
from absl.testing import parameterized

from dnc.system import errors
from dnc.system import files
from dnc.system import paths


class LocalTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.enterContext(mock.patch.dict(os.environ, HOME='/home/me'))

  @parameterized.parameters(
    ('runs/one', 'runs/one'),
    ('runs/one/', 'runs/one/'),
    ('../[a]*?\\{b}', '../[a]*?\\{b}'),
    (' a\nb, %s "c"', ' a\nb, %s "c"'),
    ('-ünï', '-ünï'),
    ('a:b', 'a:b'),
    ('./gs:/a', './gs:/a'),
    ('~', '/home/me'),
    ('~/run', '/home/me/run'),
    ('./~', './~'),
    ('a/~/b', 'a/~/b'),
    (pathlib.Path('~/run'), '/home/me/run'),
    (pathlib.Path('a', 'b'), 'a/b'),
  )
  def test_taken(self, path, found):
    self.assertEqual(paths.local(path, '--out'), found)
    self.assertEqual(paths.local(found, '--out'), found)

  @parameterized.parameters(
    ('', '--out=: must not be empty'),
    ('gs://a/b', '--out=gs://a/b: must be a path on this machine'),
    ('FILE:///a', '--out=FILE:///a: must be a path on this machine, without f'),
    ('s3://a', 'must be a path on this machine'),
    (pathlib.Path('gs://a/b'), '--out=gs:/a/b: must be a path on this machine'),
    ('~nobody_of_this_name/a', 'there is no such home folder'),
    ('a\0b', 'zero byte'),
    ('a\udcff', 'must be a name in UTF-8'),
    (b'a', "--out=b'a': must be a path"),
    (None, '--out=None: must be a path'),
    (3, '--out=3: must be a path'),
  )
  def test_refused(self, path, pattern):
    with self.assertRaisesRegex(errors.UsageError, pattern):
      paths.local(path, '--out')

  def test_another_coding_of_names(self):
    # Python would write one folder, and TensorFlow another.
    with mock.patch.object(os, 'fsencode', lambda x: x.encode('latin-1')):
      self.assertEqual(paths.local('a', '--out'), 'a')
      with self.assertRaisesRegex(errors.UsageError, 'PYTHONUTF8=1'):
        paths.local('ü', '--out')

  @parameterized.parameters('', '~')
  def test_no_home(self, home):
    # `expanduser` returns `~/run` if it knows no home, and '/run' for ''.
    os.environ['HOME'] = home
    self.assertFalse(paths.has_home())
    with self.assertRaisesRegex(errors.UsageError, '=~/run: .*home folder'):
      paths.local('~/run', '--out')

  def test_a_current_folder_that_is_gone(self):
    self.addCleanup(os.chdir, os.getcwd())
    with tempfile.TemporaryDirectory() as folder:
      os.chdir(folder)
    with self.assertRaisesRegex(errors.UsageError, 'does not exist any more'):
      paths.local('run', '--out')


class FoldersTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self._folder = self.enterContext(tempfile.TemporaryDirectory())
    self.addCleanup(os.chdir, os.getcwd())
    os.chdir(self._folder)

  @parameterized.parameters(
    ('A,B', ('A', 'B')),
    ('A, B', ('A', 'B')),
    ('A', ('A',)),
    ('', ('',)),
    ('a=1,b=2', ('a=1,b=2',)),
    ('A,a=1,b=2,B', ('A', 'a=1,b=2', 'B')),
    (' lead,B', (' lead', 'B')),
  )
  def test_several(self, text, found):
    os.mkdir('a=1,b=2')
    os.mkdir(' lead')
    self.assertEqual(paths.several(text), found)

  def test_without_wildcards(self):
    for name in ('plain', 'a[1]', 'a*', 'a?', 'a\\b'):
      files.write_text(os.path.join(name, 'file'), name)
      with paths.without_wildcards(name) as plain:
        self.assertNoCommonElements(plain, '[*?\\')
        with open(os.path.join(plain, 'file'), encoding='utf-8') as file:
          self.assertEqual(file.read(), name)


if __name__ == '__main__':
  absltest.main()

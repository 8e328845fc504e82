"""Tests for analysis.results.page."""

import os
import tempfile

from absl.testing import absltest

from analysis.results import page
from dnc.system import errors
from dnc.system import files
from tests.support import testing_data


class PageTest(absltest.TestCase):
  def setUp(self):
    super().setUp()
    self._path = os.path.join(
      self.enterContext(tempfile.TemporaryDirectory()), 'page.md'
    )

  def _read(self):
    with open(self._path, encoding='utf-8') as file:
      return file.read()

  def test_the_rest_of_the_page_stays(self):
    before, after = page.split(os.path.join(testing_data.ROOT, page.PATH))
    self.assertStartsWith(before, '# ')
    files.write_text(
      self._path, f'{before}{page._BEGIN}of the last time\n{page._END}{after}'
    )
    page.write('new', self._path)
    text = self._read()
    self.assertStartsWith(text, f'{before}{page._BEGIN}\nnew\n')
    self.assertEndsWith(text, page._END + after)
    self.assertNotIn('of the last time', text)
    page.write('new', self._path)
    self.assertEqual(self._read(), text)

  def test_no_such_page_or_no_marker(self):
    with self.assertRaisesRegex(errors.UsageError, 'No such file.*clone'):
      page.split(self._path)
    files.write_text(self._path, '# Results\n')
    with self.assertRaisesRegex(errors.UsageError, 'a line <!-- begin: '):
      page.split(self._path)
    files.write_text(self._path, page._BEGIN)
    with self.assertRaisesRegex(errors.UsageError, 'a line <!-- end -->'):
      page.write('new', self._path)
    self.assertEqual(self._read(), page._BEGIN)


if __name__ == '__main__':
  absltest.main()

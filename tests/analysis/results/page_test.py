"""Tests for analysis.results.page."""

import os
import tempfile

from absl.testing import absltest

from analysis.results import page
from dnc.system import errors
from dnc.system import files
from tests.support import testing_data

_BEGIN = page._BEGIN.format(page.QUICK)


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
    path = os.path.join(testing_data.ROOT, page.PATH)
    before, after = page.split(page.QUICK, path)
    self.assertStartsWith(before, '# ')
    files.write_text(
      self._path, f'{before}{_BEGIN}of the last time\n{page._END}{after}'
    )
    page.write({page.QUICK: 'new'}, self._path)
    text = self._read()
    self.assertStartsWith(text, f'{before}{_BEGIN}\nnew\n')
    self.assertEndsWith(text, page._END + after)
    self.assertNotIn('of the last time', text)
    page.write({page.QUICK: 'new'}, self._path)
    self.assertEqual(self._read(), text)
    page.write({page.FULL: 'large', page.QUICK: 'small'}, self._path)
    self.assertEqual(
      self._read().split(_BEGIN)[1], f'\nsmall\n\n{page._END}{after}'
    )
    self.assertIn('\nlarge\n', self._read().split(_BEGIN)[0])

  def test_no_such_page_or_no_marker(self):
    with self.assertRaisesRegex(errors.UsageError, 'No such file.*clone'):
      page.split(page.QUICK, self._path)
    files.write_text(self._path, '# Results\n')
    with self.assertRaisesRegex(errors.UsageError, 'a line <!-- begin quick: '):
      page.split(page.QUICK, self._path)
    files.write_text(self._path, _BEGIN)
    with self.assertRaisesRegex(errors.UsageError, 'a line <!-- end -->'):
      page.write({page.QUICK: 'new'}, self._path)
    self.assertEqual(self._read(), _BEGIN)


if __name__ == '__main__':
  absltest.main()

"""Tests for analysis.results.page."""

import os
import tempfile

from absl.testing import absltest

from analysis.results import page
from dnc.system import errors
from dnc.system import files
from tests.support import testing_data

_BEGIN, _END = (x.format(page.QUICK) for x in (page._BEGIN, page._END))
_BOTH = ''.join(
  f'before {part}\n{page._BEGIN.format(part)}{page._END.format(part)}'
  for part in (page.FULL, page.QUICK)
)


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
    real = os.path.join(testing_data.ROOT, page.PATH)
    page.check(real)
    with open(real, encoding='utf-8') as file:
      before, _, rest = file.read().partition(_BEGIN)
    _, _, after = rest.partition(_END)
    self.assertStartsWith(before, '# ')
    files.write_text(
      self._path, f'{before}{_BEGIN}of the last time\n{_END}{after}'
    )
    page.write({page.QUICK: 'new'}, self._path)
    text = self._read()
    self.assertEqual(text, f'{before}{_BEGIN}\nnew\n\n{_END}{after}')
    page.write({page.QUICK: 'new'}, self._path)
    self.assertEqual(self._read(), text)

  def test_each_part_has_its_place(self):
    files.write_text(self._path, _BOTH)
    page.write({page.QUICK: 'small', page.FULL: 'large'}, self._path)
    first, second = self._read().split('before quick\n')
    self.assertIn('\nlarge\n', first)
    self.assertIn('\nsmall\n', second)

  def test_no_such_page_or_no_marker(self):
    with self.assertRaisesRegex(errors.UsageError, 'No such file.*clone'):
      page.check(self._path)
    for part in (page.FULL, page.QUICK):
      for marker in (page._BEGIN, page._END):
        line = marker.format(part)
        text = _BOTH.replace(line, '')
        files.write_text(self._path, text)
        pattern = f'a line {line.strip()}'
        with self.assertRaisesRegex(errors.UsageError, pattern):
          page.check(self._path)
        with self.assertRaisesRegex(errors.UsageError, pattern):
          page.write({page.FULL: 'new', page.QUICK: 'new'}, self._path)
        # Nothing of the page is lost.
        self.assertEqual(self._read(), text)


if __name__ == '__main__':
  absltest.main()

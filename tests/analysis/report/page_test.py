"""Tests of pages: one text as Markdown and HTML."""

import base64
import html.parser
import os
import re

import tensorflow as tf

from analysis.report import page

_PICTURES = {
  picture.file: picture
  for picture in (
    page.Picture('bars.svg', b'<svg/>', 'Bars & more', 'What <b> says'),
    page.Picture('dots.png', b'\x89PNG', 'Dots', 'What they "show"'),
  )
}
_TEXT = '\n\n'.join(
  [
    '# A title & more',
    'Some text, `<some> "& code"`',
    *(picture.markdown() for picture in _PICTURES.values()),
    '| a | b |\n| - | -: |\n| 1 | 2 |',
  ]
)


class _Reader(html.parser.HTMLParser):
  """Collects sources of images, texts by tag, and external resources."""

  def __init__(self):
    super().__init__()
    self.sources, self.texts, self.foreign, self._tags = {}, {}, [], []

  def handle_starttag(self, tag, attributes):
    attributes = dict(attributes)
    if tag == 'img':
      self.sources[attributes['alt']] = attributes['src']
    for name in ('href', 'src'):
      if not attributes.get(name, 'data:').startswith('data:'):
        self.foreign.append(attributes[name])
    if tag == 'script':
      self.foreign.append(tag)
    self._tags.append(tag)

  def handle_data(self, data):
    if data.strip():
      self.texts.setdefault(self._tags[-1], []).append(data)


class PageTest(tf.test.TestCase):
  def test_html_holds_everything(self):
    reader = _Reader()
    reader.feed(page.to_html(_TEXT, _PICTURES))
    self.assertEqual(reader.texts['title'], ['A title & more'])
    self.assertEqual(
      {
        name: base64.b64decode(source.split(',')[1])
        for name, source in reader.sources.items()
      },
      {'Bars & more': b'<svg/>', 'Dots': b'\x89PNG'},
    )
    self.assertStartsWith(
      reader.sources['Bars & more'], 'data:image/svg+xml;base64,'
    )
    self.assertEqual(''.join(reader.texts['td']), '12')
    self.assertEqual(''.join(reader.texts['code']), '<some> "& code"')
    self.assertEmpty(reader.foreign)

  def test_cells_wrap_between_their_parts(self):
    text = '| a b | c |\n| - | - |\n| `t-5, e` | 0.1 (+0.2 [-0.3, +0.4]) 5/6 |'
    found = re.findall(r'<t[hd][^>]*>(.*)</t[hd]>', page.to_html(text, {}))
    self.assertEqual(
      found,
      [
        'a <wbr>b',
        'c',
        '<code>t-5, <wbr>e</code>',
        '0.1 <wbr>(+0.2 <wbr>[-0.3, +0.4]) <wbr>5/6',
      ],
    )

  def test_captions_are_text(self):
    text = page.to_html(_TEXT, _PICTURES)
    self.assertIn('<figcaption>What &lt;b&gt; says</figcaption>', text)

  def test_a_missing_picture_is_an_error(self):
    with self.assertRaises(KeyError):
      page.to_html(_TEXT, {})
    with self.assertRaisesRegex(ValueError, 'asterisk'):
      _PICTURES['bars.svg']._replace(caption='2 * 3').markdown()

  def test_files(self):
    folder = os.path.join(self.get_temp_dir(), 'page')
    paths = page.write(folder, 'report', _TEXT, _PICTURES)
    self.assertEqual(
      paths, [os.path.join(folder, f'report.{x}') for x in ('md', 'html')]
    )
    with open(paths[0], encoding='utf-8') as file:
      self.assertEqual(file.read(), _TEXT)
    with open(os.path.join(folder, 'figures', 'bars.svg'), 'rb') as file:
      self.assertEqual(file.read(), b'<svg/>')


if __name__ == '__main__':
  tf.test.main()

"""Tests of Markdown tables and of writing results."""

import json
import os

import markdown
import tensorflow as tf

from analysis.common import tables
from tests.support import markdown_tables


class TablesTest(tf.test.TestCase):
  def test_columns_are_padded_and_aligned(self):
    text = tables.table(['', 'loss'], [['intact', '1.5'], ['no links', '12']])
    self.assertEqual(
      text.splitlines(),
      [
        '|          | loss |',
        '| -------- | ---: |',
        '| intact   |  1.5 |',
        '| no links |   12 |',
      ],
    )
    (rows,) = markdown_tables.rows(text)
    self.assertEqual(rows['no links'], ['12'])

  def test_code(self):
    for text, expected in (
      ('runs/*a*', '<code>runs/*a*</code>'),
      ('a\n<b>', '<code>a &lt;b&gt;</code>'),
      ('`a``b`', '<code>`a``b`</code>'),
    ):
      html = markdown.markdown(f'- {tables.code(text)}')
      self.assertIn(f'<li>{expected}</li>', html)

  def test_writes_both_files(self):
    folder = os.path.join(self.get_temp_dir(), 'new')
    paths = tables.write(folder, 'probe', 'text\n', {'loss': 1 / 3})
    self.assertEqual(
      paths, [os.path.join(folder, f'probe.{x}') for x in ('md', 'json')]
    )
    with open(paths[0], encoding='utf-8') as file:
      self.assertEqual(file.read(), 'text\n')
    with open(paths[1], encoding='utf-8') as file:
      self.assertEqual(json.load(file), {'loss': 1 / 3})

  def test_title(self):
    self.assertEqual(tables.title('read_words'), 'read words')


if __name__ == '__main__':
  tf.test.main()

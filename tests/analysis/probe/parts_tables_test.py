"""Tests for analysis.probe.parts_tables."""

import dataclasses

import tensorflow as tf

from analysis.probe import parts_tables
from analysis.probe import results
from analysis.probe import tables
from tests.analysis.probe import examples
from tests.support import markdown_tables


def _result():
  """A memory that holds x where it is shown; in order, also where it is not."""
  scores = {
    'shown': {'memory': examples.scores({(0, 'x_position'): 0.75})},
    'hidden': {'memory': examples.scores({(0, 'x_position'): 0.25})},
  }
  beyond = {'memory_by_writing': {'alone': examples.differences(0.5)}}
  parts = {k: results.PartResult(v, beyond) for k, v in scores.items()}
  return dataclasses.replace(
    examples.result(), parts=parts, ordered={'memory_by_writing': 256}
  )


class PartsTest(tf.test.TestCase):
  def test_a_table_for_each_offset(self):
    text = '\n\n'.join(parts_tables.parts(_result()))
    now, *others = markdown_tables.rows(text)
    self.assertLen(others, len(examples.OFFSETS) - 1)
    self.assertEqual(now[''], ['shape', 'scale', 'orientation', 'x', 'y'])
    for part, x in (('shown', '+0.750'), ('hidden', '+0.250')):
      self.assertStartsWith(now[f'memory (256), {part}'][3], x)
      self.assertStartsWith(others[0][f'memory (256), {part}'][3], '+0.000')
      in_order = now[f'memory, by writing (256), {part}']
      self.assertStartsWith(in_order[3], '+0.500')
      # Nothing is known of the others in this example.
      self.assertEqual(now[f'random inputs (256), {part}'], ['-'] * 5)

  def test_only_if_there_are_parts(self):
    title = '## Shown and hidden images: unseen rollouts'
    self.assertIn(title, tables.text(_result()))
    self.assertNotIn(title, tables.text(examples.result()))

  def test_json_has_them(self):
    found = tables.data(_result(), {})['parts']['hidden']
    score = found['scores']['memory']['0']['x_position']
    self.assertEqual(score['exact']['r2'], 0.25)


if __name__ == '__main__':
  tf.test.main()

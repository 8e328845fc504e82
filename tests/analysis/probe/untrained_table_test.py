"""Tests for analysis.probe.untrained_table."""

import tensorflow as tf

from analysis.probe import learned
from analysis.probe import untrained_table
from tests.support import markdown_tables


def _text(trained, untrained, p_value, is_frozen=False):
  found = learned.Compared(trained, untrained, p_value)
  against = learned.AgainstUntrained(
    own_seeds=tuple(range(len(trained))),
    seeds=tuple(range(len(untrained))),
    num_rollouts=dict(train=1500, test=50),
    is_frozen=is_frozen,
    compared={'read_words': {-1: {'scale': found}}},
  )
  return untrained_table.text(against)


class TextTest(tf.test.TestCase):
  def test_one_model(self):
    text = _text((0.25,), (-0.1, 0.1, 0.03), 0.0123)
    (table,) = markdown_tables.rows(text)
    self.assertEqual(
      table[''], ['shape', 'scale', 'orientation', 'x', 'y', 'angle']
    )
    self.assertEqual(
      table['read words, t+1'][:3], ['does not vary', '+0.250', 'does not vary']
    )
    self.assertEqual(table['untrained'][1], '+0.010 [-0.100, +0.100]')
    self.assertEqual(table['p'][1], '**0.012**')
    self.assertIn('range of 3 such cores', text)
    self.assertIn("Student's t", text)
    self.assertIn('1,500 rollouts and scored on 50', text)

  def test_what_is_not_more_is_not_bold(self):
    (table,) = markdown_tables.rows(_text((0.25,), (0.1, 0.2, 0.3), 0.026))
    self.assertEqual(table['p'][1], '0.026')

  def test_several_models(self):
    text = _text((0.2, 0.3, 0.4), (0.1, 0.1, 0.1), 1e-5)
    (table,) = markdown_tables.rows(text)
    # 0.1 * 4.302653 / sqrt(3).
    self.assertEqual(table['read words, t+1'][1], '+0.300 [+0.052, +0.548]')
    self.assertEqual(table['p'][1], '**1e-05**')
    self.assertIn('the mean of as many more untrained cores', text)

  def test_too_few_cores(self):
    text = _text((0.25,), (0.1, 0.3), None)
    self.assertEqual(markdown_tables.rows(text)[0]['p'][1], '-')
    self.assertIn('With fewer than 3 untrained cores there is no p.', text)
    self.assertNotIn('itself never trained', text)

  def test_a_frozen_core(self):
    self.assertIn(
      'itself never trained', _text((0.2,), (0.1, 0.3, 0.2), 0.9, True)
    )


if __name__ == '__main__':
  tf.test.main()

"""Tests for analysis.probe.results."""

import dataclasses

import tensorflow as tf

from analysis.probe import results
from dnc.system import json_values
from tests.analysis.probe import examples

_KEYS = ['error', 'interval', 'error_interval']
_SHUFFLED = ['shuffled', 'above_shuffled', 'above_shuffled_interval']


class ScoreTest(tf.test.TestCase):
  def test_fields_can_be_read_by_their_names_in_json(self):
    score = examples.label_score('x_position', 0.3)
    self.assertEqual(score['r2'], 0.3)
    self.assertEqual(score['exact']['r2'], score.exact.gain)
    self.assertEqual(score['shuffled']['error'], 0.5)
    self.assertIsNone(score['exact']['shuffled'].get('range'))
    for name in ('gain', 'measure', 'accuracy_above_chance', 'beside', 'best'):
      with self.assertRaises(KeyError):
        score[name]

  def test_json_has_these_names_in_order(self):
    found = json_values.clean(examples.label_score('shape', 0.3))
    of_probe = ['error', results.ACCURACY, *_KEYS[1:], *_SHUFFLED]
    self.assertEqual(list(found), [*of_probe, 'range', 'exact', 'beside'])
    self.assertEqual(list(found['exact']), of_probe)
    self.assertEqual(list(found['shuffled']), of_probe[:4])
    found = json_values.clean(examples.label_score('scale', 0.3))
    self.assertEqual(list(found)[-2:], ['range', 'exact'])
    self.assertEqual(
      json_values.clean(results.Difference(0.1, (0.0, 0.2))),
      {'difference': 0.1, 'interval': [0.0, 0.2]},
    )

  def test_the_best_probe_is_the_one_with_the_higher_gain(self):
    score = examples.label_score('scale', 0.3)
    self.assertIs(score.best, score.exact)
    better = dataclasses.replace(score, gain=0.4)
    self.assertIs(better.best, better)
    alone = dataclasses.replace(score, exact=None)
    self.assertIs(alone.best, alone)


if __name__ == '__main__':
  tf.test.main()

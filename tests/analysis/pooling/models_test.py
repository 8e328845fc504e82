"""Tests for analysis.pooling.models."""

import dataclasses

import numpy as np
import tensorflow as tf

from analysis import pooling
from analysis.pooling import models
from dnc import lesions
from tests.analysis.pooling import examples


def _interval(mean, deviation):
  # Of three models: the quantile with 2 degrees of freedom.
  return mean + 4.302653 * deviation / np.sqrt(3) * np.array([-1, 1])


class PoolTest(tf.test.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls._result = pooling.pool([examples.run(number) for number in range(3)])

  def test_a_score_of_each_model(self):
    self.assertEqual(self._result.number, 3)
    loss = self._result.prediction['loss']
    self.assertEqual(loss.values, (100.0, 101.0, 102.0))
    self.assertEqual(loss.mean, 101.0)
    self.assertAllClose(loss.interval, _interval(101.0, 1.0))

  def test_test_1(self):
    scale = self._result.gains['memory'][0]['scale']
    self.assertAllClose(scale.mean, 0.3)
    self.assertAllClose(scale.interval, _interval(0.3, 0.1))
    self.assertEqual(self._result.gains['memory'][5]['scale'].mean, 0.0)
    self.assertEqual(list(self._result.gains), ['memory', 'controller_cell'])
    added = self._result.beyond['memory']['controller'][5]['x_position']
    self.assertAllClose(added.mean, 0.01)
    self.assertAllClose(added.interval, _interval(0.01, 0.01))
    untrained = self._result.untrained
    self.assertEqual(untrained.own_seeds, (0, 1, 2))
    self.assertEqual(untrained.seeds, (0, 1, 2))
    found = untrained.compared['memory'][0]['scale']
    self.assertAllClose(found.trained, (0.3, 0.4, 0.5))
    self.assertLess(found.p_value, 0.1)

  def test_test_2_has_the_number_with_most(self):
    nats = self._result.nats['memory']
    self.assertAllClose(nats[0].values, (0.4, 0.5, 0.6))
    self.assertAllClose(nats[5].mean, 0.8)
    # In the first model, 0.125 for the random sequence, 0.1 by chance.
    self.assertAllClose(nats[models.RANDOM].values, [0.025, 0.035, 0.045])

  def test_test_3_has_shares(self):
    lost = self._result.lost[lesions.NAMES[0]]
    # 43.8 nats of the 438 that the example gains.
    self.assertAllClose(lost['all steps'].values, (0, 0.1, 0.2), atol=1e-3)
    self.assertAllClose(lost['jolt'].mean, 0.2, atol=1e-3)
    self.assertAllClose(lost['lasting'].mean, 0.1, atol=1e-3)
    self.assertIn('read words', self._result.lesions[lesions.NAMES[0]])

  def test_test_4_has_slopes(self):
    slopes = self._result.slopes
    self.assertEqual([*slopes], ['read words: x', 'memory: x'])
    self.assertAllClose(
      slopes['read words: x']['probe'].values, (0.5, 0.6, 0.7)
    )
    self.assertAllClose(slopes['memory: x']['probe'].mean, 0.3)

  def test_what_a_model_lacks_is_left_out(self):
    found = [examples.run(0), examples.run(1)]
    course = found[1]['lesion'].courses[lesions.NAMES[0]]
    courses = {
      **found[1]['lesion'].courses,
      lesions.NAMES[0]: dataclasses.replace(course, lasting=None),
    }
    found[1]['lesion'] = dataclasses.replace(
      found[1]['lesion'], courses=courses
    )
    lasting = pooling.pool(found).lost[lesions.NAMES[0]]['lasting']
    self.assertLen(lasting.values, 1)
    self.assertIsNone(lasting.interval)

  def test_a_task_without_sprites(self):
    result = pooling.pool(
      [{'lesion': examples.run(k)['lesion']} for k in (0, 1)]
    )
    self.assertEqual((result.prediction, result.gains, result.nats), ({},) * 3)
    self.assertIsNone(result.untrained)
    self.assertNotEmpty(result.lost)


if __name__ == '__main__':
  tf.test.main()

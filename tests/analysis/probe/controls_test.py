"""Tests for analysis.probe.controls."""

import numpy as np
import tensorflow as tf

from analysis.probe import controls
from analysis.probe import streams


def _stream(**features):
  """Three rollouts of six steps; the value of a step rises with its index."""
  values = np.tile(np.arange(6.0), (3, 1))
  return streams.ArrayStream(features, {}, {'value': values}, num_train=2)


class RandomInputsTest(tf.test.TestCase):
  def test_are_standard_normal_and_depend_on_every_argument(self):
    def draw(seed, index, width=50, copy=0):
      return controls.random_inputs(seed, index, 400, width, copy)

    first = draw(0, 3)
    self.assertEqual((first.shape, first.dtype), ((400, 50), np.float32))
    # 20,000 numbers: the mean is within 0.02, the deviation within 0.015.
    self.assertNear(first.mean(), 0, 0.02)
    self.assertNear(first.std(), 1, 0.015)
    self.assertAllEqual(first, draw(0, 3))
    for other in (
      draw(1, 3),
      draw(0, 4),
      draw(0, 3, 51)[:, :50],
      draw(0, 3, copy=1),
    ):
      self.assertLess(
        abs(np.corrcoef(first.ravel(), other.ravel())[0, 1]), 0.03
      )


class ControlledTest(tf.test.TestCase):
  def test_every_width_has_random_inputs(self):
    stream = _stream(a=np.ones([3, 6, 4]), b=np.ones([3, 6, 4000]))
    controlled = controls.Controlled(stream, 0, num_seeds=3, plant=False)
    self.assertIsNone(controlled.planted)
    self.assertEqual(
      controlled.widths,
      {'a': 4, 'b': 4000, 'random_4000': 4000, 'random_4': 4},
    )
    # The seeds share wide random inputs.
    self.assertEqual(
      controlled.copies, {'a': 1, 'b': 1, 'random_4000': 1, 'random_4': 3}
    )
    rollout = next(stream.rollouts('train'))
    self.assertIs(controlled.features(rollout, 'a'), rollout.features['a'])
    for copy in range(3):
      self.assertAllEqual(
        controlled.features(rollout, 'random_4', copy),
        controls.random_inputs(0, 0, 6, 4, copy),
      )

  def test_the_planted_memory_holds_the_labels_of_its_offset(self):
    stream = _stream(a=np.ones([3, 6, 400]))
    for offset in (2, -1):
      controlled = controls.Controlled(stream, 0, 1, True, offset)
      self.assertEqual(controlled.widths['planted_400'], 400)
      rollout = next(stream.rollouts('train'))
      features = controlled.features(rollout, 'planted_400')
      labels = np.roll(rollout.labels, offset, axis=0)
      self.assertGreater(np.ptp(labels), 1)
      self.assertAllClose(features, controlled.planted.features(0, labels))

  def test_names_of_controls_are_taken(self):
    stream = _stream(random_2=np.ones([3, 6, 2]))
    with self.assertRaisesRegex(ValueError, 'random_2 is the name of a contro'):
      controls.Controlled(stream, 0, 1, plant=False)


if __name__ == '__main__':
  tf.test.main()

"""Tests of Test 4 on cores made by hand: what follows, and what does not."""

from unittest import mock

import numpy as np
import tensorflow as tf

from analysis import intervention
from analysis.intervention import effects
from analysis.intervention import measuring
from analysis.intervention import running
from dnc.next_sprite import model as model_lib
from dnc.next_sprite import rollouts
from tests.analysis.intervention import examples
from tests.support import testing_data

_SPEC = rollouts.RolloutSpec(
  seed=0,
  stream='evaluation',
  min_length=30,
  max_length=30,
  varying=examples.CONFIG.varying,
  fixed=examples.CONFIG.fixed,
  recall=0,
)
_NUM_ROLLOUTS = 10


def _measure(model, **changes):
  # A shift of u leaves u^2 as it is, so the disc grows or shrinks; larger
  # shifts would lose it.
  with mock.patch.dict(effects.AMOUNTS, x_position=(1, 2)):
    return intervention.measure(
      model, testing_data.rendered_table(), _SPEC, _NUM_ROLLOUTS, **changes
    )


class MeasureTest(tf.test.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls._read = _measure(examples.planted(reads_memory=True))
    cls._rotating = {
      reads: _measure(examples.planted(reads, examples.ROTATING))
      for reads in (True, False)
    }
    cls._not_read = _measure(
      examples.planted(reads_memory=False),
      untrained=model_lib.SpritePredictor(examples.CONFIG),
    )

  def test_the_slope_of_what_is_read_is_1(self):
    result = self._read
    self.assertEqual(result.offsets, (0, -1))
    self.assertEqual(result.steps[0], 3)
    self.assertEqual(result.steps[-1], 28)
    self.assertGreater(result.predicted['x_position'], 0.95)
    for name in measuring.NAMES:
      self.assertGreater(result.readings[0][name]['x_position'].r2, 0.99)
      kinds = result.effects[0][name]['x_position']
      self.assertAllClose(kinds[effects.PROBE].slope, 1, atol=0.1)
      self.assertAllClose(kinds[effects.PROBE].shifts, [1, 2], atol=0.2)
      low, high = kinds[effects.PROBE].interval
      self.assertBetween(kinds[effects.PROBE].slope, low, high)
      self.assertLess(abs(kinds[effects.RANDOM].slope), 0.3)

  def test_the_slope_of_what_is_held_but_not_read_is_0(self):
    for name in measuring.NAMES:
      reading = self._not_read.readings[0][name]['x_position']
      self.assertGreater(reading.r2, 0.99)
      for effect in self._not_read.effects[0][name]['x_position'].values():
        self.assertEqual(effect.slope, 0)
        self.assertEqual(effect.interval, (0, 0))
      removal = self._not_read.removals[0][name]['x_position']
      self.assertEqual((removal.difference, removal.random), (0, 0))

  def test_a_memory_whose_slots_rotate_is_moved_with_sorted_slots(self):
    memory, *in_order = running.MEMORIES
    for reads, slope in ((True, 1), (False, 0)):
      result = self._rotating[reads]
      self.assertLess(result.readings[0][memory]['x_position'].r2, 0)
      self.assertNotIn('x_position', result.effects[0][memory])
      for name in in_order:
        self.assertGreater(result.readings[0][name]['x_position'].r2, 0.99)
        effect = result.effects[0][name]['x_position'][effects.PROBE]
        # The probes of 300 numbers are a little noisy.
        self.assertAllClose(effect.slope, slope, atol=0.2)
        low, high = effect.interval
        self.assertBetween(slope, low, high)
      self.assertIn(result.best('memory', 'x_position'), in_order)
      self.assertStartsWith(
        intervention.verdict.text(result), 'Yes: ' if reads else 'No: '
      )
      self.assertIn(
        result.best('memory', 'x_position'), result.drag.images.keys()
      )
      self.assertNotIn(memory, result.drag.images)

  def test_what_is_read_is_missed(self):
    for name in measuring.NAMES:
      removal = self._read.removals[0][name]['x_position']
      self.assertGreater(removal.interval[0], removal.random_interval[1])
      low, high = removal.excess_interval
      self.assertBetween(removal.difference - removal.random, low, high)

  def test_the_verdict_finds_what_is_read(self):
    self.assertEqual(
      intervention.verdict.text(self._read),
      'Yes: the predicted sprite mostly follows shifted readings of the memory '
      'and of the words read.',
    )
    self.assertEqual(
      intervention.verdict.text(self._not_read),
      'No: the predicted sprite hardly follows shifted readings of the memory '
      'and of the words read.',
    )

  def test_what_is_not_held_is_not_moved(self):
    # The next sprite is yet to be drawn.
    for name in measuring.NAMES:
      self.assertFalse(self._read.readings[-1][name]['x_position'].is_held)
      self.assertEmpty(self._read.effects[-1][name])
    self.assertIn('| memory: x ', intervention.tables.text(self._read))

  def test_what_an_untrained_core_holds(self):
    self.assertIsNone(self._read.untrained)
    for name, readings in self._not_read.untrained[0].items():
      trained = self._not_read.readings[0][name]
      self.assertLess(readings['x_position'].r2, trained['x_position'].r2)

  def test_the_dragged_sprite(self):
    drag = self._read.drag
    self.assertEqual(drag.shifts, tuple(range(-12, 13, 4)))
    self.assertEqual(
      [*drag.images],
      ['asked', 'memory', 'memory_random', 'read_words', 'read_words_random'],
    )
    # The middle one is the prediction as it is.
    for images in drag.images.values():
      self.assertEqual(images.shape, (7, 64, 64))
      self.assertAllClose(images[3], drag.images['memory'][3], atol=1)
    centres = [
      (image * np.arange(64)).sum() / image.sum()
      for image in drag.images['memory'][2:5]
    ]
    self.assertAllClose(np.diff(centres), [4, 4], atol=1.5)

  def test_a_slope_is_corrected_for_all_that_may_decide(self):
    # One latent; the memory is changed in each of its three orders.
    result = self._read
    for name in result.names:
      effect = result.effects[0][name]['x_position'][effects.PROBE]
      widths = [
        np.diff(x)[0] for x in (effect.interval, effect.corrected_interval)
      ]
      if name == 'read_words':
        self.assertEqual(*widths)
      else:
        self.assertGreater(widths[1], widths[0])


if __name__ == '__main__':
  tf.test.main()

"""Tests of rollouts as Test 3 runs them."""

import dataclasses
from unittest import mock

import numpy as np
import tensorflow as tf

from analysis import lesion
from dnc import config as config_lib
from dnc import lesions
from dnc import unroll
from dnc.next_sprite import model
from dnc.next_sprite import rollouts
from dnc.next_sprite import scoring
from dnc.next_sprite import sequences
from tests.support import testing_data

_SEGMENT = 8


class SpriteSequencesTest(tf.test.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    for patch in (
      # Computes the same without waiting for XLA.
      mock.patch.object(unroll, 'can_compile', return_value=False),
      mock.patch.object(sequences, '_SEGMENT_LENGTH', _SEGMENT),
    ):
      cls.enterClassContext(patch)
    config = config_lib.TrainingConfig(
      memory_size=3, word_size=2, num_read_heads=2, hidden_size=4
    )
    table = testing_data.rendered_table()
    cls._predictor = model.SpritePredictor(config, table.mean_image())
    cls._spec = rollouts.RolloutSpec(
      seed=3, stream='evaluation', min_length=13, max_length=24
    )
    cls._sequences = sequences.SpriteSequences(cls._predictor, table, cls._spec)
    cls._batch = rollouts.make_batch(table, cls._spec, range(4))
    cls._table = table
    cls._result = lesion.measure(cls._sequences, 4, reset_interval=9)

  def test_intact_scores_are_those_of_the_evaluation(self):
    result = self._result
    self.assertEqual((result.lesion_step, result.num_steps), (12, 24))
    for i in range(4):
      alone = rollouts.make_batch(self._table, self._spec, [i])
      logits, _, _ = self._predictor(
        rollouts.model_inputs(alone), self._predictor.initial_state(1)
      )
      targets = rollouts.model_targets(alone)
      counted = rollouts.counted(alone)
      means = scoring.sum_scores(logits, targets, counted).means()
      for name in ('loss', 'iou'):
        self.assertAllClose(
          result.scores[lesions.INTACT][name][i], means[name], rtol=1e-5
        )

  def test_the_mean_image_is_of_these_rollouts(self):
    lengths = self._batch.length
    images = np.concatenate(
      [
        rollouts.model_targets(self._batch).numpy()[:length, i]
        for i, length in enumerate(lengths)
      ]
    ).astype(np.float64)
    mean = np.clip(images.mean(axis=0), 1e-6, 1 - 1e-6)
    nats = -(images * np.log(mean) + (1 - images) * np.log1p(-mean)).sum(axis=1)
    found = self._result.scores[lesion.BASELINE]['loss']
    ends = np.cumsum(lengths)
    for i, (start, end) in enumerate(zip([0, *ends[:-1]], ends)):
      self.assertAllClose(found[i], nats[start:end].mean(), rtol=1e-4)

  def test_segments_are_the_rollouts(self):
    segments = list(self._sequences.segments(0, 4))
    self.assertLen(segments, -(-len(self._batch.image) // _SEGMENT))
    self.assertGreater(len(segments), 1)
    self.assertAllEqual(
      tf.concat([s.inputs for s in segments], 0),
      rollouts.model_inputs(self._batch),
    )
    self.assertAllEqual(
      np.concatenate([s.is_real for s in segments]),
      rollouts.counted(self._batch) > 0,
    )
    second = next(self._sequences.segments(1, 2))
    self.assertAllEqual(
      second.targets, rollouts.model_targets(self._batch)[:_SEGMENT, 2:]
    )

  def test_shown_and_hidden_images_are_scored_apart(self):
    spec = dataclasses.replace(self._spec, show_every=5)
    found = sequences.SpriteSequences(self._predictor, self._table, spec)
    # Cuts every ten steps would always meet a shown image.
    self.assertEqual(found.reset_interval, 11)
    names = [metric.name for metric in found.metrics]
    self.assertEqual(names, ['loss', 'iou', 'loss_shown', 'loss_hidden'])
    self.assertEqual(
      [metric.lower_is_better for metric in found.metrics],
      [True, False, True, True],
    )
    segment = next(found.segments(0, 2))
    is_shown = np.arange(_SEGMENT)[:, np.newaxis] % 5 == 0
    real = segment.is_real
    self.assertAllEqual(segment.counts['loss'], real)
    self.assertAllEqual(segment.counts['loss_shown'], real & is_shown)
    self.assertAllEqual(segment.counts['loss_hidden'], real & ~is_shown)
    images = segment.inputs[:, :, : rollouts.NUM_PIXELS]
    self.assertAllEqual(
      tf.reduce_any(images > 0, axis=2), np.tile(is_shown, [1, 2]) & real
    )
    scores = found.scores(segment.targets, segment.targets)
    self.assertAllEqual(scores['loss_hidden'], scores['loss'])

  def test_recalled_images(self):
    spec = dataclasses.replace(self._spec, recall=5)
    found = sequences.SpriteSequences(self._predictor, self._table, spec)
    self.assertEqual([x.name for x in found.metrics], ['loss', 'iou'])
    self.assertEqual(found.reset_interval, 10)
    segment = next(found.segments(0, 2))
    self.assertTrue(segment.is_real.all())
    for counts in segment.counts.values():
      self.assertAllEqual(counts, np.tile(np.arange(_SEGMENT) >= 5, [2, 1]).T)
    images = segment.inputs[:, :, : rollouts.NUM_PIXELS]
    self.assertAllEqual(segment.targets[5:], images[:-5])


if __name__ == '__main__':
  tf.test.main()

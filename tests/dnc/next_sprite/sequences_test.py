"""Tests of rollouts as Test 3 runs them."""

import numpy as np
import tensorflow as tf

from analysis import lesion
from dnc import config as config_lib
from dnc import lesions
from dnc.next_sprite import model
from dnc.next_sprite import rollouts
from dnc.next_sprite import scoring
from dnc.next_sprite import sequences
from tests.support import testing_data


class SpriteSequencesTest(tf.test.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    config = config_lib.TrainingConfig(
      memory_size=3, word_size=2, num_read_heads=2, hidden_size=4
    )
    table = testing_data.rendered_table()
    cls._predictor = model.SpritePredictor(config, table.mean_image())
    cls._spec = rollouts.RolloutSpec(
      seed=3, stream='evaluation', min_length=30, max_length=70
    )
    cls._sequences = sequences.SpriteSequences(cls._predictor, table, cls._spec)
    cls._batch = rollouts.make_batch(table, cls._spec, range(4))
    cls._table = table
    cls._result = lesion.measure(cls._sequences, 4, reset_interval=20)

  def test_intact_scores_are_those_of_the_evaluation(self):
    result = self._result
    self.assertEqual((result.lesion_step, result.num_steps), (35, 70))
    for i in range(4):
      alone = rollouts.make_batch(self._table, self._spec, [i])
      logits, _, _ = self._predictor(
        rollouts.model_inputs(alone), self._predictor.initial_state(1)
      )
      targets = rollouts.model_targets(alone)
      mask = rollouts.mask(alone.length, len(alone.image))
      means = scoring.sum_scores(logits, targets, mask).means()
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
    self.assertLen(segments, -(-len(self._batch.image) // 50))
    self.assertGreater(len(segments), 1)
    self.assertAllEqual(
      tf.concat([s.inputs for s in segments], 0),
      rollouts.model_inputs(self._batch),
    )
    self.assertAllEqual(
      np.concatenate([s.is_real for s in segments]),
      rollouts.mask(self._batch.length, len(self._batch.image)) > 0,
    )
    second = next(self._sequences.segments(1, 2))
    self.assertAllEqual(
      second.targets, rollouts.model_targets(self._batch)[:50, 2:]
    )


if __name__ == '__main__':
  tf.test.main()

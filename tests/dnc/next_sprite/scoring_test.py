"""Tests of a predictor over whole rollouts."""

import numpy as np
import tensorflow as tf

from dnc import config as config_lib
from dnc.next_sprite import model as predictor_lib
from dnc.next_sprite import rollouts
from dnc.next_sprite import scoring as evaluation
from tests.support import data as testing_data

_CONFIG = config_lib.TrainingConfig(
  memory_size=3, word_size=2, num_read_heads=2, hidden_size=4
)
_OF_STATE = tuple(x for x in config_lib.EXPORTS if x != 'loss')


class EvaluationTest(tf.test.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls._table = testing_data.rendered_table()
    cls._predictor = predictor_lib.SpritePredictor(_CONFIG)
    cls._spec = rollouts.RolloutSpec(
      seed=3, stream='evaluation', min_length=90, max_length=130
    )
    cls._evaluator = evaluation.Evaluator(cls._predictor, config_lib.EXPORTS)

  def _whole(self, batch, steps):
    """The plain way: all steps at once."""
    return self._predictor(
      rollouts.model_inputs(batch)[:steps],
      self._predictor.initial_state(len(batch.length)),
      _OF_STATE,
    )

  def test_segments_make_no_difference(self):
    batch = rollouts.make_batch(self._table, self._spec, range(3))
    steps = len(batch.image)
    self.assertGreater(steps, evaluation._SEGMENT_LENGTH)
    logits, _, recorded = self._whole(batch, steps)
    expected = predictor_lib.score(
      logits,
      rollouts.model_targets(batch),
      rollouts.mask(batch.length, steps),
    )
    recorded['loss'] = predictor_lib.image_loss(
      logits, rollouts.model_targets(batch)
    )[:, :, tf.newaxis]
    sums, actual = self._evaluator.run(batch)
    self.assertAllClose(sums, expected, rtol=1e-5)
    self.assertEqual(sums.num_steps, batch.length.sum())
    self.assertAllClose(actual, recorded, rtol=1e-5, atol=1e-5)
    real = rollouts.mask(batch.length, steps)
    self.assertAllClose(
      sums.loss, np.sum(actual['loss'][:, :, 0] * real), rtol=1e-5
    )

  def test_records_the_same_in_batches_of_a_size(self):
    evaluator = evaluation.Evaluator(self._predictor, config_lib.EXPORTS, 3)
    batch = rollouts.make_batch(self._table, self._spec, [0, 1, -1])
    segments = list(evaluator.record(batch))
    self.assertEqual(
      [len(segment['loss']) for segment in segments],
      [100, len(batch.image) - 100],
    )
    _, expected = self._evaluator.run(batch)
    for name in config_lib.EXPORTS:
      together = np.concatenate([segment[name] for segment in segments])
      self.assertEqual(together.dtype, np.float32)
      self.assertAllClose(together, expected[name], rtol=1e-5, atol=1e-5)

  def test_memory_of_the_first_rollout(self):
    scorer = evaluation.Scorer(self._predictor, self._table, self._spec, 3)
    trace, sprites = scorer.trace_memory()
    batch = rollouts.make_batch(self._table, self._spec, range(3))
    _, recorded = self._evaluator.run(batch)
    steps = min(100, batch.length[0])
    for name in ('memory', 'read_words'):
      value = getattr(trace, name)
      self.assertLen(value, steps)
      self.assertAllClose(
        value.reshape([steps, -1]), recorded[name][:steps, 0], atol=1e-5
      )
    self.assertAllEqual(sprites, np.unpackbits(batch.image[:steps, 0], axis=-1))

  def test_companions_make_no_difference(self):
    batch = rollouts.make_batch(self._table, self._spec, [0, 1, -1])
    alone = rollouts.make_batch(self._table, self._spec, [1])
    end = int(alone.length[0])
    _, together = self._evaluator.run(batch)
    _, single = self._evaluator.run(alone)
    for name in _OF_STATE:
      self.assertAllClose(together[name][:end, 1], single[name][:, 0])

  def test_fingerprint_is_of_the_weights(self):
    same = predictor_lib.SpritePredictor(_CONFIG)
    expected = evaluation.fingerprint(self._predictor)
    self.assertEqual(evaluation.fingerprint(same), expected)
    same.core.controller.b.assign_add(np.eye(16, dtype=np.float32)[0])
    self.assertNotEqual(evaluation.fingerprint(same), expected)

  def test_picture(self):
    batch = rollouts.make_batch(self._table, self._spec, [0])
    batch = rollouts.segment(batch, 0, 4)
    picture = self._evaluator.picture(batch)
    self.assertEqual(picture.shape, (2 * 64 + 2, 4 * 64 + 3 * 2, 1))
    for t in range(4):
      columns = slice(66 * t, 66 * t + 64)
      np.testing.assert_array_equal(
        picture[:64, columns, 0] // 255,
        np.unpackbits(batch.target[t, 0], axis=-1),
      )
    logits, _, _ = self._whole(batch, 4)
    expected = 255 * tf.sigmoid(logits[2, 0]).numpy().reshape(64, 64)
    self.assertAllClose(picture[66:, 132:196, 0], expected, atol=1)


if __name__ == '__main__':
  tf.test.main()

"""Tests of scores, on images of known overlap and on whole rollouts."""

from unittest import mock

import numpy as np
import tensorflow as tf

from dnc import config as config_lib
from dnc import unroll
from dnc.dsprites import latent_errors
from dnc.dsprites import latents
from dnc.dsprites import nearest
from dnc.next_sprite import model
from dnc.next_sprite import rollouts
from dnc.next_sprite import scoring
from tests.support import testing_data

_CONFIG = config_lib.TrainingConfig(
  memory_size=3, word_size=2, num_read_heads=2, hidden_size=4
)


class ScoresTest(tf.test.TestCase):
  def _score(self, logits, targets, mask):
    return scoring.sum_scores(
      tf.constant(logits, tf.float32),
      tf.constant(targets, tf.float32),
      tf.constant(mask, tf.float32),
    )

  def test_known_images(self):
    # One pixel right, one missed, one too many, one rightly off.
    sums = self._score([[[2, -3, 1, -1]]], [[[1, 1, 0, 0]]], [[1]])
    self.assertAllClose(sums.iou, 1 / 3)
    self.assertAllClose(sums.pixel_error, 2 / 4)
    expected = -np.log([1 / (1 + np.exp(-z)) for z in (2, -3, -1, 1)]).sum()
    self.assertAllClose(sums.loss, expected)
    self.assertAllClose(sums.num_steps, 1)

  def test_no_sprite_and_none_predicted_is_right(self):
    self.assertAllClose(self._score([[[-1, -1]]], [[[0, 0]]], [[1]]).iou, 1)

  def test_padding_may_hold_anything(self):
    real, target = [1.0, -1.0], [1, 0]
    alone = self._score([[real]], [[target]], [[1]])
    for value in (1e30, np.inf, np.nan):
      padded = self._score(
        [[real], [[value, value]]], [[target], [[0, 1]]], [[1], [0]]
      )
      self.assertAllEqual(alone, padded)

  def test_means(self):
    sums = scoring.ScoreSums(loss=30.0, pixel_error=0.5, iou=2.0, num_steps=5.0)
    self.assertEqual(sums.means(), dict(loss=6.0, pixel_error=0.1, iou=0.4))


class PredictionScorerTest(tf.test.TestCase):
  """On rollouts that are longer than a segment."""

  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    # Computes the same without waiting for XLA.
    cls.enterClassContext(
      mock.patch.object(unroll, 'can_compile', return_value=False)
    )
    cls._table = testing_data.rendered_table()
    cls._predictor = model.SpritePredictor(_CONFIG, cls._table.mean_image())
    spec = rollouts.RolloutSpec(
      seed=3, stream='evaluation', min_length=90, max_length=130
    )
    cls._scorer = scoring.PredictionScorer(cls._predictor, cls._table, spec, 3)
    cls._batch = rollouts.make_batch(cls._table, spec, range(3))
    # The plain way: all steps at once.
    cls._logits, _, recorded = cls._predictor(
      rollouts.model_inputs(cls._batch),
      cls._predictor.initial_state(3),
      ('memory', 'read_words'),
    )
    cls._recorded = {name: value.numpy() for name, value in recorded.items()}

  def test_segments_make_no_difference(self):
    steps = len(self._batch.image)
    self.assertGreater(steps, scoring.SEGMENT_LENGTH)
    expected = scoring.sum_scores(
      self._logits,
      rollouts.model_targets(self._batch),
      rollouts.counted(self._batch),
    )
    self.assertEqual(expected.num_steps, self._batch.length.sum())
    self.assertAllClose(self._scorer.score(), expected.means(), rtol=1e-5)

  def test_sprite_errors_are_of_the_nearest_sprites(self):
    end = int(self._batch.length.min())
    steps = np.unique(np.linspace(0, end - 1, 50).astype(np.int64))
    images = (self._logits.numpy()[steps] > 0).reshape([-1, 64, 64])
    index, _ = nearest.find_nearest(self._table, images)
    targets = np.unpackbits(self._batch.target[steps], axis=-1)
    true_index, distance = nearest.find_nearest(
      self._table, targets.reshape([-1, 64, 64])
    )
    self.assertAllEqual(distance, np.zeros_like(distance))
    expected = latent_errors.mean_errors(
      latents.index_to_classes(true_index), latents.index_to_classes(index)
    )
    found = self._scorer.sprite_errors()
    for name in ('scale_error', 'position_error', 'shape_error'):
      self.assertAllClose(found[name], expected[name], msg=name)

  def test_memory_of_the_first_rollout(self):
    trace, sprites = self._scorer.trace_memory()
    steps = min(100, self._batch.length[0])
    for name in ('memory', 'read_words'):
      value = getattr(trace, name)
      self.assertLen(value, steps)
      self.assertAllClose(
        value.reshape([steps, -1]), self._recorded[name][:steps, 0], atol=1e-5
      )
    self.assertAllEqual(
      sprites, np.unpackbits(self._batch.image[:steps, 0], axis=-1)
    )

  def test_picture(self):
    picture = self._scorer.picture()
    self.assertEqual(picture.shape, (2 * 64 + 2, 10 * 64 + 9 * 2, 1))
    for t in range(10):
      columns = slice(66 * t, 66 * t + 64)
      np.testing.assert_array_equal(
        picture[:64, columns, 0] // 255,
        np.unpackbits(self._batch.target[t, 0], axis=-1),
      )
    expected = 255 * tf.sigmoid(self._logits[2, 0]).numpy().reshape(64, 64)
    self.assertAllClose(picture[66:, 132:196, 0], expected, atol=1)


class _Recaller:
  """Predicts the image that was the input some steps before, as a shift."""

  loss = staticmethod(model.image_loss)

  def __init__(self, steps):
    self._steps = steps

  def initial_state(self, batch_size):
    return tf.zeros([batch_size, self._steps, rollouts.NUM_PIXELS])

  def __call__(self, inputs, state, record=()):
    images = inputs[:, :, : rollouts.NUM_PIXELS]
    kept = tf.concat([tf.transpose(state, [1, 0, 2]), images], axis=0)
    number = tf.shape(images)[0]
    state = tf.transpose(kept[number:], [1, 0, 2])
    return 100 * kept[:number] - 50, state, {}


class RecallTest(tf.test.TestCase):
  """One who remembers is right, in all scores; others are not."""

  def test_an_oracle(self):
    table = testing_data.rendered_table()
    spec = rollouts.RolloutSpec(3, 'evaluation', 103, 109, recall=4)
    found = {}
    for steps in (3, 4):
      scorer = scoring.PredictionScorer(_Recaller(steps), table, spec, 2)
      found[steps] = scorer.score(), scorer.sprite_errors(), scorer.picture()
    means, of_sprites, picture = found[4]
    self.assertAllClose(means, dict(loss=0, pixel_error=0, iou=1))
    # The ends of the range of orientations are one picture.
    self.assertAllClose(of_sprites, dict.fromkeys(of_sprites, 0), atol=0.1)
    # From the first step that has a target on.
    self.assertAllEqual(picture[:64], picture[66:])
    self.assertTrue(picture[:64, :64].any())
    means, of_sprites, picture = found[3]
    self.assertLess(means['iou'], 0.3)
    self.assertGreater(of_sprites['position_error'], 5)


if __name__ == '__main__':
  tf.test.main()

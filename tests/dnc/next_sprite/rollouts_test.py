"""Tests of dnc.next_sprite.rollouts."""

import dataclasses
import hashlib

from absl.testing import parameterized
import numpy as np
from scipy import stats
import tensorflow as tf

from dnc.dsprites import latents
from dnc.dsprites import render
from dnc.next_sprite import rollouts
from dnc.system import errors
from tests.support import testing_data

TRAIN = rollouts.RolloutSpec(7, 'train', 20, 40)


def _hash(classes):
  return hashlib.sha256(classes.astype('<i8').tobytes()).hexdigest()[:16]


class SampleClassesTest(tf.test.TestCase, parameterized.TestCase):
  # Pinned: a change would give every seed other rollouts.
  @parameterized.parameters(
    (rollouts.RolloutSpec(1, 'train', 500, 1000), 0, 865, '548166dc9e66eb69'),
    (
      rollouts.RolloutSpec(2**64 - 1, 'evaluation', 500, 500),
      9999,
      500,
      '624240db113a4784',
    ),
  )
  def test_known_rollouts(self, spec, index, length, digest):
    classes = rollouts.sample_classes(spec, index)
    self.assertEqual(classes.dtype, np.int64)
    self.assertEqual(classes.shape, (length, 5))
    self.assertEqual(_hash(classes), digest)

  def test_seeds_streams_and_indices_differ(self):
    specs = [
      rollouts.RolloutSpec(seed, stream, 500, 500)
      for seed in (0, 1, 2**32)
      for stream in rollouts.STREAMS
    ]
    numbers = [
      latents.classes_to_index(rollouts.sample_classes(spec, index))
      for spec in specs
      for index in (0, 1, 2**40)
    ]
    self.assertLen(numbers, 36)
    # With probability 500 / 737280, independent rollouts share a sprite at the
    # same step; they hardly ever share several.
    for i, first in enumerate(numbers):
      for second in numbers[:i]:
        self.assertLess((first == second).sum(), 4)

  def test_lengths_are_uniform(self):
    spec = rollouts.RolloutSpec(0, 'train', 500, 509)
    lengths = [rollouts.length(spec, i) for i in range(5000)]
    self.assertBetween(min(lengths), 500, 500)
    counts = np.bincount(lengths, minlength=510)[500:]
    self.assertLen(counts, 10)
    self.assertGreater(stats.chisquare(counts).pvalue, 1e-3)
    for i in range(20):
      self.assertLen(rollouts.sample_classes(spec, i), lengths[i])

  def test_sprites_are_uniform_and_independent(self):
    spec = rollouts.RolloutSpec(0, 'train', 1000, 1000)
    sampled = np.stack([rollouts.sample_classes(spec, i) for i in range(100)])
    for i, size in enumerate(latents.SIZES):
      counts = np.bincount(sampled[..., i].ravel(), minlength=size)
      self.assertLen(counts, size)
      self.assertGreater(stats.chisquare(counts).pvalue, 1e-3)
    index = latents.classes_to_index(sampled)
    bodies = np.bincount(index.ravel() // 1024, minlength=720)
    self.assertGreater(stats.chisquare(bodies).pvalue, 1e-3)
    # A sprite says nothing about the next one, nor about the next rollout's.
    self._assert_independent(sampled[:, :-1], sampled[:, 1:])
    self._assert_independent(sampled[:-1], sampled[1:])

  def test_streams_and_seeds_are_independent(self):
    def sampled(seed, stream):
      spec = rollouts.RolloutSpec(seed, stream, 1000, 1000)
      return np.stack([rollouts.sample_classes(spec, i) for i in range(50)])

    train = sampled(0, 'train')
    for stream in rollouts.STREAMS[1:]:
      self._assert_independent(train, sampled(0, stream))
    self._assert_independent(train, sampled(1, 'train'))

  def _assert_independent(self, first, second):
    """Asserts that all pairs of classes of a latent are equally frequent."""
    for i, size in enumerate(latents.SIZES):
      pairs = first[..., i] * size + second[..., i]
      counts = np.bincount(pairs.ravel(), minlength=size**2)
      self.assertGreater(stats.chisquare(counts).pvalue, 1e-3)

  def test_varying(self):
    spec = rollouts.RolloutSpec(
      3, 'mutual_information', 500, 1000, varying=('x_position',)
    )
    sampled = [rollouts.sample_classes(spec, i) for i in range(40)]
    for classes in sampled:
      self.assertAllEqual(classes[:, [0, 1, 2, 4]].std(axis=0), np.zeros(4))
    counts = np.bincount(np.concatenate(sampled)[:, 3], minlength=32)
    self.assertGreater(stats.chisquare(counts).pvalue, 1e-3)
    # The other latents differ between rollouts, over their whole range.
    still = np.stack([classes[0, [0, 1, 2, 4]] for classes in sampled])
    self.assertAllEqual(np.unique(still[:, 0]), [0, 1, 2])
    self.assertAllEqual(np.unique(still[:, 1]), np.arange(6))
    self.assertGreater(len(np.unique(still[:, 2])), 15)
    self.assertGreater(len(np.unique(still[:, 3])), 15)

  @parameterized.parameters(
    (None, ()),
    (('shape',), ()),
    (None, (('shape', 2), ('scale', 5))),
    (('x_position', 'y_position'), (('orientation', 39),)),
  )
  def test_confined(self, varying, fixed):
    spec = rollouts.RolloutSpec(3, 'train', 20, 40, varying, fixed)
    free = rollouts.RolloutSpec(3, 'train', 20, 40)
    drawn_once = set()
    for index in range(30):
      classes = rollouts.sample_classes(spec, index)
      unconfined = rollouts.sample_classes(free, index)
      self.assertLen(classes, len(unconfined))
      for i, name in enumerate(latents.NAMES):
        if name in spec.varying:
          self.assertAllEqual(classes[:, i], unconfined[:, i])
        elif name in dict(fixed):
          self.assertAllEqual(np.unique(classes[:, i]), [dict(fixed)[name]])
        else:
          self.assertLen(np.unique(classes[:, i]), 1)
          drawn_once.add((name, classes[0, i]))
    # Once for each rollout, not once for all.
    for name in set(latents.NAMES) - set(spec.varying) - set(dict(fixed)):
      self.assertGreater(sum(n == name for n, _ in drawn_once), 2)

  def test_confined_latents_are_put_in_order(self):
    spec = rollouts.RolloutSpec(
      0, 'train', 1, 1, ['y_position', 'x_position'], {'scale': 5, 'shape': 0}
    )
    self.assertEqual(spec.varying, ('x_position', 'y_position'))
    self.assertEqual(spec.fixed, (('shape', 0), ('scale', 5)))
    self.assertEqual(TRAIN.varying, latents.NAMES)

  @parameterized.parameters(
    ({'varying': ('colour',)}, '--varying=colour: must be some of shape'),
    ({'fixed': {'shape': 3}}, '--fixed=shape:3: classes of shape are 0 to 2'),
    ({'min_length': 0}, '--min_length=0: must be at least 1'),
    ({'min_length': 41}, '--max_length=40: must be at least --min_length=41'),
    ({'seed': -1}, '--seed=-1: '),
    ({'seed': 2**64}, '--seed=18446744073709551616: '),
  )
  def test_user_mistakes(self, changes, message):
    fields = {'seed': 0, 'stream': 'train', 'min_length': 20, 'max_length': 40}
    with self.assertRaisesRegex(errors.UsageError, message):
      rollouts.RolloutSpec(**{**fields, **changes})

  @parameterized.parameters(
    ({'stream': 'test'}, "'test'"),
    ({'show_every': 0}, 'show_every must be at least 1, got 0'),
    ({'recall': -1}, 'recall must be in 0 to min_length - 1 = 19,'),
    ({'recall': 20}, 'recall must be in 0 to min_length - 1 = 19,'),
    ({'recall': 2, 'show_every': 2}, 'without show_every; got 2, 2'),
  )
  def test_programming_mistakes(self, changes, message):
    with self.assertRaisesRegex(ValueError, message):
      dataclasses.replace(TRAIN, **changes)

  def test_metadata_of_the_posts_rollouts_stays(self):
    found = rollouts.RolloutRange(TRAIN, 3, 4).described()
    # Pinned: traces of earlier versions have it.
    self.assertEqual(
      found,
      dict(
        spec=dict(
          seed=7,
          stream='train',
          min_length=20,
          max_length=40,
          varying=latents.NAMES,
          fixed=(),
        ),
        first=3,
        num_rollouts=4,
      ),
    )
    for twin in (dict(show_every=3), dict(recall=0)):
      spec = dataclasses.replace(TRAIN, **twin)
      self.assertTrue(spec.is_twin)
      described = rollouts.RolloutRange(spec, 3, 4).described()
      self.assertEqual(described['spec'], {**found['spec'], **twin})


# Like the post's.
EPOCH = rollouts.RolloutSpec(0, 'train', 500, 1000)


def _digest(batch, index):
  """Hashes all that a batch, of arrays or tensors, holds of a rollout."""
  batch = rollouts.RolloutBatch(*map(np.asarray, batch))
  (i,) = np.flatnonzero(batch.index == index)
  end = batch.length[i]
  digest = hashlib.sha256()
  # `since_shown` came later than the digest.
  of_steps = [array[:end, i] for array in batch[:5]]
  for array in (*of_steps, batch.length[i], batch.index[i]):
    little_endian = array.astype(array.dtype.newbyteorder('<'))
    digest.update(f'{array.dtype.name} {array.shape}'.encode())
    digest.update(little_endian.tobytes())
  return digest.hexdigest()


def digest_of_one(table, indices):
  return _digest(rollouts.make_batch(table, EPOCH, indices), 7123)


class OneRolloutTest(tf.test.TestCase):
  """Rollout 7,123 of an epoch, images and all, however it is drawn."""

  # Pinned: a change would give every seed other rollouts. Every run of the
  # tests is another process, with another hash seed.
  DIGEST = '0b68722a53766e7bc18427a1846fd3b304ebf15e678ed418a5ee4ca446a84bf7'

  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.table = testing_data.rendered_table()
    cls.batches = rollouts.batch_indices(EPOCH, 10_000, 16)

  def test_alone(self):
    self.assertEqual(digest_of_one(self.table, [7123]), self.DIGEST)

  def test_in_a_batch(self):
    for indices in ([7123, 0], [-1, 5, 7123, 9_999]):
      self.assertEqual(digest_of_one(self.table, indices), self.DIGEST)
    (number,) = np.flatnonzero((self.batches == 7123).any(axis=1))
    indices = self.batches[number]
    self.assertEqual(digest_of_one(self.table, indices), self.DIGEST)

  def test_after_a_restart(self):
    # A resumed run begins with the batch it had reached: here with the second
    # batch before the one of rollout 7,123, then with that one itself.
    (number,) = np.flatnonzero((self.batches == 7123).any(axis=1))
    for before in (2, 0):
      rest = self.batches[number - before :]
      dataset = rollouts.dataset(self.table, EPOCH, rest)
      *_, batch = dataset.take(before + 1)
      self.assertEqual(_digest(batch, 7123), self.DIGEST)


class BatchTest(tf.test.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.table = testing_data.rendered_table()

  def test_alignment_by_hand(self):
    # The post's example: scale, orientation and both positions change.
    classes = np.array([[0, 1, 20, 2, 2], [0, 2, 0, 4, 4], [2, 2, 0, 4, 0]])
    batch = rollouts.batch_from_classes(self.table, [classes])
    images = render.render_images(classes)
    values = np.array(
      [
        [1, 0.6, 2 * np.pi * 20 / 39, 2 / 31, 2 / 31],
        [1, 0.7, 0, 4 / 31, 4 / 31],
        [3, 0.7, 0, 4 / 31, 0],
      ]
    )
    action = [
      [0, 0, 0, 0, 0],
      [0, 0.1, -2 * np.pi * 20 / 39, 2 / 31, 2 / 31],
      [2, 0, 0, 0, -4 / 31],
    ]
    self.assertAllEqual(
      np.unpackbits(batch.image, axis=-1)[:, 0], images[[0, 0, 1]]
    )
    self.assertAllEqual(np.unpackbits(batch.target, axis=-1)[:, 0], images)
    self.assertAllClose(batch.action[:, 0], action, atol=1e-7)
    self.assertAllEqual(batch.classes[:, 0], classes[[0, 0, 1]])
    self.assertAllClose(batch.values[:, 0], values[[0, 0, 1]], atol=1e-6)
    self.assertAllEqual(batch.length, [3])
    self.assertAllEqual(batch.index, [0])

  def test_images_match_latents(self):
    for spec in (
      TRAIN,
      rollouts.RolloutSpec(1, 'evaluation', 30, 30, ['scale'], {'shape': 2}),
    ):
      batch = rollouts.make_batch(self.table, spec, [0, 1])
      for i, end in enumerate(batch.length):
        classes = rollouts.sample_classes(spec, i)
        images = render.render_images(classes)
        self.assertAllEqual(
          np.unpackbits(batch.target[:end, i], axis=-1), images
        )
        # The current sprite of every step is the one whose image is the input.
        self.assertAllEqual(
          np.unpackbits(batch.image[:end, i], axis=-1),
          render.render_images(batch.classes[:end, i]),
        )
        self.assertAllEqual(
          latents.classes_to_values(batch.classes[:end, i]),
          batch.values[:end, i],
        )

  def test_dtypes_and_shapes(self):
    batch = rollouts.make_batch(self.table, TRAIN, [3, 4])
    signature = rollouts.batch_spec(2)
    for name, array, field in zip(batch._fields, batch, signature):
      self.assertEqual(tf.as_dtype(array.dtype), field.dtype, name)
      self.assertTrue(field.shape.is_compatible_with(array.shape), name)

  def test_actions_sum_back_to_latents(self):
    spec = rollouts.RolloutSpec(0, 'train', 500, 600)
    batch = rollouts.make_batch(self.table, spec, [5, 6])
    sums = batch.values[0] + batch.action.astype(np.float64).cumsum(axis=0)
    for i, end in enumerate(batch.length):
      classes = rollouts.sample_classes(spec, 5 + i)
      self.assertAllEqual(batch.action[0, i], np.zeros(5))
      self.assertAllClose(
        sums[:end, i], latents.class_values(classes), atol=1e-4
      )

  def test_a_rollout_is_the_same_in_any_company(self):
    def one(indices, i):
      batch = rollouts.make_batch(self.table, TRAIN, indices)
      end = batch.length[i]
      return [a[:end, i] for a in batch[:6]] + [a[i] for a in batch[6:]]

    alone = one([11], 0)
    for company in (one([11, 3], 0), one([-1, 9, 2, 11], 3)):
      for first, second in zip(alone, company):
        self.assertAllEqual(first, second)

  def test_padding_is_zero(self):
    batch = rollouts.make_batch(self.table, TRAIN, [0, 1, -1, 2, 3, 4])
    self.assertEqual(batch.image.shape[0], batch.length.max())
    self.assertEqual((batch.length[2], batch.index[2]), (0, -1))
    self.assertLess(batch.length.min(where=batch.index >= 0, initial=99), 40)
    for i, end in enumerate(batch.length):
      for array in batch[:5]:
        self.assertFalse(array[end:, i].any())
      self.assertAllEqual(batch.since_shown[:end, i], np.zeros([end]))
      self.assertTrue((batch.since_shown[end:, i] == -1).all())
      self.assertEqual(batch.target[:end, i].any(axis=(1, 2)).sum(), end)

  def test_dataset(self):
    batches = rollouts.batch_indices(TRAIN, 11, 4, first_index=100)
    dataset = rollouts.dataset(self.table, TRAIN, batches)
    self.assertEqual(dataset.element_spec, rollouts.batch_spec(4))
    for _ in range(2):
      found = list(dataset.as_numpy_iterator())
      self.assertLen(found, 3)
      for indices, batch in zip(batches, found):
        expected = rollouts.make_batch(self.table, TRAIN, indices)
        for first, second in zip(expected, batch):
          self.assertAllEqual(first, second)


class TwinTest(tf.test.TestCase, parameterized.TestCase):
  """By hand, on rollouts of six and of four steps; x is the sprite's number."""

  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.table = testing_data.rendered_table()
    cls.classes = [[(2, 5, 7, x, 9) for x in range(n)] for n in (6, 4)]

  def _batch(self, **twin):
    return rollouts.batch_from_classes(
      self.table, [np.array(x) for x in self.classes], **twin
    )

  def _sprites(self, images, sprite=0):
    """The x of each image of the first rollout; None if it is blank."""
    images = np.unpackbits(images[:, sprite], axis=-1)
    known = [render.render_images(np.array([c]))[0] for c in self.classes[0]]
    found = []
    for image in images:
      same = [x for x, of in enumerate(known) if (image == of).all()]
      self.assertEqual(len(same), image.any())
      found.append(same[0] if same else None)
    return found

  @parameterized.parameters(
    # Without a twin, sprites 0 0 1 2 3 4 go in.
    ({}, [0, 0, 1, 2, 3, 4], [0, 1, 2, 3, 4, 5], [0] * 6),
    (
      dict(show_every=2),
      [0, None, 1, None, 3, None],
      [0, 1, 2, 3, 4, 5],
      [0, 1, 0, 1, 0, 1],
    ),
    (
      dict(show_every=4),
      [0, None, None, None, 3, None],
      [0, 1, 2, 3, 4, 5],
      [0, 1, 2, 3, 0, 1],
    ),
    (dict(recall=0), [0, 0, 1, 2, 3, 4], [0, 0, 1, 2, 3, 4], [0] * 6),
    (
      dict(recall=1),
      [0, 0, 1, 2, 3, 4],
      [None, 0, 0, 1, 2, 3],
      [-1, 1, 1, 1, 1, 1],
    ),
    (
      dict(recall=3),
      [0, 0, 1, 2, 3, 4],
      [None, None, None, 0, 0, 1],
      [-1, -1, -1, 3, 3, 3],
    ),
  )
  def test_by_hand(self, twin, shown, asked, since_shown):
    batch, plain = self._batch(**twin), self._batch()
    self.assertEqual(self._sprites(batch.image), shown)
    self.assertEqual(self._sprites(batch.target), asked)
    self.assertAllEqual(batch.since_shown[:, 0], since_shown)
    # The second rollout is shorter, and otherwise the same.
    self.assertEqual(self._sprites(batch.target, 1)[:4], asked[:4])
    self.assertAllEqual(batch.since_shown[:, 1], [*since_shown[:4], -1, -1])
    counted = [[x >= 0 for x in of] for of in batch.since_shown]
    self.assertAllEqual(rollouts.counted(batch), counted)
    # Labels and actions are the post's, also where the image is hidden.
    for name in ('action', 'classes', 'values', 'length', 'index'):
      self.assertAllEqual(getattr(batch, name), getattr(plain, name))

  def test_the_place_follows_from_what_was_shown(self):
    spec = dataclasses.replace(TRAIN, show_every=7)
    batch = rollouts.make_batch(self.table, spec, [0])
    steps = np.arange(batch.length[0])
    shown = steps - batch.since_shown[:, 0]
    sums = batch.action[:, 0].astype(np.float64).cumsum(axis=0)
    # The sprite that was shown, and all actions since, that step's included.
    before = sums[shown] - batch.action[shown, 0]
    found = batch.values[shown, 0] + sums - before
    targets = latents.class_values(rollouts.sample_classes(spec, 0))
    self.assertAllClose(found, targets, atol=1e-4)

  def test_recalled_images_are_those_that_were_shown(self):
    spec = dataclasses.replace(TRAIN, recall=5)
    batch = rollouts.make_batch(self.table, spec, [0, 1])
    plain = rollouts.make_batch(self.table, TRAIN, [0, 1])
    for i, end in enumerate(batch.length):
      self.assertAllEqual(batch.image[:end, i], plain.image[:end, i])
      self.assertAllEqual(batch.target[5:end, i], batch.image[: end - 5, i])


class BatchIndicesTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.parameters(
    (1, 1, 0), (3, 4, 0), (16, 4, 0), (1000, 16, 5000), (1031, 8, 10)
  )
  def test_every_index_once(self, num_rollouts, batch_size, first_index):
    indices = rollouts.batch_indices(
      TRAIN, num_rollouts, batch_size, first_index
    )
    self.assertEqual(indices.dtype, np.int64)
    self.assertEqual(
      indices.shape, (-(-num_rollouts // batch_size), batch_size)
    )
    flat = indices.ravel()
    self.assertAllEqual(flat[num_rollouts:], -np.ones_like(flat[num_rollouts:]))
    self.assertAllEqual(
      np.sort(flat[:num_rollouts]), first_index + np.arange(num_rollouts)
    )
    again = rollouts.batch_indices(TRAIN, num_rollouts, batch_size, first_index)
    self.assertAllEqual(indices, again)

  def test_little_is_padding(self):
    spec = rollouts.RolloutSpec(0, 'train', 500, 1000)
    indices = rollouts.batch_indices(spec, 10000, 16)
    lengths = np.vectorize(lambda i: rollouts.length(spec, i))(indices)
    steps = 16 * lengths.max(axis=1)
    self.assertLess(1 - lengths.sum() / steps.sum(), 0.05)
    # Short and long batches alternate: length does not grow with the step.
    batch = np.arange(len(steps))
    self.assertLess(abs(np.corrcoef(batch % 32, steps)[0, 1]), 0.15)
    self.assertLess(abs(np.corrcoef(steps[:-1], steps[1:])[0, 1]), 0.15)

  def test_equal_lengths_keep_their_order(self):
    spec = rollouts.RolloutSpec(0, 'evaluation', 500, 500)
    self.assertAllEqual(
      rollouts.batch_indices(spec, 5, 2), [[0, 1], [2, 3], [4, -1]]
    )

  def test_mistakes(self):
    for sizes in ((0, 4), (4, 0)):
      with self.assertRaisesRegex(ValueError, 'positive'):
        rollouts.batch_indices(TRAIN, *sizes)


class InGraphTest(tf.test.TestCase, parameterized.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.batch = rollouts.make_batch(
      testing_data.rendered_table(), TRAIN, [0, 1, -1, 2]
    )

  @parameterized.parameters(False, True)
  def test_unpack(self, jit_compile):
    bits = np.random.default_rng(0).integers(
      256, size=[3, 2, 64, 8], dtype=np.uint8
    )
    pixels = tf.function(rollouts.unpack, jit_compile=jit_compile)(bits)
    self.assertEqual(pixels.dtype, tf.float32)
    self.assertAllEqual(
      pixels, np.unpackbits(bits, axis=-1).reshape(3, 2, 4096)
    )

  def test_static_shapes(self):
    @tf.function(input_signature=[rollouts.batch_spec(4)])
    def shapes(batch):
      self.assertEqual(
        rollouts.model_inputs(batch).shape.as_list(), [None, 4, 4101]
      )
      self.assertEqual(
        rollouts.model_targets(batch).shape.as_list(), [None, 4, 4096]
      )

    shapes(self.batch)

  def test_inputs_and_targets(self):
    inputs = rollouts.model_inputs(self.batch)
    steps = self.batch.image.shape[0]
    images = np.unpackbits(self.batch.image, axis=-1)
    self.assertAllEqual(inputs[..., :4096], images.reshape(steps, 4, 4096))
    self.assertAllEqual(inputs[..., 4096:], self.batch.action)
    targets = np.unpackbits(self.batch.target, axis=-1)
    self.assertAllEqual(
      rollouts.model_targets(self.batch), targets.reshape(steps, 4, 4096)
    )

  def test_segments_make_up_the_batch(self):
    pieces = [rollouts.segment(self.batch, s, s + 15) for s in (0, 15, 30)]
    for i in range(6):
      self.assertAllEqual(
        tf.concat([piece[i] for piece in pieces], 0), self.batch[i]
      )
    counted = tf.concat([rollouts.counted(piece) for piece in pieces], 0)
    steps = np.arange(self.batch.image.shape[0])[:, np.newaxis]
    self.assertAllEqual(counted, steps < self.batch.length)


if __name__ == '__main__':
  tf.test.main()

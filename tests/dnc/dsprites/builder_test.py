"""Tests of dnc.dsprites.builder, on the first sprites of the dataset."""

import contextlib
import os
import tempfile
from unittest import mock

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from dnc.dsprites import builder
from dnc.dsprites import latents
from tests.support import commands
from tests.support import published_files
from tests.support import testing_data

# More than a block, and the last block is not full.
_NUM_SPRITES = 250
_BLOCK = 100


def _first_sprites():
  """Limits the dataset to its first sprites."""
  stack = contextlib.ExitStack()
  stack.enter_context(mock.patch.object(latents, 'NUM_SPRITES', _NUM_SPRITES))
  stack.enter_context(mock.patch.object(builder, '_BLOCK', _BLOCK))
  return stack


class DspritesRenderedTest(tfds.testing.DatasetBuilderTestCase):
  """TFDS's own tests of a builder."""

  DATASET_CLASS = builder.DspritesRendered
  SPLITS = {'train': _NUM_SPRITES}
  # The builder reads no file, but TFDS requires a folder of examples.
  EXAMPLE_DIR = os.path.dirname(testing_data.DSPRITES_FRAMES)

  def setUp(self):
    self.enterContext(_first_sprites())
    super().setUp()


class SameAsTfdsTest(tf.test.TestCase):
  """Compares with TFDS's `dsprites`, made from a file of the same sprites."""

  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    data_dir = cls.enterClassContext(tempfile.TemporaryDirectory())
    path = os.path.join(
      data_dir,
      'downloads/manual/dsprites_ndarray_co1sh3sc6or40x32y32_64x64.hdf5',
    )
    cls.arrays = published_files.arrays_of(np.arange(_NUM_SPRITES))
    published_files.write_hdf5(path, cls.arrays)
    # As many shards as for the whole dataset.
    config = tfds.download.DownloadConfig(num_shards=4)
    cls.theirs = tfds.builder('dsprites:2.1.0', data_dir=data_dir)
    with published_files.known_to_tfds(path):
      cls.theirs.download_and_prepare(download_config=config)
    cls.ours = tfds.builder('dsprites_rendered', data_dir=data_dir)
    with _first_sprites():
      cls.ours.download_and_prepare(download_config=config)

  def test_info(self):
    ours, theirs = self.ours.info, self.theirs.info
    self.assertEqual(repr(ours.features), repr(theirs.features))
    self.assertEqual(ours.features.to_json(), theirs.features.to_json())
    self.assertEqual(ours.version, theirs.version)
    self.assertEqual(ours.supervised_keys, theirs.supervised_keys)
    self.assertEqual(ours.disable_shuffling, theirs.disable_shuffling)
    self.assertEqual(list(ours.splits), list(theirs.splits))
    self.assertEqual(
      ours.splits['train'].shard_lengths, theirs.splits['train'].shard_lengths
    )

  def test_examples_and_their_order(self):
    ours, theirs = (
      list(tfds.as_numpy(b.as_dataset(split='train')))
      for b in (self.ours, self.theirs)
    )
    self.assertLen(ours, _NUM_SPRITES)
    self.assertLen(theirs, _NUM_SPRITES)
    for our, their in zip(ours, theirs):
      self.assertEqual(our.keys(), their.keys())
      for name, value in our.items():
        self.assertEqual(np.asarray(value).dtype, np.asarray(their[name]).dtype)
        np.testing.assert_array_equal(value, their[name], err_msg=name)
    ids = [example['id'].decode() for example in ours]
    self.assertEqual(sorted(ids), [f'{i:06d}' for i in range(_NUM_SPRITES)])
    # TFDS shuffles by key.
    self.assertNotEqual(sorted(ids), ids)

  def test_sub_splits(self):
    ours, theirs = (
      [
        example['id']
        for example in tfds.as_numpy(b.as_dataset(split='train[90%:]'))
      ]
      for b in (self.ours, self.theirs)
    )
    self.assertLen(ours, _NUM_SPRITES // 10)
    self.assertEqual(ours, theirs)


class PngTest(tf.test.TestCase):
  def test_any_image_is_restored(self):
    images = np.random.default_rng(0).integers(0, 256, [20, 64, 64], np.uint8)
    images[10:] &= 1
    pngs = list(builder._encode_pngs(images))
    self.assertLen(pngs, 20)
    for image, png in zip(images, pngs):
      self.assertAllEqual(tf.io.decode_png(png)[..., 0], image)


class RegistrationTest(tf.test.TestCase):
  def test_before_and_after_tfds_is_imported(self):
    ours, theirs = 'import dnc.dsprites', 'import tensorflow_datasets as tfds'
    for first, second in ((ours, theirs), (theirs, ours)):
      output = commands.output_of(
        f'{first}\n{second}\n'
        'print(tfds.builder_cls("dsprites_rendered").VERSION)'
      )
      self.assertEqual(output.strip(), '2.1.0')

  def test_number_of_examples_is_known_before_preparing(self):
    unprepared = tfds.builder('dsprites_rendered', data_dir=self.get_temp_dir())
    self.assertEqual(unprepared.info.splits['train'].num_examples, 737280)


if __name__ == '__main__':
  tf.test.main()

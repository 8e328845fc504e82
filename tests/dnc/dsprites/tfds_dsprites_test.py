"""Tests of dnc.dsprites.tfds_dsprites, on the first sprites of dSprites.

TFDS's own builder runs; only its download is replaced.
"""

import os
import tempfile
from unittest import mock

import numpy as np
import requests
import tensorflow as tf

from dnc.dsprites import latents
from dnc.dsprites import tfds_dsprites
from dnc.system import errors
from dnc.system import files
from tests.support import published_files

_NUM_SPRITES = 300
_HDF5 = 'dsprites_ndarray_co1sh3sc6or40x32y32_64x64.hdf5'


class ReadBitsTest(tf.test.TestCase):
  def setUp(self):
    super().setUp()
    self.enterContext(mock.patch.object(latents, 'NUM_SPRITES', _NUM_SPRITES))
    self.data_dir = self.enterContext(tempfile.TemporaryDirectory())
    self.manual_file = os.path.join(self.data_dir, 'downloads/manual', _HDF5)

  def _write(self, indices):
    """Writes a file with the layout of the original."""
    arrays = published_files.arrays_of(np.asarray(indices))
    published_files.write_hdf5(self.manual_file, arrays)
    return np.packbits(arrays['imgs'], axis=-1)

  def _assert_usage_error(self, pattern):
    with self.assertRaisesRegex(errors.UsageError, pattern) as caught:
      tfds_dsprites.read_bits(self.data_dir)
    self.assertNotIn('\n', str(caught.exception))

  def test_whole_dataset(self):
    expected = self._write(np.arange(_NUM_SPRITES))
    self.enterContext(mock.patch.object(tfds_dsprites, '_READ_BATCH', 64))
    with published_files.known_to_tfds(self.manual_file):
      bits = tfds_dsprites.read_bits(self.data_dir)
    self.assertAllEqual(bits, expected)
    # Once the dataset is prepared, TFDS no longer needs the file.
    os.unlink(self.manual_file)
    self.assertAllEqual(tfds_dsprites.read_bits(self.data_dir), expected)

  def test_incomplete_dataset(self):
    self._write([*range(100), 7, 9])
    with published_files.known_to_tfds(self.manual_file):
      self._assert_usage_error(
        '^--dataset=dsprites: .*200 sprites are missing and 2 occur more than '
        'once.*delete it'
      )

  def test_other_images(self):
    batch = {
      'image': np.full([1, 64, 64, 1], 255, np.uint8),
      **{f'label_{name}': np.zeros([1], np.int64) for name in latents.NAMES},
    }
    with self.assertRaisesRegex(ValueError, 'pixels of 0 and 1'):
      tfds_dsprites._pack_examples([batch])

  def test_no_network(self):
    with mock.patch.object(
      requests, 'head', side_effect=requests.exceptions.ConnectionError('no')
    ):
      self._assert_usage_error(
        '^--dataset=dsprites: .*no answer from https://.* put the original '
        rf'{_HDF5} \(28,024,106 bytes\) into {self.data_dir}/downloads/manual '
        'by hand or name it as --dataset=/path/to/it, or use '
        '--dataset=dsprites_rendered$'
      )

  def test_manual_file_is_not_the_original(self):
    self._write([0])
    self._assert_usage_error('^--dataset=dsprites: .*Checksum.* put the orig')

  def test_unwritable_folder(self):
    files.write_text(os.path.join(self.data_dir, 'downloads'), 'not a folder')
    with (
      mock.patch.object(requests, 'head'),
      self.assertRaisesRegex(OSError, '/downloads'),
    ):
      tfds_dsprites.read_bits(self.data_dir)

  def test_without_tfds(self):
    with mock.patch.dict('sys.modules', tensorflow_datasets=None):
      self._assert_usage_error('^--dataset=dsprites: .*ModuleNotFoundError')


if __name__ == '__main__':
  tf.test.main()

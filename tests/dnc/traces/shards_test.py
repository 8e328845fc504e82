"""Tests of the planned shards, and of the checks of damaged ones."""

import os
from unittest import mock

from absl.testing import parameterized
import tensorflow as tf

from dnc.traces import records
from dnc.traces import shards as shards_lib
from tests.support import random_traces


def _fingerprint(shard):
  return records.fingerprint(random_traces.METADATA, shard.file)


class PlanTest(parameterized.TestCase):
  @parameterized.parameters(
    dict(batch_size=1, expected=[10, 10, 5]),
    dict(batch_size=4, expected=[8, 8, 8, 1]),
    # One batch a shard: a batch is not divided.
    dict(batch_size=16, expected=[16, 9]),
  )
  def test_shards_hold_as_many_batches_as_fit(self, batch_size, expected):
    rollout = shards_lib.PlannedRollout(3, 5)
    size = records.size_in_bytes(random_traces.WIDTHS, 3, 5)
    with mock.patch.object(shards_lib, '_SHARD_BYTES', 10 * size + size // 2):
      shards = shards_lib.plan(
        random_traces.WIDTHS, {'test': 25 * [rollout]}, batch_size
      )
    self.assertEqual([shard.num_rollouts for shard in shards], expected)
    self.assertEqual(sum(shard.num_bytes for shard in shards), 25 * size)

  def test_a_rollout_larger_than_a_shard_has_one_of_its_own(self):
    rollouts = 3 * [shards_lib.PlannedRollout(0, 5)]
    with mock.patch.object(shards_lib, '_SHARD_BYTES', 1):
      shards = shards_lib.plan(random_traces.WIDTHS, {'test': rollouts}, 1)
    self.assertEqual([shard.first for shard in shards], [0, 1, 2])


class ShardsTest(parameterized.TestCase, tf.test.TestCase):
  def setUp(self):
    super().setUp()
    self.path = os.path.join(self.get_temp_dir(), 'traces')
    rollouts = [random_traces.rollout(i, 3) for i in range(3)]
    with mock.patch.object(shards_lib, '_SHARD_BYTES', 1):
      random_traces.write(
        self.path,
        {'test': rollouts},
        random_traces.WIDTHS,
        random_traces.METADATA,
      )
    self.shards, _ = shards_lib.read_plan(self.path)

  def _is_sound(self, shard):
    return shards_lib.is_sound(self.path, shard, _fingerprint(shard))

  @parameterized.parameters(*random_traces.DAMAGES)
  def test_a_damaged_shard_is_not_sound(self, damage):
    random_traces.DAMAGES[damage](os.path.join(self.path, self.shards[1].file))
    self.assertEqual(
      [self._is_sound(shard) for shard in self.shards], [True, False, True]
    )

  def test_a_checksum_covers_every_byte(self):
    file = os.path.join(self.path, self.shards[0].file)
    with open(file, 'rb') as opened:
      content = opened.read()
    # The frame's length and its checksum, the record, and its checksum.
    for place in (0, 8, 12, len(content) // 3, len(content) - 5, -1):
      damaged = bytearray(content)
      damaged[place] ^= 1
      with open(file, 'wb') as opened:
        opened.write(damaged)
      self.assertFalse(self._is_sound(self.shards[0]), msg=place)
    with open(file, 'wb') as opened:
      opened.write(content)
    self.assertTrue(self._is_sound(self.shards[0]))

  def test_a_fingerprint_covers_metadata_and_name(self):
    one, other = self.shards[:2]
    self.assertTrue(self._is_sound(one))
    for fingerprint in (
      records.fingerprint({'model': 'xyz'}, one.file),
      _fingerprint(other),
    ):
      self.assertFalse(shards_lib.is_sound(self.path, one, fingerprint))

  def test_a_shard_set_aside_is_missing(self):
    shard = self.shards[1]
    shards_lib.set_aside(self.path, shard)
    self.assertEqual(shards_lib.missing(self.path, self.shards), [shard])
    self.assertTrue(shards_lib.has_remains(self.path, shard))
    shards_lib.clear(self.path)
    self.assertFalse(shards_lib.has_remains(self.path, shard))


if __name__ == '__main__':
  tf.test.main()

"""Tests that a rollout is encoded to the bytes that TFDS would write."""

import json

from absl.testing import parameterized
import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from dnc.traces import records
from tests.support import random_traces

# Features whose lengths take one, two and three bytes.
_WIDTHS = {'loss': 1, 'memory': 40, 'controller_hidden': 3}


class RecordsTest(parameterized.TestCase, tf.test.TestCase):
  @parameterized.product(index=[0, 127, 128, 2**63 - 1], num_steps=[1, 3, 800])
  def test_same_bytes_as_tfds(self, index, num_steps):
    rollout = random_traces.rollout(index, num_steps, _WIDTHS)
    features = records.features(_WIDTHS)
    serializer = tfds.core.ExampleSerializer(features.get_serialized_info())
    whole = {**rollout, 'fingerprint': random_traces.FINGERPRINT}
    expected = serializer.get_tf_example(features.encode_example(whole))
    record = random_traces.encode(rollout, _WIDTHS)
    self.assertEqual(
      bytes(record), expected.SerializeToString(deterministic=True)
    )
    self.assertEqual(
      records.size_in_bytes(_WIDTHS, index, num_steps), len(record) + 16
    )

  def test_encodes_pieces_of_a_batch(self):
    rollout = random_traces.rollout(5, 9)
    pieces = {}
    for name, value in rollout.items():
      if name != 'index':
        batch = np.stack([value + 1, value, value - 1], axis=1)
        pieces[name] = [batch[:4, 1], batch[4:4, 1], batch[4:, 1]]
    self.assertEqual(
      records.encode(
        random_traces.WIDTHS, 5, random_traces.FINGERPRINT, pieces
      ),
      random_traces.encode(rollout),
    )

  def test_fingerprint_depends_on_metadata_and_file(self):
    metadata = {2: 'a', 10: (1, 2.5), 'b': None}
    found = records.fingerprint(metadata, 'one')
    again = json.loads(json.dumps(metadata))
    self.assertEqual(records.fingerprint(again, 'one'), found)
    self.assertNotEqual(records.fingerprint(again, 'other'), found)
    again['b'] = 0
    self.assertNotEqual(records.fingerprint(again, 'one'), found)

  def test_reuses_a_record_of_the_same_size(self):
    old = random_traces.encode(random_traces.rollout(3, 4))
    for rollout in (random_traces.rollout(4, 4), random_traces.rollout(4, 5)):
      arrays = {k: [v] for k, v in rollout.items() if k != 'index'}
      record = records.encode(
        random_traces.WIDTHS, 4, random_traces.FINGERPRINT, arrays, old
      )
      self.assertEqual(record, random_traces.encode(rollout))
      self.assertEqual(record is old, len(rollout['classes']) == 4)

  @parameterized.parameters(
    ('memory', np.float64, 8, 3, 'memory must be float32 of 8'),
    ('memory', np.float32, 9, 3, 'memory must be .* not float32 .3, 9.'),
    ('memory', np.float32, 8, 4, 'memory must have 3 steps'),
    ('values', np.float32, 5, 2, 'values must have 3 steps'),
    ('classes', np.int64, 5, 3, 'classes must be int32 of 5'),
  )
  def test_refuses_what_does_not_fit(
    self, name, dtype, width, num_steps, message
  ):
    rollout = random_traces.rollout(0, 3)
    rollout[name] = np.zeros([num_steps, width], dtype)
    with self.assertRaisesRegex(ValueError, message):
      random_traces.encode(rollout)

  def test_refuses_more_than_a_record_holds(self):
    with self.assertRaisesRegex(ValueError, '600 steps takes 2.5 GB'):
      records.size_in_bytes({'memory': 2**20}, 0, 600)


if __name__ == '__main__':
  tf.test.main()

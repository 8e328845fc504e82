"""Tests of the bytes of a rollout, against TFDS's own."""

import json

from absl.testing import parameterized
import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from dnc.traces import records as trace_records
from tests.support import random_traces as testing_traces

# One number, and enough for lengths of one, two and three bytes.
_WIDTHS = {'loss': 1, 'memory': 40, 'controller_hidden': 3}


class TraceRecordsTest(parameterized.TestCase, tf.test.TestCase):
  @parameterized.product(
    index=[0, 1, 127, 128, 10_999, 2**63 - 1], num_steps=[1, 3, 800]
  )
  def test_bytes_are_those_of_tfds(self, index, num_steps):
    rollout = testing_traces.rollout(index, num_steps, _WIDTHS)
    features = trace_records.features(_WIDTHS)
    serializer = tfds.core.ExampleSerializer(features.get_serialized_info())
    whole = {**rollout, 'fingerprint': testing_traces.FINGERPRINT}
    expected = serializer.get_tf_example(features.encode_example(whole))
    record = testing_traces.encode(rollout, _WIDTHS)
    self.assertEqual(
      bytes(record), expected.SerializeToString(deterministic=True)
    )
    self.assertEqual(
      trace_records.size_in_bytes(_WIDTHS, index, num_steps), len(record) + 16
    )

  def test_pieces_of_a_batch(self):
    rollout = testing_traces.rollout(5, 9)
    pieces = {}
    for name, value in rollout.items():
      if name != 'index':
        batch = np.stack([value + 1, value, value - 1], axis=1)
        pieces[name] = [batch[:4, 1], batch[4:4, 1], batch[4:, 1]]
    self.assertEqual(
      trace_records.encode(
        testing_traces.WIDTHS, 5, testing_traces.FINGERPRINT, pieces
      ),
      testing_traces.encode(rollout),
    )

  def test_fingerprints(self):
    metadata = {2: 'a', 10: (1, 2.5), 'b': None}
    found = trace_records.fingerprint(metadata, 'one')
    again = json.loads(json.dumps(metadata))
    self.assertEqual(trace_records.fingerprint(again, 'one'), found)
    self.assertNotEqual(trace_records.fingerprint(again, 'other'), found)
    again['b'] = 0
    self.assertNotEqual(trace_records.fingerprint(again, 'one'), found)

  def test_written_over(self):
    old = testing_traces.encode(testing_traces.rollout(3, 4))
    for rollout in (testing_traces.rollout(4, 4), testing_traces.rollout(4, 5)):
      arrays = {k: [v] for k, v in rollout.items() if k != 'index'}
      record = trace_records.encode(
        testing_traces.WIDTHS, 4, testing_traces.FINGERPRINT, arrays, old
      )
      self.assertEqual(record, testing_traces.encode(rollout))
      self.assertEqual(record is old, len(rollout['classes']) == 4)

  @parameterized.parameters(
    ('memory', np.float64, 8, 3, 'memory must be float32 of 8'),
    ('memory', np.float32, 9, 3, 'memory must be .* not float32 .3, 9.'),
    ('memory', np.float32, 8, 4, 'memory must have 3 steps'),
    ('values', np.float32, 5, 2, 'values must have 3 steps'),
    ('classes', np.int64, 5, 3, 'classes must be int32 of 5'),
  )
  def test_what_does_not_fit(self, name, dtype, width, num_steps, message):
    rollout = testing_traces.rollout(0, 3)
    rollout[name] = np.zeros([num_steps, width], dtype)
    with self.assertRaisesRegex(ValueError, message):
      testing_traces.encode(rollout)

  def test_more_than_a_record_holds(self):
    with self.assertRaisesRegex(ValueError, '600 steps takes 2.5 GB'):
      trace_records.size_in_bytes({'memory': 2**20}, 0, 600)


if __name__ == '__main__':
  tf.test.main()

"""Tests for dnc.traces."""

import os
import subprocess
import sys
from unittest import mock

from absl import logging
from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from dnc import errors
from dnc import traces

WIDTHS = {'read_words': 6, 'memory': 8}
METADATA = {'model': 'abc', 'step': 12, 'shape': [4, 2]}

# Reads traces with tensorflow_datasets and nothing else.
READER = """
import sys
import numpy as np
import tensorflow_datasets as tfds
builder = tfds.builder_from_directory(sys.argv[1])
arrays = {}
for split in builder.info.splits:
  for i, example in enumerate(tfds.as_numpy(builder.as_dataset(split=split))):
    for name, value in example.items():
      arrays[f'{split}/{i}/{name}'] = value
assert not any(name.split('.')[0] == 'dnc' for name in sys.modules)
np.savez(sys.argv[2], **arrays)
"""


def _rollout(index, num_steps, widths=None):
  rng = np.random.default_rng(index)
  example = {
    name: rng.standard_normal((num_steps, width)).astype(np.float32)
    for name, width in (widths or WIDTHS).items()
  }
  return {
    'index': index,
    'classes': rng.integers(0, 3, (num_steps, 5)).astype(np.int32),
    'values': rng.random((num_steps, 5)).astype(np.float32),
    **example,
  }


class TracesTest(parameterized.TestCase, tf.test.TestCase):
  def setUp(self):
    super().setUp()
    self.path = os.path.join(self.get_temp_dir(), 'traces')
    self.rollouts = {
      'train': [_rollout(i, 3 + i) for i in range(5)],
      'test': [_rollout(7, 4)],
    }

  def _write(self, **overrides):
    arguments = {
      'splits': {k: iter(v) for k, v in self.rollouts.items()},
      'widths': WIDTHS,
      'metadata': METADATA,
      'num_rollouts': {k: len(v) for k, v in self.rollouts.items()},
      'max_steps': 7,
    }
    traces.write(self.path, **{**arguments, **overrides})

  def _shard(self, name):
    return os.path.join(self.path, f'dnc_traces-{name}.tfrecord-00000')

  def test_another_process_reads_every_bit_without_our_code(self):
    special = np.array(
      [np.nan, -np.nan, np.inf, -np.inf, -0.0, 1e-45, 3.4e38, 1 / 3],
      np.float32,
    )
    self.rollouts['train'][1]['memory'][2] = special
    self._write()
    folder = os.path.dirname(self.path)
    output = os.path.join(folder, 'read.npz')
    subprocess.run(
      [sys.executable, '-c', READER, self.path, output],
      check=True,
      cwd=folder,
      capture_output=True,
    )
    read = np.load(output)
    self.assertLen(read.files, 6 * 5)
    for split, rollouts in self.rollouts.items():
      for i, rollout in enumerate(rollouts):
        for name, value in rollout.items():
          found = read[f'{split}/{i}/{name}']
          expected = np.asarray(value)
          self.assertEqual(found.dtype, expected.dtype)
          self.assertEqual(found.shape, expected.shape)
          self.assertEqual(found.tobytes(), expected.tobytes())

  def test_opened_traces_describe_themselves(self):
    self._write()
    opened = traces.open_traces(self.path, {'step': 12, 'shape': (4, 2)})
    self.assertEqual(opened.metadata, METADATA)
    self.assertEqual(opened.widths, WIDTHS)
    self.assertEqual(opened.num_rollouts, {'train': 5, 'test': 1})

  def test_dataset_streams_only_the_features_asked_for(self):
    self._write()
    dataset = traces.open_traces(self.path).dataset('train', ['memory'])
    examples = list(dataset.as_numpy_iterator())
    self.assertLen(examples, 5)
    for example, rollout in zip(examples, self.rollouts['train']):
      self.assertEqual(list(example), ['memory'])
      self.assertAllEqual(example['memory'], rollout['memory'])
    self.assertEqual(dataset.element_spec['memory'].shape.as_list(), [None, 8])

  def test_shards_are_bounded_and_keep_the_order(self):
    # Room for two of the longest rollouts in a shard.
    step = 4 * (6 + 8 + 5 + 5)
    with mock.patch.object(traces, '_SHARD_BYTES', 2 * 7 * step + 1):
      self._write()
    shards = [f for f in os.listdir(self.path) if 'train.tfrecord' in f]
    self.assertLen(shards, 3)
    dataset = traces.open_traces(self.path).dataset('train', ['index'])
    indices = [example['index'] for example in dataset.as_numpy_iterator()]
    self.assertEqual(indices, [0, 1, 2, 3, 4])

  def test_size_is_estimated_to_one_percent(self):
    widths = {'memory': 256}
    rollouts = [_rollout(i, 100, widths) for i in range(4)]
    self._write(
      splits={'test': rollouts},
      widths=widths,
      num_rollouts={'test': 4},
      max_steps=100,
    )
    size = os.path.getsize(self._shard('test'))
    self.assertNear(traces.size_in_bytes(widths, 400) / size, 1, 0.01)

  def test_an_interrupted_export_leaves_nothing(self):
    def interrupted():
      yield from self.rollouts['train'][:2]
      raise KeyboardInterrupt

    with self.assertRaises(KeyboardInterrupt):
      self._write(splits={'train': interrupted()}, num_rollouts={'train': 5})
    self.assertEmpty(os.listdir(os.path.dirname(self.path)))
    with self.assertRaisesRegex(errors.UsageError, 'no traces here'):
      traces.open_traces(self.path)

  def test_a_split_that_stops_early_is_not_written(self):
    with self.assertRaisesRegex(ValueError, 'train gave 5 rollouts, not the 6'):
      self._write(num_rollouts={'train': 6, 'test': 1})
    self.assertFalse(os.path.exists(self.path))

  def test_a_full_disk_is_refused_beforehand(self):
    usage = mock.Mock(free=1000)
    with (
      mock.patch.object(traces.shutil, 'disk_usage', return_value=usage),
      self.assertRaisesRegex(errors.UsageError, 'need .* GB and the disk has'),
    ):
      self._write()
    self.assertFalse(os.path.exists(self.path))

  def test_other_metadata_is_refused(self):
    self._write()
    with self.assertRaises(errors.UsageError) as caught:
      traces.open_traces(self.path, {'model': 'abc', 'step': 13})
    message = str(caught.exception)
    for part in (self.path, 'step', '12', '13', 'delete'):
      self.assertIn(part, message)
    with self.assertRaisesRegex(errors.UsageError, 'seed None, but 3'):
      traces.open_traces(self.path, {'seed': 3})

  @parameterized.parameters('metadata.json', 'dataset_info.json')
  def test_an_incomplete_folder_is_refused(self, missing):
    self._write()
    os.unlink(os.path.join(self.path, missing))
    with self.assertRaisesRegex(errors.UsageError, f'{missing} is missing'):
      traces.open_traces(self.path)

  def test_a_missing_or_short_shard_is_refused_on_opening(self):
    self._write()
    with open(self._shard('train'), 'r+b') as file:
      file.truncate(os.path.getsize(self._shard('train')) - 1)
    with self.assertRaisesRegex(errors.UsageError, 'split train has .* bytes'):
      traces.open_traces(self.path)
    os.unlink(self._shard('train'))
    with self.assertRaisesRegex(errors.UsageError, 'train.*-00000: missing'):
      traces.open_traces(self.path)

  def test_a_damaged_shard_is_named_on_reading(self):
    self._write()
    opened = traces.open_traces(self.path)
    with open(self._shard('train'), 'r+b') as file:
      file.seek(200)
      byte = file.read(1)[0]
      file.seek(200)
      file.write(bytes([byte ^ 1]))
    with (
      self.assertRaisesRegex(errors.UsageError, 'train.*-00000: damaged'),
      opened.explained_errors(),
    ):
      list(opened.dataset('train', ['memory']))

  def test_unknown_split_and_features_are_refused(self):
    self._write()
    opened = traces.open_traces(self.path)
    with self.assertRaisesRegex(errors.UsageError, "split 'mi'.*test, train"):
      opened.dataset('mi', ['memory'])
    with self.assertRaisesRegex(errors.UsageError, "feature 'hidden'"):
      opened.dataset('train', ['hidden'])
    with self.assertRaisesRegex(errors.UsageError, "representation 'index'"):
      opened.width('index')

  def test_tfds_is_quiet_and_verbosity_is_left_alone(self):
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.INFO)
    try:
      with self.assertNoLogs('absl', level='INFO'):
        self._write()
        list(traces.open_traces(self.path).dataset('train', ['memory']))
      self.assertEqual(logging.get_verbosity(), logging.INFO)
    finally:
      logging.set_verbosity(verbosity)


if __name__ == '__main__':
  tf.test.main()

"""Tests of reading traces, with our code and without it."""

import itertools
import os
import pathlib
import subprocess
import sys
import textwrap
from unittest import mock

from absl import logging
from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from dnc import traces
from dnc.system import errors
from dnc.traces import reading
from dnc.traces import records
from dnc.traces import shards as shards_lib
from tests.support import random_traces

WIDTHS = random_traces.WIDTHS
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


class ReadingTest(parameterized.TestCase, tf.test.TestCase):
  def setUp(self):
    super().setUp()
    self.path = os.path.join(self.get_temp_dir(), 'traces')
    self.rollouts = {
      'train': [random_traces.rollout(i, 3 + i) for i in range(5)],
      'test': [random_traces.rollout(7, 4)],
    }

  def _write(self, metadata=METADATA):
    random_traces.write(self.path, self.rollouts, WIDTHS, metadata)

  def _shard(self, split, number=0, num_shards=1):
    name = shards_lib.file_name(split, number, num_shards)
    return os.path.join(self.path, name)

  def _write_in_three(self):
    """Writes shards of two, two and one rollouts of the training split."""
    longest = records.size_in_bytes(WIDTHS, 0, 7)
    with mock.patch.object(shards_lib, '_SHARD_BYTES', 2 * longest):
      self._write()
    return [self._shard('train', i, 3) for i in range(3)]

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
    self.assertLen(read.files, 6 * 6)
    for split, rollouts in self.rollouts.items():
      for i, rollout in enumerate(rollouts):
        file = os.path.basename(self._shard(split))
        self.assertEqual(
          read[f'{split}/{i}/fingerprint'],
          records.fingerprint(METADATA, file).encode(),
        )
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
    shards = self._write_in_three()
    self.assertEqual(
      [os.path.basename(x) for x in shards],
      sorted(x for x in os.listdir(self.path) if 'train' in x),
    )
    dataset = traces.open_traces(self.path).dataset('train', ['index'])
    indices = [example['index'] for example in dataset.as_numpy_iterator()]
    self.assertEqual(indices, [0, 1, 2, 3, 4])

  def test_recipe_of_the_docstring(self):
    self._write_in_three()
    lines = itertools.dropwhile(
      lambda line: not line.startswith('  path, widths ='),
      reading.__doc__.splitlines(),
    )
    recipe = itertools.takewhile(
      lambda line: line[:2].isspace() or not line, lines
    )
    recipe = textwrap.dedent('\n'.join(recipe))
    path, rest = recipe.split('\n', 1)
    self.assertIn("{'memory': 256}", path)
    found = dict(tf=tf, pathlib=pathlib, path=self.path, widths=WIDTHS)
    exec(rest, found)
    plain = list(found['dataset'].as_numpy_iterator())
    names = [*WIDTHS, 'classes']
    ours = traces.open_traces(self.path).dataset('train', names)
    self.assertLen(plain, 5)
    for one, other in zip(plain, ours.as_numpy_iterator()):
      self.assertAllEqual(list(one), names)
      for name in names:
        self.assertEqual(one[name].dtype, other[name].dtype)
        self.assertAllEqual(one[name], other[name])

  def test_other_metadata_is_refused(self):
    self._write()
    with self.assertRaises(errors.UsageError) as caught:
      traces.open_traces(self.path, {'model': 'abc', 'step': 13})
    message = str(caught.exception)
    for part in (self.path, 'step', '12', '13', 'delete'):
      self.assertIn(part, message)
    with self.assertRaisesRegex(errors.UsageError, 'seed None, not 3'):
      traces.open_traces(self.path, {'seed': 3})

  def test_a_missing_folder_is_refused(self):
    with self.assertRaisesRegex(errors.UsageError, 'no traces here'):
      traces.open_traces(self.path)

  @parameterized.parameters('metadata.json', 'shards.json')
  def test_a_folder_without_its_plan_is_refused(self, missing):
    self._write()
    os.unlink(os.path.join(self.path, missing))
    with self.assertRaisesRegex(errors.UsageError, f'{missing} is missing'):
      traces.open_traces(self.path)

  @parameterized.product(
    name=('metadata.json', 'shards.json'), text=('{', '5', '[1]', '[' * 100_000)
  )
  def test_a_damaged_plan_is_refused(self, name, text):
    self._write()
    path = os.path.join(self.path, name)
    with open(path, 'w') as file:
      file.write(text)
    with self.assertRaisesRegex(
      errors.UsageError, f'^{path} is damaged .*delete the folder'
    ):
      traces.open_traces(self.path)

  def test_an_unfinished_folder_is_refused(self):
    shards = self._write_in_three()
    os.unlink(os.path.join(self.path, 'dataset_info.json'))
    os.unlink(shards[2])
    with self.assertRaisesRegex(
      errors.UsageError, 'unfinished, 3 of 4 shards .* evaluate.py again'
    ):
      traces.open_traces(self.path)

  @parameterized.parameters('features.json', 'dataset_info.json')
  def test_a_damaged_description_is_refused(self, name):
    self._write()
    with open(os.path.join(self.path, name), 'r+b') as file:
      file.truncate(20)
    with self.assertRaisesRegex(errors.UsageError, f'{name}.* is damaged'):
      traces.open_traces(self.path)

  @parameterized.parameters('truncated', 'emptied', 'gone')
  def test_an_incomplete_shard_is_named_on_opening(self, damage):
    shards = self._write_in_three()
    random_traces.DAMAGES[damage](shards[1])
    with self.assertRaises(errors.UsageError) as caught:
      traces.open_traces(self.path)
    self.assertNotIn('\n', str(caught.exception))
    self.assertStartsWith(str(caught.exception), f'{shards[1]}: missing or')

  @parameterized.parameters(*random_traces.DAMAGES)
  def test_a_damaged_shard_is_named_on_reading(self, damage):
    shards = self._write_in_three()
    opened = traces.open_traces(self.path)
    random_traces.DAMAGES[damage](shards[1])
    with self.assertRaises(errors.UsageError) as caught:
      with opened.explained_errors():
        list(opened.dataset('train', ['memory']))
    message = str(caught.exception)
    self.assertNotIn('\n', message)
    self.assertStartsWith(message, f'{shards[1]}: damaged, missing or from ')
    # The shard was renamed.
    self.assertFalse(os.path.exists(shards[1]))
    self.assertEqual(os.path.exists(shards[1] + '.damaged'), damage != 'gone')
    with self.assertRaisesRegex(errors.UsageError, '00001-of-00003: missing'):
      traces.open_traces(self.path)

  def test_unrelated_errors_pass(self):
    self._write()
    opened = traces.open_traces(self.path)
    with self.assertRaisesRegex(tf.errors.NotFoundError, 'elsewhere'):
      with opened.explained_errors():
        raise tf.errors.NotFoundError(None, None, 'elsewhere')

  def test_a_shard_of_other_traces_is_named(self):
    self._write()
    with open(self._shard('train'), 'rb') as file:
      content = file.read()
    self.path = os.path.join(self.get_temp_dir(), 'others')
    self._write({**METADATA, 'model': 'xyz'})
    opened = traces.open_traces(self.path)
    with open(self._shard('train'), 'wb') as file:
      file.write(content)
    list(opened.dataset('test', ['memory']))
    with self.assertRaisesRegex(
      errors.UsageError, f'{self._shard("train")}: .*from other traces; run'
    ):
      with opened.explained_errors():
        list(opened.dataset('train', ['memory']))
    self.assertFalse(os.path.exists(self._shard('train')))

  def test_swapped_shards_are_named(self):
    self.rollouts['train'] = [random_traces.rollout(i, 7) for i in range(5)]
    shards = self._write_in_three()
    opened = traces.open_traces(self.path)
    os.rename(shards[0], self.path + '.aside')
    os.rename(shards[1], shards[0])
    os.rename(self.path + '.aside', shards[1])
    with self.assertRaises(errors.UsageError) as caught:
      with opened.explained_errors():
        list(opened.dataset('train', ['memory']))
    for i, shard in enumerate(shards):
      self.assertEqual(shard in str(caught.exception), i < 2)

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

"""Tests of `reference_weights`; golden_test checks the numbers."""

import functools
import json
import os
import pathlib

from absl.testing import parameterized
import numpy as np
import sonnet as snt
import tensorflow as tf

from dnc import dnc
from dnc import reference_weights
from dnc import unroll
from dnc.system import errors
from tests.support import golden as golden_lib
from tests.support import testing_data

_CHECKPOINT_FOLDER = os.path.join(
  testing_data.ROOT, 'testdata', 'tf1_checkpoint'
)
_CHECKPOINT = os.path.join(_CHECKPOINT_FOLDER, 'model.ckpt-3000')


def _is_built(core):
  return hasattr(core.output_linear, 'w')


def _checkpoint_core(hidden_size=None, dtype=tf.float32, **access_config):
  """A core with the checkpoint's sizes, except for those given."""
  with open(os.path.join(_CHECKPOINT_FOLDER, 'config.json')) as file:
    config = json.load(file)
  if hidden_size is not None:
    config['controller_config']['hidden_size'] = hidden_size
  return dnc.DNC(
    {**config['access_config'], **access_config},
    config['controller_config'],
    config['output_size'],
    config['clip_value'],
    dtype=dtype,
  )


def _checkpoint_batch():
  with np.load(os.path.join(_CHECKPOINT_FOLDER, 'batch.npz')) as arrays:
    return dict(arrays)


class ReferenceWeightsTest(tf.test.TestCase):
  def setUp(self):
    super().setUp()
    self._golden = golden_lib.Golden('dnc_b')
    self._weights = self._golden.weights()

  def test_there_and_back(self):
    core = self._golden.core(tf.float32)
    back = golden_lib.reference_layout(reference_weights.variables(core))
    self.assertEqual({f'weights.{k}' for k in back}, set(self._weights))
    hidden_size = self._golden.config['hidden_size']
    # The reference adds the forget bias at run time; our bias includes it.
    forget = slice(2 * hidden_size, 3 * hidden_size)
    back['controller.b_gates'][forget] -= 1
    for name, value in back.items():
      self.assertAllClose(value, self._weights[f'weights.{name}'], atol=1e-6)

  def test_names_without_prefix(self):
    core = self._golden.core(tf.float32)
    core.output_linear.b.assign_add(tf.ones_like(core.output_linear.b))
    reference_weights.assign(
      core, {k.removeprefix('weights.'): v for k, v in self._weights.items()}
    )
    np.testing.assert_array_equal(
      core.output_linear.b, self._weights['weights.output_linear.b']
    )

  def test_missing_weight_is_named(self):
    core = self._golden.core(tf.float32)
    del self._weights['weights.interface.free_gate.w']
    with self.assertRaisesRegex(
      ValueError, r'missing.*interface\.free_gate\.w'
    ):
      reference_weights.assign(core, self._weights)

  def test_unknown_weight_is_named(self):
    core = self._golden.core(tf.float32)
    self._weights['weights.interface.spare.w'] = np.zeros([1, 1])
    with self.assertRaisesRegex(ValueError, r'unknown.*interface\.spare\.w'):
      reference_weights.assign(core, self._weights)

  def test_misshapen_weight_is_named_and_nothing_is_set(self):
    core = self._golden.core(tf.float32)
    before = [v.numpy() for v in core.variables]
    weights = {k: v + 1 for k, v in self._weights.items()}
    name = 'weights.output_linear.w'
    weights[name] = weights[name][:, :-1]
    with self.assertRaisesRegex(ValueError, r'output_linear\.w has shape'):
      reference_weights.assign(core, weights)
    for variable, value in zip(core.variables, before):
      np.testing.assert_array_equal(variable, value)

  def test_weights_of_a_larger_memory_are_refused(self):
    config = self._golden.config
    core = self._golden.core(tf.float32)
    rows = config['num_reads'] * config['word_size'] + config['hidden_size']
    name = 'weights.controller.w_gates'
    self._weights[name] = self._weights[name][: rows - 1]
    with self.assertRaisesRegex(ValueError, r'controller\.w_gates'):
      reference_weights.assign(core, self._weights)

  def test_core_is_not_built_from_weights_that_do_not_fit(self):
    golden = self._golden
    core = dnc.DNC(
      dict(memory_size=3, word_size=2, num_reads=1, num_writes=1),
      dict(hidden_size=golden.config['hidden_size']),
      golden.config['output_size'],
    )
    with self.assertRaisesRegex(ValueError, 'has shape'):
      reference_weights.assign(core, self._weights)
    self.assertFalse(_is_built(core))


class LoadCheckpointTest(tf.test.TestCase, parameterized.TestCase):
  def _changed_checkpoint(self, **changes):
    """Copies the checkpoint with other values, without those that are None."""
    reader = tf.train.load_checkpoint(_CHECKPOINT)
    values = {
      name: reader.get_tensor(name)
      for name in reader.get_variable_to_shape_map()
    }
    values.update(changes)
    values = {k: v for k, v in values.items() if v is not None}
    path = os.path.join(self.get_temp_dir(), 'model.ckpt-1')
    tf.raw_ops.SaveV2(
      prefix=path,
      tensor_names=list(values),
      shape_and_slices=[''] * len(values),
      tensors=list(values.values()),
    )
    return path

  # golden_test compiles.
  @parameterized.parameters(
    (functools.partial(unroll.unroll, compiled=False), tf.float32),
    (snt.dynamic_unroll, tf.float64),
  )
  def test_outputs_and_loss_are_the_reference_s(self, unroll_fn, dtype):
    core = _checkpoint_core(dtype=dtype)
    reference_weights.load_checkpoint(core, _CHECKPOINT)
    batch = {k: tf.constant(v, dtype) for k, v in _checkpoint_batch().items()}
    observations = batch['observations']
    batch_size = observations.shape[1]
    logits = unroll_fn(core, observations, core.initial_state(batch_size))[0]
    # The reference's float32 outputs are 1.4e-6 away from its float64 outputs.
    self.assertLess(golden_lib.relative_error(logits, batch['outputs']), 5e-6)
    cross_entropy = tf.nn.sigmoid_cross_entropy_with_logits(
      labels=batch['target'], logits=logits
    )
    loss = tf.reduce_sum(batch['mask'][..., tf.newaxis] * cross_entropy)
    self.assertAllClose(loss / batch_size, batch['loss'], rtol=5e-6, atol=0)

  def test_folder_and_changed_copy(self):
    bias = np.arange(5, dtype=np.float32)
    path = self._changed_checkpoint(**{'dnc/output_linear/b': bias})
    tf.compat.v1.train.update_checkpoint_state(os.path.dirname(path), path)
    core = _checkpoint_core()
    reference_weights.load_checkpoint(core, os.path.dirname(path))
    np.testing.assert_array_equal(core.output_linear.b, bias)
    # After a move to a folder whose name TensorFlow takes for a pattern.
    folder = pathlib.Path(f'{os.path.dirname(path)} lr=[1e-2]*')
    os.rename(os.path.dirname(path), folder)
    self.addCleanup(os.rename, folder, os.path.dirname(path))
    for moved in (folder, folder / os.path.basename(path)):
      core = _checkpoint_core()
      reference_weights.load_checkpoint(core, moved)
      np.testing.assert_array_equal(core.output_linear.b, bias)

  @parameterized.parameters(
    ('dnc/lstm/w_gates', 'controller.w_gates'),
    ('dnc/memory_access/read_keys/b', 'interface.read_keys.b'),
    ('dnc/output_linear/w', 'output_linear.w'),
  )
  def test_missing_or_misshapen_variable_is_named(self, tf1_name, name):
    core = _checkpoint_core()
    path = self._changed_checkpoint(**{tf1_name: None})
    with self.assertRaisesRegex(
      errors.UsageError, rf'{path}: missing weights: {tf1_name} \({name}\)$'
    ):
      reference_weights.load_checkpoint(core, path)
    path = self._changed_checkpoint(**{tf1_name: np.zeros([60, 3, 2])})
    with self.assertRaisesRegex(
      errors.UsageError,
      rf'{path}: {tf1_name} \({name}\) has shape \[60, 3, 2\], the core needs',
    ):
      reference_weights.load_checkpoint(core, path)
    self.assertFalse(_is_built(core))
    reference_weights.load_checkpoint(core, _CHECKPOINT)

  @parameterized.parameters(
    (dict(hidden_size=31), 'dnc/lstm/w_gates'),
    # As many numbers read, in wider words.
    (dict(word_size=4, num_reads=4), 'dnc/memory_access/write_vectors/w'),
    (dict(num_writes=2), 'dnc/memory_access/write_vectors/w'),
    (dict(word_size=40), 'dnc/lstm/w_gates'),
  )
  def test_core_of_other_sizes_is_refused(self, sizes, tf1_name):
    core = _checkpoint_core(**sizes)
    with self.assertRaisesRegex(errors.UsageError, f': {tf1_name}'):
      reference_weights.load_checkpoint(core, _CHECKPOINT)
    self.assertFalse(_is_built(core))

  def test_memory_size_is_in_no_weight(self):
    reference_weights.load_checkpoint(
      _checkpoint_core(memory_size=99), _CHECKPOINT
    )

  def test_unreadable_checkpoint_is_one_line_with_its_path(self):
    folder = self.get_temp_dir()
    broken = os.path.join(folder, 'model.ckpt-1')
    with open(f'{_CHECKPOINT}.index', 'rb') as file:
      index = file.read()
    with open(f'{_CHECKPOINT}.data-00000-of-00001', 'rb') as file:
      data = file.read()
    contents = [('.index', b'?'), ('.index', index)]
    contents += [('.data-00000-of-00001', data[:-60_000])]
    # No file; an empty folder; a bad index; no data; truncated data.
    paths = [os.path.join(folder, 'missing'), folder]
    for path in paths:
      self._assert_unreadable(path)
    for ending, content in contents:
      with open(broken + ending, 'wb') as file:
        file.write(content)
      self._assert_unreadable(broken)

  def _assert_unreadable(self, path):
    with self.assertRaisesRegex(
      errors.UsageError, f'^{path} cannot be read as a TensorFlow checkpoint'
    ) as raised:
      reference_weights.load_checkpoint(_checkpoint_core(), path)
    self.assertNotIn('\n', str(raised.exception))


if __name__ == '__main__':
  tf.test.main()

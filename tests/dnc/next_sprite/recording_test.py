"""Tests of recording: what is recorded, and that all of it is written."""

import dataclasses
import os
from unittest import mock

from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from dnc import config as config_lib
from dnc import traces as traces_lib
from dnc import unroll
from dnc.next_sprite import model
from dnc.next_sprite import recording
from dnc.next_sprite import rollouts
from dnc.next_sprite import scoring
from dnc.system import errors
from dnc.traces import shards
from tests.support import random_traces
from tests.support import spread_stages
from tests.support import testing_data

_CONFIG = config_lib.TrainingConfig(
  memory_size=3, word_size=2, num_read_heads=2, hidden_size=4
)
_WIDTHS = recording.widths(_CONFIG)
_WITHOUT_MEMORY = recording.widths(config_lib.TrainingConfig(core='lstm'))
_READ = (*config_lib.REPRESENTATIONS, 'read_weights', 'write_weights')


class ChoiceTest(parameterized.TestCase, tf.test.TestCase):
  def _widths(self, **sizes):
    return recording.widths(config_lib.TrainingConfig(**sizes))

  @parameterized.parameters(
    # Model B, then Model A.
    (dict(), 16, _READ),
    (dict(), 256, ('read_words', 'controller_hidden', 'controller_cell')),
    (dict(representations=('memory',)), 256, config_lib.REPRESENTATIONS),
    (dict(export=('memory',)), 256, ('memory',)),
    (dict(export=('loss', 'memory')), 16, ('memory', 'loss')),
    (dict(export=('usage',), tests=('mi',)), 16, ('usage',)),
  )
  def test_what_is_written(self, options, memory_size, expected):
    widths = self._widths(memory_size=memory_size, word_size=64)
    config = config_lib.EvaluationConfig(**options)
    self.assertEqual(recording.exported(config, widths), expected)

  @parameterized.parameters(
    (dict(), 16, config_lib.REPRESENTATIONS),
    (dict(), 256, ('read_words', 'controller_hidden', 'controller_cell')),
    (dict(export=('memory', 'usage')), 256, ('memory',)),
    (dict(representations=('memory', 'read_words')), 256, None),
    (
      dict(
        export=('memory', 'loss', 'read_words'), representations=('memory',)
      ),
      16,
      None,
    ),
  )
  def test_what_is_probed(self, options, memory_size, expected):
    widths = self._widths(memory_size=memory_size, word_size=64)
    config = config_lib.EvaluationConfig(**options)
    self.assertEqual(
      recording.probed(config, widths), expected or options['representations']
    )

  def test_core_without_a_memory(self):
    config = config_lib.EvaluationConfig()
    names = ('controller_hidden', 'controller_cell')
    self.assertEqual(recording.exported(config, _WITHOUT_MEMORY), names)
    self.assertEqual(recording.probed(config, _WITHOUT_MEMORY), names)
    for flag, choose in dict(
      export=recording.exported, representations=recording.probed
    ).items():
      config = config_lib.EvaluationConfig(
        **{flag: ('controller_cell', 'memory')}
      )
      with self.assertRaisesRegex(
        errors.UsageError,
        f'--{flag}=controller_cell,memory: this core has no memory; it has '
        'controller_hidden, controller_cell',
      ):
        choose(config, _WITHOUT_MEMORY)


class ExportTest(parameterized.TestCase, tf.test.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    for patch in (
      # Computes the same without waiting for XLA.
      mock.patch.object(unroll, 'can_compile', return_value=False),
      # Four rollouts a shard.
      mock.patch.object(recording, '_BATCH_SIZE', 4),
      mock.patch.object(shards, '_SHARD_BYTES', 1),
      # More than one segment.
      mock.patch.object(scoring, 'SEGMENT_LENGTH', 8),
    ):
      cls.enterClassContext(patch)
    cls._table = testing_data.rendered_table()
    cls._predictor = model.SpritePredictor(_CONFIG)
    cls._spec = rollouts.RolloutSpec(
      seed=3, stream='evaluation', min_length=14, max_length=20
    )
    cls._splits = dict(
      train=rollouts.RolloutRange(cls._spec, 0, 10),
      test=rollouts.RolloutRange(cls._spec, 10, 3),
    )

  def setUp(self):
    super().setUp()
    self.path = os.path.join(self.get_temp_dir(), 'traces')
    self.lines = []

  def _traces(self, predictor=None, widths=None):
    return recording.ModelTraces(
      self.path,
      predictor or self._predictor,
      self._table,
      self._splits,
      _WIDTHS if widths is None else widths,
      dict(num_updates=7),
    )

  def _export(self, predictor=None, widths=None):
    return self._traces(predictor, widths).export(self.lines.append)

  def test_shards_written_apart_are_the_same_and_kept(self):
    self._export()
    before = self._files()
    lost = sorted(name for name in before if '-train.tfrecord-' in name)[1:]
    for name in lost:
      os.unlink(os.path.join(self.path, name))
    # Another process, which makes the traces itself.
    stage = self._traces()
    self._traces().export(spread=spread_stages.apart(stage))
    self._assert_remade(before, lost)
    # What is tried again is left alone.
    list(stage.write(stage.plan()._shards))
    self._assert_remade(before, lost)

  def _files(self):
    """Contents and modification times of all files."""
    found = {}
    for name in os.listdir(self.path):
      file = os.path.join(self.path, name)
      with open(file, 'rb') as opened:
        found[name] = (opened.read(), os.stat(file).st_mtime_ns)
    return found

  def _assert_remade(self, before, remade):
    """Asserts that all bytes are the same, and only `remade` was rewritten."""
    after = self._files()
    self.assertCountEqual(before, after)
    for name, (content, stamp) in before.items():
      self.assertEqual(after[name][0], content, msg=name)
      if name not in remade:
        self.assertEqual(after[name][1], stamp, msg=name)

  def _interrupted(self, number):
    """A context in which Ctrl-C is pressed while batch `number` runs."""
    record, calls = recording.Recorder.record, []

    def interrupted(recorder, batch):
      calls.append(batch)
      if len(calls) > number:
        raise KeyboardInterrupt
      yield from record(recorder, batch)

    return mock.patch.object(recording.Recorder, 'record', interrupted)

  def test_exports_every_rollout(self):
    traces = self._export()
    self.assertEqual(traces.num_rollouts, dict(train=10, test=3))
    self.assertEqual(traces.widths, _WIDTHS)
    self.assertFalse(traces.has_since_shown)
    self.assertLen([x for x in os.listdir(self.path) if 'tfrecord' in x], 4)
    names = [*_WIDTHS, 'index', 'classes', 'values']
    found = [
      rollout
      for split in ('train', 'test')
      for rollout in traces.dataset(split, names).as_numpy_iterator()
    ]
    self.assertEqual([r['index'] for r in found], list(range(13)))
    of_state = tuple(name for name in _WIDTHS if name != recording.LOSS)
    for index in (0, 9, 12):
      batch = rollouts.make_batch(self._table, self._spec, [index])
      rollout = found[index]
      np.testing.assert_array_equal(rollout['classes'], batch.classes[:, 0])
      np.testing.assert_array_equal(rollout['values'], batch.values[:, 0])
      # The plain way: all steps of one rollout at once.
      logits, _, expected = self._predictor(
        rollouts.model_inputs(batch), self._predictor.initial_state(1), of_state
      )
      loss = model.image_loss(logits, rollouts.model_targets(batch))
      expected[recording.LOSS] = loss[:, :, tf.newaxis]
      for name in _WIDTHS:
        self.assertAllClose(
          rollout[name], expected[name][:, 0], rtol=1e-5, atol=1e-5
        )

  def test_a_twin_has_its_label(self):
    spec = dataclasses.replace(self._spec, recall=4)
    splits = dict(test=rollouts.RolloutRange(spec, 0, 2))
    widths = dict(loss=1, read_words=_WIDTHS['read_words'])
    with mock.patch.object(self, '_splits', splits):
      traces = self._export(widths=widths)
    self.assertTrue(traces.has_since_shown)
    self.assertEqual(traces.widths, widths)
    names = ['index', 'loss', 'since_shown']
    for rollout in traces.dataset('test', names).as_numpy_iterator():
      batch = rollouts.make_batch(self._table, spec, [rollout['index']])
      since_shown = rollout['since_shown']
      self.assertEqual(since_shown.dtype, np.int32)
      self.assertAllEqual(since_shown, batch.since_shown)
      self.assertAllEqual(since_shown[:5, 0], [-1, -1, -1, -1, 4])
      # Steps without a target have no loss.
      self.assertAllEqual(np.isnan(rollout['loss']), since_shown < 0)
    # Of the post's task, these would be other traces.
    with self.assertRaisesRegex(errors.UsageError, "'recall': 4"):
      self._export(widths=widths)

  def test_written_once(self):
    self._export()
    before = self._files()
    self.assertRegex(self.lines[0], 'traces: writing')
    self.assertRegex(self.lines[1], 'traces: 13 rollouts x 1. to [12]. steps: ')
    self.lines.clear()
    self._export()
    self.assertEqual(self.lines, [f'traces: reading {self.path}'])
    self.assertEqual(self._files(), before)

  def test_another_model_is_refused(self):
    with self._interrupted(2), self.assertRaises(KeyboardInterrupt):
      self._export()
    other = model.SpritePredictor(_CONFIG)
    other.core.output_linear.b.assign_add(tf.ones([4096]))
    # Both unfinished and finished traces.
    for _ in range(2):
      with self.assertRaisesRegex(errors.UsageError, 'model_fingerprint'):
        self._export(other)
      with self.assertRaisesRegex(errors.UsageError, 'representations'):
        self._export(widths={'memory': 6})
      self._export()

  def test_goes_on_after_an_interruption(self):
    with self._interrupted(2), self.assertRaises(KeyboardInterrupt):
      self._export()
    self.assertEqual(
      self.lines[-1],
      'traces: 2 of 4 shards are written; the same command writes the rest',
    )
    with self.assertRaisesRegex(errors.UsageError, 'unfinished, 2 of 4'):
      traces_lib.open_traces(self.path)
    before = self._files()
    self._export()
    self.assertRegex('\n'.join(self.lines), 'resuming .* 2 of 4 shards')
    after = self._files()
    for name, value in before.items():
      self.assertEqual(after[name], value)
    # The same bytes as without an interruption.
    self.path = os.path.join(self.get_temp_dir(), 'other')
    self._export()
    self._assert_remade(after, after)

  @parameterized.parameters(*random_traces.DAMAGES)
  def test_what_is_damaged_is_made_again(self, damage):
    opened = self._export()
    before = self._files()
    # The last training rollouts: a batch that is not full.
    name = 'dnc_traces-train.tfrecord-00002-of-00003'
    file = os.path.join(self.path, name)
    random_traces.DAMAGES[damage](file)
    if damage == 'flipped':
      with self.assertRaisesRegex(errors.UsageError, f'{file}: damaged'):
        with opened.explained_errors():
          list(opened.dataset('train', ['usage']))
    self.lines.clear()
    self._export()
    self._assert_remade(before, [name])
    log = '\n'.join(self.lines)
    self.assertIn('3 of 4 shards are there', log)
    if damage != 'gone':
      self.assertIn(f'{file} is damaged and will be written again', log)

  def test_an_error_of_the_writer_is_told(self):
    full = tf.errors.ResourceExhaustedError(None, None, 'No space left')
    with mock.patch.object(tf.io, 'TFRecordWriter', side_effect=full):
      with self.assertRaisesRegex(tf.errors.ResourceExhaustedError, 'space'):
        self._export()
    self.assertCountEqual(
      os.listdir(self.path), ['shards.json', 'metadata.json']
    )

  def test_wide_models_run_in_smaller_batches(self):
    for size, expected in ((1, 4), (80 << 20, 4), (81 << 20, 2), (1 << 40, 1)):
      self.assertEqual(recording._batch_size(size), expected)


if __name__ == '__main__':
  tf.test.main()

"""Tests of summaries, read by TensorBoard itself."""

import os
import tempfile
import time

from absl.testing import parameterized
import numpy as np
from tensorboard.backend.event_processing import event_accumulator
from tensorboard.backend.event_processing import plugin_event_multiplexer
from tensorboard.plugins.hparams import metadata
import tensorflow as tf

from dnc.training import summaries
from tests.support import random_memory
from tests.support import tensorboard_process

_HPARAMS = dict(
  memory_size=16,
  learning_rate=3e-3,
  dataset='dsprites',
  limit=None,
  varying=('x_position', 'y_position'),
  fixed=(('shape', 2), ('scale', 5)),
  expose_offsets=(0, 5),
)
_SCORES = dict(
  loss='Squared distance, mean over sequences.',
  hits='Share of hits, from 0 to 1.',
)


def _read(model_dir):
  """A run as TensorBoard's Python loader sees it."""
  events = event_accumulator.EventAccumulator(
    os.path.join(model_dir, summaries.SUMMARY_DIR),
    size_guidance=dict(tensors=0),
  )
  return events.Reload()


class SummariesTest(tf.test.TestCase, parameterized.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    # A small memory, and one with too many numbers for a row each.
    cls._events = {
      large: cls._written(random_memory.trace(num_steps=10, **sizes))
      for large, sizes in {False: {}, True: dict(slots=100, word=20)}.items()
    }

  @classmethod
  def _written(cls, memory):
    model_dir = cls.enterClassContext(tempfile.TemporaryDirectory())
    writer = summaries.Summaries(model_dir, _HPARAMS, _SCORES)
    writer.training(7, dict.fromkeys(summaries.TRAINING, 0.5))
    writer.validation(7, dict.fromkeys(_SCORES, 0.25))
    writer.pictures(
      7, np.full([10, 20, 1], 9, np.uint8), memory, np.zeros([10, 64, 64])
    )
    writer.close()
    return _read(model_dir)

  @parameterized.parameters(False, True)
  def test_everything_is_described(self, large):
    events = self._events[large]
    tags = [t for t in events.Tags()['tensors'] if not t.startswith('_')]
    scalars = [
      *(f'training/{name}' for name in summaries.TRAINING),
      *(f'validation/{name}' for name in _SCORES),
    ]
    contents = ['norms', 'last_words'] if large else ['words']
    pictures = [
      'validation/true_beside_predicted',
      *(
        f'memory/{name}'
        for name in (
          *contents,
          'read_weights',
          'write_weights',
          'usage',
          'gates',
          'links',
        )
      ),
    ]
    self.assertCountEqual(tags, scalars + pictures)
    for tag in tags:
      written = events.SummaryMetadata(tag)
      self.assertEqual(
        written.plugin_data.plugin_name,
        'images' if tag in pictures else 'scalars',
      )
      self.assertGreater(len(written.summary_description), 20, tag)
      self.assertEqual([e.step for e in events.Tensors(tag)], [7])

  def test_settings_of_a_resumed_run(self):
    model_dir = self.get_temp_dir()
    for num_updates in (0, 500):
      summaries.Summaries(model_dir, _HPARAMS, _SCORES, num_updates).close()
    content = _read(model_dir).PluginTagToContent('hparams')
    info = metadata.parse_session_start_info_plugin_data(
      content[metadata.SESSION_START_INFO_TAG]
    )
    self.assertEqual(
      {k: v.number_value or v.string_value for k, v in info.hparams.items()},
      dict(
        memory_size=16,
        learning_rate=3e-3,
        dataset='dsprites',
        limit='none',
        varying='x_position,y_position',
        fixed='shape:2,scale:5',
        expose_offsets='0,5',
      ),
    )
    self.assertStartsWith(info.group_name, os.path.basename(model_dir))

  def test_pictures_are_those_given(self):
    (event,) = self._events[False].Tensors('validation/true_beside_predicted')
    width, height, png = tf.make_ndarray(event.tensor_proto)
    self.assertEqual((int(width), int(height)), (20, 10))
    self.assertAllEqual(tf.io.decode_png(png), np.full([10, 20, 1], 9))

  @parameterized.parameters('training', 'validation')
  def test_refuses_scalars_without_a_description(self, group):
    writer = summaries.Summaries(self.get_temp_dir(), {}, _SCORES)
    with self.assertRaisesRegex(KeyError, 'speed'):
      getattr(writer, group)(1, dict(speed=1.0))

  def test_a_core_without_memory(self):
    model_dir = self.get_temp_dir()
    writer = summaries.Summaries(model_dir, {}, _SCORES)
    writer.pictures(3, np.zeros([10, 20, 1], np.uint8))
    tags = _read(model_dir).Tags()['tensors']
    self.assertEqual(
      [t for t in tags if not t.startswith('_')],
      ['validation/true_beside_predicted'],
    )


class ResumedRunsTest(tf.test.TestCase):
  """Tests how both of TensorBoard's loaders read the files of resumed runs."""

  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls._logdir = cls.enterClassContext(tempfile.TemporaryDirectory())
    # The first was killed after update 730 and resumed from 500; the second was
    # killed before its first checkpoint.
    cls._write('late', 0, (100, 300, 500, 700, 730))
    cls._write('early', 0, (100, 300))
    # Event files are read in the order of the seconds in their names.
    time.sleep(1.1)
    cls._write('late', 500, (600, 700, 800), scale=2)
    cls._write('early', 0, (50, 150))

  @classmethod
  def _write(cls, name, num_updates, steps, scale=1):
    writer = summaries.Summaries(
      os.path.join(cls._logdir, name),
      {**_HPARAMS, 'name': name},
      _SCORES,
      num_updates,
    )
    for step in steps:
      writer.training(step, dict(loss=scale * step))

  def _assert_resumed(self, curve):
    self.assertEqual(
      curve('late'),
      [(100, 100), (300, 300), (500, 500)]
      + [(600, 1200), (700, 1400), (800, 1600)],
    )
    self.assertEqual(curve('early'), [(50, 50), (150, 150)])

  def test_data_server(self):
    with tensorboard_process.tensorboard(self._logdir, 'true') as address:
      tensorboard_process.wait_for_scalar(address, 'training/loss', 2)

      def curve(run):
        points = tensorboard_process.ask(
          address,
          'plugin/scalars/scalars',
          run=f'{run}/{summaries.SUMMARY_DIR}',
          tag='training/loss',
        )
        return [(step, value) for _, step, value in points]

      self._assert_resumed(curve)

  def test_python_loader(self):
    # TensorBoard uses this loader where its data server cannot run.
    events = plugin_event_multiplexer.EventMultiplexer()
    events.AddRunsFromDirectory(self._logdir).Reload()

    def curve(run):
      run = f'{run}/{summaries.SUMMARY_DIR}'
      return [
        (event.step, float(tf.make_ndarray(event.tensor_proto)))
        for event in events.Tensors(run, 'training/loss')
      ]

    self._assert_resumed(curve)


if __name__ == '__main__':
  tf.test.main()

"""Tests of a run's folder."""

import json
import os
import tempfile

from absl.testing import absltest
from absl.testing import parameterized

from dnc import config as config_lib
from dnc import tasks
from dnc.config import runs
from dnc.system import errors
from dnc.system import files
from tests.support import testing_data


class RunsTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self._folder = self.enterContext(tempfile.TemporaryDirectory())

  def _write(self, text):
    files.write_text(os.path.join(self._folder, runs.CONFIG_FILE), text)

  @parameterized.parameters(
    config_lib.make_training('quick', clip_value=3.5),
    config_lib.TrainingConfig(varying=['x_position'], fixed={'scale': 5}),
    config_lib.RepeatCopyConfig(num_bits=3),
  )
  def test_written_and_read(self, config):
    runs.save(config, self._folder)
    self.assertEqual(runs.load(self._folder), config)
    self.assertEqual(runs.load(self._folder, config.TASK), config)

  def test_what_is_written(self):
    runs.save(config_lib.TrainingConfig(fixed={'scale': 5}), self._folder)
    with open(os.path.join(self._folder, runs.CONFIG_FILE)) as file:
      written = json.load(file)
    # Pinned, including the order: earlier runs must still be found.
    self.assertEqual(
      list(written.items()),
      list(
        dict(
          task='dsprites',
          memory_size=16,
          word_size=16,
          num_read_heads=4,
          num_write_heads=1,
          hidden_size=256,
          clip_value=20.0,
          dataset='dsprites_rendered',
          num_epochs=5,
          rollouts_per_epoch=10_000,
          min_length=500,
          max_length=1000,
          batch_size=16,
          tbptt_length=25,
          learning_rate=5e-3,
          final_learning_rate=1e-4,
          max_grad_norm=50.0,
          seed=0,
          report_interval=100,
          checkpoint_interval=500,
          varying=['shape', 'orientation', 'x_position', 'y_position'],
          fixed=[['scale', 5]],
          core='dnc',
          freeze_core=False,
          loss='sigmoid_cross_entropy',
          optimizer='adam',
          show_every=1,
          recall=None,
          expose=None,
          expose_weight=None,
          expose_offsets=None,
          reset_controller=False,
        ).items()
      ),
    )

  def test_a_run_of_an_earlier_version(self):
    model_dir = os.path.join(testing_data.ROOT, 'testdata', 'repeat_copy_run')
    config = runs.load(model_dir)
    self.assertEqual(config.num_bits, 6)
    # Pinned: the name is in its checkpoints.
    self.assertEqual(config.name(), 'repeat_copy_16x16_seed0_465d8aac')

  @parameterized.parameters(
    'not JSON', '{"memory_width": 3}', '[]', '{"task": "chess"}'
  )
  def test_an_unreadable_file_is_named(self, text):
    self._write(text)
    with self.assertRaisesRegex(
      errors.UsageError, 'config.json cannot be read'
    ):
      runs.load(self._folder)

  def test_a_folder_that_is_no_run(self):
    with self.assertRaisesRegex(
      errors.UsageError, '--model_dir=/nonexistent.*config.json'
    ):
      runs.load('/nonexistent')

  def test_a_run_of_another_task(self):
    runs.save(config_lib.TrainingConfig(), self._folder)
    with self.assertRaisesRegex(
      errors.UsageError, 'a run of --task=dsprites; .* --task=repeat_copy'
    ):
      runs.load(self._folder, tasks.REPEAT_COPY)

  def test_a_run_is_the_same_when_its_file_moves(self):
    path = os.path.join(self._folder, 'dsprites.npz')
    files.write_text(path, 'images')
    config = config_lib.make_training(dataset=path)
    runs.save(config, self._folder)

    moved = os.path.join(self._folder, 'moved.hdf5')
    os.rename(path, moved)
    # The run can be read whether or not the file is still there.
    self.assertEqual(runs.load(self._folder), config)
    same = config_lib.make_training(dataset=moved)
    self.assertEqual(same.name(), config.name())
    runs.check_same(same, config, self._folder)

    files.write_text(moved, 'other images')
    other = config_lib.make_training(dataset=moved)
    self.assertNotEqual(other.name(), config.name())
    with self.assertRaisesRegex(
      errors.UsageError,
      f'--dataset={path}@sha256:[0-9a-f]* there, {moved}@sha256:[0-9a-f]* aske',
    ):
      runs.check_same(other, config, self._folder)

  def test_differences_are_told_as_in_flags(self):
    found = config_lib.TrainingConfig(fixed={'shape': 2})
    wanted = config_lib.TrainingConfig(varying=['x_position'])
    with self.assertRaisesRegex(
      errors.UsageError,
      '--varying=scale,orientation,x_position,y_position there, x_position '
      'asked for; --fixed=shape:2 there, none asked for',
    ):
      runs.check_same(wanted, found, 'runs/x')

  def test_a_folder_in_use_or_of_another_run(self):
    config = config_lib.TrainingConfig()
    model_dir = os.path.join(self._folder, 'run')
    with runs.opened(config, model_dir):
      runs.save(config, model_dir)
      with self.assertRaisesRegex(errors.UsageError, model_dir):
        with runs.opened(config, model_dir):
          self.fail('opened twice')
    with runs.opened(config, model_dir):
      pass
    other = config_lib.TrainingConfig(seed=2)
    with self.assertRaisesRegex(
      errors.UsageError, 'another run .--seed=0 there, 2 asked for'
    ):
      with runs.opened(other, model_dir):
        self.fail('another run was opened')

  def test_a_folder_that_cannot_be_made(self):
    path = os.path.join(self._folder, 'file')
    files.write_text(path, '')
    with self.assertRaisesRegex(
      errors.UsageError, 'file/run cannot be used: Not a dir'
    ):
      with runs.opened(config_lib.TrainingConfig(), f'{path}/run'):
        self.fail('opened')

  def test_latest(self):
    back = os.getcwd()
    self.addCleanup(os.chdir, back)
    os.chdir(self._folder)
    with self.assertRaisesRegex(
      errors.UsageError, 'no run to evaluate in runs'
    ):
      runs.latest()
    for time, name in enumerate(['b', 'c', 'a']):
      folder = os.path.join('runs', name, runs.CHECKPOINT_DIR, '00000001')
      os.makedirs(folder)
      os.utime(folder, (time, time))
    # An unfinished checkpoint is newer than all others.
    os.makedirs(f'runs/b/{runs.CHECKPOINT_DIR}/00000002.partial')
    self.assertEqual(runs.latest(), os.path.join('runs', 'a'))


class SeveralRunsTest(absltest.TestCase):
  def setUp(self):
    super().setUp()
    self._folder = self.enterContext(tempfile.TemporaryDirectory())

  def _runs(self, *configs):
    """Writes runs; returns their folders."""
    model_dirs = []
    for number, config in enumerate(configs):
      model_dirs.append(os.path.join(self._folder, f'run{number}'))
      os.makedirs(model_dirs[-1], exist_ok=True)
      runs.save(config, model_dirs[-1])
    return model_dirs

  def test_runs_that_differ_by_seed_and_reporting(self):
    configs = [
      config_lib.make_training('quick', seed=3, report_interval=7),
      config_lib.make_training('quick', seed=5),
    ]
    model_dirs = self._runs(*configs)
    self.assertEqual(runs.load_seeds(model_dirs), configs)
    name = config_lib.make_training('quick').name().replace('_seed0', '')
    self.assertEqual(
      runs.pooled_dir(model_dirs),
      os.path.join(self._folder, f'pooled_{name}_seeds3-5'),
    )

  def test_one_run(self):
    config = config_lib.make_training('quick')
    self.assertEqual(runs.load_seeds(self._runs(config)), [config])

  def test_runs_that_differ_in_more(self):
    for other, said in (
      (
        config_lib.TrainingConfig(seed=1, hidden_size=9),
        'hidden_size=9, .* 256',
      ),
      (config_lib.TrainingConfig(fixed={'shape': 2}), 'varying=.*run0 shape,'),
      (config_lib.RepeatCopyConfig(), 'task=repeat_copy, .*run0 dsprites$'),
    ):
      model_dirs = self._runs(config_lib.TrainingConfig(), other)
      with self.assertRaisesRegex(
        errors.UsageError, f'--seed alone; .*run1 has --{said}'
      ):
        runs.load_seeds(model_dirs)

  def test_the_same_run_twice(self):
    config = config_lib.TrainingConfig(seed=4)
    one, copy = self._runs(config, config)
    for given in ([one, copy], [one, one]):
      with self.assertRaisesRegex(
        errors.UsageError, f'{given[0]} and {given[1]} are the same .*seed=4;'
      ):
        runs.load_seeds(given)

  def test_a_missing_run(self):
    (one,) = self._runs(config_lib.TrainingConfig())
    with self.assertRaisesRegex(
      errors.UsageError, '--model_dir=/none: no conf'
    ):
      runs.load_seeds([one, '/none'])


if __name__ == '__main__':
  absltest.main()

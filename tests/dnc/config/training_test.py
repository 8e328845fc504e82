"""Tests of the configurations; wrong flags are in commands_test."""

import dataclasses
import json
import os
import tempfile

from absl.testing import parameterized
import tensorflow as tf

from dnc import config as config_lib
from dnc.config import runs
from dnc.dsprites import latents
from dnc.dsprites import variation
from dnc.system import errors
from dnc.system import files


class TrainingConfigTest(tf.test.TestCase, parameterized.TestCase):
  def test_post_is_the_posts_schedule(self):
    config = config_lib.make_training('post')
    self.assertEqual(config.num_epochs, 5)
    self.assertEqual(config.rollouts_per_epoch, 10_000)
    self.assertEqual((config.min_length, config.max_length), (500, 1000))
    self.assertEqual(config, config_lib.TrainingConfig())

  def test_what_is_given_overrides_the_preset(self):
    config = config_lib.make_training('quick', num_epochs=7, seed=None)
    self.assertEqual(config.num_epochs, 7)
    self.assertEqual(config.seed, 0)
    self.assertEqual(config.rollouts_per_epoch, 1_600)

  def test_written_and_read(self):
    config = config_lib.make_training('quick', clip_value=3.5)
    runs.save(config, self.get_temp_dir())
    self.assertEqual(runs.load(self.get_temp_dir()), config)

  @parameterized.parameters('not JSON', '{"memory_width": 3}', '[]')
  def test_an_unreadable_file_is_named(self, text):
    path = os.path.join(self.get_temp_dir(), runs.CONFIG_FILE)
    with open(path, 'w') as file:
      file.write(text)
    with self.assertRaisesRegex(
      errors.UsageError, 'config.json cannot be read'
    ):
      runs.load(self.get_temp_dir())

  def test_every_run_has_its_name(self):
    config = config_lib.TrainingConfig()
    names = {config.name()}
    for field in dataclasses.fields(config):
      changes = {
        'dataset': {'dataset': 'dsprites'},
        'varying': {'varying': ['x_position']},
        'fixed': {'varying': None, 'fixed': {'shape': 1}},
        'core': {'core': 'lstm'},
        'loss': {'loss': 'mean_squared_error'},
        'optimizer': {'optimizer': 'rmsprop'},
      }.get(field.name) or {field.name: getattr(config, field.name) + 1}
      names.add(dataclasses.replace(config, **changes).name())
    # Two fields only change what is reported.
    self.assertLen(names, len(dataclasses.fields(config)) - 1)

  def test_a_file_is_known_by_its_content(self):
    folder = self.enterContext(tempfile.TemporaryDirectory())
    path = os.path.join(folder, 'dsprites.npz')
    files.write_text(path, 'images')
    config = config_lib.TrainingConfig(dataset=path)
    self.assertStartsWith(config.dataset, f'{path}@sha256:')
    runs.save(config, folder)

    moved = os.path.join(folder, 'moved.hdf5')
    os.rename(path, moved)
    # What is written says which it was, whether it is still there or not.
    self.assertEqual(runs.load(folder), config)
    same = config_lib.TrainingConfig(dataset=moved)
    self.assertEqual(same.name(), config.name())
    runs.check_same(same, config, folder)

    files.write_text(moved, 'other images')
    other = config_lib.TrainingConfig(dataset=moved)
    self.assertNotEqual(other.name(), config.name())
    with self.assertRaisesRegex(
      errors.UsageError,
      f'--dataset={path}@sha256:[0-9a-f]* there, {moved}@sha256:[0-9a-f]* aske',
    ):
      runs.check_same(other, config, folder)

  def test_a_run_of_before_latents_were_confined(self):
    path = os.path.join(self.get_temp_dir(), runs.CONFIG_FILE)
    with open(path, 'w') as file:
      json.dump({'task': 'dsprites', 'seed': 3, 'batch_size': 8}, file)
    config = runs.load(self.get_temp_dir())
    self.assertEqual(
      config, config_lib.TrainingConfig(seed=3, batch_size=8, fixed={})
    )
    # Pinned: that is how its folder and its checkpoints are called.
    self.assertEqual(config.name(), 'dnc_16x16_seed3_88866d0c')
    self.assertEqual(
      config_lib.TrainingConfig(varying=latents.NAMES).name(),
      'dnc_16x16_seed0_e20846fa',
    )

  def test_confined_latents_are_put_in_order(self):
    config = config_lib.make_training(
      'quick', varying=['y_position', 'x_position'], fixed={'scale': 5}
    )
    same = config_lib.make_training(
      'quick', varying=('x_position', 'y_position'), fixed=[['scale', 5]]
    )
    self.assertEqual(config, same)
    self.assertEqual(config.name(), same.name())
    self.assertEqual(config.varying, ('x_position', 'y_position'))
    self.assertEqual(config.fixed, (('scale', 5),))
    runs.save(config, self.get_temp_dir())
    self.assertEqual(runs.load(self.get_temp_dir()), config)
    rest = config_lib.make_training('quick', fixed={'shape': 0, 'scale': 1})
    self.assertEqual(rest.varying, latents.NAMES[2:])

  def test_another_run_is_told_in_the_spelling_of_flags(self):
    found = config_lib.TrainingConfig(fixed={'shape': 2})
    wanted = config_lib.TrainingConfig(varying=['x_position'])
    with self.assertRaisesRegex(
      errors.UsageError,
      '--varying=scale,orientation,x_position,y_position there, x_position '
      'asked for; --fixed=shape:2 there, none asked for',
    ):
      runs.check_same(wanted, found, 'runs/x')

  def test_names_are_for_folders(self):
    self.assertRegex(
      config_lib.TrainingConfig().name(), r'^dnc_16x16_seed0_[0-9a-f]{8}$'
    )

  @parameterized.parameters(
    ('word_size', 0),
    ('batch_size', -1),
    ('tbptt_length', -1),
    ('clip_value', float('nan')),
    ('clip_value', float('inf')),
    ('learning_rate', float('inf')),
    ('final_learning_rate', float('inf')),
    ('max_grad_norm', float('inf')),
    ('max_grad_norm', 0.0),
    ('seed', 2**63),
    ('dataset', 'mnist'),
    ('dataset', '/none/dsprites.npz'),
    ('varying', ('colour',)),
    ('fixed', (('shape', 3),)),
  )
  def test_what_is_not_allowed_is_named(self, name, value):
    shown = variation.shown(value) if isinstance(value, tuple) else value
    with self.assertRaisesRegex(errors.UsageError, f'--{name}={shown}'):
      config_lib.TrainingConfig(**{name: value})


class EvaluationConfigTest(tf.test.TestCase, parameterized.TestCase):
  def test_post(self):
    config = config_lib.make_evaluation('post')
    self.assertEqual(config.num_rollouts, 10_000)
    self.assertEqual(config.rollout_length, 500)
    self.assertEqual(config.num_sequences, 50)

  @parameterized.parameters(
    ('tests', ('probe', 'lesions'), 'probe,lesions'),
    ('representations', (), ''),
    ('representations', ('usage',), 'usage'),
    ('export', (), ''),
    ('export', ('link',), 'link'),
    ('export', ('usage', 'loss'), 'usage,loss'),
    ('estimator', 'kde', 'kde'),
    ('rollout_length', 10, '10'),
    ('lags', (), ''),
    ('lags', (0, 488), '0,488'),
    ('lags', (-1,), '-1'),
    ('lags', (0, 5, 0), '0,5,0'),
    ('locations', (5, 5), '5,5'),
    ('locations', (), ''),
    ('locations', (3, -1), '3,-1'),
    ('offsets', (), ''),
    ('offsets', (5, 0, 5), '5,0,5'),
    ('num_seeds', 0, '0'),
    ('num_isolated', 1, '1'),
    ('num_sequences', 0, '0'),
    ('dataset', 'mnist', 'mnist'),
    ('varying', ('x',), 'x'),
    ('fixed', {'y': 0}, 'y:0'),
  )
  def test_what_is_not_allowed_is_named(self, name, value, shown):
    with self.assertRaisesRegex(errors.UsageError, f'^--{name}={shown}[: ]'):
      config_lib.EvaluationConfig(**{name: value})

  def test_what_is_probed_must_be_written(self):
    options = dict(export=('usage', 'memory'), representations=('read_words',))
    with self.assertRaisesRegex(
      errors.UsageError,
      '^--export=usage,memory: must be with read_words, which',
    ):
      config_lib.EvaluationConfig(**options)
    # Only Test 1 reads these.
    config_lib.EvaluationConfig(**options, tests=('mi',))

  def test_lags_bind_test_2_alone(self):
    config_lib.EvaluationConfig(tests=('probe',), rollout_length=11)
    with self.assertRaisesRegex(errors.UsageError, '--lags=0,1,5,10.* 0 to 7'):
      config_lib.EvaluationConfig(tests=('mi',), rollout_length=11)

  def test_rollouts_are_the_runs_unless_told_otherwise(self):
    training = config_lib.TrainingConfig(
      varying=['x_position'], fixed={'shape': 2}
    )
    config = config_lib.make_evaluation('quick').for_run(training)
    self.assertEqual(config.varying, ('x_position',))
    self.assertEqual(config.fixed, (('shape', 2),))
    self.assertEqual(config.num_rollouts, 500)
    # With either given, both are as in training's flags.
    given = config_lib.make_evaluation('quick', varying=['scale'])
    self.assertEqual(given.for_run(training), given)
    self.assertEqual((given.varying, given.fixed), (('scale',), ()))
    given = config_lib.make_evaluation('quick', fixed={'scale': 1})
    self.assertEqual(given.for_run(training), given)
    self.assertEqual(given.fixed, (('scale', 1),))
    self.assertNotIn('scale', given.varying)
    self.assertIn('shape', given.varying)

  def test_offsets(self):
    config_lib.EvaluationConfig(
      tests=('probe',), offsets=(0,), rollout_length=1
    )
    with self.assertRaisesRegex(
      errors.UsageError, '--rollout_length=7: .* --offsets, 7'
    ):
      config_lib.EvaluationConfig(offsets=(0, -7), rollout_length=7)

  def test_rollouts_in_isolation_are_a_tenth(self):
    self.assertEqual(config_lib.make_evaluation('post').num_isolated, 1000)
    self.assertEqual(config_lib.make_evaluation('quick').num_isolated, 50)
    few = config_lib.make_evaluation('quick', num_rollouts=30)
    self.assertEqual(few.num_isolated, 20)
    none = config_lib.make_evaluation('quick', num_isolated=0)
    self.assertEqual(none.num_isolated, 0)

  def test_is_json(self):
    config = config_lib.make_evaluation('quick')
    self.assertIn('quick', config_lib.EVALUATION_PRESETS)
    self.assertEqual(
      json.loads(json.dumps(dataclasses.asdict(config)))['num_rollouts'], 500
    )


if __name__ == '__main__':
  tf.test.main()

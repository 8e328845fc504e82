"""Tests of the settings of a training on rollouts of sprites."""

import dataclasses

from absl.testing import absltest
from absl.testing import parameterized

from dnc.dsprites import latents
from dnc.dsprites import variation
from dnc.next_sprite import config as config_lib
from dnc.system import errors


class TrainingConfigTest(parameterized.TestCase):
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
    self.assertEqual(config.num_batches, 7 * 100)

  @parameterized.parameters(
    ({}, 'dnc_16x16_seed0_e20846fa'),
    (dict(memory_size=256, word_size=64), 'dnc_256x64_seed0_4c36f00a'),
    (dict(preset='quick'), 'dnc_16x16_seed0_b269c555'),
    (dict(preset='quick', core='lstm'), 'lstm_seed0_c293707e'),
    (dict(preset='quick', freeze_core=True), 'dnc_16x16_frozen_seed0_79b92fa8'),
    (dict(core='lstm', freeze_core=True), 'lstm_frozen_seed0_6bd75157'),
    (
      dict(varying=('x_position',), fixed={'shape': 2, 'scale': 5}),
      'dnc_16x16_seed0_17b46463',
    ),
    (dict(varying=latents.NAMES), 'dnc_16x16_seed0_e20846fa'),
    (dict(fixed={'shape': 2}), 'dnc_16x16_seed0_f5f124c8'),
    (dict(loss='mean_squared_error'), 'dnc_16x16_seed0_924c6c30'),
    (
      dict(optimizer='rmsprop', learning_rate=1e-4),
      'dnc_16x16_seed0_907f0384',
    ),
    (dict(dataset='dsprites'), 'dnc_16x16_seed0_fa811bae'),
    (
      dict(
        dataset='/moved.npz@sha256:21b2eed1e328a2c62fe4c17d51188bdea73450f29956'
        'dc5c8c95429313ddd72c'
      ),
      'dnc_16x16_seed0_ab1fac77',
    ),
    (dict(seed=3, batch_size=8), 'dnc_16x16_seed3_88866d0c'),
    (dict(clip_value=3.5), 'dnc_16x16_seed0_505d8188'),
    (dict(report_interval=7), 'dnc_16x16_seed0_e20846fa'),
    (dict(show_every=1), 'dnc_16x16_seed0_e20846fa'),
    (dict(expose=None), 'dnc_16x16_seed0_e20846fa'),
    (dict(reset_controller=False), 'dnc_16x16_seed0_e20846fa'),
  )
  def test_names_stay(self, changes, name):
    # Pinned: folders and checkpoints of earlier versions have these names.
    self.assertEqual(config_lib.make_training(**changes).name(), name)

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
        'freeze_core': {'freeze_core': True},
        'reset_controller': {'reset_controller': True},
        'recall': {'recall': 0},
        'expose': {'expose': 'memory'},
        'expose_weight': {'expose': 'memory', 'expose_weight': 3.0},
        'expose_offsets': {'expose': 'memory', 'expose_offsets': (0,)},
      }.get(field.name) or {field.name: getattr(config, field.name) + 1}
      names.add(dataclasses.replace(config, **changes).name())
    # Two fields change only the reports.
    self.assertLen(names, len(dataclasses.fields(config)) - 1)

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
    rest = config_lib.make_training('quick', fixed={'shape': 0, 'scale': 1})
    self.assertEqual(rest.varying, latents.NAMES[2:])

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
    ('core', 'gru'),
    ('loss', 'hinge'),
    ('optimizer', 'sgd'),
    ('varying', ('colour',)),
    ('fixed', (('shape', 3),)),
  )
  def test_what_is_not_allowed_is_named(self, name, value):
    shown = variation.shown(value) if isinstance(value, tuple) else value
    with self.assertRaisesRegex(errors.UsageError, f'--{name}={shown}'):
      config_lib.TrainingConfig(**{name: value})

  @parameterized.parameters(
    (dict(show_every=0), '--show_every=0: must be at least 1'),
    (dict(show_every=-3), '--show_every=-3: must be at least 1'),
    (dict(show_every=26), '--show_every=26: must be at most --tbptt_length=25'),
    (
      dict(show_every=501, tbptt_length=0),
      '--show_every=501: must be at most --min_length=500',
    ),
    (dict(recall=-1), '--recall=-1: must be at least 0'),
    (dict(recall=25), '--recall=25: must be less than --tbptt_length=25'),
    (
      dict(recall=500, tbptt_length=0),
      '--recall=500: must be less than --min_length=500',
    ),
    (
      dict(recall=8, min_length=8),
      '--recall=8: must be less than --min_length=8',
    ),
    (
      dict(recall=2, show_every=3),
      '--recall=2: must be left out with --show_every=3',
    ),
  )
  def test_twins_that_are_not_allowed(self, changes, message):
    with self.assertRaisesRegex(errors.UsageError, f'^{message}$'):
      config_lib.TrainingConfig(**changes)

  @parameterized.parameters(
    (
      dict(expose_weight=3.0),
      '--expose_weight=3.0: must be left out without --expose',
    ),
    (
      dict(expose_offsets=(0, 5)),
      '--expose_offsets=0,5: must be left out without --expose',
    ),
    (
      dict(expose='read_words', core='lstm'),
      '--expose=read_words: must be controller_hidden with --core=lstm, which '
      'has no memory',
    ),
    (
      dict(expose='memory', freeze_core=True),
      '--expose=memory: must be left out with --freeze_core',
    ),
    (
      dict(expose='memory', expose_weight=0.0),
      '--expose_weight=0.0: must be in 1e-30 to 1e.30',
    ),
    (
      dict(expose='memory', expose_offsets=(0, 0)),
      '--expose_offsets=0,0: must be one or more numbers, each once',
    ),
    (
      dict(expose='memory', expose_offsets=(-2, 0)),
      '--expose_offsets=-2,0: must be in -1 to 24, less than --tbptt_length=25',
    ),
    (
      dict(expose='memory', tbptt_length=5),
      '--expose_offsets=0,5: must be in -1 to 4, less than --tbptt_length=5',
    ),
    (
      dict(expose='memory', expose_offsets=(-1,), min_length=1),
      '--expose_offsets=-1: must be in 0 to 0, less than --min_length=1',
    ),
  )
  def test_exposing_that_is_not_allowed(self, changes, message):
    with self.assertRaisesRegex(errors.UsageError, f'^{message}$'):
      config_lib.TrainingConfig(**changes)

  def test_exposing_has_defaults_of_its_own(self):
    config = config_lib.make_training('quick', expose='memory')
    self.assertEqual(
      (config.expose_weight, config.expose_offsets), (10.0, (0, 5))
    )
    # As from JSON.
    given = dict(expose_offsets=[5, 0], expose_weight=10.0)
    same = config_lib.make_training('quick', expose='memory', **given)
    self.assertEqual((same, same.name()), (config, config.name()))

  @parameterized.parameters(
    (dict(show_every=25), 'dnc_16x16_show25_seed0_'),
    (dict(recall=0), 'dnc_16x16_recall0_seed0_'),
    (dict(recall=24, core='lstm'), 'lstm_recall24_seed0_'),
    (
      dict(recall=24, reset_controller=True),
      'dnc_16x16_reset_recall24_seed0_',
    ),
    (dict(show_every=4, freeze_core=True), 'dnc_16x16_show4_frozen_seed0_'),
    (dict(recall=4, expose='memory'), 'dnc_16x16_recall4_expose_memory_seed0_'),
  )
  def test_names_of_twins(self, changes, start):
    self.assertStartsWith(config_lib.make_training(**changes).name(), start)

  def test_a_preset_gives_no_memory_to_an_lstm(self):
    preset = 'quick_show_every'
    self.assertEqual(config_lib.make_training(preset).memory_size, 1)
    config = config_lib.make_training(preset, core='lstm')
    self.assertStartsWith(config.name(), 'lstm_reset_show5_seed0_')
    with self.assertRaisesRegex(errors.UsageError, '--memory_size=1: must be'):
      config_lib.make_training(preset, core='lstm', memory_size=1)

  def test_an_lstm_has_no_memory(self):
    with self.assertRaisesRegex(
      errors.UsageError, '--word_size=64: must be left out with --core=lstm'
    ):
      config_lib.TrainingConfig(core='lstm', word_size=64)


if __name__ == '__main__':
  absltest.main()

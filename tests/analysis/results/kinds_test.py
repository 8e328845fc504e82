"""Tests for analysis.results.kinds."""

import dataclasses
import os

from absl.testing import absltest
from absl.testing import parameterized

from analysis.results import kinds
from dnc import config as config_lib
from dnc.config import flags as flags_lib
from tests.support import commands
import train


class KindsTest(parameterized.TestCase):
  @parameterized.parameters(*kinds.KINDS)
  def test_train_py_puts_the_run_there(self, name):
    kind = kinds.KINDS[name]
    flag_values = commands.parsed(train, *kind.flags(), '--seed=3')
    self.assertEqual(flag_values.preset, kind.preset)
    config = config_lib.make_training(
      kind.preset, **flags_lib.read(config_lib.TrainingConfig, flag_values)
    )
    self.assertEqual(config, kind.training(3))
    self.assertEqual(kind.model_dir(3), os.path.join('runs', config.name()))

  def test_the_models_are_those_of_the_post_and_its_controls(self):
    of = {name: kind.training(0) for name, kind in kinds.KINDS.items()}
    for name, size in dict(model_b=(16, 16), model_a=(256, 64)).items():
      self.assertEqual((of[name].memory_size, of[name].word_size), size)
    self.assertEqual(of['lstm'].core, config_lib.LSTM)
    self.assertTrue(of['frozen'].freeze_core)
    for length in (5, 15, 50):
      self.assertEqual(of[f'truncation_{length}'].tbptt_length, length)

  def test_one_seed_of_each_truncation_and_each_weight(self):
    numbers = [kind.number(5) for kind in kinds.KINDS.values()]
    self.assertEqual(numbers, [*[5] * 4, *[1] * 6, *[5] * 8, 2, 1])

  def test_models_of_the_posts_size_have_its_defaults(self):
    for name, sizes in dict(model_b=(16, 16), model_a=(256, 64)).items():
      kind = kinds.KINDS[f'full_{name}']
      memory_size, word_size = sizes
      self.assertEqual(
        kind.training(0),
        config_lib.TrainingConfig(memory_size=memory_size, word_size=word_size),
      )
      self.assertEqual(kind.evaluation(), config_lib.EvaluationConfig())
      self.assertEqual((kind.is_full, kind.evaluation_flags()), (True, []))
      self.assertEqual(kind.group, name)
    quick = kinds.KINDS['recall']
    self.assertEqual(
      (quick.is_full, quick.evaluation_flags()), (False, ['--preset=quick'])
    )

  def test_weights_of_what_is_exposed(self):
    weights = {
      name: kind.expose_weight
      for name, kind in kinds.KINDS.items()
      if kind.expose_weight is not None
    }
    self.assertEqual(weights, dict(exposed_1=1, exposed_10=10, exposed_100=100))
    exposed = kinds.KINDS['exposed_100'].training(0)
    self.assertEqual(
      (exposed.expose, exposed.expose_offsets), ('memory', (0, 5))
    )

  def test_twins_of_the_task_have_the_same_controls(self):
    of = {name: kind.training(0) for name, kind in kinds.KINDS.items()}
    for name, sizes in (
      ('show_every', dict(memory_size=16, word_size=16, num_read_heads=4)),
      ('recall', {}),
    ):
      for end, changes in (
        ('lstm', dict(core='lstm', **sizes)),
        ('frozen', dict(freeze_core=True)),
      ):
        self.assertEqual(
          of[f'{name}_{end}'], dataclasses.replace(of[name], **changes)
        )
    self.assertTrue(of['show_every_lstm'].reset_controller)
    self.assertFalse(of['show_every_keeping'].reset_controller)
    asked = {name: kind.asked for name, kind in kinds.KINDS.items()}
    self.assertEqual(asked['recall_lstm'], of['recall'].recall)
    self.assertEqual(asked['show_every'], 0)
    self.assertIsNone(asked['model_b'])


if __name__ == '__main__':
  absltest.main()

"""Tests of the package's face: what `import dnc` gives."""

import tempfile
from unittest import mock

from absl.testing import absltest

import dnc
from dnc import access
from dnc import addressing
from dnc import config as config_lib
from dnc import dnc as dnc_lib
from dnc import lstm
from dnc import tasks
from dnc import training
from dnc.config import runs
from tests.support import commands


class InitTest(absltest.TestCase):
  def test_classes_are_those_of_their_modules(self):
    self.assertIs(dnc.DNC, dnc_lib.DNC)
    self.assertIs(dnc.LSTMCore, lstm.LSTMCore)
    self.assertIs(dnc.MemoryAccess, access.MemoryAccess)
    self.assertIs(dnc.TemporalLinkage, addressing.TemporalLinkage)
    for name, module in dnc._EXPORTS.items():
      self.assertEqual(getattr(dnc, name).__module__, module)

  def test_modules_are_attributes(self):
    code = (
      'import dnc; print(dnc.dsprites.latents.NAMES[0], dnc.tasks.NAMES[0])'
    )
    self.assertEqual(commands.output_of(code), 'shape dsprites\n')

  def test_what_there_is_not(self):
    with self.assertRaisesRegex(AttributeError, "no attribute 'DNCs'"):
      _ = dnc.DNCs

  def test_light_to_import(self):
    code = "import sys, dnc; print('tensorflow' in sys.modules)"
    self.assertEqual(commands.output_of(code), 'False\n')

  def test_training_of_any_task(self):
    for config in (config_lib.TrainingConfig(), config_lib.RepeatCopyConfig()):
      task = tasks.get(config.TASK)
      with mock.patch.object(
        type(task), 'train', return_value='scores'
      ) as train:
        self.assertEqual(training.train(config, 'folder'), 'scores')
      train.assert_called_once_with(config, 'folder', None, print, None)
      folder = self.enterContext(tempfile.TemporaryDirectory())
      runs.save(config, folder)
      with mock.patch.object(
        type(task), 'replay', return_value='all'
      ) as replay:
        self.assertEqual(training.replay(folder, 'data'), 'all')
      replay.assert_called_once_with(folder, 'data')


if __name__ == '__main__':
  absltest.main()

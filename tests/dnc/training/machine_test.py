"""Tests of the memory estimate against measured trainings."""

import dataclasses
import os
import tempfile
from unittest import mock

from absl.testing import absltest
from absl.testing import parameterized

from dnc import config as config_lib
from dnc.system import errors
from dnc.system import files
from dnc.training import machine

_MODEL_A = config_lib.TrainingConfig(memory_size=256, word_size=64)


def _gigabytes(config, num_steps, core=config_lib.DNC):
  parts = machine.training_memory(
    config, 4101, 4096, num_steps, 'tbptt_length', core
  )
  return sum(parts.values()) / 1e9


class MachineTest(parameterized.TestCase):
  def test_estimate_of_model_a(self):
    # tests/benchmarks/core_benchmark.py measures a peak of resident memory,
    # with 0.6 GB of libraries, of 2.3 GB at 500 steps and 3.3 GB at 1,000.
    self.assertBetween(_gigabytes(_MODEL_A, 500) + 0.6, 1.5, 2.3)
    self.assertBetween(_gigabytes(_MODEL_A, 1000) + 0.6, 2.2, 3.3)

  def test_estimate_grows_with_every_size(self):
    least = _gigabytes(_MODEL_A, 100)
    for name in ('memory_size', 'word_size', 'batch_size', 'hidden_size'):
      larger = dataclasses.replace(_MODEL_A, **{name: 2**12})
      self.assertGreater(_gigabytes(larger, 100), least, name)
    self.assertGreater(_gigabytes(_MODEL_A, 200), least)
    without = dataclasses.replace(
      config_lib.TrainingConfig(), core=config_lib.LSTM
    )
    self.assertLess(_gigabytes(without, 100, config_lib.LSTM), least)

  def test_what_the_loss_depends_on_is_kept(self):
    sizes = (_MODEL_A, 4101, 4096, 100, 'tbptt_length')
    names = ('batch_size', 'tbptt_length')
    plain = machine.training_memory(*sizes)[names]
    more = machine.training_memory(*sizes, num_recorded=7)[names]
    # Records and gradients, floats of 4 bytes.
    self.assertEqual(more - plain, 2 * 7 * 100 * _MODEL_A.batch_size * 4)

  def test_workers_share_a_batch(self):
    sizes = (_MODEL_A, 4101, 4096, 100, 'tbptt_length')
    alone = machine.training_memory(*sizes)
    shared = machine.training_memory(*sizes, num_workers=2)
    for names, size in alone.items():
      share = 2 if 'batch_size' in names else 1
      self.assertEqual(shared[names], size // share, names)

  def test_there_is_some_memory_here(self):
    self.assertBetween(machine.available_memory(), 1 << 28, 1 << 50)

  @parameterized.named_parameters(
    ('version_2', 0, '1000000', 600_000),
    ('version_1', 1, '1000000', 600_000),
    ('more_in_use_than_allowed', 0, '300000', 0),
    ('no_limit', 0, 'max', None),
  )
  def test_what_a_container_has_left_counts(self, version, most, expected):
    folder = self.enterContext(tempfile.TemporaryDirectory())
    _, limit, used, cached = machine._CGROUPS[version]
    for name, text in {
      limit: f'{most}\n',
      used: '650000\n',
      'memory.stat': f'anon 7\n{cached} 250000\nactive_file 9\n',
    }.items():
      files.write_text(os.path.join(folder, name), text)
    planted = ('/no/such', limit, used, cached), (folder, limit, used, cached)
    with mock.patch.object(machine, '_CGROUPS', planted):
      found = machine.available_memory()
      if expected is None:
        self.assertGreater(found, 1_000_000)
        return
      self.assertEqual(found, expected)
      # Some containers tell only their limit.
      os.remove(os.path.join(folder, 'memory.stat'))
      os.remove(os.path.join(folder, used))
      self.assertEqual(machine.available_memory(), int(most))

  def test_what_fits_and_what_does_not(self):
    sizes = _MODEL_A, 4101, 4096, 1000, 'tbptt_length'
    with mock.patch.object(machine, 'available_memory', return_value=64 << 30):
      machine.check_memory(*sizes)
    with mock.patch.object(machine, 'available_memory', return_value=10**9):
      with self.assertRaisesRegex(
        errors.UsageError,
        r'--batch_size=16 --tbptt_length=25: training needs at least 2\.\d GB '
        r'.* but only 1\.0 GB is available',
      ):
        machine.check_memory(*sizes)

  def test_every_size_that_is_too_large_is_named(self):
    for name in (
      'memory_size',
      'word_size',
      'num_read_heads',
      'num_write_heads',
      'hidden_size',
      'batch_size',
    ):
      config = dataclasses.replace(_MODEL_A, **{name: 10**7})
      with self.assertRaisesRegex(errors.UsageError, f'--{name}=10000000'):
        machine.check_memory(config, 4101, 4096, 25, 'tbptt_length')


if __name__ == '__main__':
  absltest.main()

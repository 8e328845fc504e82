"""Tests for analysis.results.keeping."""

import json
import os
import tempfile

from absl.testing import absltest

from analysis.results import keeping
from analysis.results import kinds
from analysis.results import reading
from dnc.system import errors
from dnc.system import files

_KIND = kinds.KINDS['model_b']
_FOUND = reading.EvaluatedNumbers(
  seed=3,
  numbers={
    ('prediction', 'loss'): 131.2345678,
    ('held', 'memory', -1, 'x_position'): 0.25,
    ('added', 'memory_by_writing', 'alone', 10, 'scale'): None,
    ('nats', 'read_words', 0): 1e-7,
  },
  untrained={'own_seeds': [0], 'compared': {'memory': {'0': [0.123456789]}}},
  versions={'numpy': '2.4.6'},
  post_table='| |',
)


class KeepingTest(absltest.TestCase):
  def setUp(self):
    super().setUp()
    self._folder = self.enterContext(tempfile.TemporaryDirectory())
    keeping.write(self._folder, _KIND, 3, _FOUND)
    self._path = keeping.path(self._folder, _KIND, 3)

  def _change(self, change):
    with open(self._path, encoding='utf-8') as file:
      data = json.load(file)
    change(data)
    files.write_json(self._path, data)
    return keeping.read(self._folder, _KIND, 3)

  def test_what_was_written_is_read(self):
    found = keeping.read(self._folder, _KIND, 3)
    self.assertEqual(
      found.numbers, {**_FOUND.numbers, ('prediction', 'loss'): 131.235}
    )
    self.assertEqual(found.untrained['compared'], {'memory': {'0': [0.123457]}})
    self.assertEqual(found.versions, _FOUND.versions)
    self.assertEqual((found.seed, found.post_table), (3, '| |'))
    self.assertIsNone(keeping.read(self._folder, _KIND, 4))
    # The same runs under another name.
    shared = kinds.KINDS['truncation_15']
    self.assertIsNotNone(keeping.read(self._folder, shared, 3))

  def test_other_settings_do_not_count(self):
    def other(data):
      data['settings']['evaluation']['num_rollouts'] += 1

    self.assertIsNone(self._change(other))

  def test_a_setting_newer_than_the_record_has_its_default(self):
    def older(data):
      del data['settings']['evaluation']['num_rollouts']

    self.assertIsNotNone(self._change(older))

  def test_a_damaged_file_is_told(self):
    message = f'^{self._path} is damaged .* delete it$'
    for change in (
      lambda data: data.pop('numbers'),
      lambda data: data['numbers'].update({'prediction/loss': 'low'}),
      lambda data: data.update(untrained=None),
      lambda data: data.update(versions=[]),
      lambda data: data.update(post_table=1),
    ):
      keeping.write(self._folder, _KIND, 3, _FOUND)
      with self.assertRaisesRegex(errors.UsageError, message):
        self._change(change)
    for text in ('{', '[]', '', '[' * 100_000):
      files.write_text(self._path, text)
      with self.assertRaisesRegex(errors.UsageError, message):
        keeping.read(self._folder, _KIND, 3)
    folder, name = os.path.split(self._path)
    self.assertEqual(os.listdir(folder), [name])
    with self.assertRaisesRegex(errors.UsageError, 'cannot be read: Not a dir'):
      keeping.read(self._path, _KIND, 3)


if __name__ == '__main__':
  absltest.main()

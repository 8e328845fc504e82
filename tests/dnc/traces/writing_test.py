"""Tests that exports are planned, interrupted, resumed and repaired."""

import json
import os
import signal
import subprocess
import sys
from unittest import mock

from absl.testing import parameterized
import tensorflow as tf

from dnc.system import errors
from dnc.traces import records
from dnc.traces import shards as shards_lib
from dnc.traces import writing
from tests.support import random_traces
from tests.support import testing_data

_SPLITS = {
  'train': [shards_lib.PlannedRollout(i, 3 + i % 2) for i in range(7)],
  'test': [shards_lib.PlannedRollout(i, 4) for i in range(7, 10)],
}
# Is killed while it writes the second shard.
_KILLED = """
import os, signal, sys
from dnc.traces import shards
from tests.dnc.traces import writing_test

def encoded(shard):
  for i, record in enumerate(writing_test.encoded(shard)):
    if shard.first and i == 1:
      os.kill(os.getpid(), signal.SIGKILL)
    yield record

shards._SHARD_BYTES = 1
export = writing_test.make_export(sys.argv[1])
export.begin(print)
for shard in export.missing:
  export.write(shard, encoded(shard))
"""


def make_export(path, metadata=random_traces.METADATA, splits=_SPLITS):
  return writing.Export(path, random_traces.WIDTHS, splits, 2, metadata)


def encoded(shard):
  """Yields the rollouts that belong in a shard."""
  fingerprint = records.fingerprint(random_traces.METADATA, shard.file)
  own = _SPLITS[shard.split][shard.first : shard.first + shard.num_rollouts]
  for planned in own:
    rollout = random_traces.rollout(planned.index, planned.num_steps)
    yield random_traces.encode(rollout, fingerprint=fingerprint)


class ExportTest(parameterized.TestCase, tf.test.TestCase):
  def setUp(self):
    super().setUp()
    # Two rollouts a shard: a batch is not divided.
    self.enter_context(mock.patch.object(shards_lib, '_SHARD_BYTES', 1))
    self.path = os.path.join(self.get_temp_dir(), 'traces')
    self.lines = []

  def _write(self, number=None, **options):
    """Writes the first missing shards, or all; returns their names."""
    export = make_export(self.path, **options)
    export.begin(self.lines.append)
    written = export.missing[:number]
    for shard in written:
      export.write(shard, encoded(shard))
    if number is None:
      export.finish()
    return [shard.file for shard in written]

  def _contents(self):
    found = {}
    for name in os.listdir(self.path):
      with open(os.path.join(self.path, name), 'rb') as file:
        found[name] = file.read()
    return found

  def _stamps(self):
    paths = [os.path.join(self.path, name) for name in os.listdir(self.path)]
    return {x: (os.stat(x).st_mtime_ns, os.stat(x).st_ino) for x in paths}

  def test_plans_before_it_writes(self):
    export = make_export(self.path)
    self.assertFalse(os.path.exists(self.path))
    self.assertEqual(
      [(x.file[11:], x.first, x.num_rollouts) for x in export.missing],
      [
        ('train.tfrecord-00000-of-00004', 0, 2),
        ('train.tfrecord-00001-of-00004', 2, 2),
        ('train.tfrecord-00002-of-00004', 4, 2),
        ('train.tfrecord-00003-of-00004', 6, 1),
        ('test.tfrecord-00000-of-00002', 0, 2),
        ('test.tfrecord-00001-of-00002', 2, 1),
      ],
    )
    self._write()
    for shard in export.missing:
      file = os.path.join(self.path, shard.file)
      self.assertEqual(os.path.getsize(file), shard.num_bytes)
    self.assertTrue(make_export(self.path).is_finished)

  def test_resumes_after_a_kill(self):
    killed = subprocess.run(
      [sys.executable, '-c', _KILLED, self.path],
      cwd=testing_data.ROOT,
      capture_output=True,
      check=False,
    )
    self.assertEqual(killed.returncode, -signal.SIGKILL, msg=killed.stderr)
    # The plan, one shard, and a part of another under a different name.
    names = os.listdir(self.path)
    self.assertLen(names, 4)
    self.assertLen([x for x in names if x.endswith('.partial')], 1)
    export = make_export(self.path)
    self.assertFalse(export.is_finished)
    self.assertEqual((export.num_there, export.num_shards), (1, 6))
    before = self._stamps()
    self.assertLen(self._write(), 5)
    self.assertRegex(self.lines[0], 'resuming .*: 1 of 6 shards are there')
    self.assertNotIn('.partial', ''.join(os.listdir(self.path)))
    (first,) = (x for x in before if x.endswith('-00000-of-00004'))
    self.assertEqual(self._stamps()[first], before[first])
    finished = self._contents()
    # The same bytes as without an interruption.
    self.path = os.path.join(self.get_temp_dir(), 'other')
    self._write()
    self.assertEqual(self._contents(), finished)

  def test_a_failure_within_a_shard_leaves_none(self):
    export = make_export(self.path)
    export.begin(self.lines.append)

    def fail():
      yield random_traces.encode(random_traces.rollout(0, 3))
      raise OSError('full')

    with self.assertRaisesRegex(OSError, 'full'):
      export.write(export.missing[0], fail())
    self.assertCountEqual(
      os.listdir(self.path), ['shards.json', 'metadata.json']
    )

  def test_other_rollouts_than_planned_are_refused(self):
    export = make_export(self.path)
    export.begin(self.lines.append)
    with self.assertRaisesRegex(ValueError, '00000-of-00004.* bytes'):
      export.write(export.missing[0], encoded(export.missing[3]))

  @parameterized.parameters('truncated', 'emptied', 'gone')
  def test_an_incomplete_shard_is_written_again(self, damage):
    self._write()
    before, stamps = self._contents(), self._stamps()
    file = os.path.join(self.path, 'dnc_traces-train.tfrecord-00001-of-00004')
    random_traces.DAMAGES[damage](file)
    self.lines.clear()
    self.assertEqual(self._write(), [os.path.basename(file)])
    self.assertEqual(self._contents(), before)
    if damage != 'gone':
      self.assertIn(
        f'traces: {file} is damaged and will be written again', self.lines
      )
    for path, stamp in self._stamps().items():
      if path != file and 'tfrecord' in path:
        self.assertEqual(stamp, stamps[path])

  def test_a_shard_set_aside_is_written_again(self):
    self._write()
    before = self._contents()
    shard = shards_lib.read_plan(self.path)[0][4]
    random_traces.flip(os.path.join(self.path, shard.file))
    shards_lib.set_aside(self.path, shard)
    self.assertIn(shard.file + '.damaged', os.listdir(self.path))
    self.lines.clear()
    self.assertEqual(self._write(), [shard.file])
    self.assertRegex('\n'.join(self.lines), f'{shard.file} is damaged')
    self.assertEqual(self._contents(), before)

  @parameterized.parameters(*random_traces.DAMAGES)
  def test_damaged_descriptions_are_written_again(self, damage):
    self._write()
    before = self._contents()
    for name in ('features.json', 'dataset_info.json'):
      random_traces.DAMAGES[damage](os.path.join(self.path, name))
    self.assertFalse(make_export(self.path).is_finished)
    self.assertEqual(self._write(), [])
    self.assertEqual(self._contents(), before)
    self.assertTrue(make_export(self.path).is_finished)

  @parameterized.parameters(1, None)
  def test_traces_of_another_model_are_refused(self, number):
    self._write(number)
    with self.assertRaises(errors.UsageError) as caught:
      make_export(
        self.path, metadata={**random_traces.METADATA, 'model': 'xyz'}
      )
    for part in (self.path, 'model', 'abc', 'xyz', 'delete'):
      self.assertIn(part, str(caught.exception))

  def test_a_folder_of_something_else_is_refused(self):
    os.makedirs(self.path)
    with open(os.path.join(self.path, 'thesis.tex'), 'w'):
      pass
    with self.assertRaisesRegex(errors.UsageError, 'metadata.json is missing'):
      make_export(self.path)

  def test_another_plan_is_refused(self):
    self._write()
    file = os.path.join(self.path, 'shards.json')
    with open(file) as opened:
      shards = json.load(opened)
    shards[0]['num_bytes'] -= 50
    with open(file, 'w') as opened:
      json.dump(shards, opened)
    with self.assertRaisesRegex(errors.UsageError, 'does not fit.*; delete'):
      make_export(self.path)

  def test_space_for_several_exports(self):
    folder, whole = self.get_temp_dir(), []
    for name in 'ab':
      self.path = os.path.join(folder, name)
      self._write(1)
      whole.append(make_export(self.path))
    needed = sum(shard.num_bytes for x in whole for shard in x.missing)
    usage = mock.Mock(free=needed)
    self.lines.clear()
    with mock.patch.object(writing.shutil, 'disk_usage', return_value=usage):
      writing.check_space(folder, whole, self.lines.append)
      self.assertRegex(
        '\n'.join(self.lines), f'^traces: .* MB to write into {folder}, free'
      )
      usage.free = needed - 1
      with self.assertRaisesRegex(errors.UsageError, f'^{folder}: .* need'):
        writing.check_space(folder, whole)
      for export in whole:
        export.begin(self.lines.append)
        for shard in export.missing:
          export.write(shard, encoded(shard))
      self.lines.clear()
      usage.free = 0
      done = [make_export(os.path.join(folder, name)) for name in 'ab']
      writing.check_space(folder, done, self.lines.append)
    self.assertEmpty(self.lines)

  def test_says_the_size_beforehand(self):
    usage = mock.Mock(free=80_100_000_000)
    splits = {
      'train': [shards_lib.PlannedRollout(i, 500) for i in range(500)],
      'test': 50 * [shards_lib.PlannedRollout(500, 500)],
    }
    with mock.patch.object(writing.shutil, 'disk_usage', return_value=usage):
      writing.Export(
        self.path, {'memory': 256, 'read_words': 64}, splits, 16, {}
      ).begin(self.lines.append)
    self.assertEqual(self.lines[0], f'traces: writing {self.path}')
    self.assertEqual(
      self.lines[1],
      'traces: 550 rollouts x 500 steps: 0.28 GB for memory, 0.07 GB for '
      'read_words, 5.5 MB for classes, 5.5 MB for values; 0.36 GB in all, '
      'free 80.1 GB',
    )

  def test_a_full_disk_is_refused_beforehand(self):
    needed = sum(shard.num_bytes for shard in make_export(self.path).missing)
    usage = mock.Mock(free=needed - 1)
    with mock.patch.object(writing.shutil, 'disk_usage', return_value=usage):
      with self.assertRaises(errors.UsageError) as caught:
        self._write(1)
      self.assertNotIn('\n', str(caught.exception))
      for part in (self.path, 'need', 'free', '--num_rollouts', '--export'):
        self.assertIn(part, str(caught.exception))
      self.assertFalse(os.path.exists(self.path))
      # Written shards need no more space.
      usage.free = needed
      self._write(1)
      usage.free = needed - 1
      self._write(1)
    self.assertRegex(self.lines[-1], 'already written, free')
    self.assertEqual(make_export(self.path).num_there, 2)

  def test_plan_is_there_from_the_beginning(self):
    self._write(0)
    with open(os.path.join(self.path, 'metadata.json')) as file:
      self.assertEqual(json.load(file), {'model': 'abc', 'shape': [4, 2]})
    self.assertFalse(shards_lib.is_finished(self.path))


if __name__ == '__main__':
  tf.test.main()

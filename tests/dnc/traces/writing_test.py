"""Tests of the files of traces: planned, written one by one, gone on with."""

import json
import os
import signal
import subprocess
import sys
from unittest import mock

from absl.testing import parameterized
import tensorflow as tf

from dnc.system import errors
from dnc.traces import records as trace_records
from dnc.traces import shards as trace_shards
from dnc.traces import writing as trace_export
from tests.support import data as testing_data
from tests.support import random_traces as testing_traces

# Index and number of steps.
_SPLITS = {
  'train': [(i, 3 + i % 2) for i in range(7)],
  'test': [(i, 4) for i in range(7, 10)],
}
# Writes two rollouts of the second shard, and is gone.
_KILLED = """
import os, signal, sys
from dnc.traces import shards as trace_shards
from tests.support import random_traces as testing_traces, trace_export_test

def records(shard):
  for i, record in enumerate(trace_export_test.records(shard)):
    if shard.first and i == 1:
      os.kill(os.getpid(), signal.SIGKILL)
    yield record

export = trace_export_test.make_export(sys.argv[1])
export.begin(print)
for shard in export.missing:
  export.write(shard, records(shard))
"""


def make_export(path, metadata=None, splits=None):
  return trace_export.Export(
    path,
    testing_traces.WIDTHS,
    splits or _SPLITS,
    2,
    metadata or testing_traces.METADATA,
  )


def fingerprint(shard):
  return trace_records.fingerprint(testing_traces.METADATA, shard.file)


def records(shard):
  own = _SPLITS[shard.split][shard.first : shard.first + shard.num_rollouts]
  for rollout in own:
    yield testing_traces.encode(
      testing_traces.rollout(*rollout), digits=fingerprint(shard)
    )


class TraceExportTest(parameterized.TestCase, tf.test.TestCase):
  def setUp(self):
    super().setUp()
    # Two rollouts a shard: fewer than run together are not parted.
    self.enter_context(mock.patch.object(trace_shards, '_SHARD_BYTES', 1))
    self.path = os.path.join(self.get_temp_dir(), 'traces')
    self.lines = []

  def _write(self, number=None, **options):
    """Writes so many of the missing shards; returns which."""
    export = make_export(self.path, **options)
    export.begin(self.lines.append)
    written = export.missing[:number]
    for shard in written:
      export.write(shard, records(shard))
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

  def test_all_is_known_before(self):
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

  def test_shards_are_as_large_as_they_may_be(self):
    with mock.patch.object(trace_shards, '_SHARD_BYTES', 1000):
      self.assertEqual(trace_shards.rollouts_per_shard(100), 10)
      self.assertEqual(trace_shards.rollouts_per_shard(100, 4), 8)
      self.assertEqual(trace_shards.rollouts_per_shard(100, 16), 16)
      self.assertEqual(trace_shards.rollouts_per_shard(1001), 1)

  def test_goes_on_after_a_kill(self):
    script = (
      'from dnc import trace_shards; trace_shards._SHARD_BYTES = 1' + _KILLED
    )
    killed = subprocess.run(
      [sys.executable, '-c', script, self.path],
      cwd=testing_data.ROOT,
      capture_output=True,
      check=False,
    )
    self.assertEqual(killed.returncode, -signal.SIGKILL, msg=killed.stderr)
    # One shard, the plan, and half a shard that nobody takes for one.
    names = os.listdir(self.path)
    self.assertLen(names, 4)
    self.assertLen([x for x in names if x.endswith('.partial')], 1)
    export = make_export(self.path)
    self.assertFalse(export.is_finished)
    self.assertEqual((export.num_there, export.num_shards), (1, 6))
    before = self._stamps()
    self.assertLen(self._write(), 5)
    self.assertRegex(self.lines[0], 'going on with .*: 1 of 6 shards are there')
    self.assertNotIn('.partial', ''.join(os.listdir(self.path)))
    (first,) = (x for x in before if x.endswith('-00000-of-00004'))
    self.assertEqual(self._stamps()[first], before[first])
    finished = self._contents()
    # The same as in one go.
    self.path = os.path.join(self.get_temp_dir(), 'other')
    self._write()
    self.assertEqual(self._contents(), finished)

  def test_a_failure_within_a_shard_leaves_none(self):
    export = make_export(self.path)
    export.begin(self.lines.append)

    def fail():
      yield testing_traces.encode(testing_traces.rollout(0, 3))
      raise OSError('full')

    with self.assertRaisesRegex(OSError, 'full'):
      export.write(export.missing[0], fail())
    self.assertCountEqual(
      os.listdir(self.path), ['shards.json', 'metadata.json']
    )

  def test_other_rollouts_than_planned_are_told(self):
    export = make_export(self.path)
    export.begin(self.lines.append)
    with self.assertRaisesRegex(ValueError, '00000-of-00004.* bytes'):
      export.write(export.missing[0], records(export.missing[3]))

  @parameterized.parameters('truncated', 'emptied', 'gone')
  def test_what_is_not_whole_is_made_again(self, damage):
    self._write()
    before, stamps = self._contents(), self._stamps()
    file = os.path.join(self.path, 'dnc_traces-train.tfrecord-00001-of-00004')
    testing_traces.DAMAGES[damage](file)
    self.lines.clear()
    self.assertEqual(self._write(), [os.path.basename(file)])
    self.assertEqual(self._contents(), before)
    if damage != 'gone':
      self.assertIn(f'traces: {file} is damaged and is made again', self.lines)
    for path, stamp in self._stamps().items():
      if path != file and 'tfrecord' in path:
        self.assertEqual(stamp, stamps[path])

  @parameterized.parameters(*testing_traces.DAMAGES)
  def test_checksums_tell(self, damage):
    self._write()
    shards, _ = trace_shards.read_plan(self.path)
    testing_traces.DAMAGES[damage](os.path.join(self.path, shards[2].file))
    sound = [
      trace_shards.is_sound(self.path, shard, fingerprint(shard))
      for shard in shards
    ]
    self.assertEqual(sound, [True, True, False, True, True, True])

  def test_a_shard_of_other_traces_is_told(self):
    self._write()
    shards, _ = trace_shards.read_plan(self.path)
    one, other = shards[:2]
    self.assertTrue(trace_shards.is_sound(self.path, one, fingerprint(one)))
    for digits in (
      trace_records.fingerprint({'model': 'xyz'}, one.file),
      fingerprint(other),
    ):
      self.assertFalse(trace_shards.is_sound(self.path, one, digits))

  def test_what_was_set_aside_is_made_again(self):
    self._write()
    before = self._contents()
    shard = trace_shards.read_plan(self.path)[0][4]
    testing_traces.flip(os.path.join(self.path, shard.file))
    trace_shards.set_aside(self.path, shard)
    self.assertIn(shard.file + '.damaged', os.listdir(self.path))
    self.lines.clear()
    self.assertEqual(self._write(), [shard.file])
    self.assertRegex('\n'.join(self.lines), f'{shard.file} is damaged')
    self.assertEqual(self._contents(), before)

  @parameterized.parameters(*testing_traces.DAMAGES)
  def test_descriptions_are_made_again(self, damage):
    self._write()
    before = self._contents()
    for name in ('features.json', 'dataset_info.json'):
      testing_traces.DAMAGES[damage](os.path.join(self.path, name))
    self.assertFalse(make_export(self.path).is_finished)
    self.assertEqual(self._write(), [])
    self.assertEqual(self._contents(), before)
    self.assertTrue(make_export(self.path).is_finished)

  @parameterized.parameters(1, None)
  def test_another_models_are_refused(self, number):
    self._write(number)
    with self.assertRaises(errors.UsageError) as caught:
      make_export(
        self.path, metadata={**testing_traces.METADATA, 'model': 'xyz'}
      )
    for part in (self.path, 'model', 'abc', 'xyz', 'delete'):
      self.assertIn(part, str(caught.exception))

  def test_other_shards_are_refused_only_where_some_are_missing(self):
    self._write()
    with mock.patch.object(trace_shards, '_SHARD_BYTES', 10_000):
      self.assertTrue(make_export(self.path).is_finished)
      os.unlink(
        os.path.join(self.path, 'dnc_traces-test.tfrecord-00000-of-00002')
      )
      with self.assertRaisesRegex(errors.UsageError, 'shards of other sizes'):
        make_export(self.path)

  def test_something_else_is_refused(self):
    os.makedirs(self.path)
    with open(os.path.join(self.path, 'thesis.tex'), 'w'):
      pass
    with self.assertRaisesRegex(errors.UsageError, 'metadata.json is missing'):
      make_export(self.path)

  def test_traces_of_an_older_version_are_refused(self):
    self._write()
    os.unlink(os.path.join(self.path, 'shards.json'))
    with self.assertRaisesRegex(errors.UsageError, 'older version.*delete'):
      make_export(self.path)

    # Or with rollouts of other sizes.
    self.path = os.path.join(self.get_temp_dir(), 'other')
    self._write()
    file = os.path.join(self.path, 'shards.json')
    with open(file) as opened:
      shards = json.load(opened)
    shards[0]['num_bytes'] -= 50
    with open(file, 'w') as opened:
      json.dump(shards, opened)
    with self.assertRaisesRegex(errors.UsageError, 'older version; delete'):
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
    with mock.patch.object(
      trace_export.shutil, 'disk_usage', return_value=usage
    ):
      trace_export.check_space(folder, whole, self.lines.append)
      self.assertRegex(
        '\n'.join(self.lines), f'^traces: .* MB to write into {folder}, free'
      )
      usage.free = needed - 1
      with self.assertRaisesRegex(errors.UsageError, f'^{folder}: .* need'):
        trace_export.check_space(folder, whole)
      for export in whole:
        export.begin(self.lines.append)
        for shard in export.missing:
          export.write(shard, records(shard))
      self.lines.clear()
      usage.free = 0
      done = [make_export(os.path.join(folder, name)) for name in 'ab']
      trace_export.check_space(folder, done, self.lines.append)
    self.assertEmpty(self.lines)

  def test_size_is_told_before(self):
    usage = mock.Mock(free=80_100_000_000)
    splits = {
      'train': [(i, 500) for i in range(500)],
      'test': [(500, 500)] * 50,
    }
    with mock.patch.object(
      trace_export.shutil, 'disk_usage', return_value=usage
    ):
      trace_export.Export(
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
    with mock.patch.object(
      trace_export.shutil, 'disk_usage', return_value=usage
    ):
      with self.assertRaises(errors.UsageError) as caught:
        self._write(1)
      self.assertNotIn('\n', str(caught.exception))
      for part in (self.path, 'need', 'free', '--num_rollouts', '--export'):
        self.assertIn(part, str(caught.exception))
      self.assertFalse(os.path.exists(self.path))
      # What is there need not be written again.
      usage.free = needed
      self._write(1)
      usage.free = needed - 1
      self._write(1)
    self.assertRegex(self.lines[-1], 'of it there, free')
    self.assertEqual(make_export(self.path).num_there, 2)

  def test_plan_is_there_from_the_beginning(self):
    self._write(0)
    with open(os.path.join(self.path, 'metadata.json')) as file:
      self.assertEqual(json.load(file), {'model': 'abc', 'shape': [4, 2]})
    self.assertFalse(trace_shards.is_finished(self.path))


if __name__ == '__main__':
  tf.test.main()

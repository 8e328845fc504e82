"""Tests for analysis.beam_engine, on Beam's runner for one machine."""

import os
import shutil
import subprocess
import sys
import tempfile
from unittest import mock

from absl.testing import absltest
from absl.testing import parameterized

from analysis import beam_engine
from analysis import work_files
from dnc import config as config_lib
from dnc.system import errors
from dnc.system import progress
from dnc.system import spreading
import evaluate
from tests.support import commands
from tests.support import evaluated_run
from tests.support import spread_stages
from tests.support import testing_data

_PROCESSES = '--direct_running_mode=multi_processing --direct_num_workers='
_ITEMS = range(7)
_EXPECTED = [(item + 0.1) / 3 for item in _ITEMS]
_STAGE = spread_stages.Stage


class WorkersTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self._folder = self.enterContext(tempfile.TemporaryDirectory())

  def _workers(self, options='', folder=None):
    self._lines = []
    return beam_engine.BeamWorkers(
      beam_engine.BeamEngine('DirectRunner', options),
      spread_stages.Source(self._folder),
      folder or os.path.join(self._folder, 'work'),
      progress.as_console(self._lines.append),
    )

  def _notes(self):
    with open(os.path.join(self._folder, 'notes')) as file:
      return [line.split() for line in file]

  def test_a_killed_worker_loses_and_doubles_nothing(self):
    spread = self._workers(_PROCESSES + '2')(_STAGE)
    found = list(spread(_STAGE.halves_with_a_kill, _ITEMS, 0.1))
    self.assertTrue(os.path.exists(os.path.join(self._folder, 'killed')))
    self.assertEqual(found, _EXPECTED)

  def test_two_workers_share_the_work_and_what_needs_it_waits(self):
    needed = spreading.Assignment(None, _STAGE.halves, _ITEMS, (0.1,))
    twice = spreading.Assignment(None, _STAGE.totals, [1, 2], (needed,))
    spread = self._workers(_PROCESSES + '2')(_STAGE)
    found = list(spread(_STAGE.totals, [5, 7, 9], twice))
    before = sum([1 + sum(_EXPECTED), 2 + sum(_EXPECTED)])
    self.assertEqual(found, [x + before for x in (5, 7, 9)])
    items, pids = zip(*self._notes())
    self.assertCountEqual(items, map(str, _ITEMS))
    self.assertLen(set(pids), 2)
    self.assertNotIn(str(os.getpid()), pids)

  @mock.patch.object(beam_engine, '_TRIES', 1)
  def test_what_breaks_is_told_in_a_line_that_names_the_log(self):
    spread = self._workers()(_STAGE)
    with self.assertRaisesRegex(
      errors.UsageError, r'^--runner=DirectRunner: .*ZeroDivision.*/work/0/log$'
    ) as raised:
      list(spread(_STAGE.broken, [0]))
    with open(str(raised.exception).rpartition('see ')[2]) as log:
      self.assertIn('in broken', log.read())

  @parameterized.parameters(
    (
      'PortableRunner',
      '--job_endpoint=localhost:8099 --environment_type=EXTERNAL '
      '--environment_config=localhost:50000',
      '--job_endpoint=localhost:8099 and --environment_type=EXTERNAL and '
      '--environment_config=localhost:50000',
    ),
    ('DirectRunner', _PROCESSES + '2', '--runner_options'),
  )
  def test_says_in_one_line_that_no_worker_begins(self, runner, given, named):
    engine = beam_engine.BeamEngine(runner, given)
    folder, lines = os.path.join(self._folder, 'work'), []
    workers = beam_engine.BeamWorkers(
      engine,
      spread_stages.Source(self._folder),
      folder,
      progress.as_console(lines.append),
    )
    with (
      # A runner that waits forever, but for this test.
      mock.patch.object(beam_engine, '_LAUNCH', 'import time; time.sleep(2)'),
      mock.patch.object(beam_engine, '_SECONDS_TO_BEGIN', 0.5),
      self.assertRaises(errors.UsageError),
    ):
      list(workers(_STAGE)(_STAGE.halves, _ITEMS, 0.1))
    said = [line for line in lines if 'waits' in line]
    self.assertEqual(
      said,
      [
        f'--runner={runner}: still waits for its first worker to begin, after '
        f'0.5 seconds; check {named}; see {folder}/0/log'
      ],
    )

  def test_what_grpc_says_is_told_in_a_line(self):
    launch = '''if 1:
      import sys
      sys.exit("""grpc.Error: <Error of RPC that terminated with:
        status = StatusCode.UNAVAILABLE
        details = "localhost:50000: Connection refused"
      >""")'''
    with (
      mock.patch.object(beam_engine, '_LAUNCH', launch),
      self.assertRaisesRegex(
        errors.UsageError,
        '^--runner=DirectRunner: localhost:50000: Connection refused; see ',
      ),
    ):
      list(self._workers()(_STAGE)(_STAGE.halves, _ITEMS, 0.1))

  def test_workers_that_do_not_see_the_folder(self):
    # Only this process has this descriptor.
    descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
    self.addCleanup(os.close, descriptor)
    folder = f'/proc/self/fd/{descriptor}/evaluation/work'
    spread = self._workers('', folder)(_STAGE)
    with self.assertRaisesRegex(
      errors.UsageError,
      '^--runner=DirectRunner: its workers do not see /proc/self/.*/evaluation;'
      ' choose a --model_dir that all of them see',
    ):
      list(spread(_STAGE.halves, _ITEMS, 0.1))

  def test_several_tasks_take_one_pipeline(self):
    workers = self._workers()
    tasks = [
      spreading.Assignment(_STAGE, _STAGE.halves, range(n), (0.1,))
      for n in (2, 3)
    ]
    # Each has begun before anything can be said of it.
    with (
      mock.patch.object(work_files, 'have_begun', return_value=True),
      mock.patch.object(beam_engine, '_SECONDS_TO_BEGIN', 0),
    ):
      workers.prepare(tasks)
    self.assertNotIn('waits', ''.join(self._lines))
    pids = {pid for _, pid in self._notes()}
    self.assertLen(pids, 1)
    for task in reversed(tasks):
      found = list(workers(task.make)(task.work, task.items, *task.arguments))
      self.assertEqual(found, _EXPECTED[: len(task.items)])
    self.assertLen(self._notes(), 5)
    workers.close()
    self.assertEqual(os.listdir(self._folder), ['notes'])


class BadInputTest(parameterized.TestCase):
  @parameterized.parameters(
    ('--runner=LocalRunner', '--runner=LocalRunner: .*DirectRunner'),
    ('--runner_options=--x', '--runner_options=--x: needs a --runner'),
    (
      '--runner=DirectRunner --runner_options=--workers=2',
      '--runner_options=--workers=2: Beam has no option --workers$',
    ),
    (
      '--runner=DirectRunner --runner_options=--direct_num_workers=two',
      "--runner_options=--direct_num_workers=two: .*invalid int value: 'two'$",
    ),
    (
      '--runner=DirectRunner --runner_options="',
      '--runner_options=": No closing quotation$',
    ),
  )
  def test_is_named_before_tensorflow_loads(self, given, pattern):
    model_dir = f'--model_dir={evaluated_run.get().model_dir}'
    with self.assertRaisesRegex(errors.UsageError, pattern):
      commands.run_to_tensorflow(evaluate, model_dir, *given.split())

  def test_no_beam(self):
    folder = self.enterContext(tempfile.TemporaryDirectory())
    with open(os.path.join(folder, 'apache_beam.py'), 'w') as file:
      file.write('raise ImportError("not here")')
    result = subprocess.run(
      [
        sys.executable,
        os.path.join(testing_data.ROOT, 'evaluate.py'),
        f'--model_dir={evaluated_run.get().model_dir}',
        '--runner=DirectRunner',
      ],
      env={
        **os.environ,
        'PYTHONPATH': os.pathsep.join([folder, testing_data.ROOT]),
      },
      capture_output=True,
      text=True,
      check=False,
    )
    self.assertEqual(result.returncode, 1)
    self.assertEqual(
      result.stderr,
      'evaluate.py: --runner=DirectRunner: needs Apache Beam (not here); '
      "install it with pip install -e '.[beam]'\n",
    )


class EvaluationTest(absltest.TestCase):
  def test_files_are_byte_for_byte_those_of_one_process(self):
    """Test 2, whose traces and scores other processes make."""
    shared = evaluated_run.get()
    folder = self.enterContext(tempfile.TemporaryDirectory())
    copy = shared.copy(folder)
    shutil.rmtree(copy.folder)
    commands.run(
      evaluate,
      f'--model_dir={copy.model_dir}',
      f'--data_dir={testing_data.data_dir()}',
      '--test=mi',
      '--runner=DirectRunner',
      *evaluated_run.EVALUATION_FLAGS,
    )
    compared = 0
    for folder, _, names in os.walk(os.path.join(copy.folder, 'traces')):
      for name in names:
        path = os.path.join(folder, name)
        compared += self._is_same(path, copy, shared)
    self.assertGreater(compared, 3)
    self._is_same(
      os.path.join(copy.folder, 'mutual_information.md'), copy, shared
    )

  def _is_same(self, path, copy, shared):
    with (
      open(path, 'rb') as one,
      open(
        os.path.join(shared.folder, os.path.relpath(path, copy.folder)), 'rb'
      ) as other,
    ):
      self.assertEqual(one.read(), other.read(), path)
    return 1


class RunnersTest(absltest.TestCase):
  def test_beam_knows_all_that_the_flag_takes(self):
    from apache_beam.options import pipeline_options

    known = pipeline_options.StandardOptions.KNOWN_RUNNER_NAMES
    self.assertContainsSubset(config_lib.RUNNERS, known)


if __name__ == '__main__':
  absltest.main()

"""Tests of metrics.jsonl; sessions are in loop_test and the tasks' tests."""

import json
import os
import tempfile

import tensorflow as tf

from dnc.config import runs
from dnc.system import errors
from dnc.system import files
from dnc.training import session


class MetricsFileTest(tf.test.TestCase):
  def setUp(self):
    super().setUp()
    self._folder = self.enterContext(tempfile.TemporaryDirectory())
    self._path = os.path.join(self._folder, runs.METRICS_FILE)

  def _rows(self):
    return [(x['update'], x['loss']) for x in runs.read_metrics(self._folder)]

  def test_rows_in_order(self):
    file = session.MetricsFile(self._folder, 0)
    file.append(dict(kind='report', update=1, loss=0.5))
    file.append(dict(kind='report', update=2, loss=float('nan')))
    self.assertEqual(self._rows(), [(1, 0.5), (2, None)])

  def test_a_resumed_run_drops_what_it_will_report_again(self):
    file = session.MetricsFile(self._folder, 0)
    for update in (1, 2, 3):
      file.append(dict(kind='report', update=update, loss=update))
    file = session.MetricsFile(self._folder, 2)
    file.append(dict(kind='report', update=3, loss=7))
    self.assertEqual(self._rows(), [(1, 1), (2, 2), (3, 7)])

  def test_a_damaged_line_is_told(self):
    good = json.dumps(dict(kind='report', update=1)) + '\n'
    for bad in ('{"kind": "rep\n', '[]\n', '{"kind": "report"}\n'):
      files.write_text(self._path, good + bad + good)
      with self.assertRaisesRegex(
        errors.UsageError, f'{self._path}: line 2 is damaged'
      ):
        runs.read_metrics(self._folder)
    # A line that was cut off when a process died.
    files.write_text(self._path, good + bad[:-1])
    self.assertLen(runs.read_metrics(self._folder), 1)


if __name__ == '__main__':
  tf.test.main()

"""Tests that a killed and resumed training loses nothing."""

import os
import tempfile

import tensorflow as tf

from tests.stress import kill_resume
from tests.support import training_runs


class KillResumeTest(tf.test.TestCase):
  def test_killed_run_ends_as_one_never_stopped(self):
    folder = self.enterContext(tempfile.TemporaryDirectory())
    whole, parts = (os.path.join(folder, name) for name in ('whole', 'parts'))
    # A core that starts fast; the core of the stress test has a memory.
    more = '--core=lstm', f'--rollouts_per_epoch={kill_resume.ROLLOUTS}'
    process = kill_resume.start(whole, *more)
    lines = kill_resume.kill_and_resume(parts, 1, 0, *more)
    kill_resume.finish(process)
    self.assertIn('training in', lines[0])
    self.assertRegex(lines[-1], r'resuming .* after [1-9]')
    training_runs.assert_same(self, whole, parts)


if __name__ == '__main__':
  tf.test.main()

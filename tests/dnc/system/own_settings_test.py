"""Tests that settings are ours for a while, and then again the user's."""

import os
import subprocess
import sys

from absl.testing import absltest
from absl.testing import parameterized
import matplotlib
import numpy as np

from dnc.system import own_settings

_LOAD = """
import os
import analysis
import matplotlib
print(matplotlib.rcParams._get('backend'), os.environ['MPLBACKEND'])
"""


class OwnSettingsTest(parameterized.TestCase):
  @parameterized.parameters(('svg', 'svg'), ('nonsense', 'agg'))
  def test_loads_with_any_backend(self, backend, found):
    done = subprocess.run(
      [sys.executable, '-c', _LOAD],
      capture_output=True,
      text=True,
      env={**os.environ, 'MPLBACKEND': backend},
      check=False,
    )
    self.assertEqual(done.stderr, '')
    self.assertEqual(done.stdout.split()[-1], backend)
    if found == backend:
      self.assertEqual(done.stdout.split()[0], found)

  def test_drawing(self):
    users = {'text.usetex': True, 'savefig.dpi': 3.0, 'font.size': 40.0}
    with matplotlib.rc_context(users):
      with own_settings.drawing({'font.size': 9.0}):
        self.assertFalse(matplotlib.rcParams['text.usetex'])
        self.assertEqual(matplotlib.rcParams['savefig.dpi'], 'figure')
        self.assertEqual(matplotlib.rcParams['font.size'], 9)
      for name, value in users.items():
        self.assertEqual(matplotlib.rcParams[name], value)

  def test_computing(self):
    @own_settings.computing()
    def compute():
      with self.assertWarns(RuntimeWarning):
        self.assertEqual(np.log(np.zeros(1)), -np.inf)
      return np.array([1e-200]) ** 2

    with np.errstate(all='raise'):
      self.assertEqual(compute(), 0)
      with self.assertRaises(FloatingPointError):
        np.log(np.zeros(1))


if __name__ == '__main__':
  absltest.main()

"""Tests that settings are ours for a while, and then again the user's."""

from absl.testing import absltest
import matplotlib
import numpy as np

from dnc.system import own_settings


class OwnSettingsTest(absltest.TestCase):
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

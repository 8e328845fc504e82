"""Tests for analysis.probe.reader."""

import numpy as np
import tensorflow as tf

from analysis.probe import reader


class ReaderTest(tf.test.TestCase):
  def test_keras_probes_read_a_copy_each_exact_ones_the_first(self):
    rng = np.random.default_rng(0)
    # Two Keras probes and an exact one, for four numbers and two tasks.
    kernels = rng.standard_normal([3, 4, 2, 5])
    biases = rng.standard_normal([3, 2, 5])
    copies = rng.standard_normal([2, 6, 4]).astype(np.float32)
    for number, of_probe in ((2, (0, 1, 0)), (1, (0, 0, 0))):
      read = reader.Reader(
        number, [(kernels[:2], biases[:2]), (kernels[2:], biases[2:])]
      )
      found = read(copies[:number])
      self.assertEqual((found.shape, found.dtype), ((6, 3, 2, 5), np.float32))
      for probe, copy in enumerate(of_probe):
        expected = np.einsum('tw,wko->tko', copies[copy], kernels[probe])
        expected += biases[probe]
        self.assertAllClose(found[:, probe], expected, atol=1e-5)


if __name__ == '__main__':
  tf.test.main()

"""Tests of the tensor operations against DeepMind's."""

from absl.testing import parameterized
import tensorflow as tf

from dnc import util
from tests.support import golden

PIECES = {
  'reduce_prod': lambda x: dict(prod=util.reduce_prod(x, 1)),
  'reduce_prod_zeros': lambda x: dict(prod=util.reduce_prod(x, 1)),
  'batch_gather': lambda values, indices: dict(
    gathered=util.batch_gather(values, indices)
  ),
  'batch_invert_permutation': lambda permutations: dict(
    inverse=util.batch_invert_permutation(permutations)
  ),
}


class UtilTest(golden.PiecesTestCase, parameterized.TestCase):
  @parameterized.product(case=list(PIECES), dtype=(tf.float32, tf.float64))
  def test_reference(self, case, dtype):
    self.check_piece(case, PIECES[case], dtype)


if __name__ == '__main__':
  tf.test.main()

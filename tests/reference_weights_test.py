"""Tests of `reference_weights`; that the numbers fit is in golden_test."""

import numpy as np
import tensorflow as tf

from dnc import reference_weights
from tests import golden as golden_lib


class ReferenceWeightsTest(tf.test.TestCase):
  def setUp(self):
    super().setUp()
    self._golden = golden_lib.Golden('dnc_b')
    self._weights = self._golden.weights()

  def test_there_and_back(self):
    core = self._golden.core(tf.float32)
    back = reference_weights.reference_layout(reference_weights.variables(core))
    self.assertEqual({f'weights.{k}' for k in back}, set(self._weights))
    hidden_size = self._golden.config['hidden_size']
    # The reference adds the forget bias at run time; ours holds it.
    forget = slice(2 * hidden_size, 3 * hidden_size)
    back['controller.b_gates'][forget] -= 1
    for name, value in back.items():
      self.assertAllClose(value, self._weights[f'weights.{name}'], atol=1e-6)

  def test_names_without_prefix(self):
    core = self._golden.core(tf.float32)
    core.output_linear.b.assign_add(tf.ones_like(core.output_linear.b))
    reference_weights.assign(
      core, {k.removeprefix('weights.'): v for k, v in self._weights.items()}
    )
    np.testing.assert_array_equal(
      core.output_linear.b, self._weights['weights.output_linear.b']
    )

  def test_missing_weight_is_named(self):
    core = self._golden.core(tf.float32)
    del self._weights['weights.interface.free_gate.w']
    with self.assertRaisesRegex(
      ValueError, r'missing.*interface\.free_gate\.w'
    ):
      reference_weights.assign(core, self._weights)

  def test_unknown_weight_is_named(self):
    core = self._golden.core(tf.float32)
    self._weights['weights.interface.spare.w'] = np.zeros([1, 1])
    with self.assertRaisesRegex(ValueError, r'unknown.*interface\.spare\.w'):
      reference_weights.assign(core, self._weights)

  def test_misshapen_weight_is_named_and_nothing_is_set(self):
    core = self._golden.core(tf.float32)
    before = [v.numpy() for v in core.variables]
    weights = {k: v + 1 for k, v in self._weights.items()}
    name = 'weights.output_linear.w'
    weights[name] = weights[name][:, :-1]
    with self.assertRaisesRegex(ValueError, r'output_linear\.w has shape'):
      reference_weights.assign(core, weights)
    for variable, value in zip(core.variables, before):
      np.testing.assert_array_equal(variable, value)

  def test_weights_of_a_larger_memory_are_refused(self):
    config = self._golden.config
    core = self._golden.core(tf.float32)
    rows = config['num_reads'] * config['word_size'] + config['hidden_size']
    name = 'weights.controller.w_gates'
    self._weights[name] = self._weights[name][: rows - 1]
    with self.assertRaisesRegex(ValueError, r'controller\.w_gates'):
      reference_weights.assign(core, self._weights)


if __name__ == '__main__':
  tf.test.main()

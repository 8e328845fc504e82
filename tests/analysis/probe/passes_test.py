"""Tests for analysis.probe.passes; probing_test checks their results."""

import dataclasses
from unittest import mock

from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from analysis.probe import exact_probe
from analysis.probe import passes
from analysis.probe import rollout_parts
from analysis.probe import streams
from analysis.probe import walk
from tests.analysis.probe import examples
from tests.support import spread_stages


def _numbers(found):
  """All numbers of a result, in order."""
  if dataclasses.is_dataclass(found):
    found = vars(found)
  if isinstance(found, dict):
    found = [*found.values()]
  if isinstance(found, (list, tuple)):
    return [number for each in found for number in _numbers(each)]
  return [float(found)] if isinstance(found, (int, float)) else []


class SpreadTest(parameterized.TestCase, tf.test.TestCase):
  def setUp(self):
    super().setUp()
    rng = np.random.default_rng(2)
    widths = dict(one=5, other=4, third=7, wide=9)
    values = rng.standard_normal((30, 11))
    features = {
      name: rng.standard_normal((30, 11, width)) + values[..., np.newaxis]
      for name, width in widths.items()
    }
    classes = rng.integers(3, size=(30, 11))
    self._stream = streams.ArrayStream(
      features, {'c': classes}, {'v': values}, 23
    )
    # Steps of wide representations, and the sample, end within a part.
    for patch in (
      mock.patch.multiple(
        exact_probe, MAX_WIDTH=8, MAX_WIDE_STEPS=130, MAX_SAMPLE_STEPS=100
      ),
      mock.patch.object(rollout_parts, '_ROLLOUTS', 5),
      examples.light_training(),
    ):
      self.enter_context(patch)

  def _stage(self):
    settings = walk.ProbeSettings((0, 2), 5, 2, 16, 1e-2, True, None)
    given = {'alone': (), 'other': ('other',), 'wide': ('wide', 'other')}
    return passes.Passes(
      self._stream,
      settings,
      {'one': ['third']},
      {'one': given, 'third': given},
    )

  def _make_wide_bits(self):
    """As in traces: an `ArrayStream` makes numbers of them."""
    wide = self._stream._features['wide']
    self._stream._features['wide'] = [(x > 1).astype(np.uint8) for x in wide]

  @parameterized.parameters(False, True)
  def test_by_whom_they_are_summed_does_not_change_a_bit(self, are_bits):
    if are_bits:
      self._make_wide_bits()
    stage = self._stage()
    expected = stage.result()
    found = stage.result(spread_stages.apart(stage))
    self.assertIn('wide', expected.beyond['one'])
    self.assertEqual(expected.num_wide_steps, 130)
    self.assertEqual(expected.num_logistic_steps, 100)
    self.assertGreater(len(_numbers(expected)), 1000)
    self.assertEqual(repr(found), repr(expected))

  @parameterized.parameters(False, True)
  def test_one_part_gives_the_same_but_for_rounding(self, are_bits):
    if are_bits:
      self._make_wide_bits()
    several = _numbers(self._stage().result())
    with mock.patch.object(rollout_parts, '_ROLLOUTS', 23):
      one = _numbers(self._stage().result())
    self.assertAllClose(several, one, rtol=1e-5, atol=1e-6)


class EchoTest(tf.test.TestCase):
  def test_a_linear_function_of_what_is_given_adds_nothing(self):
    """Although the deviation of each number differs from step to step."""
    rng = np.random.default_rng(0)
    values = rng.standard_normal((60, 20, 1))
    controller = rng.standard_normal((60, 20, 16))
    controller *= np.exp(rng.standard_normal((20, 16)))
    controller[..., :4] += 2 * values
    echo = controller @ rng.standard_normal((16, 16)) + 3
    stream = streams.ArrayStream(
      {'controller': controller, 'echo': echo}, {}, {'v': values[..., 0]}, 40
    )
    settings = walk.ProbeSettings((0,), 0, 1, 64, 1e-3, False, None)
    given = {'echo': {'alone': (), 'controller': ('controller',)}}
    with examples.light_training():
      found = passes.Passes(stream, settings, {}, given).result().beyond['echo']
    self.assertGreater(found['alone'][0]['v'].interval[0], 0.1)
    self.assertNear(found['controller'][0]['v'].difference, 0, 1e-4)


class FirstStepsTest(tf.test.TestCase):
  def test_steps_that_are_not_fitted_are_not_scored(self):
    """Where a memory is still empty, a probe of later steps goes astray."""
    rng = np.random.default_rng(1)
    values = rng.standard_normal((80, 20))
    memory = values + rng.standard_normal((80, 20))
    memory[:, :3] = 100 * rng.standard_normal((80, 3))
    stream = streams.ArrayStream(
      {'memory': memory[..., np.newaxis]}, {}, {'v': values}, 60
    )
    settings = walk.ProbeSettings((0, 3), 0, 1, 64, 1e-3, False, None)
    given = {'memory': {'alone': ()}}
    with examples.light_training():
      found = (
        passes.Passes(stream, settings, {}, given).result().beyond['memory']
      )
    self.assertNear(found['alone'][0]['v'].difference, 0.5, 0.1)


if __name__ == '__main__':
  tf.test.main()

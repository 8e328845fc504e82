"""Tests for analysis.probe.passes; probing_test checks their results."""

import dataclasses
from unittest import mock

from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from analysis.probe import exact_probe
from analysis.probe import passes
from analysis.probe import streams
from dnc.system import errors
from tests.support import spread_stages


def _run(features, offsets=(0,)):
  """Probes two training rollouts; the others are unseen."""
  values = [np.arange(len(x)) for x in features]
  stream = streams.ArrayStream({'f': features}, {}, {'v': values}, 2)
  settings = passes.ProbeSettings(
    offsets=offsets,
    seed=0,
    num_seeds=1,
    batch_size=8,
    learning_rate=1e-3,
    plant=False,
    log=None,
  )
  return passes.probe_stream(stream, settings, {}, {})


class RefusedTest(parameterized.TestCase, tf.test.TestCase):
  @parameterized.parameters(10, -10)
  def test_rollouts_too_short_for_the_offsets(self, offset):
    with self.assertRaisesRegex(errors.UsageError, 'have at most 10 steps'):
      _run(np.ones([2, 10, 3]), (0, offset))

  def test_unseen_rollouts_longer_than_all_training_ones(self):
    features = [np.ones([n, 3]) for n in (10, 9, 11)]
    with self.assertRaisesRegex(errors.UsageError, 'unseen rollout has 11'):
      _run(features)

  def test_numbers_that_are_not_finite(self):
    # Only traces may hold them; an `ArrayStream` refuses them.
    features = np.ones([2, 10, 3])

    def rollouts(stream, split, names=None):
      for rollout in read(stream, split, names):
        broken = rollout.features['f'].copy()
        broken[3, 2] = np.nan
        yield rollout._replace(features={'f': broken})

    read = streams.ArrayStream.rollouts
    with (
      mock.patch.object(streams.ArrayStream, 'rollouts', rollouts),
      self.assertRaisesRegex(errors.UsageError, 'f holds .* not finite'),
    ):
      _run(features)


def _numbers(found):
  """All numbers of a result, in order."""
  if dataclasses.is_dataclass(found):
    found = vars(found)
  if isinstance(found, dict):
    found = [*found.values()]
  if isinstance(found, (list, tuple)):
    return [number for each in found for number in _numbers(each)]
  return [float(found)] if isinstance(found, (int, float)) else []


class PartsTest(parameterized.TestCase, tf.test.TestCase):
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
      mock.patch.object(passes, 'PART_ROLLOUTS', 5),
    ):
      self.enter_context(patch)

  def _stage(self):
    settings = passes.ProbeSettings((0, 2), 5, 2, 16, 1e-2, True, None)
    given = {'alone': (), 'other': ('other',), 'wide': ('wide', 'other')}
    return passes.Passes(
      self._stream,
      settings,
      {'one': ['third']},
      {'one': given, 'third': given},
    )

  def test_are_fixed_by_the_number_of_rollouts(self):
    stage = self._stage()
    found = [list(part.rollouts) for part in stage.parts('train')]
    self.assertEqual(list(map(len, found)), [5, 5, 5, 5, 3])
    self.assertEqual(sum(found, []), list(range(23)))
    self.assertLen(stage.parts('test'), 2)
    with mock.patch.object(passes, 'MOST_PARTS', 2):
      self.assertLen(stage.parts('train'), 2)

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
    with mock.patch.object(passes, 'PART_ROLLOUTS', 23):
      stage = self._stage()
      self.assertLen(stage.parts('train'), 1)
      one = _numbers(stage.result())
    self.assertAllClose(several, one, rtol=1e-5, atol=1e-6)

  def test_must_all_be_there_once_and_in_order(self):
    stage = self._stage()
    parts = stage.parts('train')
    for wrong in (
      parts[:-1],
      parts[1:],
      [*parts, parts[-1]],
      [*parts[:2], parts[1], *parts[3:]],
      [parts[1], parts[0], *parts[2:]],
      [*parts[:3], parts[3]._replace(rollouts=range(14, 20)), parts[4]],
    ):
      with self.assertRaises(ValueError):
        list(stage.join([None], stage.gather(wrong)))


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
    settings = passes.ProbeSettings((0,), 0, 1, 64, 1e-3, False, None)
    given = {'echo': {'alone': (), 'controller': ('controller',)}}
    found = passes.probe_stream(stream, settings, {}, given).beyond['echo']
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
    settings = passes.ProbeSettings((0, 3), 0, 1, 64, 1e-3, False, None)
    given = {'memory': {'alone': ()}}
    found = passes.probe_stream(stream, settings, {}, given).beyond['memory']
    self.assertNear(found['alone'][0]['v'].difference, 0.5, 0.1)


class ReaderTest(tf.test.TestCase):
  def test_keras_probes_read_a_copy_each_exact_ones_the_first(self):
    rng = np.random.default_rng(0)
    # Two Keras probes and an exact one, for four numbers and two tasks.
    kernels = rng.standard_normal([3, 4, 2, 5])
    biases = rng.standard_normal([3, 2, 5])
    copies = rng.standard_normal([2, 6, 4]).astype(np.float32)
    for number, of_probe in ((2, (0, 1, 0)), (1, (0, 0, 0))):
      read = passes._Reader(
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

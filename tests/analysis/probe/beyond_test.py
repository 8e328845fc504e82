"""Tests for analysis.probe.beyond: planted truths, in closed form."""

from unittest import mock

import numpy as np
import tensorflow as tf

from analysis.common import orders
from analysis.probe import beyond
from analysis.probe import exact_probe
from analysis.probe import labels as labels_lib
from analysis.probe import planted

_SPEC = labels_lib.LabelSpec({'sign': 2}, ('place',), {'sign': 0.5})
_WIDTHS = {
  'action': 1,
  'image': 12,
  'controller': 6,
  'trace': 1,
  'echo': 4,
  'view': 4,
  'noise': 4,
}
_GIVEN = {
  beyond.ALONE: (),
  'action': ('action',),
  'controller': ('controller',),
  'inputs': ('image', 'action'),
}


def _rollout(index, num_steps=60):
  """A place and its sign at each step, and what representations hold of it.

  The places are independent and normal, of variance 1. The action is the
  difference of two; the trace is the place, in noise of variance 1. The echo is
  a linear function of the controller, the view one of the image.
  """
  rng = np.random.default_rng((5, index))
  places = rng.standard_normal(num_steps + 1)
  now = places[1:, np.newaxis]
  mixing = np.random.default_rng(6).standard_normal((12, 12))
  image = rng.standard_normal((num_steps, 12))
  controller = now * mixing[:1, :6] + image[:, :6]
  features = {
    'action': np.diff(places)[:, np.newaxis],
    'image': image @ mixing,
    'controller': controller,
    'trace': now + rng.standard_normal((num_steps, 1)),
    'echo': controller @ mixing[:6, :4],
    'view': image @ mixing[:, 4:8],
    'noise': rng.standard_normal((num_steps, 4)),
  }
  labels = np.concatenate([now > 0, now], axis=1).astype(np.float32)
  return {k: x.astype(np.float32) for k, x in features.items()}, labels


class BeyondTest(tf.test.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    asked = dict.fromkeys(('trace', 'echo', 'view', 'noise'), _GIVEN)
    with mock.patch.multiple(exact_probe, MAX_WIDTH=8, MAX_WIDE_STEPS=20_000):
      added = beyond.Beyond(asked, _WIDTHS, _SPEC, (0, 5))
      exact = exact_probe.ExactProbes(_WIDTHS, _SPEC, 2, 400 * 60, seed=0)
      for index in range(400):
        features, labels = _rollout(index)
        tasks = np.stack(
          [labels_lib.at_offset(labels, x, len(labels)) for x in (0, 5)], 1
        )
        sampled = exact.begin(tasks)
        for name, found in features.items():
          exact.add(name, found, sampled)
        added.add(features, features, labels, sampled)
      added.fit(exact)
      for index in range(400, 500):
        features, labels = _rollout(index)
        added.score(features, features, labels)
      cls.found = added.result(seed=0)

  def _added(self, name, given, label='place', offset=0):
    return self.found[name][given][offset][label]

  def test_a_trace_adds_to_the_action_as_closed_form_says(self):
    """Precisions of the place add up: 1 each of prior, action and trace."""
    for given, before, after in (
      (beyond.ALONE, 0, 1 / 2),
      ('action', 1 / 2, 2 / 3),
      ('inputs', 1 / 2, 2 / 3),
    ):
      found = self._added('trace', given)
      self.assertNear(found.difference, after - before, 0.015)
      self.assertBetween(found.difference, *found.interval)
      self.assertGreater(found.interval[0], after - before - 0.03)
      # Both signs are right with the share of the angle between them:
      # 1 / 2 + arcsin(correlation) / pi.
      share = [np.arcsin(np.sqrt(r2)) / np.pi for r2 in (before, after)]
      sign = self._added('trace', given, 'sign')
      self.assertNear(sign.difference, share[1] - share[0], 0.015)
      self.assertGreater(sign.interval[0], 0.01)

  def test_what_repeats_the_controller_or_the_image_adds_nothing_to_it(self):
    self.assertGreater(self._added('echo', 'action').interval[0], 0.01)
    for name, given in (('echo', 'controller'), ('view', 'inputs')):
      for label in _SPEC.names:
        found = self._added(name, given, label)
        self.assertNear(found.difference, 0, 1e-6)
        self.assertAllClose(found.interval, [0, 0], atol=1e-6)

  def test_nothing_is_found_where_nothing_is(self):
    for given in _GIVEN:
      for label in _SPEC.names:
        self.assertLessEqual(
          self._added('noise', given, label).interval[0], 1e-4
        )
        for name in ('trace', 'echo', 'noise'):
          found = self._added(name, given, label, offset=5)
          self.assertLess(found.difference, 0.005)


class AngleTest(tf.test.TestCase):
  """A trace of the point on the circle holds the angle, the raw angle less."""

  def test_closed_form(self):
    spec = labels_lib.latent_spec(['orientation', labels_lib.ANGLE])
    widths = dict(point=3, raw=2)
    asked = dict.fromkeys(widths, {beyond.ALONE: ()})
    # k = 4, 2 and 1 for a third of the rollouts each.
    angles = 2 * np.pi * np.arange(40) / 39
    points = np.exp(1j * np.outer((4, 2, 1), angles))
    added = beyond.Beyond(asked, widths, spec, (0,))
    # The angle is a label of `Beyond` alone.
    of_exact = labels_lib.latent_spec(['orientation'])
    exact = exact_probe.ExactProbes(widths, of_exact, 1, 600 * 50, seed=0)
    for index in range(800):
      rng = np.random.default_rng((8, index))
      classes = np.zeros([50, 5], np.int64)
      classes[:, 0], classes[:, 2] = index % 3, rng.integers(40, size=50)
      labels = labels_lib.of_classes(classes, spec)
      # Noise of the variance of a coordinate of the point.
      noise = rng.standard_normal((50, 3)) * np.sqrt(0.5)
      point = np.pad(labels[:, 1:], [(0, 0), (0, 1)]) + noise
      features = dict(point=point, raw=np.stack([labels[:, 0], noise[:, 2]], 1))
      features = {k: x.astype(np.float32) for k, x in features.items()}
      if index < 600:
        tasks = labels_lib.at_offset(labels[:, :1], 0, 50)[:, np.newaxis]
        sampled = exact.begin(tasks)
        for name, found in features.items():
          exact.add(name, found, sampled)
        added.add(features, features, labels, sampled)
      elif index == 600:
        added.fit(exact)
      if index >= 600:
        added.score(features, features, labels)
    found = added.result(seed=0)

    def r2(name, label):
      return found[name][beyond.ALONE][0][label].difference

    variances = [np.var(points.real), np.var(points.imag)]
    # Each coordinate in noise of variance 1/2.
    expected = np.mean([x / (x + 0.5) for x in variances])
    self.assertNear(r2('point', labels_lib.ANGLE), expected, 0.015)
    # By the correlation of either coordinate with the raw angle.
    raw = np.tile(angles, [3, 1])
    correlations = [
      np.corrcoef(raw.ravel(), part.ravel())[0, 1] ** 2
      for part in (points.real, points.imag)
    ]
    self.assertNear(r2('raw', labels_lib.ANGLE), np.mean(correlations), 0.015)
    self.assertLess(r2('raw', labels_lib.ANGLE), 0.15)
    self.assertNear(r2('raw', 'orientation'), 1, 1e-6)
    self.assertLess(r2('point', 'orientation'), 0.15)


class FailingTest(tf.test.TestCase):
  def test_a_given_set_that_fails_once_counts_as_nothing(self):
    """It has the place in training, but is wild in one unseen rollout."""
    widths = dict(controller=1, trace=1)
    asked = {'trace': {'controller': ('controller',)}}
    added = beyond.Beyond(asked, widths, _SPEC, (0,))
    exact = exact_probe.ExactProbes(widths, _SPEC, 1, 60 * 60, seed=0)
    for index in range(90):
      features, labels = _rollout(index)
      number = 0.01 * labels[:, 1:] + 1e-3 * features['noise'][:, :1]
      if index == 80:
        number = features['noise'][:, :1]
      features = dict(controller=number, trace=labels[:, 1:])
      if index < 60:
        tasks = labels_lib.at_offset(labels, 0, 60)[:, np.newaxis]
        sampled = exact.begin(tasks)
        added.add(features, features, labels, sampled)
      elif index == 60:
        added.fit(exact)
      if index >= 60:
        added.score(features, features, labels)
    found = added.result(seed=0)['trace']['controller'][0]['place']
    # The controller alone has an R^2 of about -430.
    self.assertNear(found.difference, 1, 0.01)
    # In resamples without that rollout it has 0.99.
    self.assertBetween(found.interval[0], 0, 0.02)
    self.assertLessEqual(found.interval[1], 1)


class RotatingTest(tf.test.TestCase):
  def test_what_moves_from_slot_to_slot_is_found_in_order_of_writing(self):
    spec = labels_lib.LabelSpec({}, ('place',), {})
    memory = planted.RotatingMemory(0, np.zeros([1]), np.ones([1]))
    widths = dict.fromkeys(('fixed', 'ordered'), 16)
    alone = {beyond.ALONE: ()}
    offsets = (0, 5, 10)
    added = beyond.Beyond(dict.fromkeys(widths, alone), widths, spec, offsets)
    exact = exact_probe.ExactProbes(widths, spec, 3, 200 * 120, seed=0)
    for index in range(300):
      labels = np.random.default_rng((7, index)).standard_normal((120, 1))
      labels = labels.astype(np.float32)
      fixed, weights = memory.features(index, labels)
      features = {
        'fixed': fixed,
        'ordered': orders.reordered(orders.BY_WRITING, fixed, weights, 16),
      }
      if index < 200:
        tasks = [labels_lib.at_offset(labels, x, 120) for x in offsets]
        sampled = exact.begin(np.stack(tasks, axis=1))
        added.add(features, features, labels, sampled)
      elif index == 200:
        added.fit(exact)
      else:
        added.score(features, features, labels)
    found = added.result(seed=0)
    for offset in offsets:
      ordered, fixed = (
        found[name][beyond.ALONE][offset]['place'].difference
        for name in ('ordered', 'fixed')
      )
      # 1 / (1 + NOISE^2), but for the first steps, which lack some slots.
      self.assertNear(ordered, 0.995, 0.002)
      # 1 / 16, and more while fewer slots are filled.
      self.assertBetween(fixed, 0.05, 0.09)


class LeftOutTest(tf.test.TestCase):
  def test_what_is_too_wide(self):
    widths = {'a': 3, 'wide': 12, 'too_wide': 99}
    asked = {
      'a': {'wide': ('wide',), 'too_wide': ('too_wide',)},
      'wide': {beyond.ALONE: ()},
    }
    rng = np.random.default_rng(0)
    features = {
      name: rng.standard_normal((60, width)).astype(np.float32)
      for name, width in widths.items()
    }
    labels = _rollout(0)[1]
    with mock.patch.multiple(exact_probe, MAX_WIDTH=8, MAX_WIDE=20):
      added = beyond.Beyond(asked, widths, _SPEC, (0,))
      exact = exact_probe.ExactProbes(widths, _SPEC, 1, 60, seed=0)
      sampled = exact.begin(labels_lib.at_offset(labels, 0, 60)[:, np.newaxis])
      exact.add('wide', features['wide'], sampled)
      added.add(features, features, labels, sampled)
      added.fit(exact)
      added.score(features, features, labels)
      found = added.result(seed=0)
    self.assertEqual({k: list(v) for k, v in found.items()}, {'a': ['wide']})
    self.assertIsNone(found['a']['wide'][0]['place'].interval)


if __name__ == '__main__':
  tf.test.main()

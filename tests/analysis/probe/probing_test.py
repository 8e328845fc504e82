"""Tests for analysis.probe.probing: from traces and arrays to results."""

import dataclasses
import itertools
import os
import tempfile
from unittest import mock

from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from analysis import probe
from analysis.probe import exact_probe
from analysis.probe import streams
from dnc import traces as traces_lib
from dnc.dsprites import latents
from dnc.next_sprite import rollouts as rollouts_lib
from dnc.system import errors
from tests.support import random_traces
from tests.support import testing_data

_SPEC = rollouts_lib.RolloutSpec(0, 'evaluation', 100, 100)
# Training rollouts and unseen ones.
_SPLITS = {'train': range(60), 'test': range(60, 90)}


def _code(rng, classes, values, noise=0.01):
  """Encodes shape and values in 16 features, linearly, with a little noise."""
  mixing = np.random.default_rng(0).standard_normal((7, 16))
  deviations = np.sqrt(latents.variances()[1:])
  hidden = np.concatenate(
    [2 * np.eye(3)[classes[:, 0]], values[:, 1:] / deviations], axis=1
  )
  features = hidden @ mixing + noise * rng.standard_normal((len(classes), 16))
  return features.astype(np.float32)


def _rollout(seed, index, num_steps):
  """Representations that encode the step now, 5 ago and 1 ahead, and noise."""
  rng = np.random.default_rng((seed, index))
  classes = np.stack(
    [rng.integers(n, size=num_steps + 6) for n in latents.SIZES], 1
  ).astype(np.int32)
  values = latents.classes_to_values(classes)
  code = _code(rng, classes, values)
  return {
    'index': index,
    'classes': classes[5:-1],
    'values': values[5:-1],
    'now': code[5:-1],
    'late': code[:-6],
    'next': code[6:],
    'noise': rng.standard_normal((num_steps, 16)).astype(np.float32),
    **_off_and_on(rng, index, code[5:-1]),
  }


def _off_and_on(rng, index, code):
  """A code that is there at two steps of three, and when it was last there.

  The first steps of a rollout are in no part.
  """
  since_shown = ((np.arange(len(code)) + index) % 3 // 2).astype(np.int32)
  since_shown[:2] = -1
  noise = rng.standard_normal(code.shape).astype(np.float32)
  held = np.where(since_shown[:, np.newaxis] > 0, noise, code)
  return {'since_shown': since_shown[:, np.newaxis], 'off_and_on': held}


def _export(path, splits, names):
  """Writes rollouts with the representations of these names."""
  keys = [*names, 'index', 'classes', 'values']
  rollouts = {
    split: [{key: rollout[key] for key in keys} for rollout in rollouts]
    for split, rollouts in splits.items()
  }
  first = next(iter(rollouts.values()))[0]
  widths = {name: first[name].shape[1] for name in names}
  random_traces.write(path, rollouts, widths, metadata={})
  return traces_lib.open_traces(path)


class FromTracesTest(parameterized.TestCase, tf.test.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    folder = cls.enterClassContext(tempfile.TemporaryDirectory())
    cls.traces = _export(
      os.path.join(folder, 'traces'),
      {k: [_rollout(0, i, 60 - i % 3) for i in v] for k, v in _SPLITS.items()},
      ('now', 'late', 'next', 'noise', 'off_and_on', 'since_shown'),
    )
    cls.lines = []
    cls.result = cls.run_probe(
      offsets=(0, 5, -1), num_seeds=2, batch_size=8, log=cls.lines.append
    )

  @classmethod
  def run_probe(cls, batch_size=64, **kwargs):
    stage = probe.of_traces(cls.traces, batch_size=batch_size, **kwargs)
    return stage.result()

  @parameterized.product(
    split=['train', 'test'], planted=[('now', 0), ('late', 5), ('next', -1)]
  )
  def test_a_code_is_found_at_its_offset_only(self, split, planted):
    name, at = planted
    for offset, scores in self.result.scores[split][name].items():
      for latent, score in scores.items():
        for found, most in ((score, 0.7), (score.exact, 0.95)):
          if offset == at:
            least = 0.64 if latent == 'shape' else most
            self.assertGreater(found.gain, least)
            self.assertGreater(found.above_shuffled_interval[0], 0.6)
            self.assertLess(found.shuffled.gain, 0.05)
          else:
            self.assertLess(found.gain, 0.05)

  def test_shown_and_hidden_steps_are_scored_apart(self):
    shown, hidden = (self.result.parts[part] for part in ('shown', 'hidden'))
    for latent in latents.NAMES[1:]:
      for found, name, least, most in (
        (shown, 'now', 0.95, 1.0),
        (hidden, 'now', 0.95, 1.0),
        # What is there two times of three is read with a bias at all times.
        (shown, 'off_and_on', 0.6, 1.0),
        (hidden, 'off_and_on', -1.0, 0.05),
        (shown, 'late', -0.2, 0.05),
      ):
        score = found.scores[name][0][latent]
        self.assertBetween(score.best.gain, least, most, msg=(name, latent))
        alone = found.beyond[name]['alone'][0][latent].difference
        self.assertAllClose(alone, score.exact.gain, atol=0.1)
    # All steps but the first two of each rollout are in one of them.
    high, low, whole = (
      scores['off_and_on'][0]['scale'].best.gain
      for scores in (shown.scores, hidden.scores, self.result.scores['test'])
    )
    self.assertBetween(whole, low, high)

  def test_exact_is_at_least_as_good_where_it_was_fitted(self):
    for by_offset in self.result.scores['train'].values():
      for scores in by_offset.values():
        for latent in latents.NAMES[1:]:
          score = scores[latent]
          self.assertGreaterEqual(score.exact.gain, score.gain - 1e-6)

  @parameterized.product(split=['train', 'test'], name=['noise', 'random_16'])
  def test_nothing_is_found_in_noise(self, split, name):
    for scores in self.result.scores[split][name].values():
      for latent, variance in zip(latents.NAMES[1:], latents.variances()[1:]):
        self.assertNear(scores[latent].error / variance, 1, 0.12)
        # 16 useless weights cost up to 7 % at Adam's step of 1e-3 and batches
        # of 8.
        self.assertNear(scores[latent].gain, 0, 0.12)
        # Least squares fits 16 weights to 3,500 steps.
        self.assertNear(scores[latent].exact.gain, 0, 0.03)
      for score in (scores['shape'], scores['shape'].beside):
        self.assertNear(score.error, 2 / 3, 0.06)

  def test_the_planted_memory_is_found_as_closed_form_says(self):
    scores = self.result.scores['test']['planted_16'][0]
    for latent, attainable in self.result.attainable.items():
      low, high = scores[latent].exact.interval
      self.assertBetween(attainable, low - 0.03, high + 0.03)
      self.assertGreater(attainable, 0.2)
    self.assertGreater(scores['shape'].exact.interval[0], 0.1)

  def test_what_is_planted_is_of_the_first_offset_and_the_same_again(self):
    chosen = dict(offsets=(5, 0), representations=['late'], asked=['scale'])
    result = self.run_probe(**chosen)
    scores = result.scores['test']['planted_16']
    found = scores[5]['scale'].exact.gain
    self.assertNear(found / result.attainable['scale'], 1, 0.15)
    self.assertLess(scores[0]['scale'].exact.gain, 0.05)
    # Only what is asked.
    self.assertEqual(list(result.widths), ['late', 'random_16', 'planted_16'])
    scores = result.scores['test']['late'][5]
    self.assertEqual(list(scores), ['scale'])
    self.assertGreater(scores['scale'].exact.gain, 0.95)
    self.assertEqual(result.num_logistic_steps, 0)
    self.assertEqual(
      dataclasses.asdict(result), dataclasses.asdict(self.run_probe(**chosen))
    )

  def test_says_what_it_did(self):
    names = ('late', 'next', 'noise', 'now', 'off_and_on')
    names += ('random_16', 'planted_16')
    self.assertEqual(self.result.widths, dict.fromkeys(names, 16))
    self.assertEqual(self.result.num_rollouts, {'train': 60, 'test': 30})
    self.assertEqual(self.result.num_steps, 3_540)
    self.assertEqual(self.result.num_logistic_steps, 3_540)
    self.assertEqual(self.result.without_exact, ())
    self.assertRegex(self.lines[-1], 'probe: done in 0:')

  def test_probes_trained_together_equal_probes_trained_alone(self):
    alone = self.run_probe(offsets=(5,), representations=['late'], batch_size=8)
    self.assertEqual(list(alone.widths), ['late', 'random_16', 'planted_16'])
    for split, scores in alone.scores.items():
      # The planted memory has the labels of the first offset.
      for name in ('late', 'random_16'):
        for latent, one in scores[name][5].items():
          other = self.result.scores[split][name][5][latent]
          self.assertAllClose(one.exact.error, other.exact.error, rtol=1e-4)
          # The range includes the first of two seeds.
          low, high = other.range
          self.assertBetween(one.gain, low - 1e-3, high + 1e-3)

  def test_too_wide_for_exact_probes(self):
    with mock.patch.multiple(exact_probe, MAX_WIDTH=8, MAX_WIDE=8):
      result = self.run_probe(offsets=(0,), representations=['now'])
    self.assertEqual(result.without_exact, ('now', 'random_16'))
    scores = result.scores['test']
    for score in scores['now'][0].values():
      self.assertIsNone(score.exact)
    self.assertIsNotNone(scores['planted_8'][0]['scale'].exact)

  def test_unknown_representation_is_refused(self):
    with self.assertRaisesRegex(errors.UsageError, "'read_words', only late"):
      self.run_probe(representations=['read_words'])

  def test_centred_what_a_rollout_has_of_its_own_is_taken_away(self):
    """A code, plus a constant ten times as large for each rollout."""
    splits = {'train': [], 'test': []}
    for i in range(60):
      rollout = _rollout(2, i, 60)
      rng = np.random.default_rng((3, i))
      rollout['now'] += 10 * rng.standard_normal(16).astype(np.float32)
      splits['train' if i < 30 else 'test'].append(rollout)
    path = os.path.join(self.get_temp_dir(), 'traces')
    opened = _export(path, splits, ['now'])
    found, left = (
      probe.from_traces(
        opened, (0,), asked=('x_position',), plant=False, centred=centred
      )
      for centred in (True, False)
    )
    self.assertEqual(list(found.widths), ['now', 'random_16'])
    found, left = (
      result.scores['test']['now'][0]['x_position'].exact.gain
      for result in (found, left)
    )
    # The mean of 60 steps also holds a little of the labels, which is lost.
    self.assertGreater(found, 0.9)
    self.assertLess(left, 0.5)


def _every_fourth_pixel(table):
  """The model's inputs, their images 16 pixels wide."""
  inputs = streams.sprite_inputs(table, _SPEC)

  def of_rollout(index):
    found = inputs.of_rollout(index)
    image = found['image'].reshape([-1, 64, 64])[:, ::4, ::4]
    return {**found, 'image': image.reshape([len(image), -1])}

  return streams.ModelInputs({**inputs.widths, 'image': 256}, of_rollout)


class InputsTest(tf.test.TestCase):
  """The model's inputs."""

  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    # The image counts as wide, like an image of full size.
    cls.enterClassContext(mock.patch.object(exact_probe, 'MAX_WIDTH', 128))
    folder = cls.enterClassContext(tempfile.TemporaryDirectory())
    table = testing_data.rendered_table()
    splits = {'train': range(40), 'test': range(40, 60)}
    for split, indices in splits.items():
      splits[split] = []
      for index in indices:
        batch = rollouts_lib.make_batch(table, _SPEC, [index])
        classes, values = batch.classes[:, 0], batch.values[:, 0]
        rng = np.random.default_rng(index)
        splits[split].append(
          {
            'index': index,
            'classes': classes,
            'values': values,
            'memory': _code(rng, classes, values, noise=1.0),
          }
        )
    cls._result = probe.of_traces(
      _export(os.path.join(folder, 'traces'), splits, ['memory']),
      (0, -1),
      inputs=_every_fourth_pixel(table),
    ).result()

  def test_inputs_tell_what_went_in(self):
    self.assertEqual(self._result.without_exact, ())
    scores = self._result.scores['test']
    self.assertIsNone(scores['image'][0]['shape'].beside)
    # With few rollouts, Keras at least finds where the sprite is.
    score = scores['image'][0]['x_position']
    self.assertGreater(min(score.gain, score.exact.gain), 0.3)
    # The action is a difference of two values, each half of its variance.
    for offset in (0, -1):
      for latent in latents.NAMES[1:]:
        self.assertNear(scores['action'][offset][latent].exact.gain, 0.5, 0.05)


class GivenTest(tf.test.TestCase):
  def test_a_memory_is_held_against_all_of_the_controller(self):
    held = {
      'controller_hidden': 'late',
      'controller_cell': 'now',
      'memory': 'now',
      'read_words': 'next',
    }
    splits = {
      split: [_rollout(0, i, 60) for i in indices]
      for split, indices in _SPLITS.items()
    }
    for rollout in itertools.chain(*splits.values()):
      rollout.update({name: rollout[code] for name, code in held.items()})
    folder = self.enterContext(tempfile.TemporaryDirectory())
    traces = _export(os.path.join(folder, 'traces'), splits, tuple(held))
    result = probe.of_traces(traces, (0, -1), num_seeds=1).result()
    # What is the cell's adds nothing; of the hidden state alone it would.
    for name, offset, added in (('memory', 0, 0.0), ('read_words', -1, 1.0)):
      found = result.beyond[name]
      self.assertEqual([*found], ['alone', 'controller'])
      for latent in ('x_position', 'scale'):
        alone, beyond = (
          found[given][offset][latent].difference
          for given in ('alone', 'controller')
        )
        self.assertNear(alone, 1.0, 0.05, msg=name)
        self.assertNear(beyond, added, 0.05, msg=name)


class FitAndScoreTest(parameterized.TestCase, tf.test.TestCase):
  def test_any_labels_of_any_features_of_rollouts_of_any_length(self):
    rng = np.random.default_rng(0)
    mixing = rng.standard_normal((5, 12))
    mine, nothing, classes, values = [], [], [], []
    for length in [50, *rng.integers(30, 50, size=59)]:
      values.append(rng.standard_normal(length))
      classes.append(rng.choice(4, p=[0.1, 0.2, 0.3, 0.4], size=length))
      hidden = np.concatenate([values[-1][:, None], np.eye(4)[classes[-1]]], 1)
      mine.append(hidden @ mixing + 0.3 * rng.standard_normal((length, 12)))
      nothing.append(rng.standard_normal((length, 3)))
    result = probe.fit_and_score(
      {'mine': mine, 'nothing': nothing},
      {'kind': classes},
      {'size': values},
      learning_rate=1e-2,
    )
    self.assertEqual(result.num_rollouts, {'train': 48, 'test': 12})
    self.assertEqual(
      list(result.widths),
      ['mine', 'nothing', 'random_12', 'random_3', 'planted_12'],
    )
    self.assertNear(result.spec.chance['kind'], 0.4, 0.03)
    mine = result.scores['test']['mine'][0]
    self.assertGreater(mine['size'].exact.interval[0], 0.8)
    self.assertGreater(mine['kind'].exact.interval[0], 0.3)
    nothing = result.scores['test']['nothing'][0]
    self.assertLess(nothing['size'].exact.gain, 0.02)
    self.assertLess(nothing['kind'].exact.gain, 0.06)

  def test_unit_origin_and_names_of_classes_do_not_matter(self):
    rng = np.random.default_rng(0)
    features = rng.standard_normal((20, 30, 4))
    size = features[..., 0] + rng.standard_normal((20, 30))
    kind = (features[..., 1] > 0).astype(int)
    result = probe.fit_and_score(
      {'plain': features, 'moved': 1e-3 * features + 1e8},
      {'number': kind, 'text': np.where(kind, 'yes', 'no')},
      {'plain': size, 'moved': 1e-6 * size + 1e3},
    )
    for scores in result.scores.values():
      one, other = scores['plain'][0], scores['moved'][0]
      for label in ('number', 'plain'):
        self.assertGreater(one[label].exact.interval[0], 0.2)
      for label, same in (('number', 'text'), ('plain', 'moved')):
        for found in (one[same], other[label], other[same]):
          self.assertNear(found.exact.gain, one[label].exact.gain, 1e-3)
          self.assertNear(found.gain, one[label].gain, 0.03)
      # The error is in the unit of the label.
      self.assertNear(
        one['moved'].exact.error / one['plain'].exact.error, 1e-12, 1e-14
      )
      self.assertNear(one['plain'].exact.error, 1, 0.3)

  @parameterized.parameters(
    (dict(offsets=()), 'offsets: is .* at least one'),
    (dict(offsets=(0.5,)), 'offsets, number 0: is 0.5'),
    (dict(offsets=(40,)), 'too few for labels 40 steps away'),
    (dict(num_seeds=0), 'num_seeds: is 0'),
    (dict(batch_size=0), 'batch_size: is 0'),
    (dict(seed=-1), 'seed: is -1'),
    (dict(learning_rate=0), 'learning_rate: is 0'),
    (dict(given={'a': ['x']}), r"given 'a': is \['x'\]"),
    (dict(given={'a': 'features'}), "given 'a': is 'features'"),
    (dict(given={'a': None}), "given 'a': is None"),
    (dict(given={'a': [['features']]}), "given 'a': is"),
    (dict(given=['features']), r"given: is \['features'\]"),
    (dict(given={'alone': ['features']}), "given 'alone'"),
    (dict(seed=2**70), 'seed: is 1180591620717411303424: must be at most'),
    (dict(batch_size=2**63), 'batch_size: is'),
    (dict(values={None: np.zeros([5, 30])}), 'values None: its name must be'),
    (dict(features=np.zeros([5, 30])), r"features 'features', rollout 0"),
    (dict(values=None), 'must be given'),
  )
  def test_mistakes_are_named(self, change, message):
    arguments = dict(features=np.zeros([5, 30, 4]), values=np.zeros([5, 30]))
    with self.assertRaisesRegex(ValueError, message):
      probe.fit_and_score(**{**arguments, **change})


if __name__ == '__main__':
  tf.test.main()

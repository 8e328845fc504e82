"""Tests for analysis.probe.untrained."""

import dataclasses
from unittest import mock

import numpy as np
import tensorflow as tf

from analysis import probe
from analysis.common import orders
from analysis.probe import labels as labels_lib
from analysis.probe import learned
from analysis.probe import untrained
from dnc import config as config_lib
from dnc import unroll
from dnc.next_sprite import model as model_lib
from dnc.next_sprite import recording
from dnc.next_sprite import rollouts
from dnc.next_sprite import scoring
from tests.support import testing_data

_CONFIG = config_lib.TrainingConfig(
  memory_size=5, word_size=4, num_read_heads=2, hidden_size=8
)
_LENGTH, _OFFSETS = 20, (-1, 0, 3)
_NAMES = config_lib.REPRESENTATIONS
_WEIGHTS = ('read_weights', 'write_weights')
_SORTED = {
  f'memory{order}': (order, weights)
  for order, weights in orders.WEIGHTS.items()
}
_OTHERS = tuple(f'other_{name}' for name in _SORTED)
_SPEC = rollouts.RolloutSpec(3, 'evaluation', _LENGTH, _LENGTH)
_SPLITS = {
  'train': rollouts.RolloutRange(_SPEC, 0, 40),
  'test': rollouts.RolloutRange(_SPEC, 45, 6),
}


def _with_seed(seed, config=_CONFIG):
  return model_lib.SpritePredictor(dataclasses.replace(config, seed=seed))


class UntrainedTest(tf.test.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.enterClassContext(
      mock.patch.object(unroll, 'can_compile', return_value=False)
    )
    # More than one segment.
    cls.enterClassContext(mock.patch.object(scoring, 'SEGMENT_LENGTH', 8))
    cls._table = testing_data.rendered_table()
    cls._gauge = untrained.Gauge(
      _CONFIG, cls._table, _SPLITS, (*_NAMES, *_WEIGHTS), _OFFSETS
    )

  def _against(self, model, config=_CONFIG, number=3, known=None):
    return untrained.against_untrained(
      *(model, config, self._table, _SPLITS),
      *((*_NAMES, *_WEIGHTS), _OFFSETS, number),
      known=known,
    )

  def test_gains_are_those_of_test_1s_exact_probes(self):
    model = _with_seed(7)
    indices = [
      x.first + k for x in _SPLITS.values() for k in range(x.num_rollouts)
    ]
    batch = rollouts.make_batch(self._table, _SPEC, indices)
    names = (*_NAMES, *_WEIGHTS)
    segments = list(recording.Recorder(model, names).record(batch))
    features = {
      name: np.concatenate([x[name] for x in segments]).swapaxes(0, 1)
      for name in names
    }
    for name, (order, weights) in _SORTED.items():
      features[name] = np.stack(
        [
          orders.reordered(order, *each, _CONFIG.memory_size)
          for each in zip(features['memory'], features[weights])
        ]
      )
      partners = [*np.roll(range(40), 1), *(40 + np.roll(range(6), 1))]
      features[f'other_{name}'] = np.stack(
        [
          orders.reordered(order, *each, _CONFIG.memory_size)
          for each in zip(features['memory'][partners], features[weights])
        ]
      )
    features = {name: features[name] for name in (*_NAMES, *_SORTED, *_OTHERS)}
    spec = labels_lib.latent_spec(['scale', 'x_position'])
    labels = labels_lib.of_classes(batch.classes.swapaxes(0, 1), spec)
    result = probe.fit_and_score(
      features,
      values=dict(zip(spec.names, np.moveaxis(labels, 2, 0))),
      num_train=40,
      offsets=_OFFSETS,
    )
    found = self._gauge.gains(model)
    self.assertEqual([*found], [*features])
    self.assertNotAllClose(*(found[name] for name in _SORTED))
    for name in features:
      for k, offset in enumerate(_OFFSETS):
        for label in spec.names:
          self.assertAllClose(
            found[name][k, self._gauge.labels.index(label)],
            result.scores['test'][name][offset][label].exact.gain,
            atol=1e-5,
          )

  def test_gains_do_not_depend_on_what_was_measured_before(self):
    one = self._gauge.gains(_with_seed(1))
    trained = _with_seed(1)
    trained.core.controller.b.assign_add(np.full([32], 0.5))
    other = self._gauge.gains(trained)
    again = self._gauge.gains(_with_seed(1))
    for name in _NAMES:
      np.testing.assert_array_equal(one[name], again[name])
      self.assertNotAllClose(one[name], other[name])

  def test_cores_are_of_the_seeds_that_follow_and_measured_once(self):
    config = dataclasses.replace(_CONFIG, seed=5)
    shape = (len(_OFFSETS), len(self._gauge.labels))
    names = (*_NAMES, *_SORTED, *_OTHERS)
    known = {7: {name: np.full(shape, 0.5) for name in names}}
    found = self._against(_with_seed(0), config, known=known)
    self.assertEqual((found.own_seeds, found.seeds), ((5,), (5, 6, 7)))
    self.assertEqual(found.num_rollouts, dict(train=40, test=6))
    own = self._gauge.gains(_with_seed(6))['memory'][1]
    of_memory = found.compared['memory'][0]
    self.assertEqual(tuple(of_memory), labels_lib.OF_SPRITES)
    for label, gain in zip(self._gauge.labels, own):
      self.assertEqual(of_memory[label].untrained[1], gain)
      self.assertLessEqual(of_memory[label].p_value, 1)
    # What is known is not measured again, and what is not is known then.
    self.assertEqual(list(known), [7, 5, 6])
    gains = of_memory['scale'].untrained
    self.assertEqual(gains[2], 0.5)
    self.assertNotEqual(gains[0], 0.5)

  def test_a_frozen_core_without_memory_is_one_more_untrained_core(self):
    config = config_lib.TrainingConfig(
      hidden_size=8, core=config_lib.LSTM, freeze_core=True
    )
    names = _NAMES[2:]
    found = untrained.against_untrained(
      _with_seed(0, config), config, self._table, _SPLITS, names, (0,), 3
    )
    self.assertEqual(tuple(found.compared), names)
    self.assertTrue(found.is_frozen)
    # Its own start is not among those it is held against.
    self.assertEqual(found.seeds, (1, 2, 3))
    self.assertFalse(found.is_learned(names[0], 0, 'scale'))

  def test_no_untrained_cores(self):
    found = self._against(_with_seed(0), number=0)
    self.assertEqual((found.seeds, found.compared), ((), {}))

  def test_rollouts_are_bounded(self):
    with (
      mock.patch.object(untrained, 'MOST_ROLLOUTS', dict(train=9, test=4)),
      mock.patch.object(untrained, 'MAX_BYTES', 4 * 8 * 44 * 7),
    ):
      gauge = untrained.Gauge(_CONFIG, self._table, _SPLITS, _NAMES, (0,))
    # Read words, memory and controller have 8 + 20 + 8 + 8 numbers.
    self.assertEqual(gauge.num_rollouts, dict(train=7, test=4))

  def test_wide_representations_are_left_out(self):
    wide = dataclasses.replace(_CONFIG, memory_size=256, word_size=64)
    self.assertEqual(
      list(untrained.widths(wide, (*_NAMES, *_WEIGHTS))),
      ['read_words', 'controller_hidden', 'controller_cell'],
    )

  def test_slots_are_sorted_by_the_given_weights(self):
    names = ('memory', 'loss', 'write_weights')
    self.assertEqual(
      untrained.widths(_CONFIG, names),
      dict(memory=20, memory_by_writing=20, other_memory_by_writing=20),
    )

  def test_weights_that_follow_a_label_are_not_taken_for_contents(self):
    """Slots whose contents never change, read in turn as x changes."""

    def record(batch):
      for first in range(0, _LENGTH, 8):
        classes = batch.classes[first : first + 8]
        read = np.eye(5)[classes[..., 3] * 5 // 32]
        shape = [*classes.shape[:2], 20]
        yield {
          'memory': np.broadcast_to(np.arange(20.0) ** 2, shape),
          'read_weights': np.concatenate([read, 0 * read], axis=-1),
          **{
            name: np.zeros([*classes.shape[:2], 8])
            for name in ('read_words', 'controller_hidden', 'controller_cell')
          },
        }

    gauge = untrained.Gauge(
      _CONFIG, self._table, _SPLITS, (*_NAMES, 'read_weights'), (0,)
    )
    with mock.patch.object(gauge._recorder, 'record', record):
      found = gauge.gains(_with_seed(0))
    x = gauge.labels.index('x_position')
    # Five equal parts of x leave 1 / 25 of its variance.
    self.assertAllClose(found['memory_by_reading'][0, x], 0.96, atol=0.04)
    self.assertAllEqual(
      found['memory_by_reading'], found['other_memory_by_reading']
    )
    self.assertAllClose(found['memory'][0, x], 0, atol=0.05)

  def test_one_more_untrained_core_is_seldom_taken_for_a_trained_one(self):
    gains = [self._gauge.gains(_with_seed(seed)) for seed in range(8)]
    found = 0
    for one in range(8):
      others = [(one + k) % 8 for k in range(1, 6)]
      compared = learned.compare(
        {name: [x] for name, x in gains[one].items()},
        {name: [gains[k][name] for k in others] for name in gains[one]},
        _OFFSETS,
        self._gauge.labels,
      )
      against = learned.AgainstUntrained(
        (one,), tuple(others), {}, False, compared
      )
      found += any(
        against.is_learned(name, offset, label)
        for name in ('read_words', 'memory')
        for offset in _OFFSETS
        for label in self._gauge.labels
      )
    # By the binomial law, 2 of 8 are found in 6 % of cases at 1 of 20.
    self.assertLess(found, 2)


if __name__ == '__main__':
  tf.test.main()

"""Tests for analysis.probe.streams."""

import os

from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from analysis.probe import streams
from dnc import traces as traces_lib
from dnc.dsprites import latents
from dnc.next_sprite import rollouts
from dnc.system import errors
from tests.support import random_traces
from tests.support import testing_data


class TraceStreamTest(tf.test.TestCase):
  def _traces(self, name, indices, num_steps=9):
    path = os.path.join(self.get_temp_dir(), f'{self.id()}_{name}')
    splits = {'train': [random_traces.rollout(i, num_steps) for i in indices]}
    random_traces.write(path, splits, random_traces.WIDTHS, metadata={})
    return traces_lib.open_traces(path)

  def test_yields_what_is_asked(self):
    stream = streams.TraceStream(
      self._traces('some', (3, 5)), ['memory'], ['shape', 'x_position']
    )
    self.assertEqual(stream.widths, {'memory': 8})
    self.assertEqual(stream.num_rollouts, {'train': 2})
    found = list(stream.rollouts('train'))
    self.assertEqual([rollout.index for rollout in found], [3, 5])
    labels = list(stream.labels('train'))
    for i, index in enumerate((3, 5)):
      expected = random_traces.rollout(index, 9)
      self.assertAllEqual(found[i].features['memory'], expected['memory'])
      self.assertAllEqual(found[i].labels, labels[i])
      classes = expected['classes']
      self.assertAllEqual(labels[i][:, 0], classes[:, 0])
      self.assertAllClose(labels[i][:, 1], latents.VALUES[3][classes[:, 3]])

  def test_means_over_rollouts_are_subtracted_from_what_the_model_held(self):
    inputs = streams.ModelInputs(
      {'action': 5}, lambda index: {'action': np.ones([9, 5])}
    )
    stream = streams.TraceStream(
      self._traces('some', (3,)), inputs=inputs, centred=True
    )
    (rollout,) = stream.rollouts('train')
    memory = random_traces.rollout(3, 9)['memory']
    self.assertAllClose(rollout.features['memory'], memory - memory.mean(0))
    self.assertAllEqual(rollout.features['action'], np.ones([9, 5]))

  def test_slots_are_sorted_by_the_weights_in_the_traces(self):
    widths = {'memory': 8, 'write_weights': 4, 'read_weights': 8}
    found = random_traces.rollout(3, 9, widths)
    path = os.path.join(self.get_temp_dir(), self.id())
    random_traces.write(path, {'train': [found]}, widths, metadata={})
    traces = traces_lib.open_traces(path)
    stream = streams.TraceStream(traces, ['memory'], num_slots=4)
    names = ['memory_by_writing', 'memory_by_reading']
    self.assertEqual(stream.ordered, dict.fromkeys(names, 8))
    (rollout,) = stream.rollouts('train')
    most_read = found['read_weights'].reshape([9, 2, 4]).sum(1).argmax(1)
    words = found['memory'].reshape([9, 4, 2])
    self.assertAllEqual(
      rollout.features['memory_by_reading'][:, :2],
      words[np.arange(9), most_read],
    )

  def test_slots_are_not_sorted_without_weights(self):
    stream = streams.TraceStream(self._traces('some', (1,)), num_slots=4)
    self.assertEqual(stream.ordered, {})

  def test_unknown_representation_is_refused(self):
    with self.assertRaisesRegex(errors.UsageError, "'usage', only memory"):
      streams.TraceStream(self._traces('some', (1,)), ['usage'])


class SpriteInputsTest(tf.test.TestCase):
  def test_are_those_of_the_model(self):
    table = testing_data.rendered_table()
    spec = rollouts.RolloutSpec(0, 'evaluation', 20, 20)
    made = streams.sprite_inputs(table, spec, offsets=(-1, 0, 5))
    inputs = made.of_rollout(41)
    fed = rollouts.model_inputs(rollouts.make_batch(table, spec, [41]))[:, 0]
    self.assertAllEqual(inputs['image'], fed[:, : rollouts.NUM_PIXELS])
    self.assertAllEqual(inputs['action'], fed[:, rollouts.NUM_PIXELS :])
    self.assertEqual({k: v.shape[1] for k, v in inputs.items()}, made.widths)
    # This step's, the last one's, and those around the sprite 5 steps before.
    around = inputs['actions_around'].reshape([20, 4, 5])
    for i, lag in enumerate((0, 1, 5, 6)):
      earlier = np.pad(inputs['action'], [(lag, 0), (0, 0)])[:20]
      self.assertAllEqual(around[:, i], earlier)


class ArrayStreamTest(parameterized.TestCase, tf.test.TestCase):
  def test_labels_are_classes_then_values(self):
    features = [np.ones([4, 2]), np.ones([3, 2]), np.ones([5, 2])]
    classes = [[0, 1, 1, 1], [0, 0, 2], [3, 0, 0, 0, 0]]
    values = [np.arange(n) for n in (4, 3, 5)]
    stream = streams.ArrayStream(
      {'f': features}, {'kind': classes}, {'size': values}, num_train=2
    )
    self.assertEqual(stream.num_rollouts, {'train': 2, 'test': 1})
    # The unseen rollout has a fourth class; chance is that in training.
    self.assertEqual(stream.spec.classes, {'kind': 4})
    self.assertAllClose(stream.spec.chance, {'kind': 3 / 7})
    (rollout,) = stream.rollouts('test')
    self.assertEqual(rollout.index, 2)
    self.assertAllEqual(rollout.labels[:, 0], classes[2])
    mean, deviation = stream.scale
    self.assertAllClose(mean, [3 / 7, 3 / 7, 1 / 7, 0, 0])
    # Values are standardised.
    sizes = np.concatenate(values[:2])
    self.assertAllClose(stream.units, [sizes.std()])
    self.assertAllClose(deviation[-1], 1)
    self.assertAllClose(
      rollout.labels[:, 1], (values[2] - sizes.mean()) / sizes.std()
    )

  def test_values_of_any_unit_and_origin(self):
    rng = np.random.default_rng(0)
    values = rng.standard_normal([4, 5])

    def labels(values):
      stream = streams.ArrayStream(
        {'f': np.zeros([4, 5, 2])}, {}, {'a': values}, num_train=3
      )
      return np.stack(list(stream.labels('train'))), stream.units

    expected, (unit,) = labels(values)
    for scale, origin in ((1, 1e8), (1e-90, 0), (1e90, 1e91)):
      found, units = labels(scale * values + origin)
      self.assertAllClose(found, expected, atol=1e-6)
      self.assertAllClose(units / scale, [unit])
    for origin in (0, 0.1, 1e90):
      found, units = labels(np.full([4, 5], origin))
      self.assertAllEqual(found, np.zeros([3, 5, 1]))
      self.assertAllEqual(units, [1])

  @parameterized.parameters(
    (np.array([0, 1, 1, 3]),),
    (np.array([-1, 0, 0, 1]),),
    (np.array([0.2, 0.7, 0.7, 0.9]),),
    (np.array(['a', 'b', 'b', 'c']),),
    (np.array(['a', 'b', 'b', 'c'], object),),
  )
  def test_classes_are_numbered_in_their_order(self, labels):
    stream = streams.ArrayStream(
      {'f': np.zeros([3, 4, 2])}, {'kind': [labels] * 3}, {}
    )
    self.assertEqual(stream.spec.classes, {'kind': 3})
    self.assertEqual(stream.spec.chance, {'kind': 0.5})
    self.assertAllEqual(next(stream.labels('train'))[:, 0], [0, 1, 1, 2])

  @parameterized.parameters((2, 2, 0), (3, 2, 1), (4, 3, 1), (10, 8, 2))
  def test_four_fifths_are_trained_on(self, number, num_train, num_test):
    stream = streams.ArrayStream(
      {'f': np.zeros([number, 4, 2])}, {}, {'a': np.zeros([number, 4])}
    )
    self.assertEqual(stream.num_rollouts['train'], num_train)
    self.assertEqual(stream.num_rollouts.get('test', 0), num_test)

  @parameterized.parameters(
    (dict(features={}), 'must be given'),
    (dict(values={}), 'must be given'),
    (dict(values={'a': np.zeros([4, 4])}), r"values 'a', rollout 0: .*\[4\]"),
    (dict(values={'a': np.zeros([3, 5])}), "values 'a': has 3 rollouts"),
    (dict(values={'a': np.zeros([4, 5, 1])}), r'\[5, 1\]: must be \[step\]'),
    (dict(values={'a': [[0] * 5] * 3 + [[np.nan] * 5]}), 'rollout 3, step 0'),
    (dict(features={'f': np.zeros([4, 5])}), r'must be \[step, number\]'),
    (
      dict(features={'f': [np.zeros([5, 2 + i % 2]) for i in range(4)]}),
      r"features 'f', rollout 1: has shape \[5, 3\]: must have \[5, 2\]",
    ),
    (dict(features={'f': np.full([4, 5, 2], np.inf)}), 'number 0: is inf'),
    (
      dict(classes={'b': np.arange(20.0).reshape([4, 5]) / 3}),
      "classes 'b': has 20 different labels .* give real numbers as values",
    ),
    (dict(num_train=9), 'num_train: is 9'),
    (dict(num_train=1), 'num_train: is 1: must be at least 2'),
    (dict(num_train=0.8), 'num_train: is 0.8'),
    (
      dict(features={'f': np.zeros([1, 5, 2])}, values={'a': np.zeros([1, 5])}),
      'has 1 rollout',
    ),
    (dict(classes={'a': np.zeros([4, 5], int)}), 'not in both'),
  )
  def test_what_does_not_fit_is_refused(self, change, message):
    arguments = dict(
      features={'f': np.zeros([4, 5, 2])},
      classes={},
      values={'a': np.zeros([4, 5])},
      num_train=3,
    )
    with self.assertRaisesRegex(ValueError, message):
      streams.ArrayStream(**{**arguments, **change})


if __name__ == '__main__':
  tf.test.main()

"""Tests for analysis.probe.labels."""

from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from analysis.probe import labels as labels_lib
from dnc.dsprites import latents
from tests.support import testing_data

_SPEC = labels_lib.LabelSpec(
  {'shape': 3, 'colour': 2}, ('size',), {'shape': 1 / 3, 'colour': 0.5}
)


def _rollouts(lengths):
  """Labels whose value identifies the step: 100 * rollout + step."""
  rollouts = []
  for rollout, length in enumerate(lengths):
    steps = np.arange(length)
    rollouts.append(
      np.stack([steps % 3, steps % 2, 100 * rollout + steps], 1).astype('f4')
    )
  return rollouts


class LabelSpecTest(tf.test.TestCase):
  def test_outputs_are_one_for_each_class_and_value(self):
    self.assertEqual(_SPEC.names, ('shape', 'colour', 'size'))
    self.assertEqual(_SPEC.num_outputs, 6)
    outputs = _SPEC.as_outputs(np.array([[[2.0, 0.0, 0.5, 1.0]]]))
    self.assertAllEqual(outputs, [[[0, 0, 1, 1, 0, 0.5]]])

  def test_a_label_of_two_numbers_is_one_label(self):
    spec = labels_lib.LabelSpec({'a': 2}, ('b', 'b', 'c'), {'a': 0.5})
    self.assertEqual(spec.names, ('a', 'b', 'c'))
    self.assertEqual(spec.columns, ('a', 'b', 'b', 'c'))
    self.assertEqual(spec.starts(), [0, 1, 3])
    labels = np.array([1.0, 2.0, 3.0, 4.0, 1.0])
    self.assertAllEqual(spec.values_of(labels), [2, 3, 4])
    self.assertAllEqual(spec.as_outputs(labels), [0, 1, 2, 3, 4])


class OfClassesTest(tf.test.TestCase):
  def test_shapes_are_classes_and_the_rest_are_values(self):
    rng = np.random.default_rng(0)
    classes = np.stack([rng.integers(n, size=50) for n in latents.SIZES], 1)
    labels = labels_lib.of_classes(
      classes, labels_lib.latent_spec(labels_lib.OF_SPRITES)
    )
    self.assertEqual((labels.shape, labels.dtype), ((50, 7), np.float32))
    self.assertAllEqual(labels[:, 0], classes[:, 0])
    values = latents.classes_to_values(classes)
    self.assertAllEqual(labels[:, 1:5], values[:, 1:])
    some = labels_lib.latent_spec(['y_position', 'orientation_angle'])
    self.assertAllEqual(labels_lib.of_classes(classes, some), labels[:, 4:])

  def test_equal_pictures_have_equal_angles(self):
    table = testing_data.rendered_table()
    spec = labels_lib.latent_spec([labels_lib.ANGLE])
    for shape, symmetry in enumerate((4, 2, 1)):
      classes = np.tile([shape, 5, 0, 16, 16], [40, 1])
      classes[:, 2] = np.arange(40)
      points = labels_lib.of_classes(classes, spec)
      turns = symmetry * np.arange(40) / 39
      expected = np.exp(2j * np.pi * turns)
      self.assertAllClose(points[:, 0], expected.real, atol=1e-6)
      self.assertAllClose(points[:, 1], expected.imag, atol=1e-6)
      images = table.images(latents.classes_to_index(classes))
      self.assertAllEqual(images[0], images[39])
      self.assertAllClose(points[0], points[39], atol=1e-5)


class LabelsTest(parameterized.TestCase, tf.test.TestCase):
  @parameterized.parameters(0, 1, 3, 7, 20, -1, -4, -20)
  def test_offsets_agree_with_a_loop(self, offset):
    (labels,) = _rollouts([7])
    found = labels_lib.at_offset(labels, offset, 7)
    for step in range(7):
      if 0 <= step - offset < 7:
        self.assertAllEqual(found[step], [*labels[step - offset], 1])
      else:
        self.assertAllEqual(found[step], [0, 0, 0, 0])

  @parameterized.parameters(2, 3, 10, 101)
  def test_partners_are_never_their_own(self, number):
    for seed in range(20):
      partners = labels_lib.other_rollouts(seed, number)
      self.assertAllEqual(np.sort(partners), np.arange(number))
      self.assertFalse(np.any(partners == np.arange(number)))

  def test_partners_depend_on_the_seed_alone(self):
    first = labels_lib.other_rollouts(0, 50)
    self.assertAllEqual(first, labels_lib.other_rollouts(0, 50))
    self.assertNotAllEqual(first, labels_lib.other_rollouts(1, 50))

  def test_true_tasks_then_shuffled_ones(self):
    rollouts = _rollouts([6, 6, 4])
    labels = labels_lib.Labels(_SPEC, rollouts, offsets=(0, 2), seed=3)
    partners = labels_lib.other_rollouts(3, 3)
    self.assertEqual(labels.num_tasks, 4)
    for position, own in enumerate(rollouts):
      tasks = labels.tasks(position)
      self.assertEqual(tasks.shape, (len(own), 4, 4))
      other = rollouts[partners[position]]
      for step in range(len(own)):
        for task, (source, offset) in enumerate(
          [(own, 0), (own, 2), (other, 0), (other, 2)]
        ):
          # The shorter rollout has no label past its end.
          there = 0 <= step - offset < len(source)
          self.assertEqual(tasks[step, task, -1], there)
          if there:
            self.assertEqual(tasks[step, task, 2], source[step - offset, 2])

  def test_labels_of_parts(self):
    labels = labels_lib.Labels(_SPEC, _rollouts([5, 5]), offsets=(0, 1))
    tasks = labels.tasks(0)
    first = np.arange(5) < 2
    found = labels_lib.by_part(tasks, {'first': first, 'rest': ~first})
    self.assertAllEqual(found[None], tasks)
    self.assertAllEqual(found['first'][:2], tasks[:2])
    self.assertAllEqual(found['first'][2:], np.zeros_like(tasks[2:]))
    self.assertAllEqual(found['first'] + found['rest'], tasks)

  def test_a_single_rollout_has_no_shuffled_labels(self):
    labels = labels_lib.Labels(_SPEC, _rollouts([5]))
    tasks = labels.tasks(0)
    self.assertAllEqual(tasks[:, 0, -1], np.ones([5]))
    self.assertAllEqual(tasks[:, 1], np.zeros([5, 4]))

  def test_moments_are_those_of_all_steps(self):
    rollouts = _rollouts([6, 6, 4])
    labels = labels_lib.Labels(_SPEC, rollouts)
    outputs = _SPEC.as_outputs(np.concatenate(rollouts))
    mean, covariance = labels.moments()
    self.assertAllClose(mean, outputs.mean(0))
    self.assertAllClose(covariance, np.cov(outputs.T, bias=True))


if __name__ == '__main__':
  tf.test.main()

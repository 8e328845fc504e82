"""Tests for analysis.probe.verdict."""

import dataclasses

from absl.testing import parameterized
import tensorflow as tf

from analysis.probe import learned
from analysis.probe import verdict
from dnc.dsprites import latents
from tests.analysis.probe import examples


class VerdictTest(parameterized.TestCase, tf.test.TestCase):
  def test_yes(self):
    result = examples.result(
      {(0, 'x_position'): 0.3, (5, 'shape'): 0.1}, more=0.2, p_value=0.01
    )
    self.assertEqual(
      verdict.text(result),
      'Yes: a linear layer reads 2 of 15 labels from the memory. Beyond random '
      'inputs and shuffled labels, it reads from the memory (256 numbers) x '
      '0.300 of the current step; shape +0.100 of 5 steps before (2 of 2 more '
      "than from untrained cores and 2 of 2 more than from the controller's "
      'state). It finds at least 100% '
      'of the planted memory. Scores are R^2 (for shape, accuracy above '
      'chance) on 30 unseen rollouts.',
    )

  def test_yes_but_untrained_cores_hold_as_much(self):
    said = verdict.text(examples.result({(0, 'x_position'): 0.3}))
    self.assertStartsWith(said, 'No more than untrained cores: a linear')
    self.assertIn('(0 of 1 more than from untrained cores and 0 of 1', said)

  def test_some_of_it_more_than_untrained_cores(self):
    result = examples.result(
      {(0, 'x_position'): 0.3, (0, 'scale'): 0.2, (5, 'scale'): 0.2}
    )
    compared = result.untrained.compared['memory']
    for offset in (0, 5):
      compared[offset]['scale'] = learned.Compared(
        (0.2,), (0.0, 0.1, 0.0), 0.04
      )
    said = verdict.text(result)
    self.assertStartsWith(said, 'Yes: ')
    self.assertIn('(2 of 3 more than from untrained cores', said)

  def test_a_frozen_core_has_learned_nothing(self):
    untrained = examples.against_untrained(0.001, is_frozen=True)
    result = examples.result({(0, 'x_position'): 0.3})
    result = dataclasses.replace(result, untrained=untrained)
    self.assertStartsWith(
      verdict.text(result), 'No more than untrained cores, being one itself: '
    )

  def test_few_untrained_cores_cannot_tell_what_is_learned(self):
    result = examples.result({(0, 'x_position'): 0.3})
    untrained = examples.against_untrained(None, 2)
    for each, start in (
      (untrained, 'Yes, but there is no telling whether this is learned: '),
      # Arrays of any model have no such control.
      (None, 'Yes: '),
    ):
      said = verdict.text(dataclasses.replace(result, untrained=each))
      self.assertStartsWith(said, start)

  @parameterized.parameters(0.0, 0.005, -0.3)
  def test_no(self, gain):
    said = verdict.text(examples.result({(0, 'scale'): gain}))
    self.assertStartsWith(said, 'No: ')
    self.assertIn('reads nothing from the memory (256 numbers): with 95', said)

  def test_no_says_how_much_might_be_there(self):
    # The upper end of the highest interval.
    self.assertIn(
      'with 95 % confidence at most 0.015, for scale of 5 steps before.',
      verdict.text(examples.result({(5, 'scale'): 0.005})),
    )

  def test_must_be_above_random_inputs_and_shuffled_labels(self):
    # The lower end is 0.02; the upper ends of the controls are 0.025.
    held = {(0, 'scale'): 0.03}
    result = examples.result(held, p_value=0.01)
    self.assertStartsWith(verdict.text(result), 'Yes')
    near = examples.result(held, {(0, 'scale'): 0.015})
    self.assertStartsWith(verdict.text(near), 'No')
    of_memory = result.scores['test']['memory'][0]
    exact = of_memory['scale'].exact
    shuffled = dataclasses.replace(exact.shuffled, interval=(0, 0.025))
    exact = dataclasses.replace(exact, shuffled=shuffled)
    of_memory['scale'] = dataclasses.replace(of_memory['scale'], exact=exact)
    self.assertStartsWith(verdict.text(result), 'No')

  def test_without_exact_probes_keras_probes_are_compared(self):
    result = examples.result(planted=0.9)
    scores = result.scores['test']
    for label, score in scores['random_256'][0].items():
      # The control has more than the memory, but for another kind of probe.
      exact = examples.with_gain(score.exact, 0.5, (0.4, 0.6))
      exact = dataclasses.replace(exact, shuffled=exact)
      scores['random_256'][0][label] = dataclasses.replace(score, exact=exact)
    for label, score in scores['memory'][0].items():
      scores['memory'][0][label] = dataclasses.replace(score, exact=None)
    self.assertIn('reads nothing from the memory', verdict.text(result))
    scores['memory'][0]['scale'] = examples.with_gain(
      scores['memory'][0]['scale'], 0.25, (0.2, 0.3)
    )
    self.assertIn('scale 0.250 of the current step', verdict.text(result))

  def test_the_probe_that_reads_more_counts(self):
    result = examples.result()
    of_memory = result.scores['test']['memory'][0]
    keras = examples.with_gain(of_memory['scale'], 0.25, (0.2, 0.3))
    for gain, interval, said in (
      # Least squares is misled.
      (-3.0, (-5.0, -1.0), 'scale 0.250'),
      # Adam stops short.
      (0.5, (0.4, 0.6), 'scale 0.500'),
    ):
      exact = examples.with_gain(keras.exact, gain, interval)
      of_memory['scale'] = dataclasses.replace(keras, exact=exact)
      self.assertIn(said, verdict.text(result))

  def test_half_of_what_was_planted_must_be_found(self):
    # The lower ends are 0.251 and 0.245; 0.5 is attainable.
    self.assertStartsWith(verdict.text(examples.result(planted=0.261)), 'No')
    self.assertStartsWith(
      verdict.text(examples.result(planted=0.255)),
      'Cannot tell: too little of the planted memory is found: scale 0.255 of',
    )

  @parameterized.parameters(
    (dict(random={(5, 'scale'): 0.2}), r'random inputs \(256\) seem to hold'),
    (dict(planted=0.005), r'planted memory is found: shape .* \(and 4 more\)'),
  )
  def test_cannot_tell_if_controls_fail(self, gains, why):
    said = verdict.text(examples.result(**gains))
    self.assertRegex(said, f'^Cannot tell: .*{why}')

  @parameterized.parameters({'train': 9, 'test': 19}, {'train': 9})
  def test_cannot_tell_from_few_unseen_rollouts(self, **num_rollouts):
    result = dataclasses.replace(examples.result(), num_rollouts=num_rollouts)
    self.assertStartsWith(
      verdict.text(result), 'Cannot tell: there are fewer than 20'
    )

  def test_cannot_tell_if_nothing_varies(self):
    result = examples.result()
    for scores in result.scores['test'].values():
      for of_offset in scores.values():
        for label in latents.NAMES:
          of_offset[label] = examples.label_score(label, None)
    self.assertEqual(verdict.text(result), 'Cannot tell: no label varies.')

  @parameterized.parameters(
    (
      0.03,
      'Yes: by the memory, with what is there of the sprite 5 steps before.',
    ),
    (0.009, 'No.'),
  )
  def test_whether_the_memory_augments_the_controller(self, beyond, answer):
    self.assertEqual(
      verdict.augments(examples.result(beyond=beyond)),
      f'Could M_t or r_t augment h_t and c_t? {answer}',
    )

  @parameterized.parameters(
    (0.06, 0.99, 'No'),
    (0.06, 0.4, 'Cannot tell: the rotating memory is not found with slots by'),
    (0.6, 0.99, 'Cannot tell: the rotating memory is found with fixed slots'),
  )
  def test_rotating_slots_are_found_in_order_alone(self, fixed, ordered, said):
    result = examples.result()
    for order, gain in (('', fixed), ('_by_writing', ordered)):
      found = {'alone': examples.differences(gain)}
      result.beyond[f'planted_rotating{order}'] = found
    self.assertStartsWith(verdict.text(result), said)

  def test_that_is_not_asked_without_both(self):
    result = dataclasses.replace(examples.result(), beyond={})
    self.assertEqual(verdict.augments(result), '')


if __name__ == '__main__':
  tf.test.main()

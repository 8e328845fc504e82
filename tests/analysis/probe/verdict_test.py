"""Tests for analysis.probe.verdict."""

import dataclasses

from absl.testing import parameterized
import tensorflow as tf

from analysis.probe import learned
from analysis.probe import results
from analysis.probe import verdict
from dnc.dsprites import latents
from tests.analysis.probe import examples
from tests.support import markdown_tables


def _cells(result):
  """The memory's row of the table, by column."""
  (table,) = markdown_tables.rows(verdict.table(result))
  return dict(zip(table[''], table['memory']))


class VerdictTest(parameterized.TestCase, tf.test.TestCase):
  def test_yes(self):
    result = examples.result(
      {(0, 'x_position'): 0.3, (5, 'shape'): 0.1}, p_value=0.01
    )
    self.assertEqual(
      verdict.text(result),
      'Yes: a linear layer reads the current and earlier sprites from the '
      'memory.',
    )

  def test_yes_but_untrained_cores_hold_as_much(self):
    self.assertEqual(
      verdict.text(examples.result({(-1, 'x_position'): 0.3})),
      'No more than untrained cores: a linear layer reads the next sprite from '
      'the memory.',
    )

  def test_some_of_it_more_than_untrained_cores(self):
    result = examples.result({(0, 'x_position'): 0.3, (0, 'scale'): 0.2})
    compared = result.untrained.compared['memory']
    compared[0]['scale'] = learned.Compared((0.2,), (0.0, 0.1, 0.0), 0.02)
    self.assertStartsWith(verdict.text(result), 'Yes: ')
    self.assertEqual(_cells(result)['more than untrained'], '1/2')

  def test_only_what_is_learned_is_named_and_where(self):
    held = {(x, 'scale'): 0.3 for x in examples.OFFSETS}
    result = examples.result(held)
    for split in result.scores.values():
      split['read_words'] = examples.scores({(5, 'scale'): 0.3})
    result.widths['read_words'] = 256
    compared = result.untrained.compared
    compared['read_words'] = {x: dict(y) for x, y in compared['memory'].items()}
    is_learned = learned.Compared((0.3,), (0.0, 0.1, 0.0), 0.02)
    compared['memory'][-1]['scale'] = is_learned
    for learned_of, said in (
      ((), 'the next sprite from the memory'),
      (
        ('read_words',),
        'the next sprite from the memory and earlier sprites from the read '
        'words',
      ),
      (
        ('read_words', 'memory'),
        'the next sprite from the memory and earlier sprites from the read '
        'words and memory',
      ),
    ):
      for name in learned_of:
        compared[name][5]['scale'] = is_learned
      self.assertEqual(
        verdict.text(result), f'Yes: a linear layer reads {said}.'
      )
    # Too long a sentence names all sprites, of one or the other.
    few = dataclasses.replace(
      result, untrained=examples.against_untrained(None, 2)
    )
    self.assertEndsWith(
      verdict.text(few),
      'reads the next, the current and earlier sprites from the read words or '
      'memory.',
    )

  def test_one_sentence_of_thirty_words_without_numbers(self):
    everything = {(offset, 'scale'): 0.3 for offset in examples.OFFSETS}
    result = examples.result(everything)
    for split in result.scores.values():
      split['read_words'] = split['memory']
    result.widths['read_words'] = 256
    few = examples.against_untrained(None, 2)
    for said in (
      verdict.text(dataclasses.replace(result, untrained=few)),
      verdict.text(examples.result()),
      verdict.text(examples.result(random=everything, planted=0.0)),
    ):
      self.assertLessEqual(len(said.split()), 30)
      self.assertNotRegex(said, r'\d')
      self.assertEqual(said.count('.'), 1)

  def test_a_label_that_is_read_beside_the_posts(self):
    result = examples.result({(0, 'scale'): 0.3}, p_value=0.01)
    found = results.Difference(0.4, (0.3, 0.5))
    for by_offset in result.beyond['memory'].values():
      for labels in by_offset.values():
        labels['orientation_angle'] = found
    self.assertStartsWith(verdict.text(result), 'Yes: ')
    cells = _cells(result)
    self.assertEqual(cells['current'], 'angle 0.400, 2/6')
    self.assertEqual(cells['beyond controller'], 'angle +0.400 t-0, 3/18')
    self.assertEqual(cells['more than untrained'], '4/4')
    alone = dataclasses.replace(examples.result(), beyond=result.beyond)
    for untrained, start in (
      (dict(p_value=0.01), 'Yes: '),
      (dict(p_value=0.9), 'No more than untrained cores: '),
      (dict(p_value=None, number=2), 'Yes, but it is unknown'),
      (dict(is_frozen=True), 'No more than untrained cores, because this core'),
    ):
      against = examples.against_untrained(**untrained)
      said = verdict.text(dataclasses.replace(alone, untrained=against))
      self.assertStartsWith(said, start)

  def test_sorted_slots_are_held_against_sorted_slots_of_untrained_cores(self):
    name = 'memory_by_reading'
    result = examples.result({(0, 'x_position'): 0.3})
    result.beyond[name] = {'alone': examples.differences(0.4)}
    result = dataclasses.replace(result, ordered={name: 256})
    cells = verdict.rows(result)
    self.assertEqual(cells[name]['more than untrained'], '-')
    compared = result.untrained.compared
    compared[name] = {k: dict(x) for k, x in compared['memory'].items()}
    is_learned = learned.Compared((0.4,), (0.0, 0.1, 0.0), 0.02)
    compared[name][0]['x_position'] = is_learned
    cells = verdict.rows(result)
    self.assertEqual(cells[name]['more than untrained'], '1/15')
    self.assertEqual(cells['memory']['more than untrained'], '0/1')

  def test_fixed_slots_that_only_keep_their_places_are_not_learned(self):
    result = examples.result({(0, 'x_position'): 0.3}, p_value=0.01)
    self.assertStartsWith(verdict.text(result), 'Yes: ')
    compared = result.untrained.compared
    compared['memory_in_best_order'] = {
      0: {'x_position': learned.Compared((0.3,), (0.3, 0.4, 0.3), 1.0)}
    }
    self.assertStartsWith(verdict.text(result), 'No more than untrained cores')
    self.assertEqual(_cells(result)['more than untrained'], '0/1')

  @parameterized.parameters((0.25, '0/5'), (0.1, 'x 0.200, 1/5'))
  def test_fixed_slots_must_show_more_than_those_of_a_rotating_memory(
    self, rotating, cell
  ):
    result = examples.result({(0, 'x_position'): 0.2})
    for order, gain in (('', rotating), ('_by_writing', 0.99)):
      found = {'alone': examples.differences(gain)}
      result.beyond[f'planted_rotating{order}'] = found
    # Without sorted slots, it is no memory.
    self.assertEqual(_cells(result)['current'], 'x 0.200, 1/5')
    result.ordered['memory_by_writing'] = 256
    result.beyond['memory_by_writing'] = {'alone': examples.differences(0.3)}
    self.assertEqual(_cells(result)['current'], cell)

  def test_sorted_slots_must_show_more_than_with_other_contents(self):
    name = 'memory_by_reading'
    result = examples.result()
    result.ordered[name] = 256
    result.beyond[name] = {'alone': examples.differences(0.4)}
    self.assertEqual(verdict.rows(result)[name]['next'], 'shape 0.400, 5/5')
    by_weights = learned.Compared((0.4,), (0.1, 0.0, 0.1), None)
    result.untrained.compared[f'other_{name}'] = {
      -1: {'shape': by_weights, 'scale': by_weights}
    }
    found = verdict.rows(result)[name]
    self.assertEqual(found['next'], 'orientation 0.400, 3/5')
    self.assertEqual(found['current'], 'shape 0.400, 5/5')

  def test_a_frozen_core_has_learned_nothing(self):
    untrained = examples.against_untrained(0.001, is_frozen=True)
    result = examples.result({(0, 'x_position'): 0.3})
    result = dataclasses.replace(result, untrained=untrained)
    self.assertStartsWith(
      verdict.text(result),
      'No more than untrained cores, because this core is itself untrained: ',
    )
    self.assertEqual(_cells(result)['more than untrained'], 'untrained itself')

  def test_few_untrained_cores_cannot_tell_what_is_learned(self):
    result = examples.result({(0, 'x_position'): 0.3})
    untrained = examples.against_untrained(None, 2)
    for each, start in (
      (untrained, 'Yes, but it is unknown whether this is learned: '),
      # Arrays of any model have no such control.
      (None, 'Yes: '),
    ):
      said = verdict.text(dataclasses.replace(result, untrained=each))
      self.assertStartsWith(said, start)

  @parameterized.parameters(0.0, 0.005, -0.3)
  def test_no(self, gain):
    said = verdict.text(examples.result({(0, 'scale'): gain}))
    self.assertEqual(
      said,
      'No: a linear layer reads nothing of the next, the current and earlier '
      'sprites from the memory.',
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
    self.assertStartsWith(verdict.text(result), 'No: ')
    scores['memory'][0]['scale'] = examples.with_gain(
      scores['memory'][0]['scale'], 0.25, (0.2, 0.3)
    )
    self.assertEqual(_cells(result)['current'], 'scale 0.250, 1/5')

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
      self.assertEqual(_cells(result)['current'], f'{said}, 1/5')

  def test_half_of_what_was_planted_must_be_found(self):
    # The lower ends are 0.251 and 0.245; 0.5 is attainable.
    self.assertStartsWith(verdict.text(examples.result(planted=0.261)), 'No')
    self.assertStartsWith(
      verdict.text(examples.result(planted=0.255)),
      'Cannot tell: too little of the planted memory is found: its scale',
    )

  @parameterized.parameters(
    (
      dict(random={(5, 'scale'): 0.2}),
      'random inputs seem to hold scale of earlier sprites',
    ),
    (dict(planted=0.005), 'planted memory is found: its shape, and more'),
  )
  def test_cannot_tell_if_controls_fail(self, gains, why):
    said = verdict.text(examples.result(**gains))
    self.assertRegex(said, f'^Cannot tell: .*{why}')

  @parameterized.parameters({'train': 9, 'test': 19}, {'train': 9})
  def test_cannot_tell_from_few_unseen_rollouts(self, **num_rollouts):
    result = dataclasses.replace(examples.result(), num_rollouts=num_rollouts)
    self.assertStartsWith(
      verdict.text(result), 'Cannot tell: there are too few unseen rollouts'
    )

  def test_cannot_tell_if_nothing_varies(self):
    result = examples.result()
    for scores in result.scores['test'].values():
      for of_offset in scores.values():
        for label in latents.NAMES:
          of_offset[label] = examples.label_score(label, None)
    self.assertEqual(verdict.text(result), 'Cannot tell: no label varies.')

  @parameterized.parameters(
    (0.03, 'Yes: the memory, by earlier sprites.'),
    (0.019, 'No.'),
  )
  def test_whether_the_memory_augments_the_controller(self, beyond, answer):
    self.assertEqual(
      verdict.augments(examples.result(beyond=beyond)),
      f'Could M_t or r_t augment h_t and c_t? {answer}',
    )

  @parameterized.parameters(
    (0.06, 0.99, 'No'),
    (0.06, 0.4, 'Cannot tell: the rotating memory is not found with slots'),
    (0.6, 0.99, 'Cannot tell: the rotating memory is found with fixed slots'),
  )
  def test_rotating_slots_are_found_in_order_alone(self, fixed, ordered, said):
    result = examples.result()
    for order, gain in (('', fixed), ('_by_writing', ordered)):
      found = {'alone': examples.differences(gain)}
      result.beyond[f'planted_rotating{order}'] = found
    self.assertStartsWith(verdict.text(result), said)

  def test_a_memory_that_was_not_probed_has_no_answer(self):
    result = examples.result(beyond=0.0)
    result.beyond['read_words'] = result.beyond.pop('memory')
    self.assertEndsWith(
      verdict.augments(result), '? No; the memory was not probed.'
    )

  def test_that_is_not_asked_without_both(self):
    result = dataclasses.replace(examples.result(), beyond={})
    self.assertEqual(verdict.augments(result), '')

  def test_the_table_has_a_row_for_what_the_model_holds(self):
    result = examples.result(
      {(5, 'x_position'): 0.061, (5, 'scale'): 0.05}, beyond=0.03
    )
    (table,) = markdown_tables.rows(verdict.table(result))
    self.assertEqual(list(table)[2:], ['memory', 'controller cell'])
    self.assertEqual(
      _cells(result),
      {
        'next': '0/5',
        'current': '0/5',
        'earlier': 'x 0.061, 2/5',
        'beyond controller': 'shape +0.030 t-5, 5/15',
        'more than untrained': '0/2',
      },
    )
    self.assertEqual(table['controller cell'][-2:], ['-', '0/0'])

  @parameterized.parameters(
    (0.02, 'Yes: .* the current sprite from the sorted memory'),
    (0.9, 'No more than untrained cores: '),
    (None, 'Yes, but it is unknown'),
  )
  def test_what_only_sorted_slots_hold_is_read_from_the_memory(self, p, start):
    result = examples.result()
    self.assertStartsWith(verdict.text(result), 'No: ')
    names = 'memory_by_writing', 'memory_by_reading'
    for name in names:
      result.ordered[name] = 256
      result.beyond[name] = {'alone': examples.differences(0)}
    result.beyond[names[1]]['alone'][0] |= {
      'scale': examples.differences(0.4)[0]['scale']
    }
    compared = result.untrained.compared
    compared[names[1]] = {
      0: {'scale': learned.Compared((0.4,), (0.0, 0.1, 0.0), p)}
    }
    self.assertRegex(verdict.text(result), f'^{start}')

  def test_what_only_sorted_slots_add_augments_the_controller(self):
    result = examples.result(beyond=0.0)
    self.assertEndsWith(verdict.augments(result), '? No.')
    name = 'memory_by_writing'
    result.ordered[name] = 256
    found = examples.differences(0.3)
    result.beyond[name] = {'alone': found, 'controller': found}
    self.assertIn('Yes: the memory, by', verdict.augments(result))
    frozen = examples.against_untrained(is_frozen=True)
    frozen = dataclasses.replace(result, untrained=frozen)
    self.assertEndsWith(
      verdict.augments(frozen), '; but this core was never trained.'
    )

  def test_a_memory_in_another_order_has_its_row(self):
    result = examples.result()
    result.ordered['memory_by_writing'] = 256
    result.beyond['memory_by_writing'] = {'alone': examples.differences(0.2)}
    (table,) = markdown_tables.rows(verdict.table(result))
    self.assertEqual(
      table['memory, by writing'],
      ['shape 0.200, 5/5'] * 3 + ['-', '-'],
    )


if __name__ == '__main__':
  tf.test.main()

"""Tests of the verdict of Test 2."""

import numpy as np
import tensorflow as tf

from analysis.mutual_information import verdict
from tests.analysis.mutual_information import examples


class VerdictTest(tf.test.TestCase):
  def _verdict(self, result):
    return verdict.text(dict(memory=result))

  def test_yes(self):
    said = self._verdict(examples.result())
    self.assertStartsWith(said, 'Yes: 2 of the 4 numbers of the memory follow')
    self.assertIn(
      'slot 1, word 1: 0.700 nats above chance (95 %: 0.671 to 0.729; slightly',
      said,
    )
    self.assertIn('at lag 5, of 2.30 possible. Against the random', said)
    self.assertNotIn('Elsewhere', said)
    said = verdict.text(
      dict(memory=examples.result(), controller_hidden=examples.controller())
    )
    self.assertIn('Elsewhere: at most 0.700 in the controller hidden.', said)
    # A score that is not significant may be high by chance.
    said = verdict.text(
      dict(
        memory=examples.result(),
        controller_hidden=examples.nothing(layout=(4,)),
      )
    )
    self.assertIn('Elsewhere: nothing in the controller hidden.', said)

  def test_no_says_what_would_have_been_seen(self):
    said = self._verdict(examples.nothing())
    self.assertStartsWith(said, 'No: none of the 4 numbers of the memory')
    # p = 0.05 / 8 is at 2.50 standard deviations of 0.01.
    self.assertIn('the test would detect 0.025 nats above chance', said)

  def test_no_where_nothing_changes(self):
    said = self._verdict(examples.nothing(constant=np.ones(4, bool)))
    self.assertStartsWith(said, 'No: none')
    self.assertIn('ever changes', said)

  def test_cannot_tell_if_the_control_fails(self):
    said = self._verdict(
      examples.result(control_q_values=np.array([1, 1, 0.001, 1]))
    )
    self.assertStartsWith(said, 'Cannot tell: the control fails, 1 of')

  def test_cannot_tell_from_few_shifts(self):
    said = self._verdict(examples.result(num_different_shifts=19))
    self.assertStartsWith(said, 'Cannot tell: at least 20 different shifts')
    self.assertIn('there are 19. Use longer sequences, or a longest lag', said)
    said = self._verdict(examples.result(num_shifts=9, num_different_shifts=9))
    self.assertIn('there are 9. Ask for more shifts.', said)

  def test_without_memory_it_says_so(self):
    said = verdict.text(dict(controller_hidden=examples.controller()))
    self.assertStartsWith(
      said, 'Yes: 2 of the 4 numbers of the controller hidden (this core has no'
    )
    self.assertIn('number 3: 0.700', said)


if __name__ == '__main__':
  tf.test.main()

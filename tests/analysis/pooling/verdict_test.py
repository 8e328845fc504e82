"""Tests of the answers over models, with known results."""

import dataclasses

from absl.testing import absltest
from absl.testing import parameterized

from analysis import pooling
from analysis.pooling import models
from analysis.pooling import verdict
from analysis.probe import learned
from tests.analysis.pooling import examples


def _near(mean, number=3):
  """A number near a mean in each model; half the interval is about 0.005."""
  return models.over([mean + x for x in (-0.002, 0.0, 0.002)[:number]])


def _apart(mean):
  """The same with an interval of about 5."""
  return models.over([mean - 1.0, mean, mean + 1.0])


def _held(gain, untrained=0.0):
  """Gains of the next sprite's x, and the cores they are compared with."""
  gains = {
    name: {-1: {'x_position': gain}, 0: {'x_position': _near(0.0)}}
    for name in ('read_words', 'memory')
  }
  others = tuple(untrained + x for x in (-0.01, 0.0, 0.01))
  p_value = 0.001 if gain.mean > untrained + 0.1 else 0.5
  compared = learned.Compared(gain.values, others, p_value)
  by_offset = {x: {'x_position': compared} for x in (-1, 0)}
  return dict(
    gains=gains,
    beyond={},
    untrained=learned.AgainstUntrained(
      own_seeds=(0, 1, 2),
      seeds=(0, 1, 2),
      num_rollouts={},
      is_frozen=False,
      compared=dict.fromkeys(gains, by_offset),
    ),
  )


def _added(memory, words):
  return dict(
    beyond={
      name: {'controller': {0: {'scale': _near(0.0)}, 5: {'scale': x}}}
      for name, x in dict(memory=memory, read_words=words).items()
    }
  )


def _nats(of_next, random):
  return dict(
    nats={
      'memory': {-1: of_next, 5: random, models.RANDOM: random},
      'action': {-1: _near(0.9), 5: _near(0.0), models.RANDOM: _near(0.0)},
    }
  )


def _lost(words, frozen, exchanged, mean_words=None):
  lasting = dict(
    read_words_other=words,
    read_words_mean=mean_words or words,
    frozen_memory=frozen,
    exchanged_memory=exchanged,
  )
  return dict(lost={name: {'lasting': x} for name, x in lasting.items()})


_STAYS = _near(0.0)


def _slopes(words, memory, random=_STAYS):
  slopes = {'read words: x': words, 'read words: y': words, 'memory: x': memory}
  return dict(
    slopes={k: {'probe': x, 'random': random} for k, x in slopes.items()}
  )


_NOT_HELD = models.over([None] * 3)


class VerdictTest(parameterized.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls._result = pooling.pool([examples.run(number) for number in range(3)])

  def _said(self, **changes):
    return verdict.sentences(dataclasses.replace(self._result, **changes))

  @parameterized.parameters(
    (_held(_near(0.3)), 'Yes: .* reads the next sprite from the read words '),
    (_held(_near(0.3), untrained=0.3), 'No more than untrained cores: '),
    (_held(_near(0.0)), 'No: a linear layer reads nothing from the read words'),
    (_held(_apart(0.3)), 'No: '),
    ({**_held(_near(0.3)), 'untrained': None}, 'Yes, but it is unknown '),
  )
  def test_what_is_held(self, changes, answer):
    self.assertRegex(self._said(**changes)['probe'], f'^{answer}')

  @parameterized.parameters(
    (_added(_near(0.03), _near(0.0)), 'Yes, by earlier sprites in the memory.'),
    (_added(_near(0.01), _apart(0.03)), 'No.'),
    (
      _added(_near(0.03), _near(0.03)),
      'Yes, by earlier sprites in the memory and read words.',
    ),
  )
  def test_what_the_post_asks(self, changes, answer):
    self.assertEqual(self._said(**changes)['augments'], answer)

  @parameterized.parameters(
    (
      _nats(_near(0.2), _near(0.05)),
      'Yes: .* of the next sprite in the memory',
    ),
    # The most of many numbers is above 0, even of a random sequence.
    (_nats(_near(0.05), _near(0.05)), 'No: no single number of the memory '),
    (_nats(_apart(0.2), _near(0.05)), 'No: '),
  )
  def test_a_single_number(self, changes, answer):
    self.assertRegex(self._said(**changes)['mi'], f'^{answer}')

  @parameterized.parameters(
    (
      _lost(*map(_near, (3.0, 1.7, 0.0))),
      'Yes: .* for good without new writes',
    ),
    (_lost(*map(_near, (3.0, 0.0, 0.2))), "Yes: .* with another sequence's "),
    (_lost(*map(_near, (3.0, 0.001, 0.0))), 'Yes, but not to remember: '),
    (_lost(_near(3.0), _apart(0.0), _near(0.0)), 'Yes, but it is uncertain '),
    (_lost(_near(0.0), _near(0.2), _near(0.2)), 'No: other words serve '),
    (_lost(_apart(0.0), _near(0.2), _near(0.2)), 'Cannot tell '),
    # Constant words serve as well, though those of another mislead.
    (_lost(*map(_near, (3.0, 0.2, 0.2, 0.0))), 'Cannot tell '),
  )
  def test_what_is_used(self, changes, answer):
    self.assertRegex(self._said(**changes)['lesion'], f'^{answer}')

  @parameterized.parameters(
    (
      _slopes(_near(0.4), _near(0.01)),
      r'Yes.* of x and y from the read words\.',
    ),
    (_slopes(_near(0.01), _near(0.01)), 'No: '),
    (_slopes(_near(0.4), _near(0.01), random=_near(0.5)), 'Cannot tell '),
    (_slopes(_apart(0.4), _near(0.01)), 'Cannot tell '),
    (_slopes(_NOT_HELD, _NOT_HELD), 'Cannot tell '),
  )
  def test_does_the_sprite_follow(self, changes, answer):
    self.assertRegex(self._said(**changes)['intervention'], f'^{answer}')

  def test_two_models_are_too_few(self):
    result = pooling.pool([examples.run(number) for number in range(2)])
    said = verdict.sentences(result)
    self.assertEqual(list(said), list(verdict.TITLES))
    for answer in said.values():
      self.assertStartsWith(answer, 'Cannot tell: there are fewer than 3 ')

  def test_a_number_of_two_models_says_nothing(self):
    changes = _lost(_near(3.0), _near(1.7, number=2), _near(0.0))
    self.assertStartsWith(self._said(**changes)['lesion'], 'Yes, but it is unc')

  def test_only_tests_that_were_run(self):
    result = pooling.pool(
      [{'lesion': examples.run(k)['lesion']} for k in range(3)]
    )
    self.assertEqual(list(verdict.sentences(result)), ['lesion'])

  def test_no_sentence_is_long(self):
    changes = [
      _held(_near(0.3)),
      _lost(_near(3.0), _near(0.2), _near(0.2)),
      _lost(*map(_near, (3.0, 0.001, 0.0))),
      _slopes(_near(0.4), _near(0.4)),
      _nats(_near(0.2), _near(0.05)),
    ]
    for each in changes:
      for answer in self._said(**each).values():
        self.assertLessEqual(len(answer.split()), 30)


if __name__ == '__main__':
  absltest.main()

"""Tests for analysis.intervention.steps."""

import dataclasses

from absl.testing import absltest

from analysis.intervention import steps as steps_lib
from dnc.next_sprite import rollouts
from dnc.system import errors

_SPEC = rollouts.RolloutSpec(0, 'evaluation', 30, 30)


class StepsTest(absltest.TestCase):
  def test_offsets(self):
    for changes, expected in (
      ({}, (-1,)),
      (dict(recall=4), (4, -1)),
      (dict(show_every=3), (-1, 0)),
    ):
      spec = dataclasses.replace(_SPEC, **changes)
      self.assertEqual(steps_lib.offsets(spec), expected)

  def test_every_step_has_its_sprites(self):
    for recall, first in ((None, 3), (2, 3), (9, 9)):
      steps = steps_lib.chosen_steps(dataclasses.replace(_SPEC, recall=recall))
      self.assertEqual((len(steps), steps[0], steps[-1]), (6, first, 28))

  def test_steps_after_the_last_shown_image(self):
    for length in (60, 61, 500):
      for every, phases in (
        (1, [0] * 6),
        (2, [0, 0, 0, 1, 1, 1]),
        (5, [0, 0, 1, 2, 3, 4]),
        (10, [0, 1, 3, 5, 6, 8]),
      ):
        spec = dataclasses.replace(
          _SPEC,
          show_every=every,
          min_length=length,
          max_length=length,
        )
        steps = steps_lib.chosen_steps(spec)
        self.assertEqual([step % every for step in steps], phases)
        self.assertBetween(steps[0], length // 10, length // 10 + every)
        self.assertBetween(steps[-1], length - 1 - every, length - 2)

  def test_rollouts_too_short(self):
    spec = dataclasses.replace(_SPEC, min_length=9, max_length=9, recall=8)
    with self.assertRaisesRegex(
      errors.UsageError, '--rollout_length=9: must be at least 10 for Test 4'
    ):
      steps_lib.chosen_steps(spec)


if __name__ == '__main__':
  absltest.main()

"""Tests for analysis.probe.rollout_parts."""

from unittest import mock

from absl.testing import absltest

from analysis.probe import rollout_parts


def _of_23(**constants):
  with mock.patch.multiple(rollout_parts, **constants):
    return rollout_parts.of_split({'train': 23, 'test': 7}, 'train')


class RolloutPartsTest(absltest.TestCase):
  def test_are_fixed_by_the_number_of_rollouts(self):
    found = [part.rollouts for part in _of_23(_ROLLOUTS=5)]
    self.assertEqual(list(map(len, found)), [5, 5, 5, 5, 3])
    self.assertEqual([x for own in found for x in own], list(range(23)))
    self.assertEqual([len(x[1]) for x in _of_23(_MOST=2)], [23])
    found = _of_23(_ROLLOUTS=1, _MOST=2)
    self.assertEqual([len(x.rollouts) for x in found], [12, 11])
    self.assertEqual({x.split for x in found}, {'train'})

  def test_a_split_that_is_not_there_has_none(self):
    self.assertEqual(rollout_parts.of_split({'train': 23}, 'test'), [])

  def test_must_all_be_there_once_and_in_order(self):
    parts = _of_23(_ROLLOUTS=5)
    found = [(part, i) for i, part in enumerate(parts)]
    self.assertEqual([*rollout_parts.in_order(found, parts)], [0, 1, 2, 3, 4])
    other = parts[3]._replace(rollouts=range(14, 20))
    for wrong in (
      found[:-1],
      found[1:],
      [*found, found[-1]],
      [*found[:2], found[1], *found[3:]],
      [found[1], found[0], *found[2:]],
      [*found[:3], (other, 3), found[4]],
    ):
      with self.assertRaises(ValueError):
        list(rollout_parts.in_order(wrong, parts))


if __name__ == '__main__':
  absltest.main()

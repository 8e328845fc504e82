"""Tests for analysis.results.picture."""

from unittest import mock

from absl.testing import absltest
import numpy as np

from analysis.common import figures
from analysis.results import picture
from analysis.results import reading

_OFFSETS = (-1, 0, 5, 10)


def _model(seed, gain):
  """A model that holds `gain` of x, and half of that in sorted slots."""
  by_offset = {
    str(k): dict(x_position=dict(untrained=[0.1 * seed, 0.3])) for k in _OFFSETS
  }
  return reading.EvaluatedNumbers(
    seed,
    {
      **{('held', 'memory', k, 'x_position'): gain for k in _OFFSETS},
      **{
        ('added', 'memory_by_writing', 'alone', k, 'x_position'): gain / 2
        for k in _OFFSETS
      },
      # Not at all offsets.
      ('held', 'read_words', 0, 'x_position'): 0.5,
    },
    {'compared': {'memory_in_best_order': by_offset}},
    {},
  )


class PictureTest(absltest.TestCase):
  def _panels(self, models):
    with mock.patch.object(figures, 'panels', wraps=figures.panels) as panels:
      self.assertIn(b'<svg', picture.draw(models))
    return {
      title: {row.name: row for row in rows}
      for title, rows in panels.call_args.args[0].items()
    }

  def test_means_and_intervals_over_models(self):
    panels = self._panels([_model(0, 0.4), _model(1, 0.6)])
    self.assertEqual(list(panels), ['t+1', 't-0', 't-5', 't-10'])
    for rows in panels.values():
      self.assertEqual(
        list(rows),
        ['memory', 'memory, by writing', 'untrained: memory, best order'],
      )
      memory, by_writing, untrained = rows.values()
      # Student's t of two models: 12.7062 times half of their difference.
      np.testing.assert_allclose(
        memory[1:4], [0.5, 0.5 - 1.27062, 0.5 + 1.27062], rtol=1e-5
      )
      self.assertAlmostEqual(by_writing.value, 0.25)
      np.testing.assert_allclose(untrained[1:4], [0.175, 0, 0.3])
      self.assertEqual((memory.kind, untrained.kind), ('memory', 'control'))

  def test_one_model_has_no_interval(self):
    memory = self._panels([_model(0, 0.4)])['t-5']['memory']
    self.assertEqual(memory[1:4], (0.4, 0.4, 0.4))

  def test_nothing_to_draw(self):
    self.assertIsNone(picture.draw([]))


if __name__ == '__main__':
  absltest.main()

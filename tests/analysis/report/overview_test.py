"""Tests of the small table below the answers, with known results."""

import dataclasses

from absl.testing import absltest

from analysis import probe
from analysis.report import overview
from tests.analysis.intervention import examples as intervention_examples
from tests.analysis.lesion import examples as lesion_examples
from tests.analysis.probe import examples as probe_examples
from tests.support import markdown_tables


def _found(**changes):
  return dict(
    probe=probe_examples.result({(0, 'x_position'): 0.25}, p_value=1e-6),
    lesion=lesion_examples.result({**lesion_examples.USED, **changes}),
    intervention=intervention_examples.result(),
  )


def _rows(found):
  """The table's rows, each by column."""
  (table,) = markdown_tables.rows(overview.markdown(found))
  header = table.pop('')
  table = {k: row for k, row in table.items() if k.strip('-')}
  return {k: dict(zip(header, row, strict=True)) for k, row in table.items()}


class OverviewTest(absltest.TestCase):
  def test_what_is_held_and_used(self):
    rows = _rows(_found())
    self.assertEqual(list(rows), ['memory', 'controller cell'])
    self.assertEqual(rows['memory']['current'], 'x 0.250, 1/5')
    self.assertEqual(rows['memory']['next'], '0/5')
    self.assertEqual(rows['memory']['more than untrained'], '1/1')
    # 6.57 of the 438 nats between the intact model and the mean image.
    self.assertEqual(rows['memory']['used'], '1.5%')
    self.assertEqual(rows['controller cell']['current'], '0/5')
    self.assertEqual(rows['controller cell']['used'], '-')
    self.assertEqual(rows['memory']['follows'], 'x 0.30')
    self.assertEqual(rows['controller cell']['follows'], '-')
    self.assertIn('another rollout', overview.markdown(_found()))

  def test_a_loss_of_next_to_nothing_has_no_sign(self):
    rows = _rows(_found(exchanged_memory=(-0.1, 0.0)))
    self.assertEqual(rows['memory']['used'], '0.0%')

  def test_nothing_lasts(self):
    found = _found()
    courses = {
      name: dataclasses.replace(course, lasting=None)
      for name, course in found['lesion'].courses.items()
    }
    found['lesion'] = dataclasses.replace(found['lesion'], courses=courses)
    self.assertEqual(_rows(found)['memory']['used'], '-')

  def test_for_a_terminal(self):
    found = _found()
    *lines, last = overview.lines(found)
    self.assertEqual(last, probe.verdict.augments(found['probe']))
    self.assertStartsWith(last, 'Could M_t or r_t augment h_t and c_t? ')
    self.assertEqual(lines[0].split(), ['memory'])
    column = lines[0].index('memory')
    cells = {line[:column].rstrip(): line[column:] for line in lines[1:]}
    self.assertEqual(cells['current'], 'x 0.250, 1/5')
    self.assertEqual(cells['used'], '1.5%')
    self.assertEqual(cells, _rows(_found())['memory'])

  def test_without_test_3(self):
    found = dict(probe=_found()['probe'])
    self.assertNotIn('used', _rows(found)['memory'])
    self.assertNotIn('Used', overview.markdown(found))

  def test_without_test_1(self):
    found = dict(lesion=_found()['lesion'])
    self.assertEqual(overview.markdown(found), '')
    self.assertEqual(overview.lines(found), [])


if __name__ == '__main__':
  absltest.main()

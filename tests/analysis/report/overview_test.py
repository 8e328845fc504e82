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
  """The rows of all tables, each by column."""
  rows = {}
  for table in markdown_tables.rows(overview.markdown(found)):
    header = table.pop('')
    for name, row in table.items():
      if name.strip('-'):
        rows.setdefault(name, {}).update(zip(header, row, strict=True))
  return rows


def _with_wide_memory(found):
  """The same, but Test 1 read the words and not the memory."""
  of_probe = found['probe']

  def renamed(by_name):
    return {{'memory': 'read_words'}.get(k, k): by_name[k] for k in by_name}

  changes = dict(
    widths=renamed(of_probe.widths),
    scores={k: renamed(v) for k, v in of_probe.scores.items()},
    beyond=renamed(of_probe.beyond),
    untrained=dataclasses.replace(
      of_probe.untrained, compared=renamed(of_probe.untrained.compared)
    ),
  )
  return {**found, 'probe': dataclasses.replace(of_probe, **changes)}


class OverviewTest(absltest.TestCase):
  def test_what_is_held_and_used(self):
    rows = _rows(_found())
    self.assertEqual(list(rows), ['memory', 'controller cell'])
    self.assertEqual(rows['memory']['current'], 'x 0.250, 1/5')
    self.assertEqual(rows['memory']['next'], '0/5')
    self.assertEqual(rows['memory']['more than untrained'], '1/1')
    # 8.76 of the 438 nats between the intact model and the mean image.
    self.assertEqual(rows['memory']['used'], '2.0% frozen')
    self.assertEqual(rows['controller cell']['current'], '0/5')
    self.assertNotIn('used', rows['controller cell'])
    self.assertEqual(rows['memory']['follows'], 'x 0.30')
    self.assertIn('another rollout', overview.markdown(_found()))

  def test_a_loss_of_next_to_nothing_has_no_sign(self):
    nothing = dict.fromkeys(('frozen_memory', 'exchanged_memory'), (-0.1, 0.0))
    self.assertEqual(_rows(_found(**nothing))['memory']['used'], '0.0% frozen')

  def test_the_lesion_that_costs_more_counts(self):
    rows = _rows(_found(exchanged_memory=(438.0 * 1.77, 1.0)))
    self.assertEqual(rows['memory']['used'], '177.0% exchanged')
    found = _found()
    courses = dict(found['lesion'].courses)
    courses['frozen_memory'] = dataclasses.replace(
      courses['frozen_memory'], lasting=None
    )
    found['lesion'] = dataclasses.replace(found['lesion'], courses=courses)
    # 6.57 of 438 nats.
    self.assertEqual(_rows(found)['memory']['used'], '1.5% exchanged')

  def test_a_memory_too_wide_to_probe_has_a_row(self):
    found = _with_wide_memory(_found())
    rows = _rows(found)
    self.assertEqual(list(rows), ['read words', 'memory', 'controller cell'])
    self.assertEqual(rows['memory'].pop('used'), '2.0% frozen')
    self.assertEqual(rows['memory'].pop('follows'), 'x 0.30')
    self.assertEqual({*rows['memory'].values()}, {'-'})
    note = 'memory of more than 1,024 numbers is probed only if'
    self.assertIn(note, overview.markdown(found))
    self.assertNotIn(note, overview.markdown(_found()))
    self.assertEqual(
      overview.lines(found)[0].split(), ['read', 'words', 'memory']
    )
    alone = _rows(dict(probe=found['probe']))
    self.assertEqual(alone['memory']['current'], '-')

  def test_no_table_is_wider_than_a_page(self):
    row = {
      **dict.fromkeys(('next', 'current'), 'orientation 0.840, 6/6'),
      'earlier': 'orientation 0.056 t-10, 12/12',
      **dict.fromkeys(
        ('beyond inputs', 'beyond controller'), 'orientation +0.116 t-10, 12/24'
      ),
      'more than untrained': 'untrained itself',
      'used': '302.7% exchanged',
      'follows': 'scale -0.41',
    }
    rows = dict.fromkeys(
      ('read_words', 'memory', 'controller_hidden', 'memory_by_reading'), row
    )
    tables = [
      x for x in overview.split(rows, '').splitlines() if x.startswith('|')
    ]
    self.assertLen(tables, 2 * 6 + 4)
    self.assertLessEqual(max(map(len, tables)), 110)

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
    self.assertEqual(cells['used'], '2.0% frozen')
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

"""Tests of the small table of several models, with known results."""

import dataclasses

from absl.testing import absltest

from analysis import pooling
from analysis.pooling import models
from analysis.pooling import overview
from analysis.probe import learned
from dnc.dsprites import latents
from tests.analysis.pooling import examples


def _pooled(number=3):
  return pooling.pool([examples.run(k) for k in range(number)])


class OverviewTest(absltest.TestCase):
  def test_means_and_how_many_intervals_are_above_nothing(self):
    found = overview.rows(_pooled())['memory']
    # 0.2, 0.3 and 0.4 have the half-width 0.1 * 4.302653 / sqrt(3).
    self.assertEqual(found['current'], 'scale 0.300 [0.052, 0.548], 1/5')
    # What is added is 0, 0.01 and 0.02 everywhere: not clearly above 0.01.
    self.assertRegex(
      found['beyond controller'], r'.* \+0.010 \[-0.015, \+0.035\] t.*, 0/15'
    )
    self.assertEqual(found['follows'], 'x 0.30')

  def test_what_is_clearly_added_is_counted(self):
    result = _pooled()
    added = result.beyond['memory']['controller']
    added[5]['scale'] = models.OverModels((), 0.3, (0.02, 0.58))
    self.assertEqual(
      overview.rows(result)['memory']['beyond controller'],
      'scale +0.300 [+0.020, +0.580] t-5, 1/15',
    )

  def test_more_than_untrained_cores(self):
    result = _pooled()
    rows = overview.rows(result)
    self.assertEqual(rows['memory']['more than untrained'], '0/5')
    self.assertEqual(rows['controller_cell']['used'], '-')
    compared = learned.Compared((0.3, 0.4), (0.0, 0.01, 0.0), 0.001)
    result.untrained.compared['memory'][0]['scale'] = compared
    self.assertEqual(
      overview.rows(result)['memory']['more than untrained'], '1/5'
    )
    frozen = dataclasses.replace(result.untrained, is_frozen=True)
    result = dataclasses.replace(result, untrained=frozen)
    self.assertEqual(
      overview.rows(result)['memory']['more than untrained'], 'untrained itself'
    )

  def test_the_lesion_of_the_memory(self):
    result = _pooled()
    lasting = {'lasting': models.OverModels((0.1, 0.3), 0.2, (0.0, 0.4))}
    lost = {**result.lost, 'exchanged_memory': lasting}
    found = overview.rows(dataclasses.replace(result, lost=lost))
    self.assertEqual(found['memory']['used'], '20.0%')

  def test_sorted_slots_have_what_they_hold_alone(self):
    result = _pooled()
    alone = {
      0: dict.fromkeys(latents.NAMES, models.OverModels((), 0.6, (0.5, 0.7)))
    }
    beyond = {**result.beyond, 'memory_by_reading': {'alone': alone}}
    found = overview.rows(dataclasses.replace(result, beyond=beyond))
    self.assertEqual(
      found['memory_by_reading']['current'], 'shape 0.600 [0.500, 0.700], 5/5'
    )
    self.assertEqual(found['memory_by_reading']['beyond inputs'], '-')

  def test_one_model_has_no_interval(self):
    self.assertEqual(
      overview.rows(_pooled(1))['memory']['current'], 'scale 0.200'
    )

  def test_for_a_terminal(self):
    result = _pooled()
    first, *lines = overview.lines(result)
    self.assertEqual(first.split(), ['memory'])
    column = first.index('memory')
    self.assertEqual(
      {line[:column].rstrip(): line[column:] for line in lines},
      overview.rows(result)['memory'],
    )

  def test_without_test_1(self):
    lesion = [{'lesion': examples.run(k)['lesion']} for k in range(2)]
    result = pooling.pool(lesion)
    self.assertEqual(overview.markdown(result), '')
    self.assertEqual(overview.lines(result), [])


if __name__ == '__main__':
  absltest.main()

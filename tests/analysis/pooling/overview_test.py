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
    self.assertEqual(found['current'], 'scale 0.300 ±0.248, 1/5')
    # What is added is 0, 0.01 and 0.02 everywhere: not clearly above 0.01.
    self.assertRegex(found['beyond controller'], r'.* \+0.010 ±0.025 t.*, 0/15')
    self.assertEqual(found['follows'], 'x 0.30 ±0.00')

  def test_what_is_clearly_added_is_counted(self):
    result = _pooled()
    added = result.beyond['memory']['controller']
    added[5]['scale'] = models.OverModels((), 0.3, (0.02, 0.58))
    self.assertEqual(
      overview.rows(result)['memory']['beyond controller'],
      'scale +0.300 ±0.280 t-5, 1/15',
    )

  def test_more_than_untrained_cores(self):
    result = _pooled()
    rows = overview.rows(result)
    # Of the 15 labels, the models hold scale alone.
    self.assertEqual(rows['memory']['more than untrained'], '1/1')
    self.assertEqual(rows['controller_cell']['used'], '-')
    compared = learned.Compared((0.3, 0.4), (0.0, 0.5, 0.9), 0.2)
    result.untrained.compared['memory'][0]['scale'] = compared
    self.assertEqual(
      overview.rows(result)['memory']['more than untrained'], '0/1'
    )
    frozen = dataclasses.replace(result.untrained, is_frozen=True)
    result = dataclasses.replace(result, untrained=frozen)
    self.assertEqual(
      overview.rows(result)['memory']['more than untrained'], 'untrained itself'
    )

  def test_the_lesion_that_costs_more(self):
    result = _pooled()
    lost = dict(result.lost)
    for name, mean in dict(exchanged_memory=0.2, frozen_memory=1.8).items():
      lasting = models.OverModels((), mean, (mean - 0.1, mean + 0.1))
      lost[name] = {'lasting': lasting}
      found = overview.rows(dataclasses.replace(result, lost=lost))
      used = f'{mean:.1%} ±10.0% {name.removesuffix("_memory")}'
      self.assertEqual(found['memory']['used'], used)

  def test_a_memory_that_was_not_probed(self):
    result = _pooled()
    gains = {'controller_cell': result.gains['controller_cell']}
    found = overview.rows(dataclasses.replace(result, gains=gains, beyond={}))
    self.assertEqual(found['memory']['current'], '-')
    self.assertEqual(found['memory']['follows'], 'x 0.30 ±0.00')

  def test_all_labels_count_for_every_representation(self):
    result = _pooled()
    angle = models.OverModels((), 0.6, (0.5, 0.7))
    alone = {
      0: {**dict.fromkeys(latents.NAMES, angle), 'orientation_angle': angle}
    }
    beyond = {'memory': {'alone': alone}, 'memory_by_reading': {'alone': alone}}
    found = overview.rows(dataclasses.replace(result, beyond=beyond))
    # Its own gains, of which scale alone is above 0, and the angle.
    self.assertEqual(found['memory']['current'], 'angle 0.600 ±0.100, 2/6')
    self.assertEndsWith(found['memory_by_reading']['current'], ', 6/6')

  def test_no_table_is_wider_than_a_page(self):
    result = _pooled()
    x = models.OverModels((), 0.84, (0.82, 0.86))
    by_offset = {
      offset: dict.fromkeys(('x_position', 'y_position'), x)
      for offset in (-1, 0, 5, 10)
    }
    names = ('read_words', 'memory', 'controller_hidden', 'memory_by_reading')
    result = dataclasses.replace(
      result,
      gains=dict.fromkeys(names, by_offset),
      beyond=dict.fromkeys(
        names, dict.fromkeys(('alone', 'inputs', 'controller'), by_offset)
      ),
      lost={
        name: {'lasting': models.OverModels((), 3.05, (2.9, 3.2))}
        for name in ('read_words_other', 'frozen_memory')
      },
    )
    text = overview.markdown(result).splitlines()
    widths = [len(line) for line in text if line.startswith('|')]
    self.assertLen(widths, 2 * 6 + 4)
    self.assertLessEqual(max(widths), 110)

  def test_sorted_slots_have_what_they_hold_alone(self):
    result = _pooled()
    alone = {
      0: dict.fromkeys(latents.NAMES, models.OverModels((), 0.6, (0.5, 0.7)))
    }
    beyond = {**result.beyond, 'memory_by_reading': {'alone': alone}}
    found = overview.rows(dataclasses.replace(result, beyond=beyond))
    self.assertEqual(
      found['memory_by_reading']['current'], 'shape 0.600 ±0.100, 5/5'
    )
    self.assertEqual(found['memory_by_reading']['beyond controller'], '-')
    # Nothing was asked of this set.
    self.assertNotIn('beyond inputs', found['memory'])

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

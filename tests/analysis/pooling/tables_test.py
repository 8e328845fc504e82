"""Tests for analysis.pooling.tables."""

import dataclasses
import json
import os

import tensorflow as tf

from analysis import pooling
from analysis.pooling import models
from analysis.pooling import tables
from dnc import lesions
from tests.analysis.pooling import examples
from tests.support import browser as browser_lib
from tests.support import markdown_tables

_ANSWERS = [['Test 1? Yes: a.', 'Test 2? No: b.'], ['Test 1? Yes: a.', 'c.']]
_ABOUT = dict(command='python evaluate.py', model_dirs=['runs/a', 'runs/b'])


class TablesTest(tf.test.TestCase):
  def test_all_tests_stand_in_one_report(self):
    result = pooling.pool([examples.run(number) for number in range(3)])
    text = tables.text(result, _ANSWERS, _ABOUT)
    self.assertStartsWith(text, '# What do 3 networks keep in their memory?')
    held, added, used, prediction, *probe, untrained, nats, lost, slopes = (
      markdown_tables.rows(text)
    )
    self.assertIn('current', held[''])
    self.assertIn('more than untrained', added[''])
    self.assertEqual(used[''], ['used', 'follows'])
    self.assertEqual(prediction['loss'], ['101 [98.52, 103.5]'])
    # Gains, and what is added, at three offsets.
    self.assertLen(probe, 6)
    self.assertEqual(
      probe[4]['memory, beyond controller'][1], '+0.010 [-0.015, +0.035]'
    )
    self.assertEqual(probe[0]['memory'][1], '+0.300 [+0.052, +0.548]')
    self.assertEqual(untrained['memory, t-0'][1], '+0.400 [+0.152, +0.648]')
    self.assertEqual(nats['memory'][0], '0.500 [0.252, 0.748]')
    self.assertEqual(nats[''], ['lag 0', 'lag 5', 'random x'])
    self.assertEqual(lost[''], ['all steps', 'jolt', 'lasting'])
    row = lost[result.lesions[lesions.NAMES[0]]]
    self.assertStartsWith(row[2], '10.0% [')
    self.assertStartsWith(slopes['read words: x'][0], '0.60 [')
    self.assertLen(slopes['memory: x'], 3)
    self.assertIn('- `runs/b`', text)

  def test_sorted_memories_and_the_angle_stand_with_the_gains(self):
    result = pooling.pool([examples.run(number) for number in range(3)])
    angle = {'orientation_angle': models.OverModels((), 0.6, (0.5, 0.7))}
    alone = {'alone': dict.fromkeys((0, 5, -1), angle)}
    result = dataclasses.replace(
      result, beyond=dict.fromkeys(('memory', 'memory_by_reading'), alone)
    )
    text = tables.text(result, _ANSWERS, _ABOUT)
    found = next(x for x in markdown_tables.rows(text) if 'angle' in x[''])
    column = found[''].index('angle')
    for name in ('memory', 'memory, by reading'):
      self.assertEqual(found[name][column], '+0.600 [+0.500, +0.700]')
    self.assertEqual(found['controller cell'][column], '-')

  def test_a_laptop_shows_all_tables_whole(self):
    folder = self.get_temp_dir()
    result = pooling.pool([examples.run(number) for number in range(3)])
    angle = {'orientation_angle': models.OverModels((), 0.6, (0.5, 0.7))}
    alone = {'alone': dict.fromkeys((0, 5, -1), angle)}
    result = dataclasses.replace(
      result, beyond={**result.beyond, 'memory_by_reading': alone}
    )
    pooling.write(folder, result, _ANSWERS, _ABOUT)
    with browser_lib.browser(1280, 800) as browser:
      browser.get(f'file://{folder}/report.html')
      self.assertEqual(browser_lib.cut_tables(browser), [])

  def test_equal_answers_are_counted(self):
    text = tables.text(pooling.pool([examples.run(0)]), _ANSWERS, _ABOUT)
    for line in (
      '- 2 of 2: Test 1? Yes: a.',
      '- 1 of 2: Test 2? No: b.',
      '- 1 of 2: c.',
    ):
      self.assertIn(line, text)

  def test_of_one_model_there_is_no_interval(self):
    text = tables.text(pooling.pool([examples.run(0)]), _ANSWERS, _ABOUT)
    self.assertEqual(markdown_tables.rows(text)[3]['iou'], ['0.5'])

  def test_the_terminal_shows_answers_and_overview(self):
    result = pooling.pool([examples.run(number) for number in range(3)])
    lines = tables.lines(result, _ANSWERS)
    self.assertEqual(lines[0], '2 of 2: Test 1? Yes: a.')
    self.assertEqual(lines[3].split(), ['memory'])

  def test_files(self):
    result = pooling.pool(
      [{'lesion': examples.run(k)['lesion']} for k in (0, 1)]
    )
    folder = self.get_temp_dir()
    pooling.write(folder, result, _ANSWERS, _ABOUT)
    self.assertCountEqual(
      os.listdir(folder), ['report.html', 'report.json', 'report.md']
    )
    with open(os.path.join(folder, 'report.json'), encoding='utf-8') as file:
      read = json.load(file)
    self.assertEqual(read['about'], _ABOUT)
    self.assertLen(read['lost'][lesions.NAMES[0]]['lasting']['values'], 2)
    with open(os.path.join(folder, 'report.md'), encoding='utf-8') as file:
      self.assertNotIn('## Test 1', file.read())


if __name__ == '__main__':
  tf.test.main()

"""Tests of learning curves."""

import json
import os
import tempfile
from xml.etree import ElementTree

from absl.testing import absltest

from analysis.common import figures
from analysis.report import curves
from dnc.system import errors
from dnc.system import files


def _row(number, iou, loss, kind='report'):
  return dict(
    kind=kind,
    update=number,
    num_steps=1_000_000 * number,
    validation=dict(iou=iou, loss=loss),
  )


class CurvesTest(absltest.TestCase):
  def test_every_point_of_every_run(self):
    folder = self.enterContext(tempfile.TemporaryDirectory())
    runs = [os.path.join(folder, name) for name in ('a&b', 'other')]
    for scale, run in enumerate(runs, 1):
      rows = [_row(n, n * scale / 10, 500 / n) for n in (1, 2, 4)]
      rows.insert(1, _row(1, 0.9, 9, kind='validation'))
      # The loss was not finite.
      rows.append(_row(5, 0.1, None))
      text = ''.join(json.dumps(row) + '\n' for row in rows)
      files.write_text(os.path.join(run, 'metrics.jsonl'), text)
    panels = curves.read(runs)
    first, second = panels['intersection over union'].values()
    self.assertEqual(first, [(1, 0.1), (2, 0.2), (4, 0.4), (5, 0.1)])
    self.assertEqual(second[:3], [(1, 0.2), (2, 0.4), (4, 0.8)])
    for curve in panels['loss'].values():
      self.assertEqual(curve, [(1, 500), (2, 250), (4, 125)])
    drawn = figures.curves(panels, 'million steps')
    for axes, curve in zip(drawn.axes, panels.values(), strict=True):
      for line, points in zip(axes.lines, curve.values(), strict=True):
        self.assertSequenceEqual(
          line.get_xydata().tolist(), [*map(list, points)]
        )
    self.assertEqual(
      [text.get_text() for text in drawn.legends[0].get_texts()],
      ['a&b', 'other'],
    )
    ElementTree.fromstring(curves.draw(panels))

  def test_a_run_that_has_not_reported(self):
    with self.assertRaisesRegex(errors.UsageError, '/nowhere: no metrics'):
      curves.read(['/nowhere'])

  def test_a_damaged_row(self):
    folder = self.enterContext(tempfile.TemporaryDirectory())
    path = os.path.join(folder, 'metrics.jsonl')
    for change in (
      dict(validation=None),
      dict(num_steps=None),
      dict(validation=dict(iou='high', loss=1)),
    ):
      files.write_text(path, json.dumps(_row(1, 0.5, 1) | change) + '\n')
      with self.assertRaisesRegex(errors.UsageError, f'^{path} is damaged'):
        curves.read([folder])
    files.write_text(path, '[' * 100_000 + '\n')
    with self.assertRaisesRegex(errors.UsageError, 'line 1 is damaged'):
      curves.read([folder])

  def test_no_folders(self):
    with self.assertRaisesRegex(errors.UsageError, 'give the folders of one'):
      curves.main(['curves.py'])


if __name__ == '__main__':
  absltest.main()

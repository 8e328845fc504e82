"""Tests of learning curves."""

import json
import os
import tempfile
from xml.etree import ElementTree

from absl.testing import absltest
from absl.testing import parameterized

from analysis import curves
from dnc import errors
from dnc import files

_SVG = '{http://www.w3.org/2000/svg}'


def _row(number, iou, loss, kind='report'):
  return dict(
    kind=kind,
    update=number,
    num_steps=1_000_000 * number,
    validation=dict(iou=iou, loss=loss),
  )


class CurvesTest(parameterized.TestCase):
  @parameterized.parameters(
    (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
    (130, 590, [200, 300, 400, 500]),
    (0, 7.5, [0, 1, 2, 3, 4, 5, 6, 7]),
    (-0.02, 0.02, [-0.02, -0.01, 0, 0.01, 0.02]),
  )
  def test_ticks(self, low, high, expected):
    found = curves.ticks(low, high)
    self.assertSequenceAlmostEqual(found, expected)

  def test_draws_every_point_of_every_run(self):
    folder = self.enterContext(tempfile.TemporaryDirectory())
    runs = [os.path.join(folder, name) for name in ('a&b', 'other')]
    for scale, run in enumerate(runs, 1):
      rows = [_row(n, n * scale / 10, 500 / n) for n in (1, 2, 4)]
      rows.insert(1, _row(1, 0.9, 9, kind='validation'))
      # A loss that was not finite.
      rows.append(_row(5, 0.1, None))
      text = ''.join(json.dumps(row) + '\n' for row in rows)
      files.write_text(os.path.join(run, 'metrics.jsonl'), text)
    svg = ElementTree.fromstring(curves.of_runs(runs))
    lines = [
      [tuple(map(float, p.split(','))) for p in line.get('points').split()]
      for line in svg.iter(f'{_SVG}polyline')
    ]
    self.assertEqual([len(line) for line in lines], [4, 4, 3, 3])
    # Twice as high, and to the right in proportion to the steps.
    (x1, y1), (x2, y2), (x4, y4), _ = lines[0]
    self.assertAlmostEqual((x4 - x2) / (x2 - x1), 2, delta=0.01)
    self.assertAlmostEqual((y4 - y2) / (y2 - y1), 2, delta=0.01)
    self.assertLess(y4, y1)
    self.assertLess(lines[1][2][1], y4)
    words = [text.text for text in svg.iter(f'{_SVG}text')]
    self.assertContainsSubset(['a&b', 'other', 'Loss', 'million steps'], words)

  def test_a_run_that_has_not_reported(self):
    with self.assertRaisesRegex(errors.UsageError, '/nowhere: no metrics'):
      curves.of_runs(['/nowhere'])

  def test_too_many(self):
    panel = {str(n): [(0.0, 0.0)] for n in range(7)}
    with self.assertRaisesRegex(ValueError, '1 to 6 curves, got 7'):
      curves.draw({'title': panel})


if __name__ == '__main__':
  absltest.main()

"""Tests for analysis.mutual_information_tables."""

import json

import numpy as np
import tensorflow as tf

from analysis import mutual_information
from analysis import mutual_information_tables
from tests import testing_tables


def _mutual_information_result():
  return mutual_information.MutualInformationResult(
    estimator='binned',
    num_sequences=50,
    num_shuffles=99,
    num_bins=10,
    true=np.array([0.5, 0.0, 0.1, 0.2]),
    control=np.array([0.125, 0.0, 0.0, 0.0]),
    null=np.array([0.1, 0.0, 0.1, 0.2]),
    p_values=np.array([0.01, 1, 1, 0.3]),
    constant=np.array([False, True, False, False]),
  )


class MutualInformationReportTest(tf.test.TestCase):
  def test_table_stands_beside_the_post(self):
    text = mutual_information_tables.mutual_information_text(
      _mutual_information_result()
    )
    (table,) = testing_tables.rows(text)
    self.assertEqual(table['true x sequence'], ['0.5', '0.2', '1 of 4'])
    self.assertEqual(
      table['random x sequence (control)'], ['0.125', '0.0312', '3 of 4']
    )
    self.assertEqual(table['post: true x sequence'][0], '< 1e-08')
    self.assertIn('1 of 4 locations are significant', text)
    self.assertIn('25.0% never change', text)
    self.assertIn('binned, 10 bins', text)
    self.assertIn('50 sequences in which only x moves.', text)
    text = mutual_information_tables.mutual_information_text(
      _mutual_information_result(), (('shape', 2),)
    )
    self.assertIn('only x moves; fixed: shape:2.', text)

  def test_json_has_the_summary_and_every_location(self):
    result = _mutual_information_result()
    data = mutual_information_tables.mutual_information_data(
      result, {'seed': 0}
    )
    read = json.loads(json.dumps(data))
    self.assertEqual(read['true'], [0.5, 0.0, 0.1, 0.2])
    self.assertEqual(read['constant'], [False, True, False, False])
    self.assertEqual(read['summary'], result.summary())
    self.assertEqual(read['estimator'], 'binned')


if __name__ == '__main__':
  tf.test.main()

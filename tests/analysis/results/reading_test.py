"""Tests for analysis.results.reading."""

import dataclasses
import json
import os
import tempfile

from absl.testing import absltest

from analysis.results import kinds
from analysis.results import reading
from dnc import config as config_lib
from dnc.config import flags as flags_lib
from dnc.config import runs
from dnc.system import errors
from dnc.system import files
import evaluate
from tests.analysis.results import examples
from tests.support import commands
from tests.support import evaluated_run

_QUICK = config_lib.make_evaluation('quick')


def _load(path):
  with open(path, encoding='utf-8') as file:
    return json.load(file)


class ReadTest(absltest.TestCase):
  def test_what_evaluate_py_wrote(self):
    run = evaluated_run.get()
    flag_values = commands.parsed(evaluate, *evaluated_run.EVALUATION_FLAGS)
    evaluation = config_lib.make_evaluation(
      **flags_lib.read(config_lib.EvaluationConfig, flag_values)
    )
    training = runs.load(run.model_dir)
    found = reading.read(run.model_dir, training, evaluation)
    numbers = found.numbers
    data = {
      name: _load(os.path.join(run.folder, f'{name}.json'))
      for name in ('prediction', 'probe', 'mutual_information', 'lesion')
    }
    self.assertEqual(
      numbers['prediction', 'loss'], data['prediction']['means']['loss']
    )
    score = data['probe']['scores']['test']['memory']['-1']['x_position']
    self.assertEqual(
      numbers['held', 'memory', -1, 'x_position'],
      max(score['r2'], score['exact']['r2']),
    )
    self.assertIn(('held', 'controller_cell', 5, 'shape'), numbers)
    self.assertIn(('added', 'memory', 'controller', 0, 'y_position'), numbers)
    of_words = data['mutual_information']['results']['read_words']
    self.assertEqual(
      [numbers['nats', 'read_words', lag] for lag in of_words['lags']],
      of_words['summary']['max_excess_by_lag'],
    )
    lasting = data['lesion']['courses']['read_words_other']['lasting']
    self.assertEqual(
      numbers['lost', 'read_words_other', 'lasting'], lasting['share']
    )
    self.assertEqual(found.untrained['own_seeds'], [training.seed])
    self.assertIn('tensorflow', found.versions)

    # Another evaluation of it would have other numbers.
    other = dataclasses.replace(evaluation, seed=1)
    self.assertIsNone(reading.read(run.model_dir, training, other))

  def _read(self, name, change):
    """Reads an evaluation of Model B in which a file was changed."""
    kind, model_dir = (
      kinds.KINDS['model_b'],
      self.enterContext(tempfile.TemporaryDirectory()),
    )
    examples.write_training(model_dir)
    folder = os.path.join(model_dir, runs.EVALUATION_DIR)
    examples.write_evaluation(folder, kind, 0)
    path = os.path.join(folder, f'{name}.json')
    data = _load(path)
    change(data)
    files.write_json(path, data)
    return reading.read(model_dir, kind.training(0), _QUICK)

  def test_only_a_whole_evaluation_of_the_last_update_counts(self):
    self.assertIsNotNone(self._read('probe', lambda data: None))
    for name, change in (
      # Of an older version, or of another checkpoint.
      ('probe', lambda data: data.pop('beyond')),
      ('lesion', lambda data: data['config'].update(num_updates=10)),
      ('report', lambda data: data['about']['evaluation'].update(seed=1)),
    ):
      self.assertIsNone(self._read(name, change), msg=name)

  def test_damage_is_told(self):
    model_dir = self.enterContext(tempfile.TemporaryDirectory())
    examples.write_training(model_dir)
    kind = kinds.KINDS['model_b']
    folder = os.path.join(model_dir, runs.EVALUATION_DIR)
    for name in ('report', 'prediction', 'intervention'):
      for text in ('{', '[]', 'null', '[' * 100_000):
        examples.write_evaluation(folder, kind, 0)
        files.write_text(os.path.join(folder, f'{name}.json'), text)
        with self.assertRaisesRegex(
          errors.UsageError, f'^{folder} is damaged .*delete it'
        ):
          reading.read(model_dir, kind.training(0), _QUICK)
    path = os.path.join(model_dir, runs.METRICS_FILE)
    files.write_text(path, '{"kind": "report", "update": 1}\n')
    with self.assertRaisesRegex(errors.UsageError, f'^{path} is damaged'):
      reading.training_seconds(model_dir)

  def test_tests_that_tables_do_not_need_are_not_asked_for(self):
    def fewer(data):
      data['about']['evaluation']['tests'] = ['probe', 'mi', 'lesion']

    self.assertIsNotNone(self._read('report', fewer))

  def test_without_an_evaluation(self):
    model_dir = self.enterContext(tempfile.TemporaryDirectory())
    training = kinds.KINDS['lstm'].training(0)
    self.assertIsNone(reading.read(model_dir, training, _QUICK))

  def test_a_core_without_a_memory_has_no_test_3(self):
    kind, model_dir = (
      kinds.KINDS['lstm'],
      self.enterContext(tempfile.TemporaryDirectory()),
    )
    examples.write_training(model_dir)
    folder = os.path.join(model_dir, runs.EVALUATION_DIR)
    examples.write_evaluation(folder, kind, 1)
    numbers = reading.read(model_dir, kind.training(1), _QUICK).numbers
    self.assertNotIn('lost', {key[0] for key in numbers})
    self.assertEqual(numbers['prediction', 'loss'], 101.0)

  def test_seconds_of_a_training(self):
    model_dir = self.enterContext(tempfile.TemporaryDirectory())
    examples.write_training(model_dir)
    self.assertEqual(reading.training_seconds(model_dir), examples.SECONDS)


if __name__ == '__main__':
  absltest.main()

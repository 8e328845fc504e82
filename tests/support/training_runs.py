"""Configs of small runs, and comparisons of two runs."""

import dataclasses
import glob
import json
import os

import numpy as np
import tensorflow as tf

from dnc import config as config_lib
from dnc.config import runs
from dnc.next_sprite import model
from dnc.system import paths
from dnc.training import checkpoints
from dnc.training import tally as tally_lib
from tests.support import cores

# A model of a few units, trained for a few updates.
CONFIG = config_lib.TrainingConfig(
  memory_size=4,
  word_size=3,
  num_read_heads=2,
  hidden_size=8,
  num_epochs=2,
  rollouts_per_epoch=5,
  min_length=12,
  max_length=20,
  batch_size=2,
  tbptt_length=8,
  report_interval=7,
  checkpoint_interval=4,
)
# The same without a memory, whose graphs are traced several times faster.
LSTM = dataclasses.replace(
  CONFIG, core='lstm', memory_size=16, word_size=16, num_read_heads=4
)

# Depends on the clock.
_NOT_COMPARED = 'steps_per_second'


def make_restorable(
  config: config_lib.TrainingConfig, model_dir: str, name: str = '00000008'
) -> None:
  """Makes a run to evaluate without its training, whose graphs take seconds.

  Args:
    config: the run; its weights are random.
    model_dir: its folder.
    name: of its only checkpoint.
  """
  os.makedirs(model_dir)
  runs.save(config, model_dir)
  predictor, tally = model.SpritePredictor(config), tally_lib.Tally()
  cores.randomise(predictor, 0.3)
  tally.num_updates.assign(8)
  checkpoints.write(
    os.path.join(model_dir, runs.CHECKPOINT_DIR, name),
    tf.train.Checkpoint(
      run_name=tf.Variable(config.name()), predictor=predictor, tally=tally
    ),
  )


def _newest(model_dir: str) -> tuple[str, dict[str, np.ndarray]]:
  """The newest checkpoint's name and values."""
  parent = os.path.join(glob.escape(model_dir), runs.CHECKPOINT_DIR)
  folder = max(glob.glob(os.path.join(parent, '0*')))
  with paths.without_wildcards(folder) as plain:
    reader = tf.train.load_checkpoint(os.path.join(plain, 'trainer'))
    values = {
      name: reader.get_tensor(name)
      for name in reader.get_variable_to_shape_map()
      if name.startswith('trainer/')
    }
  return os.path.basename(folder), values


def _metrics(model_dir: str) -> list[dict]:
  rows = runs.read_metrics(model_dir)
  for row in rows:
    row.get('training', {}).pop(_NOT_COMPARED, None)
  return rows


def _left(model_dir: str) -> tuple[list[str], dict]:
  """The name of the best checkpoint, and the last scores."""
  names = os.listdir(os.path.join(model_dir, runs.CHECKPOINT_DIR))
  names = [name for name in names if name.startswith('best_')]
  with open(os.path.join(model_dir, runs.RESULT_FILE), encoding='utf-8') as f:
    return names, json.load(f)


def assert_same(test: tf.test.TestCase, one: str, other: str) -> None:
  """Asserts that two runs are equal bit for bit.

  Compares the weights, optimizer, carried state, sums and counts of the last
  checkpoint, all metrics except the speed, the name of the best checkpoint, and
  the result.

  Args:
    test: fails if the runs differ.
    one: folder of a run.
    other: folder of another.
  """
  (name, values), (other_name, other_values) = _newest(one), _newest(other)
  test.assertEqual(name, other_name)
  test.assertEqual(values.keys(), other_values.keys())
  test.assertGreater(len(values), 20)
  for key, value in values.items():
    np.testing.assert_array_equal(value, other_values[key], err_msg=key)
  test.assertEqual(_metrics(one), _metrics(other))
  test.assertEqual(_left(one), _left(other))


def assert_close(test: tf.test.TestCase, one: str, other: str) -> None:
  """Asserts that two runs have equal checkpoints and metrics up to rounding."""
  (name, values), (other_name, other_values) = _newest(one), _newest(other)
  test.assertEqual(name, other_name)
  test.assertEqual(values.keys(), other_values.keys())
  test.assertGreater(len(values), 20)
  for key, value in values.items():
    if np.asarray(value).dtype.kind == 'f':
      np.testing.assert_allclose(
        value, other_values[key], rtol=1e-4, atol=2e-5, err_msg=key
      )
    else:
      np.testing.assert_array_equal(value, other_values[key], err_msg=key)
  rows, other_rows = _metrics(one), _metrics(other)
  test.assertLen(other_rows, len(rows))
  for row, other_row in zip(rows, other_rows):
    test.assertEqual(row.pop('kind'), other_row.pop('kind'))
    test.assertAllClose(row, other_row, rtol=1e-4)

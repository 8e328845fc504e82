"""Runs as train.py and evaluate.py leave them, with planted numbers."""

import dataclasses
import json
import os

from analysis.common import tables
from dnc import config as config_lib
from dnc.config import runs
from dnc.system import files

# The last update, and how long the training took.
NUM_UPDATES = 20
SECONDS = 30.0
_REPORT = f"""\
# What does it keep?
### {tables.POST_TITLE}
About it.

| | x |
|---|---|
| post | 0.1 |

### What the probes read
| | y |
"""


def _write_rows(path, rows):
  files.write_text(path, ''.join(json.dumps(row) + '\n' for row in rows))


def write_training(model_dir):
  """Writes what a finished training leaves, for `running` and `reading`."""
  rows = [
    dict(
      kind='report',
      update=update,
      num_steps=100 * update,
      training=dict(steps_per_second=speed),
      validation=dict(loss=100.0, iou=0.5),
    )
    # Ten seconds, then twenty.
    for update, speed in ((10, 100.0), (NUM_UPDATES, 50.0))
  ]
  rows.append(dict(kind='validation', update=NUM_UPDATES, num_steps=2000))
  _write_rows(os.path.join(model_dir, runs.METRICS_FILE), rows)
  for name in (runs.RESULT_FILE, runs.CONFIG_FILE):
    files.write_json(os.path.join(model_dir, name), {})


def _score(gain):
  return dict(r2=gain, exact=dict(r2=gain - 0.1))


def _add_twin(found, asked, gain, has_parts):
  """Adds how much x a twin's memory holds of what is needed; less if shown."""

  def by_label(gain):
    return {
      'scores': {'memory': {asked: {'x_position': _score(gain)}}},
      'beyond': {
        'memory': {'controller': {asked: {'x_position': dict(difference=0.3)}}}
      },
    }

  own = by_label(gain)
  if has_parts:
    found['parts'] = dict(hidden=own, shown=by_label(0.0))
  else:
    found['scores']['test'] |= own['scores']
    found['beyond'] |= own['beyond']


def evaluation_of(kind, seed):
  """The JSON of an evaluation, by file; the numbers grow with the seed."""
  training = kind.training(seed)
  evaluation = kind.evaluation().for_run(training)
  config = dict(
    num_updates=NUM_UPDATES, evaluation=dataclasses.asdict(evaluation)
  )
  gain = 0.1 + 0.2 * seed
  positions = ('x_position', 'y_position')
  offsets = (-1, 0, 5, 10)
  added = {
    offset: {label: dict(difference=0.01 * gain) for label in positions}
    for offset in offsets
  }
  compared = dict(
    trained=[gain], untrained=[0.01, 0.02, 0.03, 0.02], p_value=None
  )
  found = {
    'report': dict(about={**config, 'versions': {'numpy': '2.4.6'}}),
    'prediction': dict(means=dict(loss=100.0 + seed, iou=0.5)),
    'probe': dict(
      scores=dict(
        test={
          'controller_hidden': {
            offset: {label: _score(gain) for label in positions}
            for offset in offsets
          }
        }
      ),
      beyond={
        'read_words': {
          'controller': added,
          'alone': {
            offset: {'scale': dict(difference=gain)} for offset in offsets
          },
        }
      },
      untrained=dict(
        own_seeds=[seed],
        seeds=[seed, seed + 1, seed + 2, seed + 3],
        num_rollouts=dict(train=50, test=20),
        is_frozen=training.freeze_core,
        compared={'controller_hidden': {'0': {'x_position': compared}}},
      ),
    ),
    'mutual_information': dict(
      results={
        'controller_hidden': dict(
          lags=offsets, summary=dict(max_excess_by_lag=[0.1, gain, 0.0, 0.0])
        )
      }
    ),
  }
  if kind.asked is not None:
    _add_twin(found['probe'], kind.asked, gain, training.show_every > 1)
  if training.expose:
    found['probe']['scores']['test'][training.expose] = {
      0: {'x_position': _score(gain + 0.1)}
    }
    found['probe']['beyond'][training.expose] = {
      'controller': {0: {'x_position': dict(difference=0.05)}}
    }
  if training.core == config_lib.DNC:
    course = dict(jolt=dict(share=0.5), lasting=dict(share=0.04))
    frozen = dict(jolt=None, lasting=None)
    found['lesion'] = dict(
      courses=dict(exchanged_memory=course, frozen_memory=frozen)
    )
    of_x = dict(probe=dict(slope=gain), random=dict(slope=0.01))
    effects = dict(memory=dict(x_position=of_x))
    effects['memory_by_reading'] = effects['memory']
    asked = -1 if training.recall is None else training.recall
    found['intervention'] = dict(
      offsets=[asked], effects={asked: {**effects, 'read_words': {}}}
    )
  for name, data in found.items():
    if name != 'report':
      data['config'] = config
  return found


def write_evaluation(folder, kind, seed):
  """Writes the JSON of an evaluation to a folder."""
  for name, data in evaluation_of(kind, seed).items():
    files.write_json(os.path.join(folder, f'{name}.json'), data)
  for name, text in dict(html='<!doctype html>', md=_REPORT).items():
    files.write_text(os.path.join(folder, f'report.{name}'), text)


def write_run(kind, seed):
  """Writes a trained and evaluated run where its kind has it."""
  model_dir = kind.model_dir(seed)
  write_training(model_dir)
  write_evaluation(os.path.join(model_dir, runs.EVALUATION_DIR), kind, seed)

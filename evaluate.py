"""Tests what a trained DNC keeps in its memory.

  python evaluate.py                    # all tests on the latest run
  python evaluate.py --test=mi          # Test 2 only
  python evaluate.py --preset=quick     # minutes, not hours

Leaves traces and reports in the run's folder, under evaluation/.
"""

from collections.abc import Sequence
import dataclasses
import os
import shlex
import sys

from absl import flags

from dnc import config as config_lib
from dnc.config import runs
from dnc.dsprites import latents
from dnc.dsprites import variation
from dnc.system import command_line
from dnc.system import errors

FLAGS = flags.FLAGS

_TEST = flags.DEFINE_enum(
  'test',
  'all',
  [*config_lib.TESTS, 'all'],
  'probe: Test 1, a linear probe; mi: Test 2, mutual information; lesion: Test '
  '3, lesions of the memory, also of runs of repeat_copy; all: all of them.',
)
_PRESET = flags.DEFINE_enum(
  'preset',
  'post',
  list(config_lib.EVALUATION_PRESETS),
  "post: Test 1 on the post's 10,000 rollouts; quick: on 500. Other flags "
  'override it.',
)
_MODEL_DIR = flags.DEFINE_string(
  'model_dir', None, "The run's folder; by default the latest under runs/."
)
_CHECKPOINT = flags.DEFINE_enum(
  'checkpoint',
  config_lib.CHECKPOINTS[0],
  config_lib.CHECKPOINTS,
  'Which checkpoint of the run: the newest, or the best by validation.',
)
_DATA_DIR = flags.DEFINE_string(
  'data_dir',
  None,
  "Where the table of all sprites (377 MB) is kept; TFDS's folder by default.",
)
flags.DEFINE_string(
  'dataset',
  None,
  'As for train.py; by default what the model was trained on. Name a file that '
  'has moved since.',
)
_EXPORT = flags.DEFINE_list(
  'export',
  None,
  "What to write of each step of Test 1's rollouts, beside the latents, of "
  + ', '.join(config_lib.EXPORTS)
  + '. By default all, but the memory only up to '
  f'{config_lib.EvaluationConfig.MAX_MEMORY} numbers or where '
  '--representations names it. Of other rollouts is written what their test '
  'needs.',
)
_REPRESENTATIONS = flags.DEFINE_list(
  'representations',
  None,
  'What Test 1 probes, of ' + ', '.join(config_lib.REPRESENTATIONS) + '. By '
  'default those that --export has written.',
)
flags.DEFINE_enum(
  'estimator',
  None,
  list(config_lib.ESTIMATORS),
  'How Test 2 estimates mutual information; nearest_neighbours is slower by '
  'far.',
)
_LAGS = flags.DEFINE_list(
  'lags',
  None,
  'Test 2 compares contents with the x of so many steps before; 0,1,5,10 by '
  'default.',
)
_LOCATIONS = flags.DEFINE_list(
  'locations',
  None,
  'Test 2 scores only these numbers of the memory, counted from 0, slot by '
  'slot, e.g. 0,5,17; by default all, and all of the other representations.',
)
flags.DEFINE_integer(
  'num_rollouts',
  None,
  'Rollouts that the probe is trained on; a tenth as many more score it.',
)
_OFFSETS = flags.DEFINE_list(
  'offsets',
  None,
  'How many steps before the current one the sprites are whose latents Test 1 '
  'predicts: 0,5,10 by default; -1 is the next one, which the model predicts.',
)
flags.DEFINE_integer(
  'num_seeds',
  None,
  'Keras probes of each representation in Test 1, which see the steps in other '
  'orders; 3 by default.',
)
flags.DEFINE_integer(
  'num_isolated',
  None,
  'Rollouts that Test 1 is trained on for each latent that varies alone, by '
  'default a tenth of --num_rollouts; 0 for none.',
)
flags.DEFINE_integer('num_sequences', None, 'Sequences for Test 2.')
flags.DEFINE_integer(
  'num_lesioned', None, 'Rollouts, or sequences of repeat_copy, for Test 3.'
)
flags.DEFINE_integer(
  'lesion_step',
  None,
  'The step from which on Test 3 freezes the memory, numbered from 0; half of '
  'a rollout by default, or 1, before the pattern, of repeat_copy.',
)
flags.DEFINE_integer(
  'reset_interval',
  None,
  "Steps after which Test 3 resets the memory, or exchanges it for another's, "
  'again and again; 10 by default, or 2 of repeat_copy.',
)
flags.DEFINE_integer(
  'rollout_length',
  None,
  'Steps of a rollout for Test 1; sequences for Test 2 have from this many to '
  'twice as many.',
)
flags.DEFINE_list(
  'varying',
  None,
  "Latents that are drawn anew for every sprite of Test 1's rollouts, of "
  + ', '.join(latents.NAMES)
  + '; by default as in training or, with --fixed, all that are not. Test 2 '
  'always moves x_position alone.',
)
_FIXED = flags.DEFINE_list(
  'fixed',
  None,
  'Latents that keep one class in both tests (in Test 2 not x_position), and '
  'which (numbered from 0), e.g. shape:2,scale:5; by default as in training '
  'or, with --varying, none.',
)
flags.DEFINE_integer('seed', None, 'Of the rollouts, controls and shifts.')


def _whole_numbers(flag: flags.FlagHolder) -> tuple[int, ...] | None:
  if flag.value is None:
    return None
  try:
    return tuple(int(text) for text in flag.value)
  except ValueError as error:
    raise errors.UsageError(
      f'--{flag.name}={",".join(flag.value)}: must be whole numbers, as in '
      f'--{flag.name}=0,5'
    ) from error


# What the test of a run of repeat_copy has no use for.
_ONLY_DSPRITES = (
  'dataset',
  'export',
  'representations',
  'estimator',
  'lags',
  'locations',
  'offsets',
  'num_seeds',
  'num_isolated',
  'num_rollouts',
  'num_sequences',
  'rollout_length',
  'varying',
  'fixed',
)


def _config() -> config_lib.EvaluationConfig:
  fields = {f.name for f in dataclasses.fields(config_lib.EvaluationConfig)}
  given = {name: FLAGS[name].value for name in fields - {'tests'}}
  for flag in (_EXPORT, _REPRESENTATIONS):
    if flag.value is not None:
      given[flag.name] = tuple(flag.value)
  given['offsets'] = _whole_numbers(_OFFSETS)
  given['lags'] = _whole_numbers(_LAGS)
  given['locations'] = _whole_numbers(_LOCATIONS)
  if _FIXED.value is not None:
    given['fixed'] = variation.parse_fixed(_FIXED.value)
  tests = config_lib.TESTS if _TEST.value == 'all' else (_TEST.value,)
  return config_lib.make_evaluation(_PRESET.value, tests=tests, **given)


def _check_for_repeat_copy() -> None:
  for name in _ONLY_DSPRITES:
    if FLAGS[name].present:
      raise errors.UsageError(
        f'--{name}: not a flag for a run of --task={config_lib.REPEAT_COPY}'
      )


def main(argv: Sequence[str]) -> None:
  """Evaluates."""
  config = _config()
  model_dir = _MODEL_DIR.value or runs.latest()
  if runs.load(model_dir, task=None).TASK == config_lib.REPEAT_COPY:
    _check_for_repeat_copy()
  # TensorFlow takes seconds to load, and a mistake should not wait for it.
  command_line.load_tensorflow()
  from analysis import experiment

  experiment.evaluate(
    model_dir,
    config,
    _DATA_DIR.value,
    checkpoint=_CHECKPOINT.value,
    command=shlex.join(['python', os.path.basename(argv[0]), *sys.argv[1:]]),
  )


if __name__ == '__main__':
  command_line.run(main)

"""Tests what a trained DNC keeps in its memory.

  python evaluate.py                    # both tests on the latest run
  python evaluate.py --test=mi          # Test 2 only
  python evaluate.py --preset=quick     # minutes, not hours

Leaves traces and reports in the run's folder, under evaluation/.
"""

from collections.abc import Sequence
import dataclasses

from absl import flags

from dnc import command_line
from dnc import config as config_lib
from dnc import runs
from dnc.dsprites import latents
from dnc.dsprites import variation

FLAGS = flags.FLAGS

_TEST = flags.DEFINE_enum(
  'test',
  'all',
  [*config_lib.TESTS, 'all'],
  'probe: Test 1, a linear probe; mi: Test 2, mutual information; all: both.',
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
_REPRESENTATIONS = flags.DEFINE_list(
  'representations',
  None,
  'What Test 1 probes, of ' + ', '.join(config_lib.REPRESENTATIONS) + '. By '
  'default all, but the memory only up to '
  f'{config_lib.EvaluationConfig.MAX_MEMORY} numbers.',
)
flags.DEFINE_enum(
  'estimator',
  None,
  list(config_lib.ESTIMATORS),
  'How Test 2 estimates mutual information; nearest_neighbours is slower by '
  'far.',
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
flags.DEFINE_integer('seed', None, 'Of the rollouts, controls and shuffles.')


def _config() -> config_lib.EvaluationConfig:
  fields = {f.name for f in dataclasses.fields(config_lib.EvaluationConfig)}
  given = {name: FLAGS[name].value for name in fields - {'tests'}}
  if _REPRESENTATIONS.value is not None:
    given['representations'] = tuple(_REPRESENTATIONS.value)
  if _OFFSETS.value is not None:
    given['offsets'] = config_lib.parse_offsets(_OFFSETS.value)
  if _FIXED.value is not None:
    given['fixed'] = variation.parse_fixed(_FIXED.value)
  tests = config_lib.TESTS if _TEST.value == 'all' else (_TEST.value,)
  return config_lib.make_evaluation(_PRESET.value, tests=tests, **given)


def main(argv: Sequence[str]) -> None:
  """Evaluates."""
  del argv
  config = _config()
  model_dir = _MODEL_DIR.value or runs.latest()
  runs.load(model_dir)
  # TensorFlow takes seconds to load, and a mistake should not wait for it.
  command_line.load_tensorflow()
  from analysis import experiment

  experiment.evaluate(
    model_dir, config, _DATA_DIR.value, checkpoint=_CHECKPOINT.value
  )


if __name__ == '__main__':
  command_line.run(main)

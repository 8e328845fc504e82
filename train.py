"""Trains a DNC: on the next sprite of dSprites rollouts, or on repeat-copy.

  python train.py --memory_size=16 --word_size=16     # the post's Model B
  python train.py --memory_size=256 --word_size=64    # the post's Model A
  python train.py --preset=quick                      # minutes, not hours
  python train.py --preset=quick --core=lstm          # a control: no memory
  python train.py --task=repeat_copy                  # DeepMind's task

The same command again resumes the run.
"""

from collections.abc import Sequence
import dataclasses
import os

from absl import flags

from dnc import config as config_lib
from dnc.config import runs
from dnc.dsprites import latents
from dnc.dsprites import variation
from dnc.system import command_line
from dnc.system import errors
from dnc.system import progress

FLAGS = flags.FLAGS

_TASK = flags.DEFINE_enum(
  'task',
  config_lib.DSPRITES,
  [config_lib.DSPRITES, config_lib.REPEAT_COPY],
  'dsprites: predict the next sprite; repeat_copy: say a pattern again and '
  'again, as in the train.py of google-deepmind/dnc.',
)
_PRESET = flags.DEFINE_enum(
  'preset',
  'post',
  list(config_lib.PRESETS),
  "post: the post's schedule, 5 epochs of 10,000 rollouts; quick: 1,600 "
  'rollouts, minutes. Other flags override it.',
)
_MODEL_DIR = flags.DEFINE_string(
  'model_dir',
  None,
  "The run's folder; by default one under runs/ named after the settings.",
)
_DATA_DIR = flags.DEFINE_string(
  'data_dir',
  None,
  "Where the table of all sprites (377 MB) is kept; TFDS's folder by default.",
)
flags.DEFINE_enum(
  'core',
  None,
  config_lib.CORES,
  'What predicts: dnc, or lstm, the same controller without a memory.',
)
flags.DEFINE_boolean(
  'freeze_core',
  None,
  'Leave the core as it was made; only the output layer learns.',
)
flags.DEFINE_integer('memory_size', None, 'Slots of the memory.')
flags.DEFINE_integer('word_size', None, 'Width of a slot.')
flags.DEFINE_integer('num_read_heads', None, 'Read heads.')
flags.DEFINE_integer('num_write_heads', None, 'Write heads.')
flags.DEFINE_integer('hidden_size', None, 'Size of the LSTM controller.')
flags.DEFINE_float(
  'clip_value',
  None,
  "Bound on the controller's output and state and on the logits; 0: none.",
)
flags.DEFINE_string(
  'dataset',
  None,
  'dsprites_rendered: rendered here, nothing to download; dsprites: the '
  "original, through TFDS's builder; or the path of the original, .npz or "
  '.hdf5.',
)
flags.DEFINE_list(
  'varying',
  None,
  'Latents that are drawn anew for every sprite, of '
  + ', '.join(latents.NAMES)
  + '; the others are drawn once for each rollout. By default all that are not '
  '--fixed.',
)
_FIXED = flags.DEFINE_list(
  'fixed',
  None,
  'Latents that keep one class in all rollouts, and which (numbered from 0), '
  'e.g. shape:2,scale:5. By default none.',
)
flags.DEFINE_integer('num_epochs', None, 'Epochs, each of new rollouts.')
flags.DEFINE_integer('rollouts_per_epoch', None, 'Rollouts in an epoch.')
flags.DEFINE_integer(
  'min_length', None, "Fewest steps of a rollout, or of repeat-copy's pattern."
)
flags.DEFINE_integer(
  'max_length', None, "Most steps of a rollout, or of repeat-copy's pattern."
)
flags.DEFINE_integer(
  'batch_size', None, 'Rollouts or sequences trained on together.'
)
flags.DEFINE_integer('num_bits', None, "Bits of a step of repeat-copy's.")
flags.DEFINE_integer('min_repeats', None, "Fewest copies of repeat-copy's.")
flags.DEFINE_integer('max_repeats', None, "Most copies of repeat-copy's.")
flags.DEFINE_integer(
  'num_training_iterations', None, "Updates of repeat-copy's training."
)
flags.DEFINE_integer(
  'tbptt_length',
  None,
  'Steps of truncated back-propagation; the state is carried over. 0: whole '
  'rollouts.',
)
flags.DEFINE_enum(
  'loss',
  None,
  config_lib.LOSSES,
  "What is minimised, summed over an image's pixels.",
)
flags.DEFINE_enum('optimizer', None, config_lib.OPTIMIZERS, "Sonnet's.")
flags.DEFINE_float('learning_rate', None, 'At the beginning.')
flags.DEFINE_float(
  'final_learning_rate', None, 'At the end; it falls linearly.'
)
flags.DEFINE_float('max_grad_norm', None, "Bound on the gradient's norm.")
flags.DEFINE_integer('seed', None, 'Of the weights and the data.')
_STRATEGY = flags.DEFINE_enum(
  'strategy',
  config_lib.DEFAULT,
  config_lib.STRATEGIES,
  'default: one device; mirrored: all devices of this machine; multi_worker: '
  'the workers that the environment variable TF_CONFIG names, each running '
  'this command. The batch is divided; the numbers are the same but for '
  'rounding.',
)
flags.DEFINE_integer('report_interval', None, 'Updates between reports.')
flags.DEFINE_integer(
  'checkpoint_interval', None, 'Updates between checkpoints.'
)


# What only one task's config or data knows.
_ONLY_DSPRITES = ('preset', 'data_dir', 'strategy')


def _names(config: type[config_lib.Config]) -> list[str]:
  return [field.name for field in dataclasses.fields(config)]


def _shown(name: str) -> object:
  value = FLAGS[name].value
  return ','.join(value) if isinstance(value, list) else value


def _config() -> config_lib.Config:
  dsprites = _names(config_lib.TrainingConfig)
  repeat_copy = _names(config_lib.RepeatCopyConfig)
  if _TASK.value == config_lib.DSPRITES:
    own, others = dsprites, repeat_copy
  else:
    own, others = repeat_copy, [*dsprites, *_ONLY_DSPRITES]
  for name in others:
    if name not in own and FLAGS[name].present:
      raise errors.UsageError(
        f'--{name}={_shown(name)}: not a flag of --task={_TASK.value}'
      )
  given = {name: FLAGS[name].value for name in own}
  if _TASK.value == config_lib.DSPRITES:
    if _FIXED.value is not None:
      given['fixed'] = variation.parse_fixed(_FIXED.value)
    return config_lib.make_training(_PRESET.value, **given)
  return config_lib.make_repeat_copy(**given)


def main(argv: Sequence[str]) -> int:
  """Trains; returns the exit status."""
  del argv
  config = _config()
  model_dir = _MODEL_DIR.value or os.path.join(runs.RUNS_DIR, config.name())
  console = progress.Console()
  # TensorFlow takes seconds to load, and a wrong flag should not wait for it.
  command_line.load_tensorflow(
    initialize=_STRATEGY.value != config_lib.MULTI_WORKER
  )
  if _TASK.value == config_lib.REPEAT_COPY:
    from dnc.repeat_copy import training as repeat_copy_training

    result = repeat_copy_training.train(config, model_dir, console)
  else:
    from dnc.next_sprite import training
    from dnc.training import distribution

    strategy = distribution.make_strategy(_STRATEGY.value, console)
    result = training.train(
      config, model_dir, _DATA_DIR.value, console, strategy
    )
  return 0 if result is not None else command_line.EXIT_INTERRUPTED


if __name__ == '__main__':
  command_line.run(main)

"""Trains a DNC to predict the next sprite of dSprites rollouts.

  python train.py --memory_size=16 --word_size=16     # the post's Model B
  python train.py --memory_size=256 --word_size=64    # the post's Model A
  python train.py --preset=quick                      # minutes, not hours

The same command again resumes the run.
"""

from collections.abc import Sequence
import dataclasses
import os

from absl import flags

from dnc import command_line
from dnc import config as config_lib

FLAGS = flags.FLAGS

_PRESET = flags.DEFINE_enum(
  'preset',
  'post',
  list(config_lib.PRESETS),
  "post: the post's schedule, 5 epochs of 10,000 rollouts; quick: 1,000 "
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
  "original, through TFDS's builder.",
)
flags.DEFINE_integer('num_epochs', None, 'Epochs, each of new rollouts.')
flags.DEFINE_integer('rollouts_per_epoch', None, 'Rollouts in an epoch.')
flags.DEFINE_integer('min_length', None, 'Fewest steps of a rollout.')
flags.DEFINE_integer('max_length', None, 'Most steps of a rollout.')
flags.DEFINE_integer('batch_size', None, 'Rollouts trained on together.')
flags.DEFINE_integer(
  'tbptt_length',
  None,
  'Steps of truncated back-propagation; the state is carried over. 0: whole '
  'rollouts.',
)
flags.DEFINE_float('learning_rate', None, 'Of Adam, at the beginning.')
flags.DEFINE_float(
  'final_learning_rate', None, 'Of Adam, at the end; it falls linearly.'
)
flags.DEFINE_float('max_grad_norm', None, "Bound on the gradient's norm.")
flags.DEFINE_integer('seed', None, 'Of the weights and the rollouts.')
flags.DEFINE_integer('report_interval', None, 'Updates between reports.')
flags.DEFINE_integer(
  'checkpoint_interval', None, 'Updates between checkpoints.'
)


def _config() -> config_lib.TrainingConfig:
  names = [f.name for f in dataclasses.fields(config_lib.TrainingConfig)]
  return config_lib.make_training(
    _PRESET.value, **{n: FLAGS[n].value for n in names}
  )


def main(argv: Sequence[str]) -> int:
  """Trains; returns the exit status."""
  del argv
  config = _config()
  # TensorFlow takes seconds to load, and a wrong flag should not wait for it.
  command_line.load_tensorflow()
  from dnc import training

  result = training.train(
    config,
    _MODEL_DIR.value or os.path.join(config_lib.RUNS_DIR, config.name()),
    _DATA_DIR.value,
  )
  return 0 if result else command_line.EXIT_INTERRUPTED


if __name__ == '__main__':
  command_line.run(main)

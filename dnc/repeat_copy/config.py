"""Settings of a training run on repeat-copy. Needs no TensorFlow."""

import dataclasses

from dnc import tasks
from dnc.config import checks
from dnc.config import settings
from dnc.config import training


@dataclasses.dataclass(frozen=True)
class RepeatCopyConfig(training.Config):
  """A training run on repeat-copy.

  Sizes are those of DeepMind's train.py. The optimizer, the learning rate and
  the number of updates are ours: with them, training takes minutes.
  """

  TASK = tasks.REPEAT_COPY
  _PREFIX = tasks.REPEAT_COPY

  num_bits: int = settings.count(
    4, 'Number of bits in each vector of the pattern.', training.DATA
  )
  min_length: int = settings.count(
    1, 'Minimum number of vectors in a pattern.', training.DATA
  )
  max_length: int = settings.count(
    2, 'Maximum number of vectors in a pattern.', training.DATA
  )
  min_repeats: int = settings.count(
    1, 'Minimum number of copies requested.', training.DATA
  )
  max_repeats: int = settings.count(
    2, 'Maximum number of copies requested.', training.DATA
  )
  memory_size: int = training.memory_size(16)
  word_size: int = training.word_size(16)
  num_read_heads: int = training.num_read_heads(4)
  num_write_heads: int = training.num_write_heads(1)
  hidden_size: int = training.hidden_size(64)
  clip_value: float = training.clip_value(20.0)
  batch_size: int = training.batch_size(16)
  num_training_iterations: int = settings.count(
    3_000, 'Number of updates in the whole run.', training.TRAINING
  )
  learning_rate: float = settings.setting(
    3e-3, 'Learning rate of Adam.', training.TRAINING, allowed=checks.POSITIVE
  )
  max_grad_norm: float = training.max_grad_norm(50.0)
  seed: int = training.seed(0)
  report_interval: int = training.report_interval(100)
  checkpoint_interval: int = training.checkpoint_interval(500)

  def __post_init__(self):
    super().__post_init__()
    checks.require_order(self, 'min_length', 'max_length')
    checks.require_order(self, 'min_repeats', 'max_repeats')


make_repeat_copy = RepeatCopyConfig.make

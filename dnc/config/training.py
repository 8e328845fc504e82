"""`Config`, the base of all tasks' configs, and the settings that they share.

A task's config is a frozen dataclass in the task's own folder. The order of its
fields is part of the names of its runs.
"""

import dataclasses
import functools
import hashlib
import json
from typing import Any
from typing import ClassVar

from dnc.config import checks
from dnc.config import settings

# What predicts: a DNC, or its controller alone.
DNC = 'dnc'
LSTM = 'lstm'
CORES = (DNC, LSTM)
ADAM = 'adam'
RMSPROP = 'rmsprop'
OPTIMIZERS = (ADAM, RMSPROP)

# How to share the work of a training.
DEFAULT = 'default'
MIRRORED = 'mirrored'
MULTI_WORKER = 'multi_worker'
STRATEGIES = (DEFAULT, MIRRORED, MULTI_WORKER)

# Headings of `train.py --help`.
MODEL = 'Model'
DATA = 'Data'
TRAINING = 'Training'
REPORTING = 'Reporting'


def _shared(group: str, allowed: checks.Allowed, help: str, **details: Any):
  """A function that takes a default and makes a fresh field."""
  return functools.partial(
    settings.setting, group=group, allowed=allowed, help=help, **details
  )


memory_size = _shared(
  MODEL, checks.at_least(1), 'Number of slots of the memory, N.'
)
word_size = _shared(MODEL, checks.at_least(1), 'Width of a slot, W.')
num_read_heads = _shared(MODEL, checks.at_least(1), 'Number of read heads, R.')
num_write_heads = _shared(MODEL, checks.at_least(1), 'Number of write heads.')
hidden_size = _shared(MODEL, checks.at_least(1), 'Size of the LSTM controller.')
clip_value = _shared(
  MODEL,
  checks.BOUND,
  "Bound on the controller's output and state, and on the logits; 0 for none.",
)
batch_size = _shared(
  TRAINING, checks.at_least(1), 'Number of sequences trained on together.'
)
max_grad_norm = _shared(
  TRAINING, checks.POSITIVE, 'Bound on the global norm of the gradient.'
)
seed = _shared(TRAINING, checks.SEED, 'Seed of the weights and of the data.')
report_interval = _shared(
  REPORTING,
  checks.at_least(1),
  'Number of updates between reports.',
  is_reporting=True,
)
checkpoint_interval = _shared(
  REPORTING,
  checks.at_least(1),
  'Number of updates between checkpoints.',
  is_reporting=True,
)


class Config(settings.Settings):
  """What the configs of all tasks can do.

  Attributes:
    TASK: the name of the task.
  """

  TASK: ClassVar[str]
  _PREFIX: ClassVar[str]

  def identity(self) -> dict[str, Any]:
    """The fields that decide the run's numbers."""
    fields = dataclasses.asdict(self)
    return {
      name: fields[name]
      for name, setting in settings.of(type(self)).items()
      if not setting.is_reporting
    }

  def name(self) -> str:
    """A name for the run's folder: readable, and different for every run."""
    default = type(self)()
    about = settings.of(type(self))
    named = {
      name: value
      for name, value in self.identity().items()
      if not about[name].is_later or value != getattr(default, name)
    }
    digest = hashlib.sha256(json.dumps(named).encode()).hexdigest()
    return f'{self._kind()}_seed{self.seed}_{digest[:8]}'

  def _kind(self) -> str:
    """What a run's name begins with."""
    return f'{self._PREFIX}_{self.memory_size}x{self.word_size}'

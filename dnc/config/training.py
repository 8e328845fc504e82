"""`Config`, the base of all tasks' configs, and the settings that they share.

A task's config is a frozen dataclass in the task's own folder. The names of its
runs depend on the order of its fields.
"""

import dataclasses
import functools
import hashlib
import json
from typing import Any
from typing import ClassVar

from dnc.config import checks
from dnc.config import settings

# The core: a DNC, or its controller without a memory.
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


# Settings that tasks share: functions that take a default and return a new
# field.
_of_model = functools.partial(settings.count, group=MODEL)
memory_size = functools.partial(
  _of_model, help='Number of slots of the memory, N.'
)
word_size = functools.partial(_of_model, help='Width of a slot, W.')
num_read_heads = functools.partial(_of_model, help='Number of read heads, R.')
num_write_heads = functools.partial(_of_model, help='Number of write heads.')
hidden_size = functools.partial(_of_model, help='Size of the LSTM controller.')
clip_value = functools.partial(
  settings.setting,
  help="Bound on the controller's output and state, and on the logits; 0 for "
  'none.',
  group=MODEL,
  allowed=checks.BOUND,
)
batch_size = functools.partial(
  settings.count, help='Number of sequences in a batch.', group=TRAINING
)
_of_training = functools.partial(settings.setting, group=TRAINING)
max_grad_norm = functools.partial(
  _of_training,
  help='Bound on the global norm of the gradient.',
  allowed=checks.POSITIVE,
)
seed = functools.partial(
  _of_training, help='Seed of the weights and of the data.', allowed=checks.SEED
)
_of_reporting = functools.partial(
  settings.count, group=REPORTING, is_reporting=True
)
report_interval = functools.partial(
  _of_reporting, help='Number of updates between reports.'
)
checkpoint_interval = functools.partial(
  _of_reporting, help='Number of updates between checkpoints.'
)


class Config(settings.Settings):
  """Base of the configs of all tasks.

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
    """The run's name, for its folder: readable, and different for every run."""
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
    """The beginning of a run's name."""
    return f'{self._PREFIX}_{self.memory_size}x{self.word_size}'

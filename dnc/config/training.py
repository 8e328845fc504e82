"""`Config`, the base of all tasks' configs, and the settings that they share.

A task's config is a frozen dataclass in the task's own folder. The order of its
fields is part of the names of its runs.
"""

from collections.abc import Callable
import dataclasses
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


def _shared(
  make: Callable[..., Any], *about: Any, **details: Any
) -> Callable[[Any], Any]:
  """A setting that tasks share: takes a default, returns a fresh field."""
  return lambda default: make(default, *about, **details)


memory_size = _shared(
  settings.count, 'Number of slots of the memory, N.', MODEL
)
word_size = _shared(settings.count, 'Width of a slot, W.', MODEL)
num_read_heads = _shared(settings.count, 'Number of read heads, R.', MODEL)
num_write_heads = _shared(settings.count, 'Number of write heads.', MODEL)
hidden_size = _shared(settings.count, 'Size of the LSTM controller.', MODEL)
clip_value = _shared(
  settings.setting,
  "Bound on the controller's output and state, and on the logits; 0 for none.",
  MODEL,
  allowed=checks.BOUND,
)
batch_size = _shared(
  settings.count, 'Number of sequences trained on together.', TRAINING
)
max_grad_norm = _shared(
  settings.setting,
  'Bound on the global norm of the gradient.',
  TRAINING,
  allowed=checks.POSITIVE,
)
seed = _shared(
  settings.setting,
  'Seed of the weights and of the data.',
  TRAINING,
  allowed=checks.SEED,
)
report_interval = _shared(
  settings.count,
  'Number of updates between reports.',
  REPORTING,
  is_reporting=True,
)
checkpoint_interval = _shared(
  settings.count,
  'Number of updates between checkpoints.',
  REPORTING,
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

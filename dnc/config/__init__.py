"""What a training or an evaluation is: every number of it, in a dataclass.

  settings     a field that says what it is and what it may be; presets
  checks       which values are allowed, and the line that names a wrong one
  training     `Config`, the base of all tasks' configs, and what they share
  evaluation   `EvaluationConfig`
  flags        the flags of train.py and evaluate.py, made from the fields
  runs         a run's folder and its `config.json`

A task's own config is in the task's folder: `TrainingConfig` in
dnc/next_sprite/config.py, `RepeatCopyConfig` in dnc/repeat_copy/config.py.

Light to import, so that a wrong flag is told before TensorFlow is loaded.
"""

import importlib
from typing import Any

from dnc.config.evaluation import CHECKPOINTS
from dnc.config.evaluation import ESTIMATORS
from dnc.config.evaluation import EXPORTS
from dnc.config.evaluation import REPRESENTATIONS
from dnc.config.evaluation import TESTS
from dnc.config.evaluation import EvaluationConfig
from dnc.config.evaluation import make_evaluation
from dnc.config.training import ADAM
from dnc.config.training import CORES
from dnc.config.training import DEFAULT
from dnc.config.training import DNC
from dnc.config.training import LSTM
from dnc.config.training import MIRRORED
from dnc.config.training import MULTI_WORKER
from dnc.config.training import OPTIMIZERS
from dnc.config.training import RMSPROP
from dnc.config.training import STRATEGIES
from dnc.config.training import Config

__all__ = (
  'ADAM',
  'CHECKPOINTS',
  'CORES',
  'Config',
  'DEFAULT',
  'DNC',
  'ESTIMATORS',
  'EXPORTS',
  'EvaluationConfig',
  'LSTM',
  'MIRRORED',
  'MULTI_WORKER',
  'OPTIMIZERS',
  'REPRESENTATIONS',
  'RMSPROP',
  'STRATEGIES',
  'TESTS',
  'make_evaluation',
)

# Imported when asked for: the tasks' folders import this one.
_OF_TASKS = {
  'TrainingConfig': 'dnc.next_sprite.config',
  'make_training': 'dnc.next_sprite.config',
  'LOSSES': 'dnc.next_sprite.config',
  'SIGMOID_CROSS_ENTROPY': 'dnc.next_sprite.config',
  'MEAN_SQUARED_ERROR': 'dnc.next_sprite.config',
  'RepeatCopyConfig': 'dnc.repeat_copy.config',
  'make_repeat_copy': 'dnc.repeat_copy.config',
}


def __getattr__(name: str) -> Any:
  if name in _OF_TASKS:
    return getattr(importlib.import_module(_OF_TASKS[name]), name)
  raise AttributeError(f'module {__name__!r} has no attribute {name!r}')

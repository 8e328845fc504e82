"""Configs of trainings and evaluations: dataclasses with every number.

  values       converts values to the plain types of fields
  settings     fields with their help texts and allowed values; presets
  checks       allowed values, and the error for a wrong one
  training     `Config`, base of all tasks' configs: shared settings, run names
  evaluation   `EvaluationConfig`
  cluster      the workers that TF_CONFIG names
  flags        the flags of train.py and evaluate.py, made from the fields
  runs         a run's folder and its `config.json`

A task's own config, with its presets, is in the task's folder:
`TrainingConfig` in dnc/next_sprite/config.py, `RepeatCopyConfig` in
dnc/repeat_copy/config.py.

Light to import, so that a wrong flag is reported before TensorFlow is loaded.
"""

import importlib
from typing import Any

# Imported on first access, because the tasks' configs import this package.
_FACE = {
  'dnc.config.evaluation': (
    'CHECKPOINTS',
    'ESTIMATORS',
    'EXPORTS',
    'EvaluationConfig',
    'REPRESENTATIONS',
    'RUNNERS',
    'TESTS',
    'make_evaluation',
  ),
  'dnc.config.training': (
    'ADAM',
    'CORES',
    'Config',
    'DEFAULT',
    'DNC',
    'LSTM',
    'MIRRORED',
    'MULTI_WORKER',
    'OPTIMIZERS',
    'RMSPROP',
    'STRATEGIES',
  ),
  'dnc.next_sprite.config': (
    'LOSSES',
    'MEAN_SQUARED_ERROR',
    'SIGMOID_CROSS_ENTROPY',
    'TrainingConfig',
    'make_training',
  ),
  'dnc.repeat_copy.config': ('RepeatCopyConfig', 'make_repeat_copy'),
}


def __getattr__(name: str) -> Any:
  for module, names in _FACE.items():
    if name in names:
      return getattr(importlib.import_module(module), name)
  raise AttributeError(f'module {__name__!r} has no attribute {name!r}')

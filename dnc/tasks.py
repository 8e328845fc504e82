"""The tasks that a model can be trained on: one object each, in a registry.

A task knows how to configure its runs, and how to train, restore, replay and
lesion its models. A new task takes a folder and a line in `_FOLDERS`. The
folder's `__init__` exports the object as `TASK`; its module `training` has the
functions `train`, `restore` and `replay`, which take the arguments of `Task`'s
methods.

Light to import: functions that need TensorFlow import it when they are called.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping
import dataclasses
import importlib
import os
import types
from typing import TYPE_CHECKING
from typing import Any
from typing import ClassVar

if TYPE_CHECKING:
  import tensorflow as tf

  from dnc import config as config_lib
  from dnc import dnc
  from dnc.dsprites import table as table_lib
  from dnc.system import progress
  from dnc.training import sequences as sequences_lib

NEXT_SPRITE = 'dsprites'
REPEAT_COPY = 'repeat_copy'

_FOLDERS = {NEXT_SPRITE: 'dnc.next_sprite', REPEAT_COPY: 'dnc.repeat_copy'}
NAMES = tuple(_FOLDERS)


@dataclasses.dataclass(frozen=True)
class TrainedModel:
  """A model with the weights of one of its run's checkpoints.

  Attributes:
    config: the config of its run.
    model: a `SpritePredictor`, or a `DNC` for repeat-copy.
    core: the model's recurrent core, which may be the model itself.
    num_updates: number of updates that it was trained for.
  """

  config: config_lib.Config
  model: Any
  core: dnc.Core
  num_updates: int


class Task(abc.ABC):
  """A task; constructed once, in the `__init__` of its folder.

  Attributes:
    name: its name in `--task`, and as `task` in `config.json`.
    summary: what its models learn, in a few words for `--help`.
    config_class: the dataclass of a run's settings.
    tests: the tests of `config.TESTS` that its models can take.
    options: flags of train.py that it takes besides its config's fields.
    description: what its models are trained on; Markdown, for the report.
    baseline: what a model that has learned only the mean does, e.g. 'predicting
      the mean image'.
    about_lesions: what a reader of Test 3 must know about the task.
  """

  name: ClassVar[str]
  summary: ClassVar[str]
  config_class: ClassVar[type[config_lib.Config]]
  tests: ClassVar[tuple[str, ...]]
  options: ClassVar[tuple[str, ...]] = ()
  description: ClassVar[str]
  baseline: ClassVar[str]
  about_lesions: ClassVar[str]

  def describe(self, training: Mapping[str, Any]) -> str:
    """Returns `description` for the models of a run with these settings."""
    del training
    return self.description

  @property
  def _training(self) -> types.ModuleType:
    return importlib.import_module(f'{_FOLDERS[self.name]}.training')

  def train(
    self,
    config: config_lib.Config,
    model_dir: str | os.PathLike[str],
    data_dir: str | os.PathLike[str] | None = None,
    log: progress.Log = print,
    strategy: tf.distribute.Strategy | None = None,
  ) -> dict[str, float] | None:
    """Trains a model, or resumes its training.

    Args:
      config: the run.
      model_dir: the run's folder, created if needed. Gets `config.json`,
        `checkpoints/`, `metrics.jsonl`, `summaries/` for TensorBoard and, at
        the end, `training.json`.
      data_dir: where the table of sprites is kept; TFDS's folder by default.
      log: takes each line of the report; a `progress.Console` also shows each
        update.
      strategy: how to divide the work, from `distribution.make_strategy`.

    Returns:
      The scores of the last validation. None if Ctrl-C or SIGTERM ended the
      training early; its progress is saved.

    Raises:
      UsageError: if the folder holds another run or cannot be used, the memory
        is too small, or the loss is not finite.
    """
    return self._training.train(config, model_dir, data_dir, log, strategy)

  def restore(
    self,
    model_dir: str | os.PathLike[str],
    checkpoint: str = 'newest',
    log: progress.Log = print,
  ) -> TrainedModel:
    """Rebuilds the model of a run.

    Args:
      model_dir: the run's folder.
      checkpoint: `newest`, or `best`: with the lowest validation loss.
      log: takes a line for each damaged checkpoint that is skipped.

    Raises:
      UsageError: if the folder holds no run of this task, or no sound
        checkpoint.
    """
    return self._training.restore(model_dir, checkpoint, log)

  def replay(
    self,
    model_dir: str | os.PathLike[str],
    data_dir: str | os.PathLike[str] | None = None,
  ) -> dict[str, Any]:
    """Repeats the update at which a run diverged.

    Args:
      model_dir: the run's folder.
      data_dir: where the table of sprites is kept; TFDS's folder by default.

    Returns:
      The results of the trainer's `update`, as NumPy values; `trainer`, which
      an update that diverges does not change; and `batch`, the update's data,
      unless the graph draws it.

    Raises:
      UsageError: if no run diverged there.
    """
    return self._training.replay(model_dir, data_dir)

  def evaluation_of(
    self, training: config_lib.Config, evaluation: config_lib.EvaluationConfig
  ) -> config_lib.EvaluationConfig:
    """Fills in the settings that the evaluation takes from the run or task."""
    del training
    return evaluation

  def load_table(
    self,
    training: config_lib.Config,
    evaluation: config_lib.EvaluationConfig,
    data_dir: str | None,
  ) -> table_lib.SpriteTable | None:
    """Loads the sprites of an evaluation; None if the task has no sprites.

    Scores of predictions, pictures, and Tests 1 and 2 need sprites. `data_dir`
    is where their table is kept; TFDS's folder by default.
    """
    del training, evaluation, data_dir

  @abc.abstractmethod
  def sequences(
    self,
    trained: TrainedModel,
    evaluation: config_lib.EvaluationConfig,
    table: table_lib.SpriteTable | None = None,
  ) -> sequences_lib.Sequences:
    """Returns unseen sequences, with the scores of the model's outputs."""


def get(name: str) -> Task:
  """Returns a task by its name; `ValueError` if there is no such task."""
  if name not in _FOLDERS:
    raise ValueError(f'task {name!r}: must be one of {", ".join(NAMES)}')
  return importlib.import_module(_FOLDERS[name]).TASK

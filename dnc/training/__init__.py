"""What the trainings of all tasks share.

A map:

  cores          makes a core from a config; names the parts of its state
  optimizers     Adam and RMSProp in one pass
  tally          counts of updates and steps; the best validation loss
  trainer        base of every task's trainer: a tally, the run's name
  distribution   divides updates among devices or machines
  checkpoints    saved whole or not at all
  session        what a training measures and reports; `metrics.jsonl`
  summaries      what TensorBoard shows
  loop           updates, reports, checkpoints, Ctrl-C, the end
  machine        the RAM that a training needs
  sequences      inputs, targets and scores for Test 3

`train` and `replay` call the functions of the task that a run's config names.
"""

import os
from typing import TYPE_CHECKING
from typing import Any

from dnc import config as config_lib
from dnc import tasks
from dnc.config import runs
from dnc.system import progress

if TYPE_CHECKING:
  import tensorflow as tf


def train(
  config: config_lib.Config,
  model_dir: str | os.PathLike[str],
  data_dir: str | os.PathLike[str] | None = None,
  log: progress.Log = print,
  strategy: 'tf.distribute.Strategy | None' = None,
) -> dict[str, float] | None:
  """Trains a model of any task; see `Task.train`."""
  return tasks.get(config.TASK).train(
    config, model_dir, data_dir, log, strategy
  )


def replay(
  model_dir: str | os.PathLike[str],
  data_dir: str | os.PathLike[str] | None = None,
) -> dict[str, Any]:
  """Repeats the update at which a run diverged; see `Task.replay`."""
  config = runs.load(model_dir)
  return tasks.get(config.TASK).replay(model_dir, data_dir)

"""Base of every task's trainer: a tally, and the name of the run."""

import sonnet as snt
import tensorflow as tf

from dnc import config as config_lib
from dnc.training import tally as tally_lib


class Trainer(snt.Module):
  """A model, its optimizer, and the progress of its run.

  A checkpoint holds all its variables, so that a resumed run continues like an
  uninterrupted one.

  Attributes:
    tally: `Tally` of updates and steps; made by the subclass.
    run_name: string variable, the name of the run.
  """

  tally: tally_lib.Tally

  def __init__(self, config: config_lib.Config):
    """Constructs the common parts."""
    super().__init__(name='trainer')
    # Made outside any strategy: workers cannot send each other a string.
    self.run_name = tf.Variable(config.name(), trainable=False)

  @property
  def num_updates(self) -> int:
    """Number of updates so far."""
    return int(self.tally.num_updates.numpy())

  def finish_report(self) -> dict[str, float]:
    """Means since the last call, by name; includes `Tally.finish_report`."""
    return self.tally.finish_report()

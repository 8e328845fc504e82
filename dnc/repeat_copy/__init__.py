"""DeepMind's repeat-copy task, which cannot be done without memory.

Its modules:

  data        sequences and their scores
  trainer     one update: loss, gradient, new weights
  training    a whole training
  sequences   sequences as Test 3 needs them
  config      the settings of a training run
  task        the object for the registry, `TASK`
"""

from dnc.repeat_copy.task import TASK

__all__ = ('TASK',)

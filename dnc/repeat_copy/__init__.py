"""DeepMind's repeat-copy task, which cannot be done without memory.

A map:

  data        sequences and their scores
  trainer     one update: loss, gradient, new weights
  training    a whole training
  sequences   sequences as Test 3 needs them
  config      every number of a training
  task        the object of the registry, `TASK`
"""

from dnc.repeat_copy.task import TASK

__all__ = ('TASK',)

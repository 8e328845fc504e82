"""The post's task: predict the next sprite of a rollout.

A map, in the way of the data:

  rollouts    the sequences of sprites, pure in (seed, index)
  model       the predictor: a core and its loss
  trainer     one update: loss, gradient, learning rate, new weights
  training    a whole training
  scoring     how well a predictor predicts
  recording   what it holds at every step, written as traces
  sequences   rollouts as Test 3 needs them
  config      every number of a training
  task        the object of the registry, `TASK`
"""

from dnc.next_sprite.task import TASK

__all__ = ('TASK',)

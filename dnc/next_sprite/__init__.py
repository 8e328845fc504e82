"""The post's task (predict the next sprite of a rollout) and its twins.

Its modules, in the order of the data flow:

  rollouts    sequences of sprites, a pure function of (seed, stream, index)
  model       the predictor: a core and its loss
  exposing    a loss that makes latents linearly readable in a model
  trainer     one update: loss, clipped gradient, learning rate, weights
  training    a whole training
  scoring     how well a predictor predicts
  recording   what a predictor holds at every step, written as traces
  sequences   rollouts as Test 3 needs them
  config      the settings of a training run
  task        the object for the registry, `TASK`
"""

from dnc.next_sprite.task import TASK

__all__ = ('TASK',)

"""The registry's object for repeat-copy. Light to import."""

import dataclasses

from dnc import tasks
from dnc.repeat_copy import config

_DESCRIPTION = """\
DeepMind's repeat-copy task. The network is given a pattern, one vector of bits
after the other, and a number, and has to output the pattern that many times. It
must remember the pattern to do so. The task is the positive control of the test
that asks whether a network uses its memory: of a network that does the task,
the test must say yes."""
_ABOUT_LESIONS = """\
Repeat-copy needs a memory of the pattern, though the controller can remember
some of it by itself. A model that solves the task and that the lesions break
proves that this test sees use where there is some. By chance, half of the bits
are right."""


class RepeatCopy(tasks.Task):
  """Repeat-copy, the positive control of Test 3."""

  name = tasks.REPEAT_COPY
  summary = "repeat a pattern of bits, which is DeepMind's task"
  config_class = config.RepeatCopyConfig
  tests = ('lesion',)
  description = _DESCRIPTION
  baseline = 'predicting the mean target'
  about_lesions = _ABOUT_LESIONS

  def sequences(self, trained, evaluation, table=None):
    """Others than those that a training reports on."""
    del table
    from dnc.repeat_copy import sequences

    return sequences.CopySequences(
      trained.core, dataclasses.replace(trained.config, seed=evaluation.seed)
    )


TASK = RepeatCopy()

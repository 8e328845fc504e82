"""The registry's object for repeat-copy. Light to import."""

import dataclasses

from dnc import tasks
from dnc.repeat_copy import config

_DESCRIPTION = """\
DeepMind's repeat-copy task. The network is given a pattern, one vector of bits
per step, and then a number. It must output the pattern that many times, so it
must remember the pattern. The task is the positive control of the test that
asks whether a network uses its memory: for a network that solves the task, the
test must answer yes."""
_ABOUT_LESIONS = """\
Repeat-copy needs a memory of the pattern, though the controller can remember
part of it without the DNC's memory. If a model solves the task and the lesions
break the model, then this test detects the use of a memory. Guessing gets half
of the bits right."""


class RepeatCopy(tasks.Task):
  """Repeat-copy, the positive control of Test 3."""

  name = tasks.REPEAT_COPY
  summary = "repeat a pattern of bits (DeepMind's task)"
  config_class = config.RepeatCopyConfig
  tests = ('lesion',)
  description = _DESCRIPTION
  baseline = 'predicting the mean target'
  about_lesions = _ABOUT_LESIONS

  def sequences(self, trained, evaluation, table=None):
    """Unseen sequences, other than those that training reports on."""
    del table
    from dnc.repeat_copy import sequences

    return sequences.CopySequences(
      trained.core, dataclasses.replace(trained.config, seed=evaluation.seed)
    )


TASK = RepeatCopy()

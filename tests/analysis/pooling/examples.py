"""Results of several runs, as `experiment.evaluate` returns them."""

import dataclasses

from analysis.probe import learned
from dnc import lesions
from dnc.dsprites import latents
from tests.analysis.intervention import examples as intervention_examples
from tests.analysis.lesion import examples as lesion_examples
from tests.analysis.mutual_information import (
  examples as mutual_information_examples,
)
from tests.analysis.probe import examples as probe_examples


def run(number):
  """What the run of this number found; most numbers grow with it."""
  of_probe = probe_examples.result(
    {(0, 'scale'): 0.2 + 0.1 * number}, beyond=0.01 * number
  )
  compared = learned.Compared((0.3 + 0.1 * number,), (0.0, 0.01, 0.05), 1.0)
  untrained = learned.AgainstUntrained(
    own_seeds=(number,),
    seeds=(0, 1, 2),
    num_rollouts={'train': 50, 'test': 20},
    is_frozen=False,
    compared={'memory': {0: dict.fromkeys(latents.NAMES, compared)}},
  )
  of_memory = mutual_information_examples.result()
  return dict(
    prediction={'loss': 100.0 + number, 'iou': 0.5},
    probe=dataclasses.replace(of_probe, untrained=untrained),
    mi={
      'memory': dataclasses.replace(
        of_memory,
        scores=of_memory.scores + 0.1 * number,
        control=of_memory.control + 0.01 * number,
      )
    },
    lesion=lesion_examples.result({lesions.NAMES[0]: (43.8 * number, 1.0)}),
    intervention=intervention_examples.result(words=0.5 + 0.1 * number),
  )

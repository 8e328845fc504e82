"""Test 4: does a model use what a probe reads from it?

measuring.py   fits probes, changes words or memory, collects the effects
steps.py       the changed steps, and the sprites that are asked for
running.py     runs a model up to some steps, predicts from a changed state
directions.py  probes, and the least changes that shift their readings
effects.py     how the predicted sprite moves with a change
verdict.py     the answer, in a sentence
tables.py      results as Markdown and JSON
figures.py     a sprite that is dragged; shifts of the sprite
naming.py      names of latents and of directions; formatted numbers
"""

from analysis.intervention import figures
from analysis.intervention import naming
from analysis.intervention import tables
from analysis.intervention import verdict
from analysis.intervention.measuring import InterventionResult
from analysis.intervention.measuring import measure
from analysis.intervention.steps import chosen_steps

__all__ = (
  'InterventionResult',
  'chosen_steps',
  'figures',
  'measure',
  'naming',
  'tables',
  'verdict',
)

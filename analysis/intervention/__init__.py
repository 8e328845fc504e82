"""Test 4: is what a model holds used as such?

measuring.py   fits probes, changes what is held, and collects what follows
running.py     runs a model up to some steps, and predicts with changed parts
directions.py  probes, and the least changes that shift their readings
effects.py     how the predicted sprite moves with a change
verdict.py     the answer, in a sentence
tables.py      results as Markdown and JSON
figures.py     a sprite that is dragged; shifts of the sprite
naming.py      names of what is changed and of directions
"""

from analysis.intervention import figures
from analysis.intervention import naming
from analysis.intervention import tables
from analysis.intervention import verdict
from analysis.intervention.measuring import InterventionResult
from analysis.intervention.measuring import measure

__all__ = (
  'InterventionResult',
  'figures',
  'measure',
  'naming',
  'tables',
  'verdict',
)

"""Test 3: does a model use what its memory holds?

measuring.py     runs a task's sequences through a model, intact and with each
                 lesion; scores a baseline that predicts the mean
side_by_side.py  the graphs that run a model intact and with each lesion
comparison.py    compares scores with and without a lesion
course.py        what a lesion costs, by steps since the memory was cut
verdict.py       the answer, in a sentence
tables.py        results as Markdown and JSON
figures.py       the figure of the courses
naming.py        names of lesions and metrics; formatted numbers

The lesions themselves are in dnc/lesions.py.
"""

from analysis.lesion import figures
from analysis.lesion import naming
from analysis.lesion import tables
from analysis.lesion import verdict
from analysis.lesion.comparison import Comparison
from analysis.lesion.comparison import compare
from analysis.lesion.measuring import BASELINE
from analysis.lesion.measuring import LesionResult
from analysis.lesion.measuring import LesionTrial
from analysis.lesion.measuring import means
from analysis.lesion.measuring import measure
from analysis.lesion.measuring import result

__all__ = (
  'BASELINE',
  'Comparison',
  'LesionResult',
  'LesionTrial',
  'compare',
  'figures',
  'means',
  'measure',
  'naming',
  'result',
  'tables',
  'verdict',
)

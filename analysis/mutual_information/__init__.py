"""Test 2: does any single number of the memory follow the x position?

scoring.py       scores contents against sequences
estimators.py    the mutual information of real numbers and classes
plain_scores.py  scores for classes, applied to real numbers
controls.py      random sequences, and shifts for the null
significance.py  p-values from the null; Benjamini-Hochberg; paired differences
verdict.py       the answer: a sentence and a small table
tables.py        results as Markdown and JSON
"""

from analysis.mutual_information import tables
from analysis.mutual_information import verdict
from analysis.mutual_information.scoring import MutualInformationResult
from analysis.mutual_information.scoring import Scorer
from analysis.mutual_information.scoring import TraceScores
from analysis.mutual_information.scoring import from_traces
from analysis.mutual_information.scoring import score

__all__ = (
  'MutualInformationResult',
  'Scorer',
  'TraceScores',
  'from_traces',
  'score',
  'tables',
  'verdict',
)

"""Test 2: does a single number of the memory follow the x position?"""

from analysis.mutual_information.scoring import MutualInformationResult
from analysis.mutual_information.scoring import Scorer
from analysis.mutual_information.scoring import from_traces
from analysis.mutual_information.scoring import score

__all__ = ('MutualInformationResult', 'Scorer', 'from_traces', 'score')

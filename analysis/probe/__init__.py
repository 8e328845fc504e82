"""Test 1: can a linear layer read the latents off what a model held?"""

from analysis.probe.probing import ProbeResult
from analysis.probe.probing import fit_and_score
from analysis.probe.probing import run

__all__ = ('ProbeResult', 'fit_and_score', 'run')

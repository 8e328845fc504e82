"""Test 1: can a linear layer read the latents off what a model held?

`from_traces` probes what was written of a model, `fit_and_score` arrays of any
origin. Rollouts are streamed and may differ in length.

  probing.py        both ways in
  passes.py         three passes over the rollouts: statistics, training, scores
  streams.py        rollouts with representations and labels
  controls.py       random inputs, and a memory that must be found
  planted.py        that memory: the labels, in noise
  labels.py         the labels at offsets, true and shuffled
  normalisation.py  mean and deviation by time step
  keras_probe.py    the post's probe, trained by Adam for one epoch
  exact_probe.py    least squares, linear discriminant, logistic regression
  step_sums.py      the sums from which the first two follow
  scoring.py        errors, gains over knowing nothing, intervals
  results.py        what was found, as dataclasses
  verdict.py        the answer in a sentence
  tables.py         the results in Markdown and JSON, beside the post's
  figures.py        the results as figures
  naming.py         what representations, labels and offsets are called
"""

from analysis.probe import figures
from analysis.probe import naming
from analysis.probe import tables
from analysis.probe import verdict
from analysis.probe.probing import fit_and_score
from analysis.probe.probing import from_traces
from analysis.probe.results import ProbeResult
from analysis.probe.streams import sprite_inputs

__all__ = (
  'ProbeResult',
  'figures',
  'fit_and_score',
  'from_traces',
  'naming',
  'sprite_inputs',
  'tables',
  'verdict',
)

"""Test 1: can a linear layer read the latents from a model's state?

`from_traces` probes the traces of a model, `fit_and_score` arrays from any
source. Rollouts are streamed and may differ in length.

  probing.py        the two functions
  passes.py         three passes over the rollouts: statistics, training, scores
  walk.py           goes through rollouts, for any of the passes
  rollout_parts.py  parts of the rollouts, each summed by itself
  pass_sums.py      what is summed, and what follows from it
  reader.py         applies all probes of a representation at once
  threads.py        threads for representations
  streams.py        rollouts with representations and labels
  controls.py       random inputs, and a planted memory
  planted.py        planted memories, whose labels the probes must find
  labels.py         the labels at offsets, true and shuffled
  normalisation.py  normalises features by time step
  blocks.py         collects steps into blocks before they are summed
  bits.py           normalised bits of images, kept sparse
  keras_probe.py    the post's probe, trained by Adam for one epoch
  exact_probe.py    least squares, linear discriminant, logistic regression
  step_sums.py      sums for least squares and the discriminant
  beyond.py         what a representation adds to others
  joint_sums.py     joint sums of several representations
  untrained.py      exact probes of untrained cores, streamed from the model
  learned.py        whether the model holds more than untrained cores
  scoring.py        errors, gains over knowing nothing, intervals
  results.py        results, as dataclasses
  verdict.py        the answer in a sentence and a small table
  tables.py         the results in Markdown and JSON, beside the post's
  beyond_tables.py  tables of what each representation adds to others
  parts_tables.py   tables that score shown and hidden steps separately
  formats.py        scores as text
  untrained_table.py  table of the model beside untrained cores
  figures.py        the results as figures
  naming.py         names of representations, labels and offsets
"""

from analysis.probe import figures
from analysis.probe import naming
from analysis.probe import tables
from analysis.probe import untrained_table
from analysis.probe import verdict
from analysis.probe.passes import Passes
from analysis.probe.probing import fit_and_score
from analysis.probe.probing import from_traces
from analysis.probe.probing import of_traces
from analysis.probe.results import ProbeResult
from analysis.probe.streams import sprite_inputs
from analysis.probe.untrained import Gauge
from analysis.probe.untrained import against_untrained
from analysis.probe.untrained import cores
from analysis.probe.untrained import other_seeds

__all__ = (
  'Gauge',
  'Passes',
  'ProbeResult',
  'against_untrained',
  'cores',
  'figures',
  'fit_and_score',
  'from_traces',
  'naming',
  'of_traces',
  'other_seeds',
  'sprite_inputs',
  'tables',
  'untrained_table',
  'verdict',
)

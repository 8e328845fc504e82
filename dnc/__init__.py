"""A Differentiable Neural Computer, and the dSprites rollouts it is tested on.

The core, as in google-deepmind/dnc; none of it knows of sprites or training:

  util, addressing, access, dnc
                     DeepMind's DNC as Sonnet 2 cores
  lstm               the same without a memory: a control
  unroll             a core over time
  recurrence/        its loop, plain and compiled by XLA
  lesions            a DNC with its memory cut
  reference_weights  weights to and from DeepMind's layout

What trains it, and records what its memory holds:

  dsprites/          images from latents and latents from images
  config/            every setting of a training and of an evaluation
  training/          what the training of any task needs
  tasks              the registry of tasks
  next_sprite/       the post's task: predict the next image
  repeat_copy/       DeepMind's task, which needs memory
  traces/            what a model held at each step: written and read
  visualize/         pictures of what a memory does
  system/            files, errors, progress, command line

`analysis` takes the traces from there. Where a docstring names PROTOCOL, it is
docs/PROTOCOL.md: the experiment with every number.
"""

import importlib
import importlib.util
from typing import Any

# TensorFlow takes seconds to import, and rendering sprites does not need it.
_EXPORTS = {
  'DNC': 'dnc.dnc',
  'DNCState': 'dnc.dnc',
  'LSTMCore': 'dnc.lstm',
  'MemoryAccess': 'dnc.access',
  'AccessState': 'dnc.access',
  'CosineWeights': 'dnc.addressing',
  'Freeness': 'dnc.addressing',
  'TemporalLinkage': 'dnc.addressing',
  'TemporalLinkageState': 'dnc.addressing',
  'weighted_softmax': 'dnc.addressing',
}


def __getattr__(name: str) -> Any:
  """Imports a class or module of the package when it is first asked for."""
  if name in _EXPORTS:
    return getattr(importlib.import_module(_EXPORTS[name]), name)
  if importlib.util.find_spec(f'dnc.{name}'):
    return importlib.import_module(f'dnc.{name}')
  raise AttributeError(f"module 'dnc' has no attribute '{name}'")

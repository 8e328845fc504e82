"""A Differentiable Neural Computer, and the dSprites rollouts it is tested on.

The core, as in google-deepmind/dnc, independent of sprites and training:

  util, dnc          DeepMind's DNC: controller, memory and output layer
  access             the memory: interface, read modes, one step of its heads
  addressing         content lookup, temporal links, usage and its ties
  lstm               the core without a memory: a control
  unroll             runs a core over time
  keras_layer        a DNC as a Keras layer
  recurrence/        the loop of `unroll`: plain, compiled by XLA or by Numba
  lesions            a DNC with a lesion of its memory
  reference_weights  loads weights in DeepMind's layout

Training, and recording what the memory holds:

  dsprites/          images from latents and latents from images
  config/            every setting of a training and of an evaluation
  training/          what all trainings share
  tasks              the registry of tasks
  next_sprite/       the post's task: predict the next image
  repeat_copy/       DeepMind's task, which needs memory
  traces/            writes and reads what a model held at each step
  visualize/         pictures of what a memory does
  system/            files, errors, progress, command line

`analysis` reads the traces. PROTOCOL in a docstring means docs/PROTOCOL.md,
which has every number of the experiment.
"""

import importlib
import importlib.util
from typing import Any

# TensorFlow takes seconds to import, and rendering sprites does not need it.
_EXPORTS = {
  'DNC': 'dnc.dnc',
  'DNCLayer': 'dnc.keras_layer',
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
  """Imports a class or module of the package on first access."""
  if name in _EXPORTS:
    return getattr(importlib.import_module(_EXPORTS[name]), name)
  if importlib.util.find_spec(f'dnc.{name}'):
    return importlib.import_module(f'dnc.{name}')
  raise AttributeError(f"module 'dnc' has no attribute '{name}'")

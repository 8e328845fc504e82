"""A Differentiable Neural Computer, and the dSprites rollouts it is tested on.

A map, in the way of the data:

  dsprites/              images from latents and latents from images; the
                         packed table; TFDS builder
  rollouts.py            `tf.data` of rollouts, pure in (seed, index)
  util, addressing, access, dnc
                         DeepMind's DNC as Sonnet 2 cores
  lstm.py                the same without a memory: a control
  unroll.py              a core over time
  recurrence.py, fast_recurrence.py, fast_access.py
                         its loop, plain and compiled by XLA
  lesions.py, lesioned_runs.py
                         a core with its memory cut, and run beside itself
  reference_weights.py   weights to and from DeepMind's layout
  config.py              every number of a training and of an evaluation
  runs.py                a run's folder
  predictor.py           the next-sprite model: core, loss, scores
  evaluation.py          a predictor over whole rollouts: scores
  exports.py             its traces: what a model held, step by step
  traces.py, trace_export.py, trace_shards.py, trace_records.py
                         read, written file by file, and byte by byte
  memory_trace.py, pictures.py
                         everything the memory does in a few steps, and drawn
  optimizers.py          Adam and RMSProp in one pass
  trainer.py, tally.py   one update, and what is carried from one to the next
  distribution.py        an update shared by devices or machines
  checkpoints.py         saved whole or not at all
  session.py, summaries.py, progress.py
                         what a training reports: files, TensorBoard, terminal
  training_loop.py       the loop around any training
  training.py            training of the predictor
  machine.py             the memory that it needs
  repeat_copy.py, repeat_copy_training.py
                         DeepMind's task: one that needs memory

`analysis` goes on from the traces. PROTOCOL, where a docstring names it, is
docs/PROTOCOL.md: the experiment, every number.
"""

import importlib
import importlib.util
from typing import Any

# TensorFlow takes seconds to import; who only renders sprites need not wait.
_EXPORTS = {
  'DNC': 'dnc.dnc',
  'DNCState': 'dnc.dnc',
  'MemoryAccess': 'dnc.access',
  'AccessState': 'dnc.access',
  'CosineWeights': 'dnc.addressing',
  'Freeness': 'dnc.addressing',
  'TemporalLinkage': 'dnc.addressing',
  'TemporalLinkageState': 'dnc.addressing',
  'weighted_softmax': 'dnc.addressing',
}


def __getattr__(name: str) -> Any:
  if name in _EXPORTS:
    return getattr(importlib.import_module(_EXPORTS[name]), name)
  if importlib.util.find_spec(f'dnc.{name}'):
    return importlib.import_module(f'dnc.{name}')
  raise AttributeError(f"module 'dnc' has no attribute '{name}'")

"""The outputs of an intact core and of its lesions, over whole sequences."""

import numpy as np
import tensorflow as tf

from analysis.lesion import side_by_side
from dnc import dnc
from dnc import lesions


def outputs(
  core: dnc.DNC,
  inputs: np.ndarray | tf.Tensor,
  lesion_step: int | None = None,
  reset_interval: int = 10,
) -> dict[str, np.ndarray]:
  """Unrolls a core, intact and with every lesion.

  Args:
    core: the core, with all its variables.
    inputs: float `[time, batch, input_size]`, at least two sequences.
    lesion_step: the first step of `frozen_memory`; half the time by default.
    reset_interval: steps between resets and exchanges of the memory.

  Returns:
    Outputs `[time, batch, output_size]`, by name.
  """
  inputs = tf.convert_to_tensor(inputs, core.controller.b.dtype)
  num_steps, num_sequences, input_size = inputs.shape
  if lesion_step is None:
    lesion_step = num_steps // 2
  models = side_by_side.SideBySide(
    core, input_size, lesion_step, reset_interval
  )
  states = models.initial_states(num_sequences)
  words, _ = models.read_words(inputs, states[lesions.INTACT])
  mean_words = tf.reduce_mean(words, axis=[0, 1])
  return {
    name: found.numpy()
    for name, found, _ in models.unroll(inputs, states, mean_words)
  }

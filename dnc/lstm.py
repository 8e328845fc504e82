"""A DNC without a memory: the control that shows what the memory adds."""

from collections.abc import Mapping
from typing import Any

import sonnet as snt
import tensorflow as tf

from dnc import dnc


class LSTMCore(dnc.Core):
  """The controller of a `DNC` and an output layer, and nothing else.

  >>> core = LSTMCore(controller_config=dict(hidden_size=64), output_size=10)
  >>> sequence = tf.ones([5, 2, 8])  # [time, batch, input_size]
  >>> outputs, state = snt.dynamic_unroll(
  ...     core, sequence, core.initial_state(2))
  >>> outputs.shape
  TensorShape([5, 2, 10])
  """

  def __init__(
    self,
    controller_config: Mapping[str, Any],
    output_size: int,
    clip_value: float | None = None,
    name: str = 'lstm_core',
    dtype: tf.DType = tf.float32,
    reset_controller: bool = False,
  ):
    """Constructs the core; arguments and errors as for `dnc.DNC`."""
    super().__init__(
      controller_config, output_size, clip_value, name, dtype, reset_controller
    )

  def __call__(
    self, inputs: tf.Tensor, prev_state: snt.LSTMState
  ) -> tuple[tf.Tensor, snt.LSTMState]:
    """One step; shapes as in `dnc.DNC`."""
    state = self.control(snt.Flatten()(inputs), prev_state)
    return self.clip(self._output_linear(state.hidden)), state

"""A DNC without a memory: the control that shows what the memory adds."""

from collections.abc import Mapping
from typing import Any

import sonnet as snt
import tensorflow as tf

from dnc import dnc


class LSTMCore(snt.RNNCore):
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
  ):
    """Constructs the core.

    Args:
      controller_config: arguments of the controller, `snt.LSTM`.
      output_size: size of the output.
      clip_value: bound on the controller's output and state and on the core's
        output, all clipped to [-clip_value, clip_value]; None or 0 for none.
      name: name of the module.
      dtype: of weights and state.

    Raises:
      ValueError: if a size is not positive or `clip_value` is negative.
    """
    super().__init__(name=name)
    dnc.check_sizes(output_size, clip_value)
    self._clip_value = clip_value or 0.0
    self._controller = snt.LSTM(**controller_config, dtype=dtype)
    self._output_linear = snt.Linear(output_size, name='output_linear')

  @property
  def clip_value(self) -> float:
    """The bound on output and controller state; 0 for none."""
    return self._clip_value

  @property
  def controller(self) -> snt.LSTM:
    """The LSTM."""
    return self._controller

  @property
  def output_linear(self) -> snt.Linear:
    """The layer from the controller's output to the core's."""
    return self._output_linear

  def __call__(
    self, inputs: tf.Tensor, prev_state: snt.LSTMState
  ) -> tuple[tf.Tensor, snt.LSTMState]:
    """One step.

    Args:
      inputs: float tensor `[batch, ...]`, flattened to `[batch, input_size]`.
      prev_state: the state before this step.

    Returns:
      The output, float tensor `[batch, output_size]`, and the state after this
      step.
    """
    _, state = self._controller(snt.Flatten()(inputs), prev_state)
    state = tf.nest.map_structure(self.clip, state)
    return self.clip(self._output_linear(state.hidden)), state

  def initial_state(self, batch_size: int) -> snt.LSTMState:
    """Zeros."""
    return self._controller.initial_state(batch_size)

  def clip(self, x: tf.Tensor) -> tf.Tensor:
    """Clips `x` to the core's `clip_value`, if there is one."""
    return dnc.clip(x, self._clip_value)

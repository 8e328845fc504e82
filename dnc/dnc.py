"""The DNC core: an LSTM controller with a `MemoryAccess`.

Source: `dnc/dnc.py` of google-deepmind/dnc, and the paper (see
`addressing.py`).
"""

from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

import sonnet as snt
import tensorflow as tf

from dnc import access
from dnc import util


class DNCState(NamedTuple):
  """State of `DNC`.

  Attributes:
    access_output: the words read, r_t, `[batch, num_reads, W]`.
    access_state: the state of the memory.
    controller_state: `hidden`, h_t, and `cell`, s_t, `[batch, hidden_size]`.
  """

  access_output: tf.Tensor
  access_state: access.AccessState
  controller_state: snt.LSTMState


def clip(x: tf.Tensor, clip_value: float) -> tf.Tensor:
  """Clips `x` to [-clip_value, clip_value]; 0 means no clipping."""
  if clip_value > 0:
    return tf.clip_by_value(x, -clip_value, clip_value)
  return x


def _as_bound(clip_value: Any) -> float:
  """Returns a core's `clip_value` as a float; 0 for None."""
  try:
    bound = float(clip_value or 0)
  except (TypeError, ValueError):
    bound = -1.0
  if not bound >= 0:  # Also refuses NaN.
    raise ValueError(f'clip_value must be 0 or more, not {clip_value!r}')
  return bound


# A bias at which a gate is shut: its sigmoid is 1e-304, in float32 0.
_SHUT = -700.0


class Core(util.ZeroStateCore):
  """Base of the cores: a controller, an output layer and clipping."""

  def __init__(
    self,
    controller_config: Mapping[str, Any],
    output_size: int,
    clip_value: float | None,
    name: str,
    dtype: tf.DType,
    reset_controller: bool = False,
  ):
    """Constructs the common parts; `DNC` explains the arguments."""
    super().__init__(name=name)
    self._reset_controller = reset_controller
    self._clip_value = _as_bound(clip_value)
    output_size = util.size('output_size', output_size)
    self._dtype = util.dtype(dtype)
    controller_config = dict(controller_config)
    if 'hidden_size' in controller_config:
      controller_config['hidden_size'] = util.size(
        'hidden_size', controller_config['hidden_size']
      )
    self._controller = snt.LSTM(**controller_config, dtype=self._dtype)
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
  def reset_controller(self) -> bool:
    """Whether the LSTM starts each step from zeros."""
    return self._reset_controller

  @property
  def output_linear(self) -> snt.Linear:
    """The layer that computes y_t."""
    return self._output_linear

  @property
  def dtype(self) -> tf.DType:
    """The dtype of weights, inputs and state."""
    return self._dtype

  @property
  def output_size(self) -> tf.TensorShape:
    """Shape of the output y_t, without the batch."""
    return tf.TensorShape([self._output_linear.output_size])

  @property
  def state_size(self) -> Any:
    """Shapes of the state, `tf.TensorShape`s without the batch."""
    return tf.nest.map_structure(
      lambda x: x.shape[1:], self._controller.initial_state(1)
    )

  def control(
    self, inputs: tf.Tensor, prev_state: snt.LSTMState
  ) -> snt.LSTMState:
    """A step of the controller.

    Args:
      inputs: float tensor `[batch, size]`.
      prev_state: h_{t-1} and s_{t-1}, each `[batch, hidden_size]`.

    Returns:
      h_t and s_t, clipped.
    """
    if self._reset_controller:
      prev_state = tf.nest.map_structure(tf.zeros_like, prev_state)
    _, state = self._controller(inputs, prev_state)
    return tf.nest.map_structure(self.clip, state)

  def recurrent_weights(self) -> tuple[tf.Tensor, tf.Tensor]:
    """The weights of h_{t-1}, `[hidden_size, 4 hidden_size]`, and the biases.

    With `reset_controller`, weights with which `control` computes the same from
    any previous state: those of h_{t-1} are 0, and the forget gate is shut.
    """
    weights = tf.convert_to_tensor(self._controller.hidden_to_hidden)
    biases = tf.convert_to_tensor(self._controller.b)
    if self._reset_controller:
      weights *= 0  # Unlike `zeros_like`, this has a gradient: zeros.
      i, f, g, o = tf.split(biases, 4)
      biases = tf.concat(
        [i, tf.fill(f.shape, tf.cast(_SHUT, f.dtype)), g, o], 0
      )
    return weights, biases

  def clip(self, x: tf.Tensor) -> tf.Tensor:
    """Clips `x` to the core's `clip_value`, if there is one."""
    return clip(x, self._clip_value)


class DNC(Core):
  """A Differentiable Neural Computer.

  >>> core = DNC(
  ...     access_config=dict(memory_size=16, word_size=16, num_reads=4),
  ...     controller_config=dict(hidden_size=64),
  ...     output_size=10,
  ... )
  >>> sequence = tf.ones([5, 2, 8])  # [time, batch, input_size]
  >>> outputs, state = snt.dynamic_unroll(
  ...     core, sequence, core.initial_state(2))
  >>> outputs.shape
  TensorShape([5, 2, 10])
  >>> state.access_state.memory.shape
  TensorShape([2, 16, 16])
  """

  def __init__(
    self,
    access_config: Mapping[str, Any],
    controller_config: Mapping[str, Any],
    output_size: int,
    clip_value: float | None = None,
    name: str = 'dnc',
    dtype: tf.DType = tf.float32,
    reset_controller: bool = False,
  ):
    """Constructs the core.

    Args:
      access_config: arguments of `MemoryAccess`.
      controller_config: arguments of the controller, an `snt.LSTM`.
      output_size: size of the output.
      clip_value: bound on the controller's output and state and on the core's
        output, all clipped to [-clip_value, clip_value]; None or 0 for none.
      name: name of the module.
      dtype: dtype of weights and state.
      reset_controller: whether the LSTM starts each step from zeros, so that
        only the memory and the words read carry anything from step to step.
        The reference has no such option.

    Raises:
      ValueError: if a size is not a positive whole number, `clip_value` is not
        a number of at least 0, or `dtype` is not a floating-point type.
    """
    super().__init__(
      controller_config, output_size, clip_value, name, dtype, reset_controller
    )
    self._access = access.MemoryAccess(**access_config, dtype=self.dtype)

  @property
  def access(self) -> access.MemoryAccess:
    """The memory and its heads."""
    return self._access

  @property
  def state_size(self) -> DNCState:
    """Shapes of the state, `tf.TensorShape`s without the batch."""
    return DNCState(
      access_output=self._access.output_size,
      access_state=self._access.state_size,
      controller_state=super().state_size,
    )

  def __call__(
    self, inputs: tf.Tensor, prev_state: DNCState
  ) -> tuple[tf.Tensor, DNCState]:
    """One step.

    Args:
      inputs: float tensor `[batch, ...]`, flattened to `[batch, input_size]`.
      prev_state: the state before the step.

    Returns:
      The output, float tensor `[batch, output_size]`, and the state after the
      step.
    """
    flatten = snt.Flatten()
    # [x_t; r_{t-1}]
    controller_input = tf.concat(
      [flatten(inputs), flatten(prev_state.access_output)], axis=1
    )
    # (h_t, s_t) and h_t
    controller_state = self.control(
      controller_input, prev_state.controller_state
    )
    controller_output = controller_state.hidden
    # r_t
    access_output, access_state = self._access(
      controller_output, prev_state.access_state
    )
    # y_t
    output = self._output_linear(
      tf.concat([controller_output, flatten(access_output)], axis=1)
    )
    return self.clip(output), DNCState(
      access_output=access_output,
      access_state=access_state,
      controller_state=controller_state,
    )

  def initial_state(
    self, batch_size: int, dtype: tf.DType | None = None
  ) -> DNCState:
    """Zeros; see `Core.initial_state`."""
    # In a subclass of `MemoryAccess` it may be more than zeros of one dtype.
    access_state = self._access.initial_state(batch_size, dtype)
    zeros = super().initial_state(batch_size, dtype)
    return zeros._replace(access_state=access_state)

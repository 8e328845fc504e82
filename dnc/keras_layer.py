"""A DNC as a Keras layer, for models that Keras trains and saves.

Keras 3 does not see the variables of a Sonnet module. So the layer makes
variables of its own, which take the place of the core's.
"""

from collections.abc import Mapping
import math
from typing import Any

import keras
import tensorflow as tf

from dnc import dnc
from dnc import unroll
from dnc.system import json_values


@keras.saving.register_keras_serializable('dnc')
class DNCLayer(keras.layers.Layer):
  """Runs a `DNC` over sequences, starting from an empty memory.

  Inputs are `[batch, time, ...]`, as Keras has them, and outputs
  `[batch, time, output_size]`. All computation is in the dtype of the weights.
  Masks are not supported.

  >>> layer = DNCLayer(dict(memory_size=16), dict(hidden_size=64), 10)
  >>> layer(keras.ops.ones([2, 5, 8])).shape
  TensorShape([2, 5, 10])
  >>> len(layer.trainable_weights)
  25
  """

  def __init__(
    self,
    access_config: Mapping[str, Any],
    controller_config: Mapping[str, Any],
    output_size: int,
    clip_value: float | None = None,
    **kwargs: Any,
  ):
    """Constructs the layer.

    Args:
      access_config: see `dnc.DNC`.
      controller_config: see `dnc.DNC`.
      output_size: see `dnc.DNC`.
      clip_value: see `dnc.DNC`.
      **kwargs: arguments of `keras.layers.Layer`, such as `name` and `dtype`.

    Raises:
      ValueError: as `dnc.DNC`, or if Keras does not run on TensorFlow.
    """
    if keras.backend.backend() != 'tensorflow':
      raise ValueError(
        'DNCLayer needs KERAS_BACKEND=tensorflow, not '
        f'{keras.backend.backend()}'
      )
    super().__init__(**kwargs)
    # In the types of JSON, because sweeps pass NumPy's numbers.
    self._arguments = json_values.clean(
      dict(
        access_config=access_config,
        controller_config=controller_config,
        output_size=output_size,
        clip_value=clip_value,
      )
    )
    # The core compiles its own loop.
    self.supports_jit = False
    self._is_shared = False
    self.core = dnc.DNC(
      access_config,
      controller_config,
      output_size,
      clip_value,
      dtype=tf.as_dtype(self.variable_dtype),
    )

  def build(self, input_shape: tuple[int | None, ...]) -> None:
    """Makes the variables for inputs of this shape."""
    if len(input_shape) < 3 or None in input_shape[2:]:
      raise ValueError(
        f'inputs of {self.name} have shape {tuple(input_shape)}: must be '
        '[batch, time, ...], with known sizes after time'
      )
    with tf.init_scope():
      example = tf.zeros([1, math.prod(input_shape[2:])], self.core.dtype)
      self.core(example, self.core.initial_state(1))
    self._own = [
      self.add_weight(
        shape=variable.shape,
        initializer=lambda *_, variable=variable, **__: variable.read_value(),
        autocast=False,
        name=variable.name.partition(':')[0].replace('/', '_'),
      )
      for variable in self.core.trainable_variables
    ]
    self._share()

  def _share(self) -> None:
    """Puts the layer's variables in place of the core's."""
    own = [variable.value for variable in self._own]
    if self._is_shared or not all(isinstance(x, tf.Variable) for x in own):
      return  # While Keras traces a model, it makes them later.
    of_core = dict(zip(map(id, self.core.trainable_variables), own))
    for module in (self.core, *self.core.submodules):
      for name, value in list(vars(module).items()):
        if id(value) in of_core:
          setattr(module, name, of_core[id(value)])
    self._is_shared = True

  def get_config(self) -> dict[str, Any]:
    """Returns the arguments of the layer, for saving it."""
    return {**super().get_config(), **self._arguments}

  def compute_output_shape(
    self, input_shape: tuple[int | None, ...]
  ) -> tuple[int | None, ...]:
    """Returns the shape of the outputs."""
    return (*input_shape[:2], *self.core.output_size)

  def call(self, inputs: tf.Tensor) -> tf.Tensor:
    """Runs the core over `[batch, time, ...]`."""

    def swap(x):
      return tf.transpose(x, [1, 0, *range(2, x.shape.rank)])

    self._share()
    sequence = swap(tf.cast(inputs, self.core.dtype))
    state = self.core.initial_state(tf.shape(sequence)[1])
    outputs = unroll.unroll(self.core, sequence, state)[0]
    return tf.cast(swap(outputs), self.compute_dtype)

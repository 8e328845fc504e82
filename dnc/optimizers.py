"""Adam in one pass over the weights."""

from collections.abc import Sequence

import sonnet as snt
import tensorflow as tf


class Adam(snt.optimizers.Adam):
  """`snt.optimizers.Adam`, to rounding, by TensorFlow's fused operation.

  Sonnet's formula is a dozen operations, each of which reads and writes
  something as large as the weights; with short segments that is a good part of
  an update. Variables and checkpoints are the same.
  """

  def apply(
    self,
    updates: Sequence[tf.Tensor | None],
    parameters: Sequence[tf.Variable],
  ) -> None:
    """Applies updates to parameters, as `snt.optimizers.Adam.apply` does.

    Args:
      updates: a gradient for each parameter; None leaves it as it is.
      parameters: float variables.

    Raises:
      ValueError: if there are not as many updates as parameters.
    """
    dense = all(x is None or isinstance(x, tf.Tensor) for x in updates)
    if tf.distribute.has_strategy() or not dense:
      super().apply(updates, parameters)
      return
    if not parameters or len(updates) != len(parameters):
      raise ValueError(
        f'expected an update for each parameter, got {len(updates)} for '
        f'{len(parameters)}'
      )
    self._initialize(parameters)
    self.step.assign_add(1)
    for update, parameter, m, v in zip(updates, parameters, self.m, self.v):
      if update is None:
        continue
      dtype = parameter.dtype
      beta1, beta2 = tf.cast(self.beta1, dtype), tf.cast(self.beta2, dtype)
      step = tf.cast(self.step, dtype)
      beta2_power = beta2**step
      tf.raw_ops.ResourceApplyAdam(
        var=parameter.handle,
        m=m.handle,
        v=v.handle,
        beta1_power=beta1**step,
        beta2_power=beta2_power,
        lr=tf.cast(self.learning_rate, dtype),
        beta1=beta1,
        beta2=beta2,
        # TensorFlow adds it before the correction of v, Sonnet and the paper
        # after.
        epsilon=tf.cast(self.epsilon, dtype) * tf.sqrt(1 - beta2_power),
        grad=update,
      )

"""Adam and RMSProp in one pass over the weights.

They compute Sonnet's formulas, up to rounding, with TensorFlow's fused
operations. Sonnet's own optimizers take a dozen passes over the weights, a
large part of an update on a short segment. Variables and checkpoints are those
of Sonnet's optimizers.

Sonnet's optimizers refuse most `tf.distribute` strategies. Here every replica
updates its own copies, which stay equal as long as the gradients are equal.
"""

from collections.abc import Sequence
import functools

import sonnet as snt
import tensorflow as tf


class _Fused(snt.Optimizer):
  """Checks updates, and applies each with one operation."""

  def apply(
    self,
    updates: Sequence[tf.Tensor | None],
    parameters: Sequence[tf.Variable],
  ) -> None:
    """Applies updates to parameters, as Sonnet's optimizers do.

    Args:
      updates: a gradient for each parameter; None leaves the parameter as it
        is.
      parameters: float variables, at least one.

    Raises:
      ValueError: if there are not as many updates as parameters, an update is
        sparse, or RMSProp is centred.
    """
    if not parameters or len(updates) != len(parameters):
      raise ValueError(
        f'expected an update for each parameter, got {len(updates)} for '
        f'{len(parameters)}'
      )
    if any(isinstance(update, tf.IndexedSlices) for update in updates):
      raise ValueError("sparse updates are not supported; use Sonnet's")
    self._initialize(parameters)
    operation, slots, numbers = self._operation()
    # Once a type, not once a parameter: each operation takes a while to trace.
    numbers = functools.cache(numbers)
    for update, parameter, *own in zip(updates, parameters, *slots.values()):
      if update is not None:
        operation(
          var=parameter.handle,
          grad=update,
          **{name: variable.handle for name, variable in zip(slots, own)},
          **numbers(parameter.dtype),
        )

  def _operation(self):
    """The operation, its variables, and numbers by dtype; both by argument."""
    raise NotImplementedError


class Adam(_Fused, snt.optimizers.Adam):
  """`snt.optimizers.Adam` with dense updates."""

  def _operation(self):
    step = self.step.read_value() + 1
    tf.raw_ops.AssignVariableOp(resource=self.step.handle, value=step)

    def numbers(dtype):
      beta1, beta2 = tf.cast(self.beta1, dtype), tf.cast(self.beta2, dtype)
      beta2_power = beta2 ** tf.cast(step, dtype)
      return dict(
        beta1_power=beta1 ** tf.cast(step, dtype),
        beta2_power=beta2_power,
        lr=tf.cast(self.learning_rate, dtype),
        beta1=beta1,
        beta2=beta2,
        # TensorFlow adds epsilon before it corrects v for bias; Sonnet and the
        # paper add it after.
        epsilon=tf.cast(self.epsilon, dtype) * tf.sqrt(1 - beta2_power),
      )

    return tf.raw_ops.ResourceApplyAdam, dict(m=self.m, v=self.v), numbers


class RMSProp(_Fused, snt.optimizers.RMSProp):
  """`snt.optimizers.RMSProp` with dense updates, not centred."""

  def _operation(self):
    if self.centered:
      raise ValueError("centred RMSProp is not supported; use Sonnet's")

    def numbers(dtype):
      return dict(
        lr=tf.cast(self.learning_rate, dtype),
        rho=tf.cast(self.decay, dtype),
        momentum=tf.cast(self.momentum, dtype),
        epsilon=tf.cast(self.epsilon, dtype),
      )

    slots = dict(ms=self.ms, mom=self.mom)
    return tf.raw_ops.ResourceApplyRMSProp, slots, numbers


def make(
  name: str,
  learning_rate: float | tf.Variable,
  parameters: Sequence[tf.Variable],
  beta2: float = 0.999,
) -> Adam | RMSProp:
  """Makes an optimizer with all its variables.

  Args:
    name: `adam` or `rmsprop`.
    learning_rate: the learning rate.
    parameters: the variables that it will be applied to.
    beta2: Adam's beta2. All other settings have Sonnet's defaults.
  """
  if name == 'adam':
    optimizer = Adam(learning_rate, beta2=beta2)
  else:
    optimizer = RMSProp(learning_rate)
  # Variables created while a graph is traced would make it trace twice.
  optimizer._initialize(parameters)
  return optimizer

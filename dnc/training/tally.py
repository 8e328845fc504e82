"""Counts of a training's updates and steps; sums since its last report."""

import sonnet as snt
import tensorflow as tf

from dnc.training import distribution


def _variable(value: float, dtype: tf.DType) -> tf.Variable:
  return tf.Variable(value, dtype=dtype, trainable=False)


class Tally(snt.Module):
  """Counts and sums, as variables, so that checkpoints hold them.

  So a resumed run reports the same as an uninterrupted one.

  Attributes:
    num_updates: int64 variable, updates so far.
    num_steps: int64 variable, real steps (batch x time) so far.
    loss_sum: float64 variable, sum of the steps' losses since the last report.
    grad_norm_sum: float64 variable, sum of the updates' gradient norms since
      the last report.
    steps_since: int64 variable, steps since the last report.
    updates_since: int64 variable, updates since the last report.
    best_loss: float64 variable, the lowest validation loss.
  """

  def __init__(self):
    """Constructs the tally of a run that has not begun."""
    super().__init__(name='tally')
    self.num_updates = _variable(0, tf.int64)
    self.num_steps = _variable(0, tf.int64)
    self.loss_sum = _variable(0, tf.float64)
    self.grad_norm_sum = _variable(0, tf.float64)
    self.steps_since = _variable(0, tf.int64)
    self.updates_since = _variable(0, tf.int64)
    self.best_loss = _variable(float('inf'), tf.float64)

  def add(
    self, loss: tf.Tensor, grad_norm: tf.Tensor, num_steps: tf.Tensor
  ) -> None:
    """Counts an update, in its graph.

    Args:
      loss: mean over the update's steps, scalar.
      grad_norm: of the gradient, scalar.
      num_steps: real steps, scalar.
    """
    for variable, number in (
      (self.num_updates, 1),
      (self.num_steps, num_steps),
      (self.loss_sum, loss * tf.cast(num_steps, loss.dtype)),
      (self.grad_norm_sum, grad_norm),
      (self.steps_since, num_steps),
      (self.updates_since, 1),
    ):
      distribution.assign(variable, variable + tf.cast(number, variable.dtype))

  def finish_report(self) -> dict[str, float]:
    """Means since the last call: `loss` by step, `grad_norm` by update."""
    since = (
      self.loss_sum,
      self.steps_since,
      self.grad_norm_sum,
      self.updates_since,
    )
    loss, steps, grad_norm, updates = (float(x.numpy()) for x in since)
    for variable in since:
      variable.assign(tf.zeros_like(variable))
    return dict(loss=loss / steps, grad_norm=grad_norm / updates)

  def validate(self, loss: float) -> bool:
    """Records a validation; returns whether its loss is the lowest so far."""
    best = loss < float(self.best_loss.numpy())
    if best:
      self.best_loss.assign(loss)
    return best

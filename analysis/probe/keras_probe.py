"""The Keras probe: a linear layer, trained by Adam for one epoch.

PROTOCOL, 'Test 1: linear probe': one linear layer, no activation; softmax
cross-entropy for the shape, mean squared error for the other four; Adam,
mini-batch 256, one epoch over all steps. One model trains the layers of all
representations, tasks and seeds together; they share no parameters.

PROTOCOL leaves the initial values open. Weights start at zero, biases at the
mean of the training labels (log-frequencies for the shape), so a probe that
learns nothing scores as the mean does. The loss is convex: initial values
change only how soon the optimum is reached.
"""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import contextlib
import functools
import gc
import logging
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from analysis.probe import labels as labels_lib
from analysis.probe import threads
from dnc.system import errors
from dnc.system import progress

_SHUFFLE = 3
# Steps are shuffled within blocks of at most this many bytes and steps.
_BLOCK_BYTES = 256 << 20
_BLOCK_STEPS = 32768


def initial_bias(
  spec: labels_lib.LabelSpec, mean: np.ndarray, num_steps: int
) -> np.ndarray:
  """Returns the outputs of a probe that knows nothing: float64 `[output]`.

  Args:
    spec: names and kinds of the labels.
    mean: float `[output]`, the mean of `LabelSpec.as_outputs`.
    num_steps: steps that the mean is over. A class that never occurs gets the
      log-frequency of half a step.
  """
  bias = mean.copy()
  for _, where in spec.heads():
    counts = np.maximum(mean[where], 0.5 / num_steps)
    bias[where] = np.log(counts / counts.sum())
  return bias


def _loss(
  spec: labels_lib.LabelSpec, labels: tf.Tensor, predictions: tf.Tensor
) -> tf.Tensor:
  """Cross-entropy of classes plus squared error of values: a scalar.

  It is the mean over the steps that have a label, summed over probes.

  Args:
    spec: names and kinds of the labels.
    labels: `[batch, 1, seed, task, label + 1]`, see `labels.at_offset`.
    predictions: `[batch, representation, seed, task, output]`.
  """
  wrong = spec.value_outputs(predictions) - spec.values_of(labels)
  losses = tf.reduce_sum(tf.square(wrong), axis=-1)
  for column, where in spec.heads():
    classes = tf.cast(labels[..., column], tf.int32)
    true = tf.one_hot(classes, where.stop - where.start)
    log_likelihood = tf.nn.log_softmax(predictions[..., where])
    losses -= tf.reduce_sum(true * log_likelihood, axis=-1)
  has_label = labels[..., -1]
  total = tf.reduce_sum(losses * has_label, axis=0)
  number = tf.reduce_sum(has_label, axis=0)
  return tf.reduce_sum(tf.math.divide_no_nan(total, number))


@contextlib.contextmanager
def _float32() -> Iterator[None]:
  """Makes Keras compute in float32, then restores the user's settings.

  Layers, losses and optimizers do not all follow the same setting.
  """
  policy, floatx = keras.config.dtype_policy(), keras.config.floatx()
  keras.config.set_dtype_policy('float32')
  keras.config.set_floatx('float32')
  try:
    yield
  finally:
    keras.config.set_floatx(floatx)
    keras.config.set_dtype_policy(policy)


class LinearProbe:
  """Linear layers from representations to labels, one for each task and seed.

  Attributes:
    widths: width of each representation.
    num_seeds: copies of each layer.
    model: the `keras.Model`, from a list of `[seed, batch, width]` to
      `[batch, representation, seed, task, output]`. The seed comes first;
      otherwise TensorFlow would move it there, which takes longer than the
      rest.
  """

  @_float32()
  def __init__(
    self,
    widths: Mapping[str, int],
    spec: labels_lib.LabelSpec,
    num_tasks: int = 1,
    num_seeds: int = 1,
    bias: np.ndarray | None = None,
    learning_rate: float = 1e-3,
  ):
    """Builds the model.

    Args:
      widths: width of each representation.
      spec: names and kinds of the labels.
      num_tasks: see `labels.Labels`.
      num_seeds: copies of each layer; each sees the steps in its own order.
      bias: float `[output]`, the initial bias; zeros if None.
      learning_rate: Adam's learning rate.

    Raises:
      UsageError: if Keras does not run on TensorFlow.
    """
    if keras.config.backend() != 'tensorflow':
      raise errors.UsageError(
        f'KERAS_BACKEND={keras.config.backend()}: must be tensorflow, in the '
        'environment or in keras.json'
      )
    self.widths = widths
    self.num_seeds = num_seeds
    self._shape = (num_seeds, num_tasks, spec.num_outputs)
    inputs, outputs, self._layers = [], [], []
    for width in widths.values():
      inputs.append(keras.Input(batch_shape=[num_seeds, None, width]))
      layer = keras.layers.EinsumDense(
        'sbw,swo->sbo',
        output_shape=[None, num_tasks * spec.num_outputs],
        bias_axes='so',
        kernel_initializer='zeros',
      )
      flat = keras.ops.swapaxes(layer(inputs[-1]), 0, 1)
      outputs.append(keras.ops.reshape(flat, [-1, 1, *self._shape]))
      if bias is not None:
        layer.bias.assign(np.tile(bias, [num_seeds, 1, num_tasks]))
      self._layers.append(layer)
    self.model = keras.Model(inputs, keras.ops.concatenate(outputs, axis=1))
    self.model.compile(
      optimizer=keras.optimizers.Adam(learning_rate),
      loss=functools.partial(_loss, spec),
      steps_per_execution=32,
      jit_compile=False,
    )

  @_float32()
  def fit(self, dataset: tf.data.Dataset) -> None:
    """Trains once on every step; call it again to train on more steps.

    Args:
      dataset: mini-batches of (tuple of float32 `[seed, batch, width]`, float32
        `[batch, 1, seed, task, label + 1]`). Labels have as many dimensions as
        predictions; otherwise Keras would guess how to match them.
    """
    self.model.fit(dataset, epochs=1, verbose=0, shuffle=False)

  def weights(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Returns the kernel and bias of each representation.

    Returns:
      By representation, float32 `[seed, width, task, output]` and `[seed, task,
      output]`.
    """
    found = {}
    for (name, width), layer in zip(self.widths.items(), self._layers):
      kernel, bias = layer.get_weights()
      shape = [self.num_seeds, width, *self._shape[1:]]
      found[name] = kernel.reshape(shape), bias.reshape(self._shape)
    return found


class Examples(NamedTuple):
  """Steps to train on.

  Attributes:
    features: float32 `[steps, width]` for each copy of the first
      representation, then of the second, and so on.
    labels: float32 `[steps, task, label + 1]`.
  """

  features: list[np.ndarray]
  labels: np.ndarray


def blocks(rollouts: Iterator[Examples], num_steps: int) -> Iterator[Examples]:
  """Joins rollouts into blocks of `num_steps` steps; the last is shorter."""
  waiting, number = [], 0

  def join(pieces):
    features, labels = zip(*pieces)
    return Examples(
      [np.concatenate(x) for x in zip(*features)], np.concatenate(labels)
    )

  for features, labels in rollouts:
    while number + len(labels) >= num_steps:
      cut = num_steps - number
      waiting.append(([x[:cut] for x in features], labels[:cut]))
      yield join(waiting)
      features, labels = [x[cut:] for x in features], labels[cut:]
      waiting, number = [], 0
    if len(labels):
      waiting.append((features, labels))
      number += len(labels)
  if waiting:
    yield join(waiting)


# One graph for all blocks: a graph of many operations takes long to make.
@functools.lru_cache(maxsize=4)
def _taking(
  widths: tuple[int, ...],
  copies: tuple[int, ...],
  label_shape: tuple[int, ...],
  num_seeds: int,
) -> Callable[..., tuple[tuple[tf.Tensor, ...], tf.Tensor]]:
  """Returns a function that takes a mini-batch for `LinearProbe.fit`.

  Args:
    widths: width of each representation.
    copies: copies of each representation: 1, or one for each seed.
    label_shape: shape of a step's labels.
    num_seeds: number of orders.

  Returns:
    A function of the copies of each representation, float32 `[steps, width]`,
    of labels `[steps, *label_shape]`, and of the steps to take, int32
    `[batch, seed]`.
  """
  features = [
    [tf.TensorSpec([None, width], tf.float32)] * number
    for width, number in zip(widths, copies)
  ]
  labels = tf.TensorSpec([None, *label_shape], tf.float32)
  rows = tf.TensorSpec([None, num_seeds], tf.int32)

  @tf.function(autograph=False, input_signature=[features, labels, rows])
  def take_rows(features, labels, rows):
    # Not tf.transpose: oneDNN warns about integers on many processors.
    of_seed = tf.unstack(rows, axis=1)
    inputs = [
      tf.gather(own[0], tf.stack(of_seed))
      if len(own) == 1
      else tf.stack([tf.gather(x, i) for x, i in zip(own, of_seed)])
      for own in features
    ]
    return tuple(inputs), tf.gather(labels, rows)[:, tf.newaxis]

  return take_rows


def batches(
  block: Examples,
  copies: Sequence[int],
  seed: int,
  number: int,
  num_seeds: int,
  batch_size: int,
) -> tf.data.Dataset:
  """Shuffles a block into mini-batches for `LinearProbe.fit`.

  Args:
    block: the steps.
    copies: copies of each representation: 1, or one for each seed.
    seed: the seed of the orders.
    number: index of the block; the orders depend on it.
    num_seeds: number of orders: one for each seed.
    batch_size: steps in a mini-batch.
  """
  features = [tf.convert_to_tensor(x) for x in block.features]
  labels = tf.convert_to_tensor(block.labels)
  ends = np.cumsum(copies)
  features = [features[end - n : end] for n, end in zip(copies, ends)]
  key = tf.constant([seed, _SHUFFLE], tf.int64)
  key = tf.random.fold_in(key, tf.constant(number, tf.int64))
  orders = [
    tf.argsort(
      tf.random.stateless_uniform(
        [len(block.labels)], tf.random.fold_in(key, copy)
      )
    )
    for copy in range(num_seeds)
  ]

  take_rows = _taking(
    tuple(own[0].shape[1] for own in features),
    tuple(copies),
    tuple(labels.shape[1:]),
    num_seeds,
  )

  @tf.autograph.experimental.do_not_convert
  def take(rows):
    return take_rows(features, labels, rows)

  dataset = tf.data.Dataset.from_tensor_slices(tf.stack(orders, axis=1))
  return dataset.batch(batch_size).map(take).prefetch(8)


@contextlib.contextmanager
def _collecting_new_objects() -> Iterator[None]:
  """Has the collector skip what exists; all objects take it seconds a time."""
  is_ours = not gc.get_freeze_count()
  if is_ours:
    gc.collect()
    gc.freeze()
  try:
    yield
  finally:
    if is_ours:
      gc.unfreeze()


def fit(
  probe: LinearProbe,
  rollouts: Iterator[Examples],
  copies: Sequence[int],
  seed: int,
  num_steps: int,
  batch_size: int,
  log: progress.Log | None,
  bytes_per_step: int | None = None,
) -> None:
  """Trains for one epoch over rollouts, block by block.

  Keras gets blocks that are already in memory. If it read rollouts from a
  generator that itself reads a `tf.data.Dataset`, the two could wait for each
  other's threads: a deadlock on two processors.

  Args:
    probe: the probe.
    rollouts: the steps of each rollout.
    copies: copies of each representation: 1, or one for each seed.
    seed: the seed of the orders.
    num_steps: steps of all rollouts together, for the progress.
    batch_size: steps in a mini-batch.
    log: takes a line of progress now and then.
    bytes_per_step: decides the size of a block, within which steps are
      shuffled; None: the size of a step of these representations.
  """
  if bytes_per_step is None:
    bytes_per_step = 4 * np.dot(copies, list(probe.widths.values()))
  block_steps = min(_BLOCK_STEPS, _BLOCK_BYTES // bytes_per_step)
  block_steps = max(1, block_steps // batch_size) * batch_size
  done = 0
  # Silences the warning that Keras makes a new graph for each model.
  logger = tf.get_logger()
  level = logger.level
  logger.setLevel(logging.ERROR)
  try:
    with (
      _collecting_new_objects(),
      progress.Stage(log, 'training probes', num_steps, 'steps') as stage,
    ):
      for number, block in enumerate(
        threads.ahead(blocks(rollouts, block_steps))
      ):
        if number:
          # Graphs of Keras and tf.data refer to each other and to the last
          # block, so Python would otherwise free it much later.
          gc.collect()
        probe.fit(
          batches(block, copies, seed, number, probe.num_seeds, batch_size)
        )
        done += len(block.labels)
        stage.done(done)
  finally:
    logger.setLevel(level)

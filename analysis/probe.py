"""Test 1: can a linear layer read the latents off what a model held?

PROTOCOL, 'Test 1: linear probe'; the post's section of that name. For every
representation in the traces, and for random inputs of the same width, a layer
with no activation predicts the latents of the current sprite and of the sprites
5 and 10 steps before. A map of the file:

- `targets`: the labels of a rollout at each offset;
- `LinearProbe`: the Keras model; `fit` and `score` on batches of steps;
- `run`: from traces to scores, streamed from disk.

Choices that PROTOCOL leaves open: the layer starts from zero weights and, for
bias, the mean of the training labels (log-frequencies for the shape). The loss
is convex, so where it starts only changes how soon it arrives; starting there,
a probe that learns nothing scores what predicting the mean scores.
"""

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses

import keras
import numpy as np
import tensorflow as tf

from analysis import controls
from analysis import normalisation
from dnc import errors
from dnc import progress
from dnc import traces as traces_lib
from dnc.dsprites import latents

_NUM_SHAPES = latents.SIZES[0]
_NUM_VALUES = latents.NUM_LATENTS - 1
_NUM_OUTPUTS = _NUM_SHAPES + _NUM_VALUES
CHANCE_ACCURACY = 1 / _NUM_SHAPES
CONTROL_PREFIX = 'random_'

# Steps are shuffled within blocks of at most this many bytes and steps.
_BLOCK_BYTES = 256 << 20
_BLOCK_STEPS = 32768
_SHUFFLE = 3


def targets(
  classes: tf.Tensor, values: tf.Tensor, offsets: Sequence[int]
) -> tf.Tensor:
  """Returns the labels of a rollout at each offset.

  Args:
    classes: int32 `[time, 5]`, of the current sprite of each step.
    values: float32 `[time, 5]`, of the same.
    offsets: how many steps before the current one the labelled sprite was.

  Returns:
    float32 `[time, offset, 6]`: class of the shape, values of the other four
    latents, and 1 where there is a label, 0 (all six) where the rollout had not
    begun.
  """
  shape = tf.cast(classes[:, :1], tf.float32)
  labels = tf.concat([shape, values[:, 1:], tf.ones_like(shape)], axis=1)
  num_steps = tf.shape(labels)[0]
  return tf.stack(
    [tf.pad(labels, [[k, 0], [0, 0]])[:num_steps] for k in offsets], axis=1
  )


def _loss(labels: tf.Tensor, predictions: tf.Tensor) -> tf.Tensor:
  """Sums the losses of all probes; none shares a parameter with another.

  Args:
    labels: `[batch, offset, 6]`; see `targets`.
    predictions: `[batch, representation, offset, 7]`: logits of the three
      shapes, then the four values.

  Returns:
    Scalar: cross-entropy of shape plus squared errors of the rest, each the
    mean over the steps that have a label, summed over latents, offsets and
    representations.
  """
  labels = labels[:, tf.newaxis]
  shape = tf.cast(labels[..., 0], tf.int32)
  logits, values = tf.split(predictions, [_NUM_SHAPES, _NUM_VALUES], axis=-1)
  log_likelihood = tf.reduce_sum(
    tf.one_hot(shape, _NUM_SHAPES) * tf.nn.log_softmax(logits), axis=-1
  )
  squares = tf.reduce_sum(tf.square(values - labels[..., 1:-1]), axis=-1)
  has_label = labels[..., -1]
  total = tf.reduce_sum((squares - log_likelihood) * has_label, axis=0)
  return tf.reduce_sum(
    tf.math.divide_no_nan(total, tf.reduce_sum(has_label, axis=0))
  )


class _FitLines(keras.callbacks.Callback):
  """Reports the steps that Keras has trained on."""

  def __init__(self, lines: progress.Lines, batch_size: int):
    super().__init__()
    self._lines = lines
    self._batch_size = batch_size

  def on_train_batch_end(self, batch: int, logs: Mapping | None = None) -> None:
    self._lines.done((batch + 1) * self._batch_size)


class LinearProbe:
  """Linear layers from representations to latents, one for each offset.

  Attributes:
    model: the `keras.Model`, from a dict of `[batch, width]` to
      `[batch, representation, offset, 7]`. For each representation a `Dense`
      named '<representation>_probe' holds the columns of all offsets.
  """

  def __init__(
    self,
    widths: Mapping[str, int],
    offsets: Sequence[int] = (0,),
    initial_bias: np.ndarray | None = None,
    learning_rate: float = 1e-3,
  ):
    """Builds the model.

    Args:
      widths: width of each representation.
      offsets: see `targets`.
      initial_bias: float `[7]`, for shape logits and values; zeros if None.
      learning_rate: Adam's.
    """
    self._names = list(widths)
    self._offsets = tuple(offsets)
    inputs = {
      name: keras.Input([width], name=name) for name, width in widths.items()
    }
    outputs = []
    for name in self._names:
      layer = keras.layers.Dense(
        len(self._offsets) * _NUM_OUTPUTS,
        kernel_initializer='zeros',
        name=f'{name}_probe',
      )
      flat = layer(inputs[name])
      outputs.append(
        keras.ops.reshape(flat, [-1, 1, len(self._offsets), _NUM_OUTPUTS])
      )
      if initial_bias is not None:
        layer.bias.assign(np.tile(initial_bias, len(self._offsets)))
    output = keras.ops.concatenate(outputs, axis=1)
    self.model = keras.Model(inputs, output)
    self.model.compile(
      optimizer=keras.optimizers.Adam(learning_rate),
      loss=_loss,
      steps_per_execution=32,
    )

  def fit(
    self,
    dataset: tf.data.Dataset,
    callbacks: Sequence[keras.callbacks.Callback] = (),
  ) -> 'LinearProbe':
    """Trains for one epoch.

    Args:
      dataset: mini-batches of (dict of float32 `[batch, width]`, float32
        `[batch, offset, 6]` of `targets`).
      callbacks: passed to Keras.
    """
    self.model.fit(
      dataset, epochs=1, verbose=0, shuffle=False, callbacks=list(callbacks)
    )
    return self

  def score(
    self, dataset: tf.data.Dataset
  ) -> dict[str, dict[int, dict[str, dict[str, float]]]]:
    """Scores every representation at every offset.

    Args:
      dataset: batches as for `fit`, of any size.

    Returns:
      scores[representation][offset][latent]: for 'shape' a dict of `error`, the
      share of steps with the wrong class, and `accuracy_above_chance`, how much
      more is right than the third that guessing gets; for the other latents
      `error`, the mean squared error, and `r2`, one less the error divided by
      the variance of these labels. Either is None if these labels are all the
      same.
    """
    tally = _Tally()
    for inputs, labels in dataset:
      tally.update(labels.numpy(), self.model.predict_on_batch(inputs))
    return tally.scores(self._names, self._offsets)


class _Tally:
  """Sums over steps from which scores are made, float64."""

  def __init__(self):
    self._count = self._sum = self._sum_of_squares = 0.0
    self._wrong = self._squared_error = 0.0
    self._lowest, self._highest = np.inf, -np.inf

  def update(self, labels: np.ndarray, predictions: np.ndarray) -> None:
    """Takes in a batch, shaped as for `_loss`."""
    labels = labels.astype(np.float64)
    has_label = labels[..., -1]
    values = labels[..., 1:-1]
    self._count += has_label.sum(axis=0)
    # Steps without a label hold zeros, which add nothing.
    self._sum += values.sum(axis=0)
    self._sum_of_squares += np.square(values).sum(axis=0)
    where = dict(axis=0, where=has_label[..., np.newaxis] > 0)
    lowest = labels[..., :-1].min(initial=np.inf, **where)
    highest = labels[..., :-1].max(initial=-np.inf, **where)
    self._lowest = np.minimum(self._lowest, lowest)
    self._highest = np.maximum(self._highest, highest)
    chosen = predictions[..., :_NUM_SHAPES].argmax(axis=-1)
    wrong = chosen != labels[:, np.newaxis, :, 0]
    self._wrong += (wrong * has_label[:, np.newaxis]).sum(axis=0)
    error = predictions[..., _NUM_SHAPES:] - values[:, np.newaxis]
    weight = has_label[:, np.newaxis, :, np.newaxis]
    self._squared_error += (np.square(error) * weight).sum(axis=0)

  def scores(self, names: Sequence[str], offsets: Sequence[int]) -> dict:
    """Returns what `LinearProbe.score` describes."""
    mean = self._sum / self._count[:, np.newaxis]
    variance = self._sum_of_squares / self._count[:, np.newaxis] - mean**2
    varies = self._highest > self._lowest
    wrong = self._wrong / self._count
    squared_error = self._squared_error / self._count[:, np.newaxis]
    result = {}
    for r, name in enumerate(names):
      result[name] = {}
      for k, offset in enumerate(offsets):
        shape_error = float(wrong[r, k])
        above = 1 - shape_error - CHANCE_ACCURACY if varies[k, 0] else None
        scores = {
          'shape': {'error': shape_error, 'accuracy_above_chance': above}
        }
        for i, latent in enumerate(latents.NAMES[1:]):
          error = float(squared_error[r, k, i])
          # A variance that is not exactly zero may be rounding.
          varied = varies[k, i + 1]
          r2 = float(1 - error / variance[k, i]) if varied else None
          scores[latent] = {'error': error, 'r2': r2}
        result[name][offset] = scores
    return result


@dataclasses.dataclass(frozen=True)
class ProbeResult:
  """What Test 1 found.

  Attributes:
    widths: width of each representation, random controls included.
    offsets: the offsets.
    scores: scores[split][representation][offset][latent], as
      `LinearProbe.score` gives them. Splits are 'train', what the probe was
      trained on (the post's score), and 'test', rollouts it has not seen.
  """

  widths: dict[str, int]
  offsets: tuple[int, ...]
  scores: dict[str, dict]


def control_name(width: int) -> str:
  """Returns the name of the random control of a width."""
  return f'{CONTROL_PREFIX}{width}'


class _Pipeline:
  """From traces to batches of labelled, normalised steps."""

  def __init__(
    self,
    traces: traces_lib.Traces,
    names: Sequence[str],
    offsets: Sequence[int],
    seed: int,
  ):
    self._traces = traces
    self._names = list(names)
    self._offsets = offsets
    self._seed = seed
    self.widths = {name: traces.width(name) for name in names}
    self._random = sorted(set(self.widths.values()), reverse=True)
    self.widths.update({control_name(width): width for width in self._random})

  def num_rollouts(self, split: str) -> int:
    return self._traces.num_rollouts[split]

  def rollouts(self, split: str) -> tf.data.Dataset:
    """Returns the rollouts of a split with the random controls added."""

    def add_controls(rollout):
      num_steps = tf.shape(rollout['classes'])[0]
      for width in self._random:
        rollout[control_name(width)] = controls.random_inputs(
          self._seed, rollout['index'], num_steps, width
        )
      return rollout

    features = [*self._names, 'index', 'classes', 'values']
    return self._traces.dataset(split, features).map(
      add_controls, num_parallel_calls=2
    )

  def blocks(
    self,
    split: str,
    normalise: Mapping[str, Callable[[tf.Tensor], tf.Tensor]],
    batch_size: int,
  ) -> tf.data.Dataset:
    """Returns steps in the order of the rollouts, as many as memory bears."""

    def prepare(rollout):
      inputs = {name: normalise[name](rollout[name]) for name in self.widths}
      labels = targets(rollout['classes'], rollout['values'], self._offsets)
      return inputs, labels

    bytes_per_step = 4 * sum(self.widths.values())
    batches = min(_BLOCK_STEPS, _BLOCK_BYTES // bytes_per_step) // batch_size
    rollouts = self.rollouts(split).map(prepare, num_parallel_calls=2)
    return rollouts.rebatch(max(1, batches) * batch_size)

  def batches(
    self, blocks: tf.data.Dataset, num_steps: int, batch_size: int
  ) -> tf.data.Dataset:
    """Shuffles the steps of each block and cuts it into mini-batches."""

    def shuffle(block, examples):
      key = tf.constant([self._seed, _SHUFFLE], tf.int64)
      key = tf.random.fold_in(key, block)
      size = tf.shape(examples[1])[0]
      order = tf.argsort(tf.random.stateless_uniform([size], key))
      return tf.nest.map_structure(lambda x: tf.gather(x, order), examples)

    batches = blocks.enumerate().map(shuffle).prefetch(1).rebatch(batch_size)
    # Keras warns at the end of a dataset whose length it did not know.
    num_batches = -(-num_steps // batch_size)
    batches = batches.apply(
      tf.data.experimental.assert_cardinality(num_batches)
    )
    return batches.prefetch(8)


def _initial_bias(shape_counts: np.ndarray, means: np.ndarray) -> np.ndarray:
  # A shape that never occurs gets the log-frequency of half a step.
  counts = np.maximum(shape_counts, 0.5)
  return np.concatenate([np.log(counts / counts.sum()), means])


@dataclasses.dataclass(frozen=True)
class _Statistics:
  """What the first pass over the training rollouts finds."""

  normalisers: dict[str, normalisation.StepNormaliser]
  initial_bias: np.ndarray
  num_steps: int
  longest: int


def _statistics(pipeline: _Pipeline, log: progress.Log | None) -> _Statistics:
  normalisers = {
    name: normalisation.StepNormaliser() for name in pipeline.widths
  }
  shape_counts, sums = np.zeros(_NUM_SHAPES), np.zeros(_NUM_VALUES)
  num_steps = longest = 0
  rollouts = pipeline.rollouts('train').prefetch(2).as_numpy_iterator()
  lines = progress.Lines(
    log, 'probe: rollouts seen', pipeline.num_rollouts('train')
  )
  for i, rollout in enumerate(rollouts):
    for name, normaliser in normalisers.items():
      normaliser.update(rollout[name])
    classes, values = rollout['classes'], rollout['values']
    shape_counts += np.bincount(classes[:, 0], minlength=_NUM_SHAPES)
    sums += values[:, 1:].sum(axis=0, dtype=np.float64)
    num_steps += len(classes)
    longest = max(longest, len(classes))
    lines.done(i + 1)
  bias = _initial_bias(shape_counts, sums / num_steps)
  return _Statistics(normalisers, bias, num_steps, longest)


def _check(path: str, statistics: _Statistics, offsets: Sequence[int]) -> None:
  if statistics.longest <= max(offsets):
    raise errors.UsageError(
      f'{path}: rollouts have at most {statistics.longest} steps, too few '
      f'for labels {max(offsets)} steps back; evaluate longer rollouts'
    )
  for name, normaliser in statistics.normalisers.items():
    if not np.isfinite(normaliser.deviation).all():
      raise errors.UsageError(
        f'{path}: {name} holds numbers that are not finite; the model has '
        'diverged: train it anew, with a lower learning rate'
      )


def run(
  traces: traces_lib.Traces,
  offsets: Sequence[int] = (0, 5, 10),
  seed: int = 0,
  representations: Sequence[str] | None = None,
  batch_size: int = 256,
  log: progress.Log | None = None,
) -> ProbeResult:
  """Runs Test 1 on traces, streamed from disk in three passes.

  Args:
    traces: traces with a split 'train' and, for rollouts that the probe has not
      seen, 'test'. Those are normalised by the training statistics, so none may
      be longer than the longest training rollout.
    offsets: see `targets`.
    seed: of the random control and of the order of the steps.
    representations: names of those to probe; all in the traces if None.
    batch_size: steps in a mini-batch.
    log: takes a line of progress now and then.

  Raises:
    errors.UsageError: if the traces lack a representation or the split 'train',
      are damaged, hold numbers that are not finite, or are of rollouts shorter
      than the offsets.
  """
  pipeline = _Pipeline(
    traces, representations or list(traces.widths), offsets, seed
  )
  with traces.explained_errors():
    statistics = _statistics(pipeline, log)
    _check(traces.path, statistics, offsets)
    normalise = {
      name: normaliser.transform()
      for name, normaliser in statistics.normalisers.items()
    }
    probe = LinearProbe(pipeline.widths, offsets, statistics.initial_bias)
    blocks = pipeline.blocks('train', normalise, batch_size)
    lines = progress.Lines(log, 'probe: steps trained on', statistics.num_steps)
    batches = pipeline.batches(blocks, statistics.num_steps, batch_size)
    probe.fit(batches, [_FitLines(lines, batch_size)])
    scores = {}
    for split in ('train', 'test'):
      if split in traces.num_rollouts:
        if log:
          log(f'probe: scoring {split}')
        scores[split] = probe.score(
          pipeline.blocks(split, normalise, batch_size)
        )
  return ProbeResult(pipeline.widths, tuple(offsets), scores)

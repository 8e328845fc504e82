"""Times the inner loop of `train.py`, with and without Numba.

  python -m tests.benchmarks.training_benchmark
  python -m tests.benchmarks.training_benchmark --models=b --turns=9

Both ways train in one process and take turns, so that changes of the machine's
speed affect both. Figures are medians; the ratio is the median of each turn's
ratio. The loop is the command's: rollouts, segments of 25 steps of 16 rollouts
with carried state, loss, gradients, clipping and Adam.

The second table says where the milliseconds of an update go. Each part runs
alone, forward and backward:

*   data: draws rollouts and unpacks the images of a segment.
*   inputs: multiplies the inputs by their weights.
*   recurrence: everything that depends on the previous step, and the gradients
    of its weights.
*   outputs: the output layer and the loss.
*   optimizer: clipping and Adam.
*   rest: the time of an update minus that of all parts. It can be negative,
    because parts that run alone here may run in parallel in an update.

With `--speed`, the benchmark prints only `[steps/s, peak memory in MB]` of one
turn in this process, with Numba if it is installed.
"""

from collections.abc import Callable
from collections.abc import Sequence
import functools
import json
import resource
import threading
import time
from unittest import mock

from absl import app
from absl import flags
import numpy as np
import tensorflow as tf

from dnc import config as config_lib
from dnc import unroll
from dnc.dsprites import table as table_lib
from dnc.next_sprite import rollouts
from dnc.next_sprite import trainer as trainer_lib
from dnc.next_sprite import training
from dnc.recurrence import compiled
from dnc.recurrence import jit
from dnc.recurrence import numba_scan
from dnc.training import optimizers

_MODELS = flags.DEFINE_list('models', ['a', 'b'], 'Some of a, b.')
_TURNS = flags.DEFINE_integer('turns', 7, 'Turns of each way.', lower_bound=1)
_UPDATES = flags.DEFINE_integer('updates', 5, 'Updates in a turn.')
_DATA_DIR = flags.DEFINE_string('data_dir', None, 'As in train.py.')
_SPEED = flags.DEFINE_bool('speed', False, 'Prints the speed of one turn.')

_SIZES = dict(a=(256, 64), b=(16, 16))
_WAYS = {'without Numba': False, 'with Numba': True}


def _median_seconds(functions: dict[str, Callable]) -> dict[str, np.ndarray]:
  """Calls each function once, then times them in turns: seconds by turn."""
  for function in functions.values():
    function()
  seconds = {name: [] for name in functions}
  for _ in range(_TURNS.value):
    for name, function in functions.items():
      start = time.perf_counter()
      function()
      seconds[name].append(time.perf_counter() - start)
  return {name: np.array(values) for name, values in seconds.items()}


def _config(model: str) -> config_lib.TrainingConfig:
  memory_size, word_size = _SIZES[model]
  return config_lib.TrainingConfig(memory_size=memory_size, word_size=word_size)


def _steps(config: config_lib.TrainingConfig) -> int:
  """Steps of all rollouts in a turn."""
  return _UPDATES.value * config.batch_size * config.segment_length


def _loop(config: config_lib.TrainingConfig, table) -> Callable[[], None]:
  """Makes a function that trains for one turn."""
  trainer = trainer_lib.SpriteTrainer(config, table)
  updates = training.updates(config, table, trainer, threading.Event())

  def train():
    for _ in range(_UPDATES.value):
      next(updates)

  return train


def _gradient(function: Callable, sources: Sequence[tf.Tensor]) -> list:
  """The gradients of the sum of what a function returns."""
  with tf.GradientTape(watch_accessed_variables=False) as tape:
    tape.watch(sources)
    total = tf.add_n([tf.reduce_sum(x) for x in tf.nest.flatten(function())])
  return [x for x in tape.gradient(total, sources) if x is not None]


def _parts(config: config_lib.TrainingConfig, table) -> dict[str, Callable]:
  """Makes a function for each part of an update."""
  spec = rollouts.training_spec(config)
  indices = np.arange(config.batch_size)
  trainer = trainer_lib.SpriteTrainer(config, table)
  predictor = trainer.predictor
  core, variables = predictor.core, predictor.trainable_variables
  batch = rollouts.make_batch(table, spec, indices)
  length = config.segment_length
  segment = rollouts.segment(batch, length, 2 * length)
  inputs = rollouts.model_inputs(segment)
  targets = rollouts.model_targets(segment)
  state = predictor.initial_state(config.batch_size)
  projected, weights = unroll.project_inputs(core, inputs)
  scan = functools.partial(compiled.scan, keep_states=True)
  if numba_scan.can_scan(core):
    scan = numba_scan.scan
  kept = compiled.scan(core, weights, projected, state)[1]
  features = unroll.dnc_features(kept)
  gradients = [tf.fill(v.shape, 1e-4) for v in variables]
  optimizer = optimizers.make('adam', 1e-4, variables)

  def optimize():
    clipped, _ = tf.clip_by_global_norm(gradients, config.max_grad_norm)
    optimizer.apply(clipped, variables)

  in_graph = dict(
    unpack=lambda: [
      rollouts.model_inputs(segment),
      rollouts.model_targets(segment),
    ],
    inputs=lambda: _gradient(
      lambda: unroll.project_inputs(core, inputs, is_sparse=True)[0],
      [core.controller.input_to_hidden],
    ),
    recurrence=lambda: _gradient(
      lambda: scan(core, weights, projected, state)[1][:2],
      [projected, *weights],
    ),
    outputs=lambda: _gradient(
      lambda: predictor.loss(
        tf.reshape(unroll.apply_output_layer(core, features), targets.shape),
        targets,
      ),
      [features, *core.output_linear.trainable_variables],
    ),
    optimizer=optimize,
  )
  graphs = {
    name: tf.function(function, autograph=False)
    for name, function in in_graph.items()
  }
  unpack = graphs.pop('unpack')
  # A batch of rollouts is drawn once for all of its segments.
  drawn = indices[: max(1, len(indices) * length // len(batch.image))]

  def data():
    rollouts.make_batch(table, spec, drawn)
    unpack()

  return dict(data=data, **graphs)


def _measure(model: str, table) -> None:
  """Prints both tables of a model."""
  config = _config(model)
  loops, parts = {}, {}
  for way, is_installed in _WAYS.items():
    with mock.patch.object(jit, 'is_installed', return_value=is_installed):
      loops[way], own = _loop(config, table), _parts(config, table)
      for function in [loops[way], *own.values()]:
        function()  # Traces its graph, with or without Numba.
    parts |= {(way, name): function for name, function in own.items()}
  seconds = _median_seconds(loops)
  plain, fast = seconds.values()
  speeds = [_steps(config) / np.median(x) for x in (plain, fast)]
  print(
    f'| {model.upper()} | {speeds[0]:,.0f} | {speeds[1]:,.0f} '
    f'| {np.median(plain / fast):.2f} |'
  )
  part_seconds = {k: np.median(x) for k, x in _median_seconds(parts).items()}
  names = list(own)
  print(f'\n| {model.upper()}, ms | {" | ".join(names)} | rest | update |')
  print('|---' * (len(names) + 3) + '|')
  for way in _WAYS:
    own = [1e3 * part_seconds[way, name] for name in names]
    update = 1e3 * np.median(seconds[way]) / _UPDATES.value
    cells = [*own, update - sum(own), update]
    print(f'| {way} | {" | ".join(f"{x:.1f}" for x in cells)} |', flush=True)


def _measure_speed(model: str, table) -> None:
  """Prints the speed of a turn after a first one, and the peak memory."""
  config = _config(model)
  train = _loop(config, table)
  train()
  start = time.perf_counter()
  train()
  speed = _steps(config) / (time.perf_counter() - start)
  peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
  print(json.dumps([speed, peak]))


def main(argv: Sequence[str]) -> None:
  """Measures and prints."""
  del argv
  if _SPEED.value:
    table = table_lib.load_table(data_dir=_DATA_DIR.value)
    for model in _MODELS.value:
      _measure_speed(model, table)
    return
  if not jit.is_installed():
    raise app.UsageError("Numba is not installed: pip install -e '.[fast]'")
  table = table_lib.load_table(data_dir=_DATA_DIR.value)
  for model in _MODELS.value:
    print('| steps/s | without Numba | with Numba | ratio |\n|---|---|---|---|')
    _measure(model, table)


if __name__ == '__main__':
  app.run(main)

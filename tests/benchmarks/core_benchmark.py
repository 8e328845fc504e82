"""Times the core: `snt.dynamic_unroll` (the straight port) against `unroll`.

  python -m tests.benchmarks.core_benchmark
  python -m tests.benchmarks.core_benchmark --models=b --lengths=100

In one process, the two in turn, run by run, so that a drift of the machine's
speed meets both; figures are medians. A training step is loss, gradients,
clipping and Adam; hidden 256, 4,101 inputs, 4,096 outputs. The ceiling is what
the counted multiplications of the large and the recurrent matrix products would
take at the rate of a large product measured in the same run. Peak memory is
that of a process of its own.
"""

from collections.abc import Callable
from collections.abc import Sequence
import json
import resource
import subprocess
import sys
import time
from typing import Any

from absl import app
from absl import flags
import numpy as np
import sonnet as snt
import tensorflow as tf

from dnc import dnc
from dnc import optimizers
from dnc import predictor
from dnc import rollouts
from dnc import unroll as unroll_lib

_MODELS = flags.DEFINE_list('models', ['a', 'b'], 'Of a, b.')
_LENGTHS = flags.DEFINE_list('lengths', ['100', '500'], 'Steps of a sequence.')
_BATCH_SIZE = flags.DEFINE_integer('batch_size', 16, 'Sequences in a batch.')
_RUNS = flags.DEFINE_integer('runs', 5, 'Runs of each.', lower_bound=1)
_MEMORY_LENGTHS = flags.DEFINE_list(
  'memory_lengths', ['500'], 'Sequences to train Model A on for peak memory.'
)
_JSON = flags.DEFINE_string('json', None, 'Where to write the figures.')
_PEAK_OF = flags.DEFINE_string(
  'peak_of', None, 'Used by itself: <way>,<length>, trains Model A once.'
)

_SIZES = dict(a=(256, 64), b=(16, 16))
_NUM_READS = 4
_HIDDEN_SIZE = 256
_WAYS = dict(port=snt.dynamic_unroll, unroll=unroll_lib.unroll)


def _core(model: str) -> dnc.DNC:
  memory_size, word_size = _SIZES[model]
  core = dnc.DNC(
    access_config=dict(
      memory_size=memory_size, word_size=word_size, num_reads=_NUM_READS
    ),
    controller_config=dict(hidden_size=_HIDDEN_SIZE),
    output_size=rollouts.NUM_PIXELS,
    clip_value=20.0,
  )
  core(tf.zeros([1, rollouts.INPUT_SIZE]), core.initial_state(1))
  return core


def _data(length: int) -> tuple[tf.Tensor, tf.Tensor]:
  shape = [length, _BATCH_SIZE.value]
  pixels = tf.random.stateless_uniform([*shape, rollouts.NUM_PIXELS], [0, 1])
  targets = tf.cast(pixels < 0.04, tf.float32)
  actions = tf.random.stateless_normal([*shape, 5], [0, 2])
  return tf.concat([targets, actions], axis=2), targets


def _functions(core: dnc.DNC, way: Callable) -> dict[str, Callable]:
  """A training step and a forward pass by one of the ways."""
  optimizer = optimizers.Adam(1e-4)
  variables = core.trainable_variables
  optimizer.apply([tf.zeros_like(v) for v in variables], variables)

  @tf.function
  def train(inputs, targets):
    with tf.GradientTape() as tape:
      logits = way(core, inputs, core.initial_state(inputs.shape[1]))[0]
      loss = tf.reduce_mean(predictor.image_loss(logits, targets))
    gradients, _ = tf.clip_by_global_norm(tape.gradient(loss, variables), 50.0)
    optimizer.apply(gradients, variables)
    return loss

  @tf.function
  def forward(inputs, targets):
    del targets
    return way(core, inputs, core.initial_state(inputs.shape[1]))[0][-1]

  return dict(train=train, forward=forward)


def _seconds(function: Callable, *arguments: Any) -> float:
  start = time.perf_counter()
  function(*arguments).numpy()
  return time.perf_counter() - start


def _multiplications(core: dnc.DNC) -> int:
  """Multiplications of a forward step's products with weights, a sample."""
  return sum(
    v.shape.num_elements()
    for v in core.trainable_variables
    if v.shape.rank == 2
  )


def _multiplications_per_second(runs: int) -> float:
  """The rate of a large product of float32 matrices on this machine."""
  matrix = tf.random.stateless_normal([2048, 2048], [0, 3])
  product = tf.function(lambda: tf.reduce_sum(matrix @ matrix))
  product()
  return 2048**3 / np.median([_seconds(product) for _ in range(runs)])


def _measure(model: str, length: int, rate: float) -> dict[str, Any]:
  """Steps a second of each way, run by run in turn."""
  core = _core(model)
  data = _data(length)
  functions = {way: _functions(core, f) for way, f in _WAYS.items()}
  steps = length * _BATCH_SIZE.value
  found = dict(model=model, length=length, multiplications_per_second=rate)
  # The reverse pass has two products for each of the forward pass.
  for task, products in dict(train=3, forward=1).items():
    first = {w: _seconds(f[task], *data) for w, f in functions.items()}
    seconds = {way: [] for way in functions}
    for _ in range(_RUNS.value):
      for way, by_task in functions.items():
        seconds[way].append(_seconds(by_task[task], *data))
    ratios = np.divide(seconds['port'], seconds['unroll'])
    found[task] = dict(
      steps_per_second={w: steps / np.median(s) for w, s in seconds.items()},
      ratio=float(np.median(ratios)),
      ceiling=rate / (products * _multiplications(core)),
      seconds_to_first_step=first,
    )
  return found


def _peak_memory(way: str, length: int) -> float:
  """Peak resident memory of a process that trains Model A once, in GB."""
  command = [sys.executable, '-m', 'tests.benchmarks.core_benchmark']
  command += [f'--peak_of={way},{length}', f'--batch_size={_BATCH_SIZE.value}']
  output = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
  return float(output.split()[-1])


def _print_peak(way: str, length: int) -> None:
  train = _functions(_core('a'), _WAYS[way])['train']
  for _ in range(2):
    train(*_data(length))
  print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)


def _line(result: dict[str, Any], task: str) -> str:
  found = result[task]
  speeds, first = found['steps_per_second'], found['seconds_to_first_step']
  cells = [
    f'{result["model"].upper()} {task}, T = {result["length"]}',
    f'{speeds["port"]:,.0f}',
    f'{speeds["unroll"]:,.0f}',
    f'{found["ratio"]:.2f}',
    f'{found["ceiling"]:,.0f}',
    f'{first["port"]:.1f}',
    f'{first["unroll"]:.1f}',
  ]
  return f'| {" | ".join(cells)} |'


def main(argv: Sequence[str]) -> None:
  """Measures and prints."""
  del argv
  if _PEAK_OF.value:
    way, length = _PEAK_OF.value.split(',')
    _print_peak(way, int(length))
    return
  rate = _multiplications_per_second(_RUNS.value)
  header = (
    'steps/s | port | unroll | ratio | ceiling | first port, s | unroll, s'
  )
  print(f'| {header} |\n|{"---|" * 7}')
  results = []
  for model in _MODELS.value:
    for length in _LENGTHS.value:
      results.append(_measure(model, int(length), rate))
      for task in ('train', 'forward'):
        print(_line(results[-1], task), flush=True)
  peaks = {
    f'{way}, T = {length}': _peak_memory(way, int(length))
    for length in _MEMORY_LENGTHS.value
    for way in _WAYS
  }
  for name, peak in peaks.items():
    print(f'peak memory, A train, {name}: {peak:.1f} GB', flush=True)
  if _JSON.value:
    with open(_JSON.value, 'w', encoding='utf-8') as file:
      json.dump(dict(speeds=results, peak_memory_gb=peaks), file, indent=2)


if __name__ == '__main__':
  app.run(main)
